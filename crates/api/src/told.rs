//! What dialects read out of events when they put them into their own words.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Event, Kind};
use labelwire_domain::label::color_hex;
use labelwire_domain::webhook::{Config, Hook};
use serde::Deserialize;
use serde_json::{Value, json};

/// The dialect's names of events, each with what it stands for here. One that stands
/// for nothing is taken in a subscription and never comes.
pub(crate) type Names = [(&'static str, &'static [Kind])];

/// The kinds that these names stand for. Never empty: an empty filter would let
/// everything pass, so nothing but tests is asked for then.
pub(crate) fn kinds(names: &Names, asked: &[String]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = names
        .iter()
        .filter(|(name, _)| asked.iter().any(|a| a == "*" || a == name))
        .flat_map(|(_, kinds)| kinds.iter().copied())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        kinds.push(Kind::WebhookTest);
    }
    kinds
}

/// Whether messages are among these kinds: their text goes along then.
pub(crate) fn wants_messages(kinds: &[Kind]) -> bool {
    kinds.contains(&Kind::MessageReceived)
}

/// The event names a webhook was configured with, as they were given.
pub(crate) fn asked(config: &Config) -> Vec<String> {
    texts(&config.extra["events"])
}

/// The texts of a JSON array.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The first of a dialect's names that stand for this kind and that the webhook asked
/// for.
pub(crate) fn name(names: &Names, hook: &Hook, kind: Kind) -> Option<&'static str> {
    let asked = asked(&hook.config);
    names
        .iter()
        .filter(|(_, kinds)| kinds.contains(&kind))
        .map(|(name, _)| *name)
        .find(|name| asked.iter().any(|a| a == "*" || a == name))
}

/// What all dialects call the test that a caller asks for.
pub(crate) const TEST: &str = "webhook.test";

/// A moment as RFC 3339 with milliseconds, UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

/// People as `…@c.us`, all else as it is.
pub(crate) fn c_us(jid: &str) -> String {
    match jid.strip_suffix("@s.whatsapp.net") {
        Some(number) => format!("{number}@c.us"),
        None => jid.to_owned(),
    }
}

/// The shown name of the chat an event is about; empty where it is about none.
pub(crate) fn chat(event: &Event) -> &str {
    event.chat.as_ref().map_or("", |chat| chat.jid.as_str())
}

/// A label as an event tells of it.
#[derive(Debug, Default)]
pub(crate) struct Label<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// Its name then.
    pub(crate) name: &'a str,
    /// Its palette index then, where it was known.
    pub(crate) color: Option<i32>,
    /// Number of the predefined label it is.
    pub(crate) predefined_id: Option<i64>,
    /// Whether it was deleted by what happened.
    pub(crate) deleted: bool,
}

impl<'a> Label<'a> {
    /// The label an event is about.
    pub(crate) fn of(event: &'a Event) -> Self {
        let Some(label) = &event.label else {
            return Self::default();
        };
        let predefined = event.after.as_ref().map(|after| &after["predefined_id"]);
        Self {
            id: &label.id,
            name: label.name.as_deref().unwrap_or_default(),
            color: label.color,
            predefined_id: predefined.and_then(Value::as_i64),
            deleted: event.kind == Kind::LabelDeleted,
        }
    }
}

/// What is told of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    /// Who wrote it.
    pub(crate) from: String,
    /// Whether the account did.
    pub(crate) from_me: bool,
    /// The name they show of themselves.
    pub(crate) push_name: Option<String>,
    /// `text`, `image`, …
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What it says, where that was asked for.
    pub(crate) text: Option<String>,
    /// What the chat carried then.
    pub(crate) labels: Vec<MessageLabel>,
}

/// A label on a message's chat.
#[derive(Debug, Deserialize)]
pub(crate) struct MessageLabel {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its palette index.
    pub(crate) color: i32,
}

impl Message {
    /// The message an event is about.
    pub(crate) fn of(event: &Event) -> Self {
        Self::deserialize(&event.details).unwrap_or_default()
    }

    /// Whether it is more than a text.
    pub(crate) fn has_media(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "image" | "video" | "audio" | "document" | "sticker"
        )
    }
}

/// Why an instance stands as an event says; empty where nothing is known of it.
pub(crate) fn reason(event: &Event) -> &str {
    event.details["reason"].as_str().unwrap_or_default()
}

/// A label with its colour both ways.
pub(crate) fn colored(id: &str, name: &str, color: i32) -> Value {
    json!({
        "id": id,
        "name": name,
        "color": color,
        "colorHex": color_hex(color).unwrap_or("#000000"),
    })
}

/// A message as those dialects tell it that say `…@c.us`.
pub(crate) fn chat_message(hook: &Hook, event: &Event) -> Value {
    let chat = c_us(chat(event));
    let message = Message::of(event);
    let id = event.message_id.as_deref().unwrap_or_default();
    let labels = message.labels.iter();
    let labels: Vec<Value> = labels.map(|l| colored(&l.id, &l.name, l.color)).collect();
    let is_group = chat.ends_with("@g.us");
    let own = hook.profile.jid.as_deref().map(c_us);
    let (from, to) = match message.from_me {
        true => (own, Some(chat.clone())),
        false => (Some(chat.clone()), own),
    };
    json!({
        "id": format!("{}_{chat}_{id}", message.from_me),
        "timestamp": event.at.as_millis() / 1_000,
        "from": from,
        "to": to,
        "fromMe": message.from_me,
        "source": "app",
        "participant": is_group.then(|| c_us(&message.from)),
        "body": message.text,
        "hasMedia": message.has_media(),
        "type": message.kind,
        // What the chat carried when the message came; not part of the documents.
        "labels": labels,
    })
}
