//! Labels, and the chats that carry them.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::writes::{LabelEdit, NewLabel};
use labelwire_domain::label::{PALETTE, parse_color};
use labelwire_domain::token::Scope;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ListShape;
use super::call::{Call, Said};
use super::error::Error;
use super::view::{ChatView, DoneView, LabelView, List, chat_id};

/// A palette index or colour.
#[derive(Debug, ToSchema)]
#[schema(as = Color)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what `color` reads")]
enum Color {
    /// Palette index.
    Index(i32),
    /// The index as text, or a colour of the palette as `#rrggbb` in either case.
    Text(String),
}

/// A label to make.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct NewLabelBody {
    #[schema(example = "New Customer")]
    name: String,
    /// The first colour no label has, where it is left out.
    color: Option<Color>,
}

/// What to change of a label; at least one of both.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct LabelEditBody {
    #[schema(example = "Very Urgent")]
    name: Option<String>,
    color: Option<Color>,
}

/// All labels a chat is to carry.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct ChatLabelsBody {
    /// None takes all labels off.
    labels: Vec<LabelRef>,
}

/// A label by its id.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct LabelRef {
    #[schema(example = "1")]
    id: String,
}

/// All labels.
#[utoipa::path(
    get,
    path = "/v2/labels",
    tag = "labels",
    responses((status = 200, body = Vec<LabelView>)),
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(shape): Extension<ListShape>,
    call: Call,
) -> Result<Json<List<LabelView>>, Error> {
    let name = call.instance(&app)?;
    let labels = app.list_labels(&call.caller, &name).await?;
    let views = labels.into_iter().map(LabelView::from).collect();
    Ok(Json(List(shape, views)))
}

/// One label.
#[utoipa::path(
    get,
    path = "/v2/labels/{id}",
    tag = "labels",
    params(("id" = String, Path, description = "The label's id")),
    responses((status = 200, body = LabelView)),
)]
pub(super) async fn get(State(app): State<App>, call: Call) -> Result<Json<LabelView>, Error> {
    let name = call.instance(&app)?;
    let label = app.label(&call.caller, &name, &call.label()?).await?;
    Ok(Json(label.into()))
}

/// Makes a label. Answers once WhatsApp has accepted it.
#[utoipa::path(
    post,
    path = "/v2/labels",
    tag = "labels",
    request_body = NewLabelBody,
    responses((status = 201, body = LabelView)),
)]
pub(super) async fn create(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<LabelView>), Error> {
    let name = call.instance(&app)?;
    let new = NewLabel {
        name: label_name(&call.said)?.ok_or_else(|| Error::parameter("`name` is required"))?,
        color: color(&call.said)?,
    };
    let label = app.create_label(&call.caller, &name, new).await?;
    Ok((StatusCode::CREATED, Json(label.into())))
}

/// Renames or recolours a label; what is left out stays. Answers once WhatsApp has
/// accepted it.
#[utoipa::path(
    put,
    path = "/v2/labels/{id}",
    tag = "labels",
    params(("id" = String, Path, description = "The label's id")),
    request_body = LabelEditBody,
    responses((status = 200, body = LabelView)),
)]
pub(super) async fn update(State(app): State<App>, call: Call) -> Result<Json<LabelView>, Error> {
    let name = call.instance(&app)?;
    let id = call.label()?;
    let edit = LabelEdit {
        name: label_name(&call.said)?,
        color: color(&call.said)?,
    };
    if edit == LabelEdit::default() {
        return Err(Error::parameter("`name`, `color` or both are required"));
    }
    let label = app.edit_label(&call.caller, &name, &id, edit).await?;
    Ok(Json(label.into()))
}

/// Deletes a label for good; no chat carries it any more. Answers once WhatsApp
/// has accepted it.
#[utoipa::path(
    delete,
    path = "/v2/labels/{id}",
    tag = "labels",
    params(("id" = String, Path, description = "The label's id")),
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn delete(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    let name = call.instance(&app)?;
    app.delete_label(&call.caller, &name, &call.label()?)
        .await?;
    Ok(Json(DoneView::DONE))
}

/// The chats that carry a label, all of them; none for an unknown or deleted label.
#[utoipa::path(
    get,
    path = "/v2/labels/{id}/chats",
    tag = "labels",
    params(("id" = String, Path, description = "The label's id")),
    responses((status = 200, body = Vec<ChatView>)),
)]
pub(super) async fn chats(
    State(app): State<App>,
    Extension(shape): Extension<ListShape>,
    call: Call,
) -> Result<Json<List<ChatView>>, Error> {
    let name = call.instance(&app)?;
    let chats = app
        .chats_of_label(&call.caller, &name, &call.label()?)
        .await?;
    let handle = app.instance(&call.caller, Scope::Read, &name)?;
    let mut names = app.names_of(&handle, &chats).await?;
    let views = chats
        .into_iter()
        .map(|chat| ChatView {
            name: names.remove(&chat),
            id: chat_id(&chat),
        })
        .collect();
    Ok(Json(List(shape, views)))
}

/// The labels of a chat.
#[utoipa::path(
    get,
    path = "/v2/labels/chats/{chatId}",
    tag = "labels",
    params(("chatId" = String, Path, description = "The chat, in any of its forms", example = "123456789@c.us")),
    responses((status = 200, body = Vec<LabelView>)),
)]
pub(super) async fn of_chat(
    State(app): State<App>,
    Extension(shape): Extension<ListShape>,
    call: Call,
) -> Result<Json<List<LabelView>>, Error> {
    let name = call.instance(&app)?;
    let (_, labels) = app
        .labels_of_chat(&call.caller, &name, &call.chat()?)
        .await?;
    let views = labels.into_iter().map(LabelView::from).collect();
    Ok(Json(List(shape, views)))
}

