//! Contacts, and texts to them.

use axum::Json;
use axum::extract::State;
use labelwire_app::App;
use labelwire_domain::token::Scope;
use utoipa::ToSchema;

use super::call::Call;
use super::error::Error;
use super::view::{ContactView, SentView};

/// Characters a text may have (`wawp.md` B8).
const LONGEST_TEXT: usize = 4_096;

/// A text to send.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct TextBody {
    /// The chat, in any of its forms.
    #[schema(example = "123456789@c.us")]
    chat_id: String,
    #[schema(example = "Hello")]
    message: String,
    /// The message this answers: its id, or `false_<chat>_<id>`.
    #[schema(rename = "reply_to")]
    reply_to: Option<String>,
}

/// One contact and its names. A contact nobody knows has none.
#[utoipa::path(
    get,
    path = "/v2/contacts",
    tag = "contacts",
    params(("contactId" = String, Query, description = "The contact, in any of its forms", example = "123456789@c.us")),
    responses((status = 200, body = ContactView)),
)]
pub(super) async fn contact(
    State(app): State<App>,
    call: Call,
) -> Result<Json<ContactView>, Error> {
    let name = call.instance(&app)?;
    let id = call.said.required(&["contactId"])?;
    let contact = app.contact(&call.caller, &name, &id).await?;
    let handle = app.instance(&call.caller, Scope::Read, &name)?;
    Ok(Json(ContactView::new(contact, &handle.status().profile)))
}

/// Sends a text. Answers once WhatsApp has accepted it.
#[utoipa::path(
    method(post, get),
    path = "/v2/send/text",
    tag = "messages",
    request_body = TextBody,
    responses((status = 200, body = SentView)),
)]
pub(super) async fn send_text(State(app): State<App>, call: Call) -> Result<Json<SentView>, Error> {
    let name = call.instance(&app)?;
    let chat = call.chat()?;
    let text = call
        .said
        .exact(&["message"])?
        .ok_or_else(|| Error::parameter("`message` is required"))?;
    if text.chars().count() > LONGEST_TEXT {
        return Err(Error::parameter(format!(
            "`message` must have at most {LONGEST_TEXT} characters"
        )));
    }
    let reply_to = call.said.text(&["reply_to"])?;
    let sent = app
        .send_text(&call.caller, &name, &chat, text, reply_to.as_deref())
        .await?;
    Ok(Json(sent.into()))
}
