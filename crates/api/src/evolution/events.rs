//! Events in this dialect's words: the names they are subscribed and told by, their data
//! and the envelope.

use labelwire_domain::event::{Event, Kind};
use labelwire_domain::webhook::{Hook, Told};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::told::{self, Label, Message, Names, moment};

/// The names events are subscribed by; those of things labelwire does not see never
/// come.
pub(super) const NAMES: &Names = &[
    ("APPLICATION_STARTUP", &[]),
    ("QRCODE_UPDATED", &[]),
    ("MESSAGES_SET", &[]),
    ("MESSAGES_UPSERT", &[Kind::MessageReceived]),
    ("MESSAGES_EDITED", &[]),
    ("MESSAGES_UPDATE", &[]),
    ("MESSAGES_DELETE", &[]),
    ("SEND_MESSAGE", &[]),
    ("SEND_MESSAGE_UPDATE", &[]),
    ("CONTACTS_SET", &[]),
    ("CONTACTS_UPSERT", &[]),
    ("CONTACTS_UPDATE", &[]),
    ("PRESENCE_UPDATE", &[]),
    ("CHATS_SET", &[]),
    ("CHATS_UPSERT", &[]),
    ("CHATS_UPDATE", &[]),
    ("CHATS_DELETE", &[]),
    ("GROUPS_UPSERT", &[]),
    ("GROUP_UPDATE", &[]),
    ("GROUP_PARTICIPANTS_UPDATE", &[]),
    (
        "CONNECTION_UPDATE",
        &[
            Kind::InstanceOnline,
            Kind::InstanceConnecting,
            Kind::InstanceOffline,
            Kind::InstanceLoggedOut,
        ],
    ),
    (
        "LABELS_EDIT",
        &[Kind::LabelCreated, Kind::LabelChanged, Kind::LabelDeleted],
    ),
    (
        "LABELS_ASSOCIATION",
        &[Kind::ChatLabeled, Kind::ChatUnlabeled],
    ),
    ("CALL", &[]),
    ("TYPEBOT_START", &[]),
    ("TYPEBOT_CHANGE_STATUS", &[]),
    ("REMOVE_INSTANCE", &[]),
    ("LOGOUT_INSTANCE", &[]),
    ("INSTANCE_CREATE", &[]),
    ("INSTANCE_DELETE", &[]),
    ("STATUS_INSTANCE", &[]),
];

#[derive(Serialize)]
struct Envelope<'a> {
    event: &'a str,
    instance: &'a str,
    data: Value,
    destination: &'a str,
    date_time: String,
    sender: Option<&'a str>,
    server_url: &'a str,
    /// Always null: of keys only hashes are kept.
    apikey: Option<&'a str>,
}

/// The event as a webhook of this dialect is told it; `base_url` is where the gateway
/// is reached, empty where it was not told.
pub(crate) fn tell(hook: &Hook, event: &Event, base_url: &str) -> Option<Told> {
    let name = match event.kind {
        Kind::WebhookTest => told::TEST.to_owned(),
        // `LABELS_EDIT` is told as `labels.edit`.
        kind => told::name(NAMES, hook, kind)?
            .to_ascii_lowercase()
            .replace('_', "."),
    };
    let envelope = Envelope {
        event: &name,
        instance: &event.instance,
        data: data(hook, event),
        destination: &hook.config.url,
        date_time: moment(event.seen_at),
        sender: hook.profile.jid.as_deref(),
        server_url: base_url,
        apikey: None,
    };
    Some(Told {
        body: serde_json::to_string(&envelope).ok()?,
        // In the URL it is `labels-edit`.
        name: name.replace('.', "-"),
    })
}

fn data(hook: &Hook, event: &Event) -> Value {
    let label = Label::of(event);
    match event.kind {
        Kind::MessageReceived => message(hook, event),
        Kind::LabelCreated | Kind::LabelChanged | Kind::LabelDeleted => {
            let mut data = json!({
                "id": label.id,
                "name": label.name,
                "color": label.color.unwrap_or(0),
                "deleted": label.deleted,
                "instance": event.instance,
            });
            if let Some(id) = label.predefined_id {
                data["predefinedId"] = id.to_string().into();
            }
            data
        }
        Kind::ChatLabeled | Kind::ChatUnlabeled => json!({
            "instance": event.instance,
            "type": if event.kind == Kind::ChatLabeled { "add" } else { "remove" },
            "chatId": told::chat(event),
            "labelId": label.id,
        }),
        Kind::WebhookTest => json!({}),
        kind => {
            // The reasons are those of the library behind the original.
            let (state, reason) = match kind {
                Kind::InstanceOnline => ("open", 200),
                Kind::InstanceConnecting => ("connecting", 200),
                Kind::InstanceLoggedOut => ("close", 401),
                _ => ("close", 428),
            };
            let mut data = json!({
                "instance": event.instance,
                "state": state,
                "statusReason": reason,
            });
            if kind == Kind::InstanceOnline {
                data["wuid"] = hook.profile.jid.clone().into();
                data["profileName"] = hook.profile.push_name.clone().into();
            }
            data
        }
    }
}

fn message(hook: &Hook, event: &Event) -> Value {
    let chat = told::chat(event);
    let message = Message::of(event);
    let mut key = json!({
        "remoteJid": chat,
        "fromMe": message.from_me,
        "id": event.message_id,
    });
    if chat.ends_with("@g.us") {
        key["participant"] = message.from.as_str().into();
    }
    let mut content = Map::new();
    if let Some(text) = &message.text {
        content.insert("conversation".to_owned(), text.as_str().into());
    }
    let labels: Vec<Value> = message
        .labels
        .iter()
        .map(|l| json!({"id": l.id, "name": l.name, "color": l.color.to_string()}))
        .collect();
    json!({
        "key": key,
        "pushName": message.push_name,
        "status": if message.from_me { "SERVER_ACK" } else { "DELIVERY_ACK" },
        "message": content,
        "messageType": message_type(&message.kind),
        "messageTimestamp": event.at.as_millis() / 1_000,
        "instanceId": hook.instance_id.as_str(),
        "source": "unknown",
        // What the chat carried when the message came; not part of the documents.
        "labels": labels,
    })
}

/// The field of WhatsApp's message that holds its content.
fn message_type(kind: &str) -> String {
    match kind {
        "text" => "conversation".to_owned(),
        "unknown" => kind.to_owned(),
        other => format!("{other}Message"),
    }
}
