//! Records of app state, and what they change in the mirror.

use std::collections::{HashMap, HashSet};

use crate::chat::ChatJid;
use crate::clock::Timestamp;
use crate::label::Label;

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

/// What must be done to the mirror for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A label is new or has other fields; `before` is what the mirror held.
    Label {
        /// The row as it stood.
        before: Option<Label>,
        /// The row as it becomes.
        after: Label,
    },
    /// A chat gained or lost a label; `before` is whether a record existed and what it said.
    Association {
        /// Whether the mirror held a record, and its `labeled`.
        before: Option<bool>,
        /// The record as it becomes.
        after: Association,
    },
    /// WhatsApp no longer holds a record at all (a REMOVE, seen by a full refresh).
    Forgotten {
        /// The record the mirror held.
        before: Association,
    },
}

impl Change {
    /// What the change is about.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Label { after, .. } => RecordKey::Label(after.id.clone()),
            Self::Association { after: about, .. } | Self::Forgotten { before: about } => {
                RecordKey::Association(about.label_id.clone(), about.chat_jid.clone())
            }
        }
    }
}

/// The mirror of one instance, as far as a batch needs it.
#[derive(Debug, Default, Clone)]
pub struct Mirror {
    labels: HashMap<String, Label>,
    associations: HashMap<(String, ChatJid), (bool, Timestamp)>,
}

impl Mirror {
    /// A mirror of the given rows.
    pub fn new(
        labels: impl IntoIterator<Item = Label>,
        associations: impl IntoIterator<Item = Association>,
    ) -> Self {
        Self {
            labels: labels.into_iter().map(|l| (l.id.clone(), l)).collect(),
            associations: associations
                .into_iter()
                .map(|a| ((a.label_id, a.chat_jid), (a.labeled, a.changed_at)))
                .collect(),
        }
    }

    /// Whether nothing is mirrored yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.associations.is_empty()
    }

    /// The last known name of a label.
    #[must_use]
    pub fn label_name(&self, id: &str) -> Option<&str> {
        self.labels.get(id).map(|l| l.name.as_str())
    }

    /// Takes a record; tells what it changed, or nothing where it says what is known.
    ///
    /// A deleted label's record carries no name: the last known one is kept, so
    /// history can still say what was deleted.
    pub fn apply(&mut self, record: Record) -> Option<Change> {
        match record {
            Record::Label(mut after) => {
                let before = self.labels.get(&after.id).cloned();
                if let Some(known) = &before {
                    if after.deleted && after.name.is_empty() {
                        keep_what_a_deletion_drops(&mut after, known);
                    }
                    if *known
                        == (Label {
                            changed_at: known.changed_at,
                            ..after.clone()
                        })
                    {
                        return None;
                    }
                }
                self.labels.insert(after.id.clone(), after.clone());
                Some(Change::Label { before, after })
            }
            Record::Association(after) => {
                let key = (after.label_id.clone(), after.chat_jid.clone());
                let before = self
                    .associations
                    .insert(key, (after.labeled, after.changed_at))
                    .map(|(labeled, _)| labeled);
                (before != Some(after.labeled)).then_some(Change::Association { before, after })
            }
            Record::Message(_) | Record::Order(_) | Record::Removed(_) => None,
        }
    }

    /// Makes the mirror equal to a complete replay of the collection: every
    /// record applied, then whatever the replay did not hold swept
    /// (`protocol.md` A4: a snapshot replays, it does not reconcile).
    ///
    /// Labels are never dropped but marked deleted: their ids must stay taken.
    pub fn replace(&mut self, records: Vec<Record>) -> Vec<Change> {
        let mut label_seen: HashSet<String> = HashSet::new();
        let mut replay: HashSet<(String, ChatJid)> = HashSet::new();
        for record in &records {
            match record {
                Record::Label(l) => {
                    label_seen.insert(l.id.clone());
                }
                Record::Association(a) => {
                    replay.insert((a.label_id.clone(), a.chat_jid.clone()));
                }
                Record::Message(_) | Record::Order(_) | Record::Removed(_) => {}
            }
        }
        let mut changes: Vec<Change> = records.into_iter().filter_map(|r| self.apply(r)).collect();
        let gone: Vec<_> = self
            .associations
            .iter()
            .filter(|(key, _)| !replay.contains(*key))
            .map(
                |((label_id, chat_jid), (labeled, changed_at))| Association {
                    label_id: label_id.clone(),
                    chat_jid: chat_jid.clone(),
                    labeled: *labeled,
                    changed_at: *changed_at,
                },
            )
            .collect();
        for before in gone {
            self.associations
                .remove(&(before.label_id.clone(), before.chat_jid.clone()));
            changes.push(Change::Forgotten { before });
        }
        let dropped: Vec<Label> = self
            .labels
            .values()
            .filter(|l| !l.deleted && !label_seen.contains(&l.id))
            .cloned()
            .collect();
        for before in dropped {
            let after = Label {
                deleted: true,
                ..before.clone()
            };
            self.labels.insert(after.id.clone(), after.clone());
            changes.push(Change::Label {
                before: Some(before),
                after,
            });
        }
        changes
    }
}

