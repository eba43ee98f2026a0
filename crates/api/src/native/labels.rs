//! Labels of a chat.

use axum::Json;
use axum::extract::State;
use labelwire_app::App;
use labelwire_domain::label::{Label, PALETTE};
use serde::Serialize;
use utoipa::ToSchema;

use super::Call;
use super::error::{Error, Problem};

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Label)]
pub(super) struct LabelView {
    /// WhatsApp's id, a decimal number as text.
    #[schema(example = "1")]
    id: String,
    /// Name as on the phone.
    #[schema(example = "Important")]
    name: String,
    /// Index into WhatsApp's palette, 0 to 19.
    color: i32,
    /// The same colour as `#rrggbb`; null where the palette has none.
    #[schema(example = "#ff9485")]
    color_hex: Option<&'static str>,
    /// `CUSTOM`, `PREDEFINED`, or WhatsApp's name of another sort of list.
    #[serde(rename = "type")]
    kind: String,
}

impl From<Label> for LabelView {
    fn from(label: Label) -> Self {
        Self {
            color_hex: usize::try_from(label.color)
                .ok()
                .and_then(|at| PALETTE.get(at).copied()),
            kind: label.type_name(),
            id: label.id,
            name: label.name,
            color: label.color,
        }
    }
}

/// A chat's labels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatLabels)]
pub(super) struct ChatLabelsView {
    /// The chat, by phone number where that is known.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    chat: String,
    /// Its live labels, by id.
    labels: Vec<LabelView>,
}

/// The labels of one chat, under whichever of its ids it is asked for.
///
/// A chat that carries no label, or that nobody knows, has an empty list.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/chats/{jid}/labels",
    tag = "labels",
    security(("token" = [])),
    params(
        ("instance" = String, Path, description = "Instance name"),
        ("jid" = String, Path, description = "Digits, `…@s.whatsapp.net`, `…@lid`, `…@g.us` or `…@newsletter`"),
    ),
    responses(
        (status = 200, body = ChatLabelsView),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`instance_name_required`, `path_invalid`, `invalid_chat`"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`token_missing`, `invalid_token`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`instance_mismatch`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`instance_not_found`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "`instance_never_synced`"),
    ),
)]
pub(super) async fn of_chat(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<ChatLabelsView>, Error> {
    let (chat, labels) = app
        .labels_of_chat(&call.caller, call.instance()?, call.param("jid"))
        .await?;
    Ok(Json(ChatLabelsView {
        chat,
        labels: labels.into_iter().map(LabelView::from).collect(),
    }))
}
