//! What is mirrored of one instance, and what records change in it.

use std::collections::{HashMap, HashSet};

use super::{Association, LabelOrder, MessageLabel, Record, RecordKey};
use crate::chat::ChatJid;
use crate::clock::Timestamp;
use crate::label::Label;

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
    /// A message gained or lost a label.
    Message {
        /// Whether the mirror held a record, and its `labeled`.
        before: Option<bool>,
        /// The record as it becomes.
        after: MessageLabel,
    },
    /// The labels stand in another order.
    Order {
        /// The ids as the mirror held them, if it held an order.
        before: Option<Vec<i32>>,
        /// The order as it becomes; empty where WhatsApp dropped it.
        after: LabelOrder,
    },
    /// WhatsApp no longer holds a chat's record at all (a REMOVE).
    Forgotten {
        /// The record the mirror held.
        before: Association,
    },
    /// WhatsApp no longer holds a message's record at all (a REMOVE).
    ForgottenMessage {
        /// The record the mirror held.
        before: MessageLabel,
    },
}

/// What a record said and when.
type Said = (bool, Timestamp);

impl Change {
    /// What the change is about.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Label { after, .. } => RecordKey::Label(after.id.clone()),
            Self::Association { after: about, .. } | Self::Forgotten { before: about } => {
                RecordKey::Association(about.label_id.clone(), about.chat_jid.clone())
            }
            Self::Message { after: about, .. } | Self::ForgottenMessage { before: about } => {
                RecordKey::Message(
                    about.label_id.clone(),
                    about.chat_jid.clone(),
                    about.message_id.clone(),
                )
            }
            Self::Order { .. } => RecordKey::Order,
        }
    }
}

/// The mirror of one instance, as far as a batch needs it.
#[derive(Debug, Default, Clone)]
pub struct Mirror {
    pub(super) labels: HashMap<String, Label>,
    pub(super) associations: HashMap<(String, ChatJid), Said>,
    pub(super) messages: HashMap<(String, ChatJid, String), Said>,
    pub(super) order: Option<LabelOrder>,
}

impl Mirror {
    /// A mirror of the given rows; messages and the order are added by
    /// [`Mirror::with_messages`] and [`Mirror::with_order`].
    pub fn new(
        labels: impl IntoIterator<Item = Label>,
        associations: impl IntoIterator<Item = Association>,
    ) -> Self {
        let mirror = Self {
            labels: labels.into_iter().map(|l| (l.id.clone(), l)).collect(),
            ..Self::default()
        };
        mirror.with_associations(associations)
    }

    /// With these records on chats.
    #[must_use]
    pub fn with_associations(
        mut self,
        associations: impl IntoIterator<Item = Association>,
    ) -> Self {
        self.associations = associations
            .into_iter()
            .map(|a| ((a.label_id, a.chat_jid), (a.labeled, a.changed_at)))
            .collect();
        self
    }

    /// With these records on messages.
    #[must_use]
    pub fn with_messages(mut self, messages: impl IntoIterator<Item = MessageLabel>) -> Self {
        self.messages = messages
            .into_iter()
            .map(|m| {
                let said = (m.labeled, m.changed_at);
                ((m.label_id, m.chat_jid, m.message_id), said)
            })
            .collect();
        self
    }

    /// With this order of labels, if there is one.
    #[must_use]
    pub fn with_order(mut self, order: Option<LabelOrder>) -> Self {
        self.order = order;
        self
    }

