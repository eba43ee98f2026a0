//! Label changes as a phone writes them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waproto::buffa::Enumeration as _;
use waproto::whatsapp::{self as wa, sync_action_value as action};

use crate::collection::{Change, Collection, Op};

/// Collection that holds everything about labels.
pub const COLLECTION: &str = "regular";

/// Schema version of every label action.
const VERSION: i32 = 3;

/// How many colours WhatsApp offers, numbered from 0.
pub const COLORS: i32 = 20;

pub use action::label_edit_action::ListType;

/// Fields to change on a label; what is left out keeps its last known value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PatchLabel {
    /// Shown name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Colour, 0 to 19.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<i32>,
    /// Number of the built-in label this one started as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predefined_id: Option<i32>,
    /// `true` makes it a tombstone, `false` brings it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    /// Place in the list of labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<i32>,
    /// Whether the phone shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// Kind of list, as WhatsApp numbers them: 4 predefined, 5 custom.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<i32>,
    /// Whether users may not change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_immutable: Option<bool>,
    /// Until when its chats are muted, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mute_end_time_ms: Option<i64>,
}

impl PatchLabel {
    /// Says what is out of range, and what would be in it.
    pub fn check(&self) -> Result<(), String> {
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.trim().is_empty())
        {
            return Err("`name` is blank; send a name people can read".to_owned());
        }
        if let Some(color) = self.color.filter(|color| !(0..COLORS).contains(color)) {
            return Err(format!(
                "`color` {color} does not exist; use 0 to {}",
                COLORS - 1
            ));
        }
        if let Some(kind) = self.kind.filter(|kind| ListType::from_i32(*kind).is_none()) {
            return Err(format!(
                "`type` {kind} does not exist; use 5 for a custom label"
            ));
        }
        Ok(())
    }
}

/// Whether `id` is a label id as WhatsApp writes them: a decimal number of 32 bits.
pub fn is_id(id: &str) -> bool {
    id.parse::<i32>()
        .is_ok_and(|number| number >= 0 && number.to_string() == id)
}

/// Index of a label's definition.
pub fn edit_index(id: &str) -> Vec<String> {
    vec!["label_edit".to_owned(), id.to_owned()]
}

/// Index of a label's association with a chat; `jid` is taken as it is.
pub fn chat_index(id: &str, jid: &str) -> Vec<String> {
    vec!["label_jid".to_owned(), id.to_owned(), jid.to_owned()]
}

/// Index of a label's association with a message.
pub fn message_index(id: &str, jid: &str, message_id: &str) -> Vec<String> {
    ["label_message", id, jid, message_id, "0", "0"]
        .map(str::to_owned)
        .to_vec()
}

/// One more than the highest label id the account ever had, deleted ones included.
pub fn next_id(collection: &Collection) -> String {
    let used = collection.highest("label_edit").unwrap_or(0).max(0);
    used.saturating_add(1).to_string()
}

/// The last definition written for a label, a tombstone included.
pub fn find(collection: &Collection, id: &str) -> Option<action::LabelEditAction> {
    collection
        .get(&edit_index(id))?
        .action()
        .label_edit_action
        .into_option()
}

/// Whether a label exists and is not deleted.
pub fn is_live(collection: &Collection, id: &str) -> bool {
    find(collection, id).is_some_and(|label| label.deleted != Some(true))
}

