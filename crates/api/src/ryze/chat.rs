//! Labels, which this dialect calls tags: list, make and delete them, put them on
//! chats and take them off.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use labelwire_app::App;
use labelwire_app::writes::NewLabel;
use labelwire_domain::token::Scope;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::Call;
use super::error::{Error, ErrorView};
use super::view::{OfInstance, TagChangedView, TagView, TagsView, WrittenView};
use crate::body;
use crate::whole::whole;

/// Colours a caller may choose: 0 to this.
const LAST_COLOR: i32 = 10;

/// An instance's live labels, by id.
#[utoipa::path(
    get,
    path = "/api/chat/tag/{instance}",
    tag = "chat",
    params(OfInstance),
    responses(
        (status = 200, description = "The labels", body = TagsView),
        (status = 503, description = "The instance was never paired", body = ErrorView),
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

/// A label to make.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewTag {
    /// Its name; blanks at its ends are cut off.
    #[schema(value_type = String, required, example = "VIP", max_length = 100,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: Option<String>,
    /// Palette index, 0 to 10; 0 where it is left out or another number.
    #[serde(default, deserialize_with = "color")]
    #[schema(value_type = Option<i64>, required = false, example = 5)]
    color: i32,
}

/// The documented silent rule: a whole number outside of 0 to 10 is colour 0.
fn color<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    let color = whole::<_, i64>(from)?.unwrap_or_default();
    let color = i32::try_from(color).unwrap_or_default();
    Ok(if (0..=LAST_COLOR).contains(&color) {
        color
    } else {
        0
    })
}

/// Makes a label. Answers once WhatsApp has accepted it.
#[utoipa::path(
    post,
    path = "/api/chat/tag/{instance}",
    tag = "chat",
    params(OfInstance),
    request_body = NewTag,
    responses(
        (status = 200, description = "The label", body = TagChangedView),
        (status = 409, description = "A label has that name, or there are as many as may be", body = ErrorView),
        (status = 502, description = "WhatsApp refused; nothing was changed", body = ErrorView),
        (status = 503, description = "The instance is not connected, or not synced yet", body = ErrorView),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<TagChangedView>, Error> {
    let name = call.instance()?;
    app.instance(&call.caller, Scope::Label, name)?;
    let asked: NewTag = body::json(body).await?;
    let tag = given(asked.name.as_deref()).ok_or_else(|| Error::bad("Tag name is required"))?;
    let new = NewLabel {
        name: tag.to_owned(),
        color: Some(asked.color),
    };
    let label = app.create_label(&call.caller, name, new).await?;
    Ok(Json(TagChangedView {
        success: true,
        message: "Tag created successfully",
        tag: label.into(),
    }))
}

/// Deletes a label: it is off every chat. Answers once WhatsApp has accepted it.
#[utoipa::path(
    delete,
    path = "/api/chat/tag/{instance}",
    tag = "chat",
    params(
        OfInstance,
        ("tagId" = String, Query, pattern = "\\S", description = "The label's id"),
    ),
    responses(
        (status = 200, description = "It is deleted", body = TagChangedView),
        (status = 409, description = "The phone keeps this list by itself", body = ErrorView),
        (status = 502, description = "WhatsApp refused; nothing was changed", body = ErrorView),
        (status = 503, description = "The instance is not connected, or not synced yet", body = ErrorView),
    ),
)]
pub(super) async fn delete(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<TagChangedView>, Error> {
    let name = call.instance()?;
    app.instance(&call.caller, Scope::Label, name)?;
    let tag = required(&call, "tagId")?;
    app.delete_label(&call.caller, name, tag).await?;
    Ok(Json(TagChangedView {
        success: true,
        message: "Tag deleted successfully",
        tag: TagView::gone(tag.to_owned()),
    }))
}

/// A label to put on a chat.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct AssignTag {
    /// Digits, `…@s.whatsapp.net`, `…@lid`, `…@g.us` or `…@newsletter`.
    #[schema(value_type = String, required, example = "5511999999999",
        pattern = "^(\\+?([ ().-]*[0-9]){5,20}(@s\\.whatsapp\\.net|@c\\.us)?|[0-9]{1,20}@lid|[0-9]{10,20}@(g\\.us|newsletter))$")]
    number: Option<String>,
    /// The label's id.
    #[schema(value_type = String, required, pattern = "\\S", example = "2")]
    #[serde(rename = "tagId")]
    tag_id: Option<String>,
}

/// Puts a label on a chat. Answers once WhatsApp has accepted it.
#[utoipa::path(
    post,
    path = "/api/chat/assignTag/{instance}",
    tag = "chat",
    params(OfInstance),
    request_body = AssignTag,
    responses(
        (status = 200, description = "The chat carries it", body = WrittenView),
        (status = 409, description = "The phone keeps this list by itself", body = ErrorView),
        (status = 502, description = "WhatsApp refused; nothing was changed", body = ErrorView),
        (status = 503, description = "The instance is not connected, or not synced yet", body = ErrorView),
    ),
)]
pub(super) async fn assign(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<WrittenView>, Error> {
    let name = call.instance()?;
    app.instance(&call.caller, Scope::Label, name)?;
    let asked: AssignTag = body::json(body).await?;
    let number = given(asked.number.as_deref()).ok_or_else(|| Error::bad("Number is required"))?;
    let tag = given(asked.tag_id.as_deref()).ok_or_else(|| Error::bad("tagId is required"))?;
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
    params(
        OfInstance,
        ("number" = String, Query, description = "The chat: digits, `…@s.whatsapp.net`, `…@lid`, `…@g.us` or `…@newsletter`",
            pattern = "^(\\+?([ ().-]*[0-9]){5,20}(@s\\.whatsapp\\.net|@c\\.us)?|[0-9]{1,20}@lid|[0-9]{10,20}@(g\\.us|newsletter))$"),
        ("tagId" = String, Query, pattern = "\\S", description = "The label's id"),
    ),
    responses(
        (status = 200, description = "The chat does not carry it", body = WrittenView),
        (status = 409, description = "The phone keeps this list by itself", body = ErrorView),
        (status = 502, description = "WhatsApp refused; nothing was changed", body = ErrorView),
        (status = 503, description = "The instance is not connected, or not synced yet", body = ErrorView),
    ),
)]
pub(super) async fn unassign(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<WrittenView>, Error> {
    let name = call.instance()?;
    app.instance(&call.caller, Scope::Label, name)?;
    let number = required(&call, "number")?;
    let tag = required(&call, "tagId")?;
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

/// A query parameter that must be there.
fn required<'a>(call: &'a crate::call::Call, name: &'static str) -> Result<&'a str, Error> {
    call.query
        .text(name)
        .ok_or_else(|| Error::bad(format!("{name} query parameter is required")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_outside_of_the_palette_is_colour_0() {
        let color = |text: &str| {
            serde_json::from_str::<NewTag>(&format!(r#"{{"name":"x","color":{text}}}"#))
                .map(|tag| tag.color)
                .map_err(|e| e.to_string())
        };
        for (text, index) in [
            ("0", 0),
            ("5", 5),
            ("10", 10),
            ("11", 0),
            ("-1", 0),
            ("5.0", 5),
            ("99999999999999999999999", 0),
            ("4294967297", 0),
            ("null", 0),
        ] {
            assert_eq!(color(text), Ok(index), "{text}");
        }
        for text in ["\"5\"", "1.5", "[]", "true"] {
            assert!(color(text).is_err(), "{text}");
        }
        let none: NewTag = serde_json::from_str("{}").expect("an object");
        assert_eq!(none.color, 0);
    }
}
