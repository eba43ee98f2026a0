//! An event as the native API tells it: on pages, streams and webhooks alike.

use labelwire_domain::event::{Event, EventChat, EventLabel, Kind, Origin};
use labelwire_domain::webhook::{Hook, Told};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::view::moment;

/// A chat by all its ids, as they were known when it happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventChat)]
pub(super) struct EventChatView {
    /// The name it is shown under: its phone number's JID where that was known.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    jid: String,
    /// Its hidden id, where that was known.
    #[schema(required, example = "77777777777777@lid")]
    lid: Option<String>,
    /// The key WhatsApp keeps the record under; one of the two.
    key: String,
}

impl From<&EventChat> for EventChatView {
    fn from(chat: &EventChat) -> Self {
        Self {
            jid: chat.jid.clone(),
            lid: chat.lid.clone(),
            key: chat.key.clone(),
        }
    }
}

/// A label as it was when it happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventLabel)]
pub(super) struct EventLabelView {
    /// Its id.
    #[schema(example = "1")]
    id: String,
    /// Its name then.
    #[schema(required, example = "Important")]
    name: Option<String>,
    /// Its palette index then.
    #[schema(required)]
    color: Option<i32>,
}

impl From<&EventLabel> for EventLabelView {
    fn from(label: &EventLabel) -> Self {
        Self {
            id: label.id.clone(),
            name: label.name.clone(),
            color: label.color,
        }
    }
}

/// Every kind of event, for documents.
pub(super) fn kinds() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Kind::ALL.iter().map(|kind| kind.as_str())))
        .description(Some("What happened"))
        .into()
}

fn origins() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Origin::ALL.iter().map(|origin| origin.as_str())))
        .description(Some(
            "Where it came from: the phone, another linked device where WhatsApp tells it, a call, \
             a rule or a job of this gateway, or a sync that compared and found it",
        ))
        .into()
}

/// Something that happened to an instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventView {
    /// The same wherever and however often it is told.
    #[schema(example = "evt_01jy0000000000000000000000")]
    id: String,
    /// Its place in the log, growing; null for what is told and not kept.
    #[schema(required)]
    seq: Option<i64>,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(schema_with = kinds)]
    kind: Kind,
    /// The instance's name.
    #[schema(example = "shop")]
    instance: String,
    /// When on WhatsApp.
    #[schema(required, format = DateTime)]
    at: Option<String>,
    /// When it was seen here.
    #[schema(required, format = DateTime)]
    seen_at: Option<String>,
    /// The chat, where it is about one.
    #[schema(required)]
    chat: Option<EventChatView>,
    /// The label, where it is about one.
    #[schema(required)]
    label: Option<EventLabelView>,
    /// The message, where it is about one.
    #[schema(required)]
    message_id: Option<String>,
    /// What was so before: a label's fields, the order's ids, whether it was labelled.
    #[schema(required)]
    before: Option<Value>,
    /// What is so since, in the same shape.
    #[schema(required)]
    after: Option<Value>,
    /// Where it came from.
    #[schema(schema_with = origins)]
    origin: Origin,
    /// Who asked for it, where somebody did through this gateway.
    #[schema(required, example = "token:tok_01jy0000000000000000000000")]
    actor: Option<String>,
    /// The command behind it.
    #[schema(required, example = "cmd_01jy0000000000000000000000")]
    cause: Option<String>,
    /// The request behind it.
    #[schema(required)]
    request_id: Option<String>,
    /// Whether it is part of a first sync, told because the reader asked for it.
    initial: bool,
    /// What else there is to say, by kind.
    #[schema(value_type = Object)]
    details: Value,
}

impl From<&Event> for EventView {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            seq: event.seq,
            kind: event.kind,
            instance: event.instance.clone(),
            at: moment(event.at),
            seen_at: moment(event.seen_at),
            chat: event.chat.as_ref().map(EventChatView::from),
            label: event.label.as_ref().map(EventLabelView::from),
            message_id: event.message_id.clone(),
            before: event.before.clone(),
            after: event.after.clone(),
            origin: event.origin,
            actor: event.actor.clone(),
            cause: event.cause.clone(),
            request_id: event.request_id.clone(),
            initial: event.initial,
            details: event.details.clone(),
        }
    }
}

/// What a webhook's body is: an event by the form of Standard Webhooks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookBody)]
pub(super) struct BodyView {
    /// What happened; the same word as `data.type`.
    #[serde(rename = "type")]
    #[schema(schema_with = kinds)]
    kind: Kind,
    /// When it was seen here.
    #[schema(required, format = DateTime)]
    timestamp: Option<String>,
    /// The event.
    data: EventView,
}

/// The event as a webhook of this API is told it.
pub(crate) fn tell(_: &Hook, event: &Event) -> Option<Told> {
    let body = BodyView {
        kind: event.kind,
        timestamp: moment(event.seen_at),
        data: event.into(),
    };
    Some(Told {
        name: event.kind.as_str().to_owned(),
        body: serde_json::to_string(&body).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use labelwire_domain::clock::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_told_whole() {
        let event = Event {
            id: "evt_1".into(),
            seq: Some(7),
            kind: Kind::ChatLabeled,
            instance: "shop".into(),
            at: Timestamp::from_millis(1_750_000_000_123),
            seen_at: Timestamp::from_millis(1_750_000_000_223),
            origin: Origin::Phone,
            actor: None,
            cause: None,
            request_id: None,
            chat: Some(EventChat {
                jid: "5511999999999@s.whatsapp.net".into(),
                lid: Some("7@lid".into()),
                key: "7@lid".into(),
            }),
            label: Some(EventLabel {
                id: "1".into(),
                name: Some("VIP".into()),
                color: Some(3),
            }),
            message_id: None,
            before: Some(json!({ "labeled": false })),
            after: Some(json!({ "labeled": true })),
            details: json!({}),
            initial: false,
        };
        let view = serde_json::to_value(EventView::from(&event)).expect("JSON");
        assert_eq!(
            view,
            json!({
                "id": "evt_1", "seq": 7, "type": "chat.labeled", "instance": "shop",
                "at": "2025-06-15T15:06:40.123Z", "seen_at": "2025-06-15T15:06:40.223Z",
                "chat": { "jid": "5511999999999@s.whatsapp.net", "lid": "7@lid", "key": "7@lid" },
                "label": { "id": "1", "name": "VIP", "color": 3 },
                "message_id": null,
                "before": { "labeled": false }, "after": { "labeled": true },
                "origin": "phone", "actor": null, "cause": null, "request_id": null,
                "initial": false, "details": {},
            })
        );
    }
}