    /// Whether nothing is mirrored yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
            && self.associations.is_empty()
            && self.messages.is_empty()
            && self.order.is_none()
    }

    /// The last known name of a label.
    #[must_use]
    pub fn label_name(&self, id: &str) -> Option<&str> {
        self.labels.get(id).map(|l| l.name.as_str())
    }

    /// The last known palette index of a label.
    #[must_use]
    pub fn label_color(&self, id: &str) -> Option<i32> {
        self.labels.get(id).map(|l| l.color)
    }

    /// All it holds, each key once, in no order.
    #[must_use]
    pub fn into_records(self) -> Vec<Record> {
        let labels = self.labels.into_values().map(Record::Label);
        let chats = self
            .associations
            .into_iter()
            .map(|(key, said)| Record::Association(association(key, said)));
        let messages = self
            .messages
            .into_iter()
            .map(|(key, said)| Record::Message(message(key, said)));
        let order = self.order.map(Record::Order);
        labels.chain(chats).chain(messages).chain(order).collect()
    }

    /// Takes a record; tells what it changed, or nothing where it says what is known.
    ///
    /// A deleted label's record carries no name: the last known one is kept, so
    /// history can still say what was deleted.
    pub fn apply(&mut self, record: Record) -> Option<Change> {
        match record {
            Record::Label(after) => self.label(after),
            Record::Association(after) => {
                let key = (after.label_id.clone(), after.chat_jid.clone());
                let said = (after.labeled, after.changed_at);
                let before = self.associations.insert(key, said).map(|said| said.0);
                (before != Some(after.labeled)).then_some(Change::Association { before, after })
            }
            Record::Message(after) => {
                let key = (
                    after.label_id.clone(),
                    after.chat_jid.clone(),
                    after.message_id.clone(),
                );
                let said = (after.labeled, after.changed_at);
                let before = self.messages.insert(key, said).map(|said| said.0);
                (before != Some(after.labeled)).then_some(Change::Message { before, after })
            }
            Record::Order(after) => {
                let before = self.order.replace(after.clone()).map(|order| order.ids);
                let known = before.as_deref().unwrap_or_default();
                (known != after.ids).then_some(Change::Order { before, after })
            }
            Record::Removed(key) => self.remove(key),
        }
    }

    fn label(&mut self, mut after: Label) -> Option<Change> {
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

    /// Drops what WhatsApp dropped. A label is marked deleted instead: its id must
    /// stay taken, and history its name.
    fn remove(&mut self, key: RecordKey) -> Option<Change> {
        match key {
            RecordKey::Label(id) => {
                let known = self.labels.get_mut(&id).filter(|l| !l.deleted)?;
                let before = known.clone();
                known.deleted = true;
                Some(Change::Label {
                    after: known.clone(),
                    before: Some(before),
                })
            }
            RecordKey::Association(label, chat) => {
                let (key, said) = self.associations.remove_entry(&(label, chat))?;
                let before = association(key, said);
                Some(Change::Forgotten { before })
            }
            RecordKey::Message(label, chat, id) => {
                let (key, said) = self.messages.remove_entry(&(label, chat, id))?;
                let before = message(key, said);
                Some(Change::ForgottenMessage { before })
            }
            RecordKey::Order => {
                let before = self.order.take().filter(|order| !order.ids.is_empty())?;
                Some(Change::Order {
                    after: LabelOrder {
                        ids: Vec::new(),
                        changed_at: before.changed_at,
                    },
                    before: Some(before.ids),
                })
            }
        }
    }

    /// Makes the mirror equal to a complete replay of the collection: every
    /// record applied, then whatever the replay did not hold swept
    /// (`protocol.md` A4: a snapshot replays, it does not reconcile).
    ///
    /// Labels are never dropped but marked deleted: their ids must stay taken.
    /// Where not the `whole` was read but only what the client library tells,
    /// messages and the order are left as they are.
    pub fn replace(&mut self, records: Vec<Record>, whole: bool) -> Vec<Change> {
        let seen = Seen::of(&records);
        let mut changes: Vec<Change> = records.into_iter().filter_map(|r| self.apply(r)).collect();
        let mut gone: Vec<RecordKey> = self
            .associations
            .keys()
            .filter(|key| !seen.associations.contains(*key))
            .map(|(label, chat)| RecordKey::Association(label.clone(), chat.clone()))
            .collect();
        if whole {
            let messages = self.messages.keys();
            let messages = messages.filter(|key| !seen.messages.contains(*key));
            gone.extend(messages.map(|(label, chat, id)| {
                RecordKey::Message(label.clone(), chat.clone(), id.clone())
            }));
            if !seen.order {
                gone.push(RecordKey::Order);
            }
        }
        let labels = self.labels.keys().filter(|id| !seen.labels.contains(*id));
        gone.extend(labels.cloned().map(RecordKey::Label));
        changes.extend(gone.into_iter().filter_map(|key| self.remove(key)));
        changes
    }
}

/// The keys a replay holds in the end.
#[derive(Default)]
struct Seen {
    labels: HashSet<String>,
    associations: HashSet<(String, ChatJid)>,
    messages: HashSet<(String, ChatJid, String)>,
    order: bool,
}

impl Seen {
    fn of(records: &[Record]) -> Self {
        let mut seen = Self::default();
        for record in records {
            let removed = matches!(record, Record::Removed(_));
            match record.key() {
                RecordKey::Label(id) => put(&mut seen.labels, id, removed),
                RecordKey::Association(label, chat) => {
                    put(&mut seen.associations, (label, chat), removed);
                }
                RecordKey::Message(label, chat, id) => {
                    put(&mut seen.messages, (label, chat, id), removed);
                }
                RecordKey::Order => seen.order = !removed,
            }
        }
        seen
    }
}

fn put<T: Eq + std::hash::Hash>(keys: &mut HashSet<T>, key: T, removed: bool) {
    if removed {
        keys.remove(&key);
    } else {
        keys.insert(key);
    }
}

fn association((label_id, chat_jid): (String, ChatJid), said: Said) -> Association {
    Association {
        label_id,
        chat_jid,
        labeled: said.0,
        changed_at: said.1,
    }
}

fn message(
    (label_id, chat_jid, message_id): (String, ChatJid, String),
    said: Said,
) -> MessageLabel {
    MessageLabel {
        label_id,
        chat_jid,
        message_id,
        labeled: said.0,
        changed_at: said.1,
    }
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
