//! Labels: list, make, change and delete them; chats by label, labels of a chat.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::writes::{LabelEdit, NewLabel};
use labelwire_domain::label::{Label, PALETTE};
use labelwire_domain::token::Scope;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Call;
use super::error::{Error, ErrorView, UnprocessableView};
use super::view::{ChatView, LabelView, ResultView, chat_id};
use crate::body;
use crate::whole::whole;

/// A session's live labels, by id.
#[utoipa::path(
    get,
    path = "/api/{session}/labels",
    operation_id = "waha_labels_list",
    tag = "labels",
    params(("session" = String, Path, description = "Session name", example = "default")),
    responses(
        (status = 200, body = Vec<LabelView>),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 422, body = UnprocessableView, description = "The labels were never read yet"),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Vec<LabelView>>, Error> {
    let session = call.session(&app, Scope::Read)?;
    let labels = app
        .list_labels(&call.0.caller, call.name())
        .await
        .map_err(|e| Error::from(e).seen(&session))?;
    Ok(Json(views(labels)))
}

/// A label to make or change. One colour at most: `color` or `colorHex`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LabelBody)]
pub(super) struct LabelBody {
    #[schema(
        required,
        value_type = String,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$",
        example = "Lead"
    )]
    name: Option<String>,
    /// Palette index.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 19, example = 1)]
    color: Option<i32>,
    /// A colour of the palette as `#rrggbb`, in either case.
    #[serde(rename = "colorHex")]
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    color_hex: Option<String>,
}

impl LabelBody {
    async fn read(body: Body) -> Result<(String, Option<i32>), Error> {
        let asked: Self = body::json(body).await?;
        let name = asked.name.as_deref().map(str::trim).unwrap_or_default();
        if name.is_empty() {
            return Err(Error::bad("name should not be empty"));
        }
        Ok((name.to_owned(), asked.color()?))
    }

    fn color(&self) -> Result<Option<i32>, Error> {
        let hex = match (self.color, self.color_hex.as_deref().map(str::trim)) {
            (Some(_), Some(_)) => {
                return Err(Error::unprocessable(
                    "Use either 'color' or 'colorHex', not both",
                ));
            }
            (color, None) => return Ok(color),
            (None, Some(hex)) => hex,
        };
        PALETTE
            .iter()
            .position(|known| known.eq_ignore_ascii_case(hex))
            .and_then(|at| i32::try_from(at).ok())
            .map(Some)
            .ok_or_else(|| {
                Error::unprocessable(format!(
                    "Invalid color. Possible colors: {}",
                    PALETTE.join(", ")
                ))
            })
    }
}

/// Says which colours a label's body may hold, which a derived schema cannot.
pub(super) fn describe(document: &mut Value) {
    let hex = PALETTE.map(|color| {
        let digits = color.chars().map(|c| match c {
            '#' | '0'..='9' => c.to_string(),
            _ => format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()),
        });
        digits.collect::<String>()
    });
    let schemas = &mut document["components"]["schemas"];
    let edit = &mut schemas["LabelBody"];
    edit["properties"]["colorHex"]["pattern"] = format!("^({})$", hex.join("|")).into();
    let mut new = edit.clone();
    edit["anyOf"] = json!([
        {"properties": {"color": {"type": "null"}}},
        {"properties": {"colorHex": {"type": "null"}}},
    ]);
    new["description"] = "A label to make. One colour: `color` or `colorHex`.".into();
    new["anyOf"] = json!([
        {"required": ["color"],
         "properties": {"color": {"type": "integer"}, "colorHex": {"type": "null"}}},
        {"required": ["colorHex"],
         "properties": {"color": {"type": "null"}, "colorHex": {"type": "string"}}},
    ]);
    schemas["NewLabelBody"] = new;
    let create = &mut document["paths"]["/api/{session}/labels"]["post"]["requestBody"];
    create["content"]["application/json"]["schema"]["$ref"] =
        "#/components/schemas/NewLabelBody".into();
}

