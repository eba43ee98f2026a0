//! Labels, which this dialect calls tags: list them, put them on chats, take them off.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use labelwire_app::App;
use labelwire_domain::instance::State as Standing;
use labelwire_domain::token::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Call;
use super::error::{Error, ErrorView};
use super::view::{TagView, TagsView, WrittenView};
use crate::body;

/// An instance's live labels, by id.
#[utoipa::path(
    get,
    path = "/api/chat/tag/{instance}",
    tag = "chat",
    security(("token" = [])),
    params(("instance" = String, Path, description = "Instance name")),
    responses(
        (status = 200, body = TagsView),
        (status = 400, body = ErrorView),
        (status = 401, body = ErrorView),
        (status = 403, body = ErrorView),
        (status = 404, body = ErrorView),
        (status = 503, body = ErrorView),
    ),
)]
pub(super) async fn tags(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<TagsView>, Error> {
    let labels = app.list_labels(&call.caller, call.instance()?).await?;
    let tags: Vec<TagView> = labels.into_iter().map(TagView::from).collect();
    Ok(Json(TagsView {
        success: true,
        message: "Tags retrieved successfully",
        total: tags.len(),
        tags,
    }))
}

/// A label to put on a chat.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct AssignTag {
    /// Digits, `…@s.whatsapp.net`, `…@lid`, `…@g.us` or `…@newsletter`.
    #[schema(required, example = "5511999999999")]
    number: Option<String>,
    /// The label's id.
    #[schema(required, example = "2")]
    #[serde(rename = "tagId")]
    tag_id: Option<String>,
}

/// Puts a label on a chat. Answers once WhatsApp has accepted it.
#[utoipa::path(
    post,
    path = "/api/chat/assignTag/{instance}",
    tag = "chat",
    security(("token" = [])),
    params(("instance" = String, Path, description = "Instance name")),
    request_body = AssignTag,
    responses(
        (status = 200, body = WrittenView),
        (status = 400, body = ErrorView),
        (status = 401, body = ErrorView),
        (status = 403, body = ErrorView),
        (status = 404, body = ErrorView),
        (status = 502, body = ErrorView),
        (status = 503, body = ErrorView),
    ),
)]
pub(super) async fn assign(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<WrittenView>, Error> {
    let name = call.instance()?;
    let handle = app.instance(&call.caller, Scope::Label, name)?;
    let asked: AssignTag = body::json(body).await?;
    let number = given(asked.number.as_deref()).ok_or_else(|| Error::bad("Number is required"))?;
    let tag = given(asked.tag_id.as_deref()).ok_or_else(|| Error::bad("tagId is required"))?;
    online(handle.status().state)?;
    app.set_chat_label(&call.caller, name, tag, number, true)
        .await?;
    Ok(Json(WrittenView {
        success: true,
        message: "Tag assigned successfully",
        tag_id: tag.to_owned(),
    }))
}

/// Takes a label off a chat. Answers once WhatsApp has accepted it.
#[utoipa::path(
    delete,
    path = "/api/chat/assignTag/{instance}",
    tag = "chat",
    security(("token" = [])),
    params(
        ("instance" = String, Path, description = "Instance name"),
        ("number" = String, Query, description = "The chat, in any of its forms"),
        ("tagId" = String, Query, description = "The label's id"),
    ),
    responses(
        (status = 200, body = WrittenView),
        (status = 400, body = ErrorView),
        (status = 401, body = ErrorView),
        (status = 403, body = ErrorView),
        (status = 404, body = ErrorView),
        (status = 502, body = ErrorView),
        (status = 503, body = ErrorView),
    ),
)]
pub(super) async fn unassign(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<WrittenView>, Error> {
    let name = call.instance()?;
    let handle = app.instance(&call.caller, Scope::Label, name)?;
    let number = call
        .query
        .text("number")
        .ok_or_else(|| Error::bad("number query parameter is required"))?;
    let tag = call
        .query
        .text("tagId")
        .ok_or_else(|| Error::bad("tagId query parameter is required"))?;
    online(handle.status().state)?;
    app.set_chat_label(&call.caller, name, tag, number, false)
        .await?;
    Ok(Json(WrittenView {
        success: true,
        message: "Tag removed successfully",
        tag_id: tag.to_owned(),
    }))
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|t| !t.is_empty())
}

/// A write to an account that is offline is refused even where nothing would
/// have to be written (decision 7), and before its label is looked for.
fn online(state: Standing) -> Result<(), Error> {
    match state {
        Standing::Connected => Ok(()),
        _ => Err(Error::not_connected()),
    }
}