/// Makes a chat carry exactly these labels. Answers once WhatsApp has accepted it.
#[utoipa::path(
    put,
    path = "/v2/labels/chats/{chatId}",
    tag = "labels",
    params(("chatId" = String, Path, description = "The chat, in any of its forms", example = "123456789@c.us")),
    request_body = ChatLabelsBody,
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn set_of_chat(
    State(app): State<App>,
    call: Call,
) -> Result<Json<DoneView>, Error> {
    let name = call.instance(&app)?;
    let chat = call.chat()?;
    let labels = label_refs(&call.said)?;
    app.set_labels_of_chat(&call.caller, &name, &chat, labels)
        .await?;
    Ok(Json(DoneView::DONE))
}

/// Puts a label on a chat. Answers once WhatsApp has accepted it.
#[utoipa::path(
    method(put, post),
    path = "/v2/labels/{id}/chats/{chatId}",
    tag = "labels",
    params(
        ("id" = String, Path, description = "The label's id"),
        ("chatId" = String, Path, description = "The chat, in any of its forms", example = "123456789@c.us"),
    ),
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn link(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    set(&app, &call, true).await
}

/// Takes a label off a chat. Answers once WhatsApp has accepted it.
#[utoipa::path(
    delete,
    path = "/v2/labels/{id}/chats/{chatId}",
    tag = "labels",
    params(
        ("id" = String, Path, description = "The label's id"),
        ("chatId" = String, Path, description = "The chat, in any of its forms", example = "123456789@c.us"),
    ),
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn unlink(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    set(&app, &call, false).await
}

async fn set(app: &App, call: &Call, labeled: bool) -> Result<Json<DoneView>, Error> {
    let name = call.instance(app)?;
    let (label, chat) = (call.label()?, call.chat()?);
    app.set_chat_label(&call.caller, &name, &label, &chat, labeled)
        .await?;
    Ok(Json(DoneView::DONE))
}

fn label_name(said: &Said) -> Result<Option<String>, Error> {
    let Some(name) = said.even_blank(&["name"])? else {
        return Ok(None);
    };
    // Cut off with the blanks at its ends, a line break would be lost in silence.
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err(Error::parameter(
            "`name` must have a character that is no blank, and no control characters",
        ));
    }
    Ok(Some(name.to_owned()))
}

fn color(said: &Said) -> Result<Option<i32>, Error> {
    let text = match said.value(&["color", "colorHex"])? {
        None => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        // A whole number may be written `3.0`.
        Some(Value::Number(number)) => number
            .as_f64()
            // Without the sign of `-0.0`.
            .map(|n| (n + 0.0).to_string())
            .unwrap_or_default(),
        Some(other) => other.to_string(),
    };
    match parse_color(&text) {
        Some(color) => Ok(Some(color)),
        None => Err(Error::parameter(format!(
            "`color` must be an index from 0 to 19 or one of {}",
            PALETTE.join(", ")
        ))),
    }
}

/// `labels`, as JSON; in a query or form, as JSON in text.
fn label_refs(said: &Said) -> Result<Vec<String>, Error> {
    let why = || Error::parameter(r#"`labels` must be a list like [{"id":"1"}]"#);
    let labels = match said.value(&["labels"])? {
        None => return Err(Error::parameter("`labels` is required")),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| why())?,
        Some(value) => value.clone(),
    };
    let refs: Vec<LabelRef> = serde_json::from_value(labels).map_err(|_| why())?;
    Ok(refs.into_iter().map(|r| r.id.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(color_said: Value) -> Result<Option<i32>, ()> {
        color(&Said::of([("color", color_said)])).map_err(drop)
    }

    #[test]
    fn a_color_is_an_index_or_a_color_of_the_palette() {
        for (said, index) in [
            (json!(0), 0),
            (json!(19), 19),
            (json!(7.0), 7),
            (json!("0"), 0),
            (json!(" 19 "), 19),
            (json!("#FF9485"), 0),
            (json!("#9368cf"), 19),
        ] {
            assert_eq!(read(said.clone()), Ok(Some(index)), "{said}");
        }
        assert_eq!(read(Value::Null), Ok(None));
        for said in [
            json!(20),
            json!(-1),
            json!(1.5),
            json!("20"),
            json!("red"),
            json!(" "),
            json!("#000000"),
            json!(true),
            json!([1]),
            json!({}),
        ] {
            assert_eq!(read(said.clone()), Err(()), "{said}");
        }
    }

    #[test]
    fn a_list_of_labels_may_be_text() {
        let read = |said: Value| label_refs(&Said::of([("labels", said)])).map_err(drop);
        assert_eq!(
            read(json!([{"id": "1"}, {"id": " 2 "}])),
            Ok(vec!["1".into(), "2".into()])
        );
        assert_eq!(read(json!(r#"[{"id":"1"}]"#)), Ok(vec!["1".into()]));
        assert_eq!(read(json!([])), Ok(vec![]));
        for said in [
            json!(null),
            json!("1"),
            json!(["1"]),
            json!([{"id": 1}]),
            json!([{}]),
        ] {
            assert_eq!(read(said.clone()), Err(()), "{said}");
        }
    }
}
