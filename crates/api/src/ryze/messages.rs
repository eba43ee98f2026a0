//! Messages: send a text.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use labelwire_app::App;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::token::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Call;
use super::error::{Error, ErrorView};
use super::view::OfInstance;
use crate::body;
use crate::whole::whole;

/// Longest wait before a text is sent: with the longest WhatsApp may take to accept
/// it, an answer still comes before the caller's call ends.
const LONGEST_DELAY_S: u64 = 60;

/// A text to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendText {
    /// Digits, `…@s.whatsapp.net`, `…@lid`, `…@g.us` or `…@newsletter`.
    #[schema(value_type = String, required, example = "5511999999999",
        pattern = "^(\\+?([ ().-]*[0-9]){5,20}(@s\\.whatsapp\\.net|@c\\.us)?|[0-9]{1,20}@lid|[0-9]{10,20}@(g\\.us|newsletter))$")]
    number: Option<String>,
    /// The text.
    #[schema(value_type = String, required, pattern = "\\S", max_length = 65_536)]
    message: Option<String>,
    /// Seconds to wait before it is sent, 0 to 60.
    #[serde(default, deserialize_with = "whole")]
    #[schema(maximum = 60, required = false)]
    delay: Option<u64>,
    /// Taken, without effect: labelwire makes no previews.
    #[serde(rename = "linkPreview")]
    _link_preview: Option<bool>,
    /// Id of the message this one answers.
    #[schema(pattern = "^[!-~]{0,128}$")]
    reply_to: Option<String>,
    /// Taken, without effect: answers go to the chat of `number`.
    #[serde(rename = "replyPrivate")]
    _reply_private: Option<bool>,
    /// Taken, without effect: labelwire mentions nobody.
    #[serde(rename = "mention")]
    _mention: Option<Vec<String>>,
    /// Taken, without effect.
    #[serde(rename = "mentionAll")]
    _mention_all: Option<bool>,
    /// Taken, without effect.
    #[serde(rename = "source")]
    _source: Option<String>,
}

/// A text was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TextSent)]
pub(super) struct SentView {
    success: bool,
    #[schema(example = "Message sent successfully")]
    message: &'static str,
    #[schema(example = "sent")]
    status: &'static str,
    data: MessageView,
}

/// The message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentMessage)]
#[serde(rename_all = "camelCase")]
struct MessageView {
    message_id: String,
    #[schema(example = "outgoing")]
    direction: &'static str,
    chat: PlaceView,
    sender: SenderView,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    reply_to: Option<String>,
}

/// Where it went.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentChat)]
#[serde(rename_all = "camelCase")]
struct PlaceView {
    jid: String,
    /// `private`, `group` or `channel`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// A group's subject, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    group_name: Option<String>,
}

/// Who sent it: the instance's own account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentSender)]
struct SenderView {
    jid: String,
}

/// Sends a text. Answers once WhatsApp has accepted it.
#[utoipa::path(
    post,
    path = "/api/message/text/{instance}",
    tag = "message",
    params(OfInstance),
    request_body = SendText,
    responses(
        (status = 200, description = "WhatsApp has the message", body = SentView),
        (status = 502, description = "WhatsApp refused it", body = ErrorView),
        (status = 503, description = "The instance is not connected", body = ErrorView),
    ),
)]
pub(super) async fn text(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<SentView>, Error> {
    let name = call.instance()?;
    let handle = app.instance(&call.caller, Scope::Send, name)?;
    let asked: SendText = body::json(body).await?;
    let number = some(asked.number.as_deref()).ok_or_else(|| Error::bad("Number is required"))?;
    let message = asked
        .message
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| Error::bad("Message is required"))?;
    let delay = asked.delay.unwrap_or_default();
    if delay > LONGEST_DELAY_S {
        return Err(Error::bad(format!(
            "Delay is invalid: 0 to {LONGEST_DELAY_S} seconds"
        )));
    }
    let reply_to = some(asked.reply_to.as_deref());
    if reply_to.is_some_and(|id| id.len() > 128 || !id.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(Error::bad("replyTo is invalid: write a message's id"));
    }
    // A text to a broadcast list or to the status would go to many.
    ChatJid::parse_labelled(number).map_err(labelwire_app::Error::from)?;
    handle.require_connected()?;
    if delay > 0 {
        tokio::time::sleep(Duration::from_secs(delay)).await;
    }
    let sent = app
        .send_text(&call.caller, name, number, &message, reply_to)
        .await?;
    let kind = match sent.chat.rsplit_once('@') {
        Some((_, "g.us")) => "group",
        Some((_, "newsletter")) => "channel",
        _ => "private",
    };
    let group_name = match kind {
        // The text is out: whatever becomes of its group's name.
        "group" => app
            .contact(&call.caller, name, &sent.chat)
            .await
            .ok()
            .and_then(|group| group.subject),
        _ => None,
    };
    Ok(Json(SentView {
        success: true,
        message: "Message sent successfully",
        status: "sent",
        data: MessageView {
            message_id: sent.id,
            direction: "outgoing",
            chat: PlaceView {
                jid: sent.chat,
                kind,
                group_name,
            },
            sender: SenderView {
                jid: handle.status().profile.jid.unwrap_or_default(),
            },
            reply_to: reply_to.map(str::to_owned),
        },
    }))
}

fn some(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|t| !t.is_empty())
}
