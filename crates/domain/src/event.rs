//! Events: what a row of history says, and what happened besides that is told but
//! not kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::ids::{base32, from_base32};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it, which never changes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }

            /// What the word names; `None` for no word of these.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words!(
    /// What happened: `noun.past_participle`. Words are added, never renamed.
    Kind {
        /// A label is new, or back from deletion.
        LabelCreated = "label.created",
        /// A label has another name, colour or place.
        LabelChanged = "label.changed",
        /// A label is deleted.
        LabelDeleted = "label.deleted",
        /// The labels stand in another order.
        LabelsReordered = "labels.reordered",
        /// A chat carries a label now.
        ChatLabeled = "chat.labeled",
        /// A chat carries a label no more.
        ChatUnlabeled = "chat.unlabeled",
        /// A message carries a label now.
        MessageLabeled = "message.labeled",
        /// A message carries a label no more.
        MessageUnlabeled = "message.unlabeled",
        /// A message came in or went out; told, never kept in history.
        MessageReceived = "message.received",
        /// The instance is logged in.
        InstanceOnline = "instance.online",
        /// The instance connects.
        InstanceConnecting = "instance.connecting",
        /// The instance has no connection.
        InstanceOffline = "instance.offline",
        /// The instance is no linked device any more.
        InstanceLoggedOut = "instance.logged_out",
        /// The first sync was read: the row names a stored baseline.
        InstanceSynced = "instance.synced",
        /// History of before was dropped by `prune` or by retention.
        HistoryPruned = "history.pruned",
        /// A contact was erased everywhere.
        ContactErased = "contact.erased",
        /// A test asked for by a caller; told to one webhook, never kept.
        WebhookTest = "webhook.test",
    }
);

words!(
    /// Where a change came from.
    Origin {
        /// The phone.
        Phone = "phone",
        /// Another linked device, where WhatsApp tells it.
        Device = "device",
        /// A call of ours.
        Api = "api",
        /// A rule of ours.
        Rule = "rule",
        /// A job of ours.
        Job = "job",
        /// Found by a sync that compares: when and by whom is not known.
        Sync = "sync",
    }
);

impl Kind {
    /// Whether it is about an instance, not about labels.
    #[must_use]
    pub fn is_about_instance(self) -> bool {
        self.as_str().starts_with("instance.")
    }
}

/// A chat by all its ids, as they were known when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventChat {
    /// The name it is shown under: its phone number's JID where that is known.
    pub jid: String,
    /// Its hidden id, where that is known.
    pub lid: Option<String>,
    /// The key WhatsApp keeps the record under; one of the two.
    pub key: String,
}

/// A label as it was when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLabel {
    /// Its id.
    pub id: String,
    /// Its name then.
    pub name: Option<String>,
    /// Its palette index then.
    pub color: Option<i32>,
}

/// Something that happened to an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `evt_` and 26 characters: the same wherever and however often it is told.
    pub id: String,
    /// Its place in the log; `None` for what is told and not kept.
    pub seq: Option<i64>,
    /// What happened.
    pub kind: Kind,
    /// The instance's name.
    pub instance: String,
    /// When on WhatsApp.
    pub at: Timestamp,
    /// When here.
    pub seen_at: Timestamp,
    /// Where it came from.
    pub origin: Origin,
    /// Who asked, where somebody here did: `token:tok_…`.
    pub actor: Option<String>,
    /// The command (`cmd_…`) behind it.
    pub cause: Option<String>,
    /// The request behind it.
    pub request_id: Option<String>,
    /// The chat.
    pub chat: Option<EventChat>,
    /// The label.
    pub label: Option<EventLabel>,
    /// The message.
    pub message_id: Option<String>,
    /// What was so before: a label's fields, the order's ids, `{"labeled":bool}`.
    pub before: Option<Value>,
    /// What is so now, in the same shape.
    pub after: Option<Value>,
    /// What else there is to say, by kind.
    pub details: Value,
    /// Whether it is part of a first sync, told because the reader asked for it.
    pub initial: bool,
}

/// The id of the event in this place of the log: a ULID of when it was seen and
/// where it stands, so that it is the same however often it is made.
#[must_use]
pub fn event_id(seen_at: Timestamp, seq: i64) -> String {
    ulid(seen_at, u128::from(u64::try_from(seq).unwrap_or_default()))
}

/// The place in the log of the event with this id; `None` for what is no such id.
#[must_use]
pub fn place_of(id: &str) -> Option<i64> {
    let digits = id.strip_prefix("evt_")?;
    let place = (digits.len() == 26).then(|| digits.get(10..)).flatten()?;
    i64::try_from(from_base32(place)?).ok()
}

fn ulid(at: Timestamp, rest: u128) -> String {
    let ms = u128::try_from(at.as_millis()).unwrap_or_default() & 0xffff_ffff_ffff;
    format!("evt_{}", base32((ms << 80) | rest))
}

/// The id of an event that is told and not kept: a ULID too.
#[must_use]
pub fn passing_id(now: Timestamp, random: [u8; 10]) -> String {
    let random = random
        .iter()
        .fold(0, |bits: u128, byte| (bits << 8) | u128::from(*byte));
    ulid(now, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(Kind::parse("label.exploded"), None);
    }

    #[test]
    fn an_events_id_is_the_same_each_time_and_sorts_by_place() {
        let at = Timestamp::from_millis(1_770_000_000_123);
        assert_eq!(event_id(at, 7), event_id(at, 7));
        assert!(event_id(at, 7) < event_id(at, 8));
        assert!(event_id(at, i64::MAX) < event_id(Timestamp::from_millis(1_770_000_000_124), 1));
        assert_eq!(event_id(at, 7).len(), 30);
        assert_eq!(place_of(&event_id(at, 7)), Some(7));
        assert_eq!(place_of(&event_id(at, i64::MAX)), Some(i64::MAX));
        assert_eq!(place_of("evt_7"), None);
    }
}