/// A label's definition with `patch` merged into the last one; `at_ms` is the time of the change.
pub fn edit(collection: &Collection, id: &str, patch: &PatchLabel, at_ms: i64) -> Change {
    let mut label = find(collection, id).unwrap_or_default();
    fn merge<T: Clone>(into: &mut Option<T>, from: &Option<T>) {
        if from.is_some() {
            into.clone_from(from);
        }
    }
    merge(&mut label.name, &patch.name);
    merge(&mut label.color, &patch.color);
    merge(&mut label.predefined_id, &patch.predefined_id);
    merge(&mut label.order_index, &patch.order);
    merge(&mut label.is_active, &patch.is_active);
    merge(&mut label.r#type, &patch.kind.and_then(ListType::from_i32));
    merge(&mut label.is_immutable, &patch.is_immutable);
    merge(&mut label.mute_end_time_ms, &patch.mute_end_time_ms);
    label.deleted = patch.deleted.or(label.deleted).or(Some(false));
    define(id, label, at_ms)
}

/// A label's definition, replacing the last one as a whole.
pub fn define(id: &str, label: action::LabelEditAction, at_ms: i64) -> Change {
    set(
        edit_index(id),
        wa::SyncActionValue {
            timestamp: Some(at_ms),
            label_edit_action: label.into(),
            ..Default::default()
        },
    )
}

/// Puts a label on a chat or takes it off.
pub fn chat(id: &str, jid: &str, labeled: bool, at_ms: i64) -> Change {
    set(chat_index(id, jid), association(labeled, at_ms))
}

/// Puts a label on a message or takes it off.
pub fn message(id: &str, jid: &str, message_id: &str, labeled: bool, at_ms: i64) -> Change {
    set(
        message_index(id, jid, message_id),
        association(labeled, at_ms),
    )
}

/// The order in which the phone lists its labels.
pub fn order(ids: &[i32], at_ms: i64) -> Change {
    set(
        vec!["label_reordering".to_owned()],
        wa::SyncActionValue {
            timestamp: Some(at_ms),
            label_reordering_action: action::LabelReorderingAction {
                sorted_label_ids: ids.to_vec(),
            }
            .into(),
            ..Default::default()
        },
    )
}

fn association(labeled: bool, at_ms: i64) -> wa::SyncActionValue {
    wa::SyncActionValue {
        timestamp: Some(at_ms),
        label_association_action: action::LabelAssociationAction {
            labeled: Some(labeled),
            ..Default::default()
        }
        .into(),
        ..Default::default()
    }
}

fn set(index: Vec<String>, action: wa::SyncActionValue) -> Change {
    Change {
        op: Op::Set,
        index,
        action,
        version: VERSION,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::collection::SyncKey;

    fn fixture() -> (Collection, SyncKey, StdRng) {
        let key = SyncKey::new(vec![0, 0, 0, 0, 0, 1], [7; 32], 1);
        (Collection::new(COLLECTION), key, StdRng::seed_from_u64(1))
    }

    #[test]
    fn an_edit_keeps_what_it_does_not_name() {
        let (mut regular, key, mut rng) = fixture();
        let first = PatchLabel {
            name: Some("Paid".into()),
            color: Some(4),
            predefined_id: Some(4),
            order: Some(7),
            is_active: Some(true),
            kind: Some(4),
            ..Default::default()
        };
        let change = edit(&regular, "4", &first, 1);
        regular.commit(&key, &[change], &mut rng).unwrap();
        let rename = PatchLabel {
            name: Some("Settled".into()),
            ..Default::default()
        };
        let change = edit(&regular, "4", &rename, 2);
        regular.commit(&key, &[change], &mut rng).unwrap();
        let label = find(&regular, "4").unwrap();
        assert_eq!(label.name.as_deref(), Some("Settled"));
        assert_eq!(
            (label.color, label.predefined_id, label.order_index),
            (Some(4), Some(4), Some(7))
        );
        assert_eq!(
            (label.is_active, label.r#type),
            (Some(true), Some(ListType::PREDEFINED))
        );
        assert_eq!(label.deleted, Some(false));

        let gone = PatchLabel {
            deleted: Some(true),
            ..Default::default()
        };
        let change = edit(&regular, "4", &gone, 3);
        regular.commit(&key, &[change], &mut rng).unwrap();
        assert_eq!(
            find(&regular, "4").unwrap().name.as_deref(),
            Some("Settled")
        );
        assert!(!is_live(&regular, "4"));
    }

    #[test]
    fn ids_are_never_given_twice() {
        let (mut regular, key, mut rng) = fixture();
        assert_eq!(next_id(&regular), "1");
        let label = PatchLabel {
            name: Some("A".into()),
            ..Default::default()
        };
        let change = edit(&regular, "41", &label, 1);
        regular
            .commit(&key, std::slice::from_ref(&change), &mut rng)
            .unwrap();
        regular
            .commit(
                &key,
                &[Change {
                    op: Op::Remove,
                    ..change
                }],
                &mut rng,
            )
            .unwrap();
        assert!(find(&regular, "41").is_none());
        assert_eq!(next_id(&regular), "42");
    }

    #[test]
    fn ids_are_plain_numbers_of_32_bits() {
        assert!(is_id("0") && is_id("19") && is_id("2147483647"));
        for bad in ["", "-1", "+1", "01", "2147483648", "a", "1 "] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn senseless_fields_are_refused_with_advice() {
        assert!(
            PatchLabel {
                color: Some(20),
                ..Default::default()
            }
            .check()
            .is_err()
        );
        assert!(
            PatchLabel {
                name: Some("  ".into()),
                ..Default::default()
            }
            .check()
            .is_err()
        );
        assert!(
            PatchLabel {
                kind: Some(99),
                ..Default::default()
            }
            .check()
            .is_err()
        );
        assert!(
            PatchLabel {
                color: Some(19),
                kind: Some(5),
                ..Default::default()
            }
            .check()
            .is_ok()
        );
    }
}
