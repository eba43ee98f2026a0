//! Labels: list them, put them on chats, take them off.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_domain::token::Scope;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Call;
use super::error::{Error, ErrorView};
use super::view::{HandledView, LabelView};
use crate::body;

/// An instance's live labels, by id.
#[utoipa::path(
    get,
    path = "/label/findLabels/{instance}",
    operation_id = "evolution_find_labels",
    tag = "label",
    params(("instance" = String, Path, description = "Instance name", example = "shop")),
    responses((status = 200, body = Vec<LabelView>)),
)]
pub(super) async fn find(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Vec<LabelView>>, Error> {
    let labels = app.list_labels(&call.0.caller, call.name()).await?;
    Ok(Json(labels.into_iter().map(LabelView::from).collect()))
}

/// A label to put on a chat, or to take off.
#[derive(Debug, ToSchema)]
#[schema(as = HandleLabel)]
#[expect(dead_code, reason = "describes a body that is checked field by field")]
pub(super) struct HandleLabel {
    /// Digits, `+` and digits, `…@s.whatsapp.net`, `…@c.us`, `…@lid`, `…@g.us`
    /// or `…@newsletter`.
    #[schema(pattern = "\\S", example = "5511999999999")]
    number: String,
    /// The label's id.
    #[schema(rename = "labelId", pattern = "\\S", example = "3")]
    label_id: String,
    action: Action,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = LabelAction, rename_all = "lowercase")]
enum Action {
    /// Put it on.
    Add,
    /// Take it off.
    Remove,
}

/// What a body asks for, or everything that is wrong with it.
fn read(body: &Map<String, Value>) -> Result<(&str, &str, Action), Error> {
    let mut wrong = Vec::new();
    let mut text = |field: &str| match body.get(field) {
        None => {
            wrong.push(format!("instance requires property \"{field}\""));
            ""
        }
        Some(Value::String(text)) if text.trim().is_empty() => {
            wrong.push(format!("The \"{field}\" cannot be empty"));
            ""
        }
        Some(Value::String(text)) => text.trim(),
        Some(_) => {
            wrong.push(format!("{field} is not of a type(s) string"));
            ""
        }
    };
    let (number, label_id, action) = (text("number"), text("labelId"), text("action"));
    let action = match action {
        "remove" => Action::Remove,
        "add" => Action::Add,
        unknown => {
            if !unknown.is_empty() {
                wrong.push("action is not one of enum values: add,remove".to_owned());
            }
            Action::Add
        }
    };
    if wrong.is_empty() {
        Ok((number, label_id, action))
    } else {
        Err(Error::new(StatusCode::BAD_REQUEST, wrong))
    }
}

/// Puts a label on a chat or takes it off. Answers once WhatsApp has accepted it.
#[utoipa::path(
    post,
    path = "/label/handleLabel/{instance}",
    operation_id = "evolution_handle_label",
    tag = "label",
    params(("instance" = String, Path, description = "Instance name", example = "shop")),
    request_body(content = HandleLabel),
    responses(
        (status = 200, body = HandledView),
        (status = 404, body = ErrorView, description = "No such instance, or a number that cannot be on WhatsApp"),
        (status = 502, body = ErrorView, description = "WhatsApp refused; nothing was changed"),
    ),
)]
pub(super) async fn handle(
    State(app): State<App>,
    call: Call,
    body: Body,
) -> Result<Json<HandledView>, Error> {
    call.instance(&app, Scope::Label)?;
    let body: Map<String, Value> = body::json(body).await?;
    let (number, label_id, action) = read(&body)?;
    let add = action == Action::Add;
    let word = if add { "add" } else { "remove" };
    let number_jid = app
        .set_chat_label(&call.0.caller, call.name(), label_id, number, add)
        .await
        .map_err(|e| Error::from(e).while_trying(&format!("Unable to {word} label to chat")))?;
    Ok(Json(HandledView {
        number_jid,
        label_id: label_id.to_owned(),
        add: add.then_some(true),
        remove: (!add).then_some(true),
    }))
}

/// The same by the method of older clients.
#[utoipa::path(
    put,
    path = "/label/handleLabel/{instance}",
    operation_id = "evolution_handle_label_put",
    tag = "label",
    params(("instance" = String, Path, description = "Instance name", example = "shop")),
    request_body(content = HandleLabel),
    responses(
        (status = 200, body = HandledView),
        (status = 404, body = ErrorView, description = "No such instance, or a number that cannot be on WhatsApp"),
        (status = 502, body = ErrorView, description = "WhatsApp refused; nothing was changed"),
    ),
)]
pub(super) async fn handle_put(
    state: State<App>,
    call: Call,
    body: Body,
) -> Result<Json<HandledView>, Error> {
    handle(state, call, body).await
}
