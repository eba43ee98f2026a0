//! Events in this dialect's words: their names, payloads and the envelope that webhooks
//! and the WebSocket share.

use labelwire_domain::event::{Event, Kind};
use labelwire_domain::webhook::{Hook, Told};
use serde::Serialize;
use serde_json::{Value, json};

use super::server::environment;
use crate::told::{self, Label, Message, Names, c_us};

/// The names of what labelwire sees; other names are taken and never come. Where both
/// `message` and `message.any` are asked for, what came in is told as the first and what
/// went out as the second, each once.
pub(super) const NAMES: &Names = &[
    (MESSAGE, &[Kind::MessageReceived]),
    ("message.any", &[Kind::MessageReceived]),
    (
        "session.status",
        &[
            Kind::InstanceOnline,
            Kind::InstanceConnecting,
            Kind::InstanceOffline,
            Kind::InstanceLoggedOut,
        ],
    ),
    ("label.upsert", &[Kind::LabelCreated, Kind::LabelChanged]),
    ("label.deleted", &[Kind::LabelDeleted]),
    ("label.chat.added", &[Kind::ChatLabeled]),
    ("label.chat.deleted", &[Kind::ChatUnlabeled]),
];

/// Messages that came in.
const MESSAGE: &str = "message";

#[derive(Serialize)]
struct Envelope<'a> {
    id: &'a str,
    /// Milliseconds.
    timestamp: i64,
    event: &'a str,
    session: &'a str,
    metadata: &'a Value,
    me: Value,
    payload: Value,
    engine: &'static str,
    environment: Value,
}

/// The event as a webhook of this dialect is told it.
pub(crate) fn tell(hook: &Hook, event: &Event) -> Option<Told> {
    let name = name(hook, event)?;
    let profile = &hook.profile;
    let me = profile.jid.as_deref().map(|jid| {
        json!({
            "id": c_us(jid),
            "lid": profile.lid,
            "jid": jid,
            "pushName": profile.push_name,
        })
    });
    let none = json!({});
    let metadata = &hook.config.extra["metadata"];
    let envelope = Envelope {
        id: &event.id,
        timestamp: event.seen_at.as_millis(),
        event: name,
        session: &event.instance,
        metadata: if metadata.is_object() {
            metadata
        } else {
            &none
        },
        me: me.unwrap_or_default(),
        payload: payload(hook, event),
        engine: "LABELWIRE",
        environment: environment(),
    };
    Some(Told {
        name: name.to_owned(),
        body: serde_json::to_string(&envelope).ok()?,
    })
}

fn name(hook: &Hook, event: &Event) -> Option<&'static str> {
    if event.kind == Kind::WebhookTest {
        return Some(told::TEST);
    }
    let name = told::name(NAMES, hook, event.kind)?;
    if name == MESSAGE && Message::of(event).from_me {
        let asked = told::asked(&hook.config);
        let any = "message.any";
        return asked.iter().any(|a| a == "*" || a == any).then_some(any);
    }
    Some(name)
}

fn payload(hook: &Hook, event: &Event) -> Value {
    let label = Label::of(event);
    match event.kind {
        Kind::MessageReceived => told::chat_message(hook, event),
        Kind::LabelCreated | Kind::LabelChanged | Kind::LabelDeleted => shape(&label),
        Kind::ChatLabeled | Kind::ChatUnlabeled => json!({
            "labelId": label.id,
            "chatId": c_us(told::chat(event)),
            // Null where the label is not known, as just after pairing.
            "label": label.color.map(|_| shape(&label)),
        }),
        Kind::WebhookTest => json!({}),
        kind => {
            let status = match kind {
                Kind::InstanceOnline => "WORKING",
                Kind::InstanceConnecting => "STARTING",
                Kind::InstanceLoggedOut => "FAILED",
                _ => "STOPPED",
            };
            json!({
                "name": event.instance,
                "status": status,
                "statuses": [{"status": status, "timestamp": event.at.as_millis()}],
            })
        }
    }
}

fn shape(label: &Label<'_>) -> Value {
    told::colored(label.id, label.name, label.color.unwrap_or(0))
}
