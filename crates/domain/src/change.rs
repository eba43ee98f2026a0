//! Records of app state, and what they change in the mirror.

mod mirror;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::chat::ChatJid;
use crate::clock::Timestamp;
use crate::label::Label;

pub use mirror::{Change, Mirror};

/// The last word WhatsApp said on one label and one chat (`label_jid`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// The label's id.
    pub label_id: String,
    /// The chat under the key it exists under: phone number or LID form.
    pub chat_jid: ChatJid,
    /// Whether the chat carries the label.
    pub labeled: bool,
    /// When WhatsApp says the record was made.
    pub changed_at: Timestamp,
}

/// The last word WhatsApp said on one label and one message (`label_message`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageLabel {
    /// The label's id.
    pub label_id: String,
    /// The chat under the key it exists under.
    pub chat_jid: ChatJid,
    /// The message's id.
    pub message_id: String,
    /// Whether the message carries the label.
    pub labeled: bool,
    /// When WhatsApp says the record was made.
    pub changed_at: Timestamp,
}

/// The account's order of labels (`label_reordering`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelOrder {
    /// Label ids, first one first.
    pub ids: Vec<i32>,
    /// When WhatsApp says the record was made.
    pub changed_at: Timestamp,
}

/// What a record is about: its index in the collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKey {
    /// `["label_edit", id]`.
    Label(String),
    /// `["label_jid", label, chat]`.
    Association(String, ChatJid),
    /// `["label_message", label, chat, message, "0", "0"]`.
    Message(String, ChatJid, String),
    /// `["label_reordering"]`.
    Order,
}

/// One record of the `regular` collection that labels are made of: read from
/// WhatsApp, or to be written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A label's definition.
    Label(Label),
    /// A label on a chat.
    Association(Association),
    /// A label on a message.
    Message(MessageLabel),
    /// The order of labels.
    Order(LabelOrder),
    /// WhatsApp dropped the record of this key (operation REMOVE). Never written by us.
    Removed(RecordKey),
}

impl Record {
    /// What the record is about.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Label(l) => RecordKey::Label(l.id.clone()),
            Self::Association(a) => RecordKey::Association(a.label_id.clone(), a.chat_jid.clone()),
            Self::Message(m) => {
                RecordKey::Message(m.label_id.clone(), m.chat_jid.clone(), m.message_id.clone())
            }
            Self::Order(_) => RecordKey::Order,
            Self::Removed(key) => key.clone(),
        }
    }

    /// Whether both say the same, whenever they were made.
    #[must_use]
    pub fn says_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Label(a), Self::Label(b)) => {
                *a == Label {
                    changed_at: a.changed_at,
                    ..b.clone()
                }
            }
            (Self::Association(a), Self::Association(b)) => {
                a.labeled == b.labeled && a.label_id == b.label_id && a.chat_jid == b.chat_jid
            }
            (Self::Message(a), Self::Message(b)) => {
                a.labeled == b.labeled
                    && a.label_id == b.label_id
                    && a.chat_jid == b.chat_jid
                    && a.message_id == b.message_id
            }
            (Self::Order(a), Self::Order(b)) => a.ids == b.ids,
            (Self::Removed(a), Self::Removed(b)) => a == b,
            _ => false,
        }
    }
}

/// The last record of each key, in the order those stand: what a replay says in
/// the end, without a copy of it. A removal counts as a record of its key, save a
/// label's: what stood before it stays, for the name it leaves to history.
#[must_use]
pub fn last_of_each(records: Vec<Record>) -> Vec<Record> {
    let keep: Vec<bool> = {
        let mut labels: HashSet<&str> = HashSet::new();
        let mut dropped: HashSet<&str> = HashSet::new();
        let mut associations: HashSet<(&str, &str)> = HashSet::with_capacity(records.len());
        let mut messages: HashSet<(&str, &str, &str)> = HashSet::new();
        let mut order = false;
        let mut keep: Vec<bool> = records
            .iter()
            .rev()
            .map(|record| match record {
                Record::Label(l) => labels.insert(&l.id),
                Record::Removed(RecordKey::Label(id)) => {
                    !labels.contains(&**id) && dropped.insert(id)
                }
                Record::Association(a) => associations.insert((&a.label_id, a.chat_jid.as_str())),
                Record::Removed(RecordKey::Association(label, chat)) => {
                    associations.insert((label, chat.as_str()))
                }
                Record::Message(m) => {
                    messages.insert((&m.label_id, m.chat_jid.as_str(), &m.message_id))
                }
                Record::Removed(RecordKey::Message(label, chat, message)) => {
                    messages.insert((label, chat.as_str(), message))
                }
                Record::Order(_) | Record::Removed(RecordKey::Order) => {
                    !std::mem::replace(&mut order, true)
                }
            })
            .collect();
        keep.reverse();
        keep
    };
    let mut keep = keep.into_iter();
    let mut records = records;
    records.retain(|_| keep.next().unwrap_or(true));
    records
}
