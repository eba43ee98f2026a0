//! Events in this dialect's words: their names, payloads and envelope.

use labelwire_domain::event::{Event, Kind};
use labelwire_domain::label::color_hex;
use labelwire_domain::webhook::{Hook, Told};
use serde::Serialize;
use serde_json::{Value, json};

use crate::told::{self, Label, Message, Names, c_us};

/// The names of what labelwire sees; other names are taken and never come. The seed
/// documents have another name for `label.chat.deleted`, and who asks by it is told by it.
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
    ("label.chat.removed", &[Kind::ChatUnlabeled]),
];

/// Messages that came in.
const MESSAGE: &str = "message";

#[derive(Serialize)]
struct Envelope<'a> {
    id: &'a str,
    /// Milliseconds.
    timestamp: i64,
    session: &'a str,
    /// The caller's own words; this dialect has no call that sets any.
    metadata: Value,
    engine: &'static str,
    event: &'a str,
    payload: Value,
    me: Value,
}

/// The event as a webhook of this dialect is told it.
pub(crate) fn tell(hook: &Hook, event: &Event) -> Option<Told> {
    let name = name(hook, event)?;
    let profile = &hook.profile;
    let me = profile.jid.as_deref().map(|jid| {
        json!({
            "id": c_us(jid),
            "lid": profile.lid,
            "pushName": profile.push_name,
        })
    });
    let envelope = Envelope {
        id: &event.id,
        timestamp: event.seen_at.as_millis(),
        session: &event.instance,
        metadata: json!({}),
        engine: "LABELWIRE",
        event: name,
        payload: payload(hook, event),
        me: me.unwrap_or_default(),
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
        Kind::LabelCreated | Kind::LabelChanged => json!({"label": {
            "id": label.id,
            "name": label.name,
            "color": label.color.and_then(color_hex).unwrap_or("#000000"),
        }}),
        Kind::LabelDeleted => json!({"labelId": label.id}),
        Kind::ChatLabeled | Kind::ChatUnlabeled => json!({
            "chatId": c_us(told::chat(event)),
            "labelId": label.id,
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
