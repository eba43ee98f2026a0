//! Labels on messages.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::chats::Place;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::cursor::{self, Bad};
use super::error::Error;
use super::links::{LinkView, label_id};
use super::problems::{OfChat, OfChatLabel, OfLabel, OfMessage, Once, ReadProblems, WriteProblems};
use super::view::{LabelView, moment};
use crate::refusal::Refusal;

/// Most messages of a page.
const MOST: u32 = 1_000;
/// Messages of a page whose size is not asked for.
const USUAL: u32 = 100;

/// A message's labels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageLabels)]
pub(super) struct MessageLabelsView {
    /// The message's id.
    message: String,
    /// Its live labels, by id.
    labels: Vec<LabelView>,
}

/// A message that carries a label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageView {
    /// Its chat, by phone number where that is known.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    chat: String,
    /// Its id within the chat.
    #[schema(example = "3EB0C767D097B7C7C030")]
    message: String,
    /// When the label was put on it; null where WhatsApp does not say.
    #[schema(required, format = DateTime)]
    labeled_at: Option<String>,
}

/// A page of messages, by chat and id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Messages)]
pub(super) struct MessagesView {
    /// The messages.
    messages: Vec<MessageView>,
    /// Where the next page begins; null behind the last message.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct Page {
    /// Messages of a page.
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the page before; the first page
    /// where it is empty.
    #[param(nullable = false, pattern = "^(c1_[A-Za-z0-9_-]+)?$")]
    cursor: Option<String>,
}

/// The messages that carry a label, by chat and id, in pages.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/labels/{label}/messages",
    operation_id = "listLabelMessages",
    tag = "messages",
    security(("token" = [])),
    params(OfLabel, Page),
    responses((status = 200, body = MessagesView), ReadProblems),
)]
pub(super) async fn of_label(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<MessagesView>, Error> {
    let (name, label) = (call.instance()?, call.param("label"));
    let limit = match call.query.text("limit") {
        None => USUAL,
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| (1..=MOST).contains(n))
            .ok_or(Refusal::Query("limit"))?,
    };
    let question = cursor::hash([name, label, "messages"]);
    let place = call
        .query
        .text("cursor")
        .map(|text| cursor::read(&question, false, text))
        .transpose()
        .map_err(|bad| match bad {
            Bad::Form => Refusal::Query("cursor").into(),
            Bad::Question => Error::new(
                StatusCode::BAD_REQUEST,
                "cursor_mismatch",
                "the cursor belongs to another label or instance",
            ),
        })?;
    // A place is a chat and a message, on a line each.
    let after = place.as_ref().and_then(|place| place.chat.split_once('\n'));
    let mut found = app
        .messages_of_label(&call.caller, name, label, after, limit + 1)
        .await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|last| {
        let place = Place {
            chat: format!("{}\n{}", last.chat, last.message_id),
            time: None,
        };
        cursor::write(&question, &place)
    });
    Ok(Json(MessagesView {
        messages: found
            .into_iter()
            .map(|message| MessageView {
                chat: message.chat,
                message: message.message_id,
                labeled_at: moment(message.changed_at),
            })
            .collect(),
        next_cursor,
    }))
}

/// The labels of one message, under whichever of its chat's ids it is asked for.
///
/// A message nothing is known of has an empty list.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/chats/{jid}/messages/{message}/labels",
    operation_id = "getMessageLabels",
    tag = "messages",
    security(("token" = [])),
    params(OfChat, OfMessage),
    responses((status = 200, body = MessageLabelsView), ReadProblems),
)]
pub(super) async fn of_message(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<MessageLabelsView>, Error> {
    let (name, message) = (call.instance()?, call.param("message"));
    let labels = app
        .labels_of_message(&call.caller, name, call.param("jid"), message)
        .await?;
    Ok(Json(MessageLabelsView {
        message: message.to_owned(),
        labels: labels.into_iter().map(LabelView::from).collect(),
    }))
}

async fn link(app: &App, call: &Call, labeled: bool) -> Result<Json<LinkView>, Error> {
    let Call(call) = call;
    let (caller, name) = (&call.caller, call.instance()?);
    let label = label_id(app, call).await?;
    let message = call.param("message");
    let chat = app
        .set_message_label(caller, name, &label, call.param("jid"), message, labeled)
        .await?;
    Ok(Json(LinkView {
        chat,
        message: Some(message.to_owned()),
        label,
        labeled,
    }))
}

/// Puts a label on a message.
#[utoipa::path(
    put,
    path = "/v1/instances/{instance}/chats/{jid}/messages/{message}/labels/{label}",
    operation_id = "putMessageLabel",
    tag = "messages",
    security(("token" = [])),
    params(OfChat, OfMessage, OfChatLabel, Once),
    responses((status = 200, body = LinkView), WriteProblems),
)]
pub(super) async fn put(State(app): State<App>, call: Call) -> Result<Json<LinkView>, Error> {
    link(&app, &call, true).await
}

/// Takes a label off a message.
#[utoipa::path(
    delete,
    path = "/v1/instances/{instance}/chats/{jid}/messages/{message}/labels/{label}",
    operation_id = "deleteMessageLabel",
    tag = "messages",
    security(("token" = [])),
    params(OfChat, OfMessage, OfChatLabel, Once),
    responses((status = 200, body = LinkView), WriteProblems),
)]
pub(super) async fn take_off(State(app): State<App>, call: Call) -> Result<Json<LinkView>, Error> {
    link(&app, &call, false).await
}