/// Makes a label. Answers once WhatsApp has accepted it.
#[utoipa::path(
    post,
    path = "/api/{session}/labels",
    operation_id = "waha_labels_create",
    tag = "labels",
    params(("session" = String, Path, description = "Session name", example = "default")),
    request_body = LabelBody,
    responses(
        (status = 201, body = LabelView),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 422, body = UnprocessableView, description = "No colour, two colours or none of the palette; a name in use; too many labels; a session that is not working"),
        (status = 502, body = ErrorView, description = "WhatsApp refused; nothing was changed"),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    call: Call,
    body: Body,
) -> Result<(StatusCode, Json<LabelView>), Error> {
    let session = call.session(&app, Scope::Label)?;
    let (name, color) = LabelBody::read(body).await?;
    let color =
        color.ok_or_else(|| Error::unprocessable("Either 'color' or 'colorHex' is required"))?;
    let new = NewLabel {
        name,
        color: Some(color),
    };
    let label = app
        .create_label(&call.0.caller, call.name(), new)
        .await
        .map_err(|e| Error::from(e).seen(&session))?;
    Ok((StatusCode::CREATED, Json(label.into())))
}

/// Renames or recolours a label; without a colour it keeps its own. Answers once
/// WhatsApp has accepted it.
#[utoipa::path(
    put,
    path = "/api/{session}/labels/{labelId}",
    operation_id = "waha_labels_update",
    tag = "labels",
    params(
        ("session" = String, Path, description = "Session name", example = "default"),
        ("labelId" = String, Path, description = "The label's id", example = "1"),
    ),
    request_body = LabelBody,
    responses(
        (status = 200, body = LabelView),
        (status = 404, body = ErrorView, description = "No such session or label"),
        (status = 422, body = UnprocessableView, description = "Two colours or none of the palette; another label's name; a list that cannot be edited; a session that is not working"),
        (status = 502, body = ErrorView, description = "WhatsApp refused; nothing was changed"),
    ),
)]
pub(super) async fn update(
    State(app): State<App>,
    call: Call,
    body: Body,
) -> Result<Json<LabelView>, Error> {
    let session = call.session(&app, Scope::Label)?;
    let (name, color) = LabelBody::read(body).await?;
    let edit = LabelEdit {
        name: Some(name),
        color,
    };
    let label = app
        .edit_label(&call.0.caller, call.name(), call.0.param("labelId"), edit)
        .await
        .map_err(|e| Error::from(e).seen(&session))?;
    Ok(Json(label.into()))
}

/// Deletes a label. Answers once WhatsApp has accepted it.
#[utoipa::path(
    delete,
    path = "/api/{session}/labels/{labelId}",
    operation_id = "waha_labels_delete",
    tag = "labels",
    params(
        ("session" = String, Path, description = "Session name", example = "default"),
        ("labelId" = String, Path, description = "The label's id", example = "1"),
    ),
    responses(
        (status = 200, body = ResultView),
        (status = 404, body = ErrorView, description = "No such session or label"),
        (status = 422, body = UnprocessableView, description = "A list that cannot be edited; a session that is not working"),
        (status = 502, body = ErrorView, description = "WhatsApp refused; nothing was changed"),
    ),
)]
pub(super) async fn remove(State(app): State<App>, call: Call) -> Result<Json<ResultView>, Error> {
    let session = call.session(&app, Scope::Label)?;
    app.delete_label(&call.0.caller, call.name(), call.0.param("labelId"))
        .await
        .map_err(|e| Error::from(e).seen(&session))?;
    Ok(Json(ResultView { result: true }))
}

