//! Events in this dialect's words: the six names, their data, and the envelope that
//! webhooks and the WebSocket share.

use labelwire_domain::event::{Event, Kind};
use labelwire_domain::webhook::{Hook, Told};
use serde::Serialize;
use serde_json::{Value, json};

use crate::told::{self, Label, Message, Names, moment};

/// All event names; those of things labelwire does not see never come.
pub(super) const NAMES: &Names = &[
    ("message.exchange", &[Kind::MessageReceived]),
    ("message.status", &[]),
    ("call.update", &[]),
    ("group.flow", &[]),
    (
        "instance.state",
        &[
            Kind::InstanceOnline,
            Kind::InstanceConnecting,
            Kind::InstanceOffline,
            Kind::InstanceLoggedOut,
        ],
    ),
    (
        "label.update",
        &[
            Kind::LabelCreated,
            Kind::LabelChanged,
            Kind::LabelDeleted,
            Kind::ChatLabeled,
            Kind::ChatUnlabeled,
        ],
    ),
];

/// All names, for who asks for none in particular.
pub(super) fn all_names() -> Vec<String> {
    NAMES.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    event: &'a str,
    data: Value,
    instance_data: InstanceData<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceData<'a> {
    base_url: &'a str,
    instance: &'a str,
    /// Always empty: of tokens only hashes are kept.
    token: &'a str,
}

/// The event as a webhook of this dialect is told it; `base_url` is where the gateway
/// is reached, empty where it was not told.
pub(crate) fn tell(hook: &Hook, event: &Event, base_url: &str) -> Option<Told> {
    let name = match event.kind {
        Kind::WebhookTest => told::TEST,
        kind => told::name(NAMES, hook, kind)?,
    };
    let envelope = Envelope {
        event: name,
        data: data(event),
        instance_data: InstanceData {
            base_url,
            instance: &event.instance,
            token: "",
        },
    };
    Some(Told {
        name: name.to_owned(),
        body: serde_json::to_string(&envelope).ok()?,
    })
}

fn data(event: &Event) -> Value {
    match event.kind {
        Kind::MessageReceived => message(event),
        kind if kind.is_about_instance() => json!({
            "state": match kind {
                Kind::InstanceOnline => "connected",
                Kind::InstanceConnecting => "connecting",
                Kind::InstanceLoggedOut => "logged_out",
                _ => "disconnected",
            },
            "reason": told::reason(event),
            "at": moment(event.at),
        }),
        Kind::WebhookTest => json!({"at": moment(event.at)}),
        kind => {
            let label = Label::of(event);
            let mut data = json!({
                "type": kind.as_str(),
                "label": {
                    "id": label.id,
                    "name": label.name,
                    "color": label.color.unwrap_or(0),
                    "deleted": label.deleted,
                },
                "origin": event.origin.as_str(),
                "at": moment(event.at),
            });
            if let Some(chat) = &event.chat {
                data["chat_jid"] = chat.jid.as_str().into();
            }
            data
        }
    }
}

fn message(event: &Event) -> Value {
    let chat = told::chat(event);
    let message = Message::of(event);
    let labels: Vec<Value> = message
        .labels
        .iter()
        .map(|l| json!({"id": l.id, "name": l.name, "color": l.color}))
        .collect();
    json!({"message": {
        "id": event.message_id,
        "direction": if message.from_me { "outgoing" } else { "incoming" },
        "timestamp": moment(event.at),
        "type": message.kind,
        "chat": {
            "jid": chat,
            "type": if chat.ends_with("@g.us") { "group" } else { "private" },
        },
        "sender": {"jid": message.from, "name": message.push_name},
        "content": {"text": message.text},
        // What the chat carried when the message came; not part of the documents.
        "labels": labels,
    }})
}