/// The last record of each key, in the order those stand: what a replay says in
/// the end, without a copy of it.
#[must_use]
pub fn last_of_each(records: Vec<Record>) -> Vec<Record> {
    let keep: Vec<bool> = {
        let mut labels: HashSet<&str> = HashSet::new();
        let mut others: HashSet<RecordKey> = HashSet::new();
        let mut associations: HashSet<(&str, &str)> = HashSet::with_capacity(records.len());
        let mut keep: Vec<bool> = records
            .iter()
            .rev()
            .map(|record| match record {
                Record::Label(l) => labels.insert(&l.id),
                Record::Association(a) => associations.insert((&a.label_id, a.chat_jid.as_str())),
                Record::Message(_) | Record::Order(_) | Record::Removed(_) => {
                    others.insert(record.key())
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

fn keep_what_a_deletion_drops(after: &mut Label, known: &Label) {
    after.name.clone_from(&known.name);
    after.color = known.color;
    after.predefined_id = after.predefined_id.or(known.predefined_id);
    after.order_index = after.order_index.or(known.order_index);
    after.list_type = after.list_type.or(known.list_type);
    after.is_active = after.is_active.or(known.is_active);
    after.is_immutable = after.is_immutable.or(known.is_immutable);
    after.mute_end_ms = after.mute_end_ms.or(known.mute_end_ms);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn association(label: u8, chat: u8, labeled: bool) -> Record {
        Record::Association(Association {
            label_id: label.to_string(),
            chat_jid: ChatJid::from_app_state(format!("{chat}@lid")),
            labeled,
            changed_at: Timestamp(0),
        })
    }

    fn label(id: u8, color: i32, deleted: bool) -> Record {
        Record::Label(Label {
            id: id.to_string(),
            name: if deleted {
                String::new()
            } else {
                format!("n{id}")
            },
            color: if deleted { 0 } else { color },
            deleted,
            ..Label::default()
        })
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        proptest::collection::vec(
            prop_oneof![
                (0u8..4, 0u8..6, any::<bool>()).prop_map(|(l, c, on)| association(l, c, on)),
                (0u8..4, 0i32..3, any::<bool>()).prop_map(|(l, c, d)| label(l, c, d)),
            ],
            0..40,
        )
    }

    #[test]
    fn a_deletion_keeps_the_name_for_history() {
        let mut mirror = Mirror::default();
        mirror.apply(label(1, 2, false));
        let Some(Change::Label { after, .. }) = mirror.apply(label(1, 0, true)) else {
            panic!("a deletion is a change");
        };
        assert_eq!(
            (after.name.as_str(), after.color, after.deleted),
            ("n1", 2, true)
        );
    }

    proptest! {
        #[test]
        fn saying_it_again_changes_nothing(records in records()) {
            let mut mirror = Mirror::default();
            for record in &records {
                mirror.apply(record.clone());
                prop_assert_eq!(mirror.apply(record.clone()), None);
            }
        }

        #[test]
        fn the_last_record_of_each_key_says_it_all(records in records()) {
            let (mut all, mut last) = (Mirror::default(), Mirror::default());
            for record in &records {
                all.apply(record.clone());
            }
            for record in last_of_each(records) {
                last.apply(record);
            }
            prop_assert_eq!(all.associations, last.associations);
            prop_assert_eq!(all.labels.len(), last.labels.len());
        }

        #[test]
        fn a_replay_leaves_exactly_its_live_associations(old in records(), new in records()) {
            let mut mirror = Mirror::default();
            for record in old {
                mirror.apply(record);
            }
            mirror.replace(new.clone());
            let mut fresh = Mirror::default();
            for record in new {
                fresh.apply(record);
            }
            prop_assert_eq!(&mirror.associations, &fresh.associations);
            for (id, label) in &mirror.labels {
                match fresh.labels.get(id) {
                    Some(expected) => prop_assert_eq!(label.deleted, expected.deleted),
                    None => prop_assert!(label.deleted),
                }
            }
        }
    }
}