/// The chats that carry a label, ordered by id; none where there is no such label.
#[utoipa::path(
    get,
    path = "/api/{session}/labels/{labelId}/chats",
    operation_id = "waha_labels_chats",
    tag = "labels",
    params(
        ("session" = String, Path, description = "Session name", example = "default"),
        ("labelId" = String, Path, description = "The label's id", example = "1"),
    ),
    responses(
        (status = 200, body = Vec<ChatView>),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 422, body = UnprocessableView, description = "The labels were never read yet"),
    ),
)]
pub(super) async fn chats(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Vec<ChatView>>, Error> {
    let session = call.session(&app, Scope::Read)?;
    let shown = app
        .chats_of_label(&call.0.caller, call.name(), call.0.param("labelId"))
        .await
        .map_err(|e| Error::from(e).seen(&session))?;
    let mut names = app.names_of(&session, &shown).await?;
    let view = |chat: String| ChatView {
        id: chat_id(&chat),
        name: names.remove(&chat),
    };
    Ok(Json(shown.into_iter().map(view).collect()))
}

/// The labels of one chat, by id, under whichever of its ids it is asked for.
#[utoipa::path(
    get,
    path = "/api/{session}/labels/chats/{chatId}",
    operation_id = "waha_labels_of_chat",
    tag = "labels",
    params(
        ("session" = String, Path, description = "Session name", example = "default"),
        ("chatId" = String, Path, pattern = r"^(\+?[0-9]{5,20}(@(c\.us|s\.whatsapp\.net))?|[0-9]{1,20}@lid|[0-9]{10,20}@newsletter|([0-9]{10,20}|[0-9]{5,20}-[0-9]{5,20})@g\.us)$", description = "`…@c.us`, `…@lid`, `…@g.us`, `…@newsletter`, or a number", example = "5511999999999@c.us"),
    ),
    responses(
        (status = 200, body = Vec<LabelView>),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 422, body = UnprocessableView, description = "The labels were never read yet"),
    ),
)]
pub(super) async fn of_chat(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Vec<LabelView>>, Error> {
    let session = call.session(&app, Scope::Read)?;
    let (_, labels) = app
        .labels_of_chat(&call.0.caller, call.name(), call.0.param("chatId"))
        .await
        .map_err(|e| Error::from(e).seen(&session))?;
    Ok(Json(views(labels)))
}

/// All labels a chat is to have.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SetLabelsRequest)]
pub(super) struct SetLabels {
    /// None of them takes all labels off.
    #[schema(required, value_type = Vec<LabelId>)]
    labels: Option<Vec<LabelId>>,
}

/// A label, by its id.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LabelID)]
pub(super) struct LabelId {
    #[schema(example = "1")]
    id: String,
}

/// Gives a chat exactly these labels, in one step. Answers with an empty body
/// once WhatsApp has accepted it.
#[utoipa::path(
    put,
    path = "/api/{session}/labels/chats/{chatId}",
    operation_id = "waha_labels_set_of_chat",
    tag = "labels",
    params(
        ("session" = String, Path, description = "Session name", example = "default"),
        ("chatId" = String, Path, pattern = r"^(\+?[0-9]{5,20}(@(c\.us|s\.whatsapp\.net))?|[0-9]{1,20}@lid|[0-9]{10,20}@newsletter|([0-9]{10,20}|[0-9]{5,20}-[0-9]{5,20})@g\.us)$", description = "`…@c.us`, `…@lid`, `…@g.us`, `…@newsletter`, or a number", example = "5511999999999@c.us"),
    ),
    request_body = SetLabels,
    responses(
        (status = 200, description = "Done; the body is empty"),
        (status = 404, body = ErrorView, description = "No such session or label"),
        (status = 422, body = UnprocessableView, description = "A session that is not working"),
        (status = 502, body = ErrorView, description = "WhatsApp refused; nothing was changed"),
    ),
)]
pub(super) async fn set_of_chat(
    State(app): State<App>,
    call: Call,
    body: Body,
) -> Result<StatusCode, Error> {
    let session = call.session(&app, Scope::Label)?;
    let asked: SetLabels = body::json(body).await?;
    let labels = asked
        .labels
        .ok_or_else(|| Error::bad("labels must be an array"))?
        .into_iter()
        .map(|label| label.id)
        .collect();
    app.set_labels_of_chat(&call.0.caller, call.name(), call.0.param("chatId"), labels)
        .await
        .map_err(|e| Error::from(e).seen(&session))?;
    Ok(StatusCode::OK)
}

fn views(labels: Vec<Label>) -> Vec<LabelView> {
    labels.into_iter().map(LabelView::from).collect()
}
