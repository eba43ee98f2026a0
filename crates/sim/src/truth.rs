//! What the phone holds to be true, for comparison with what a client made of it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::collection::Collection;
use crate::fixture::Contact;

/// Everything a mirror of the account's labels should show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Truth {
    /// Version of the `regular` collection.
    pub version: u64,
    /// Every label ever defined, in the order of their ids.
    pub labels: Vec<TruthLabel>,
    /// The order of labels as it was last written as a whole; none before.
    pub label_order: Vec<i32>,
    /// Live chat associations under their raw keys: the last record says labeled and the label is live.
    pub associations: Vec<TruthAssociation>,
    /// Live message associations by the same rule.
    pub message_associations: Vec<TruthMessageAssociation>,
    /// The chats the phone knows; a chat carries a label if any of its keys does.
    pub chats: Vec<Contact>,
    /// The linked devices.
    pub devices: Vec<TruthDevice>,
}

/// A label as last written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TruthLabel {
    /// Decimal number as text.
    pub id: String,
    /// Shown name; empty if it never had one.
    pub name: String,
    /// Colour, 0 to 19.
    pub color: Option<i32>,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// Place in the list.
    pub order: Option<i32>,
    /// Kind of list, as WhatsApp numbers them.
    #[serde(rename = "type")]
    pub kind: Option<i32>,
    /// Number of the built-in label it started as.
    pub predefined_id: Option<i32>,
}

/// A label on a chat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct TruthAssociation {
    /// The label.
    pub label_id: String,
    /// The chat's key exactly as the record has it.
    pub chat_jid: String,
}

/// A label on a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct TruthMessageAssociation {
    /// The label.
    pub label_id: String,
    /// The chat's key exactly as the record has it.
    pub chat_jid: String,
    /// The message within the chat.
    pub message_id: String,
}

/// A linked device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TruthDevice {
    /// Its number on the account, from 1.
    pub device: u16,
    /// Its phone-number JID.
    pub jid: String,
    /// Whether it is connected and logged in now.
    pub connected: bool,
    /// Whether it is served snapshots.
    pub snapshot: bool,
}

/// Reads the truth off the account's `regular` collection.
pub fn truth(regular: &Collection, contacts: &[Contact], devices: Vec<TruthDevice>) -> Truth {
    let mut labels: Vec<TruthLabel> = regular
        .records_of("label_edit")
        .filter_map(|record| {
            let label = record.action().label_edit_action.into_option()?;
            Some(TruthLabel {
                id: part(record.index(), 1)?,
                name: label.name.unwrap_or_default(),
                color: label.color,
                deleted: label.deleted.unwrap_or(false),
                order: label.order_index,
                kind: label.r#type.map(|kind| kind as i32),
                predefined_id: label.predefined_id,
            })
        })
        .collect();
    labels.sort_by_cached_key(|label| {
        (
            label.id.parse::<i32>().unwrap_or(i32::MAX),
            label.id.clone(),
        )
    });
    let live: HashSet<&str> = labels
        .iter()
        .filter(|label| !label.deleted)
        .map(|label| label.id.as_str())
        .collect();
    let associated = |kind: &str| {
        let records = regular
            .records_of(kind)
            .filter(|record| record.action().label_association_action.labeled == Some(true));
        let indexes = records.map(|record| record.index());
        indexes
            .filter(|index| {
                index
                    .get(1)
                    .is_some_and(|label| live.contains(label.as_str()))
            })
            .collect::<Vec<_>>()
    };
    let associations = associated("label_jid")
        .into_iter()
        .filter_map(|index| {
            let mut parts = index.into_iter().skip(1);
            Some(TruthAssociation {
                label_id: parts.next()?,
                chat_jid: parts.next()?,
            })
        })
        .collect();
    let message_associations = associated("label_message")
        .into_iter()
        .filter_map(|index| {
            let mut parts = index.into_iter().skip(1);
            Some(TruthMessageAssociation {
                label_id: parts.next()?,
                chat_jid: parts.next()?,
                message_id: parts.next()?,
            })
        })
        .collect();
    let label_order = regular
        .get(&["label_reordering".to_owned()])
        .and_then(|record| record.action().label_reordering_action.into_option())
        .map(|order| order.sorted_label_ids)
        .unwrap_or_default();
    Truth {
        version: regular.version(),
        labels,
        label_order,
        associations,
        message_associations,
        chats: contacts.to_vec(),
        devices,
    }
}

fn part(index: Vec<String>, at: usize) -> Option<String> {
    index.into_iter().nth(at)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::collection::{Change, SyncKey};
    use crate::labels::{self, PatchLabel};

    struct Phone(Collection, SyncKey, StdRng);

    impl Phone {
        fn commit(&mut self, changes: &[Change]) {
            self.0.commit(&self.1, changes, &mut self.2).unwrap();
        }

        fn edit(&mut self, id: &str, patch: &PatchLabel) {
            let change = labels::edit(&self.0, id, patch, 1);
            self.commit(&[change]);
        }

        fn live(&self) -> Vec<String> {
            let truth = truth(&self.0, &[], Vec::new());
            truth
                .associations
                .into_iter()
                .map(|one| format!("{}:{}", one.label_id, one.chat_jid))
                .collect()
        }
    }

    #[test]
    fn an_association_lives_with_its_label() {
        let key = SyncKey::new(vec![0, 0, 0, 0, 0, 1], [7; 32], 1);
        let mut phone = Phone(Collection::new("regular"), key, StdRng::seed_from_u64(1));
        phone.commit(&[
            labels::chat("1", "a@lid", true, 1),
            labels::chat("2", "b@lid", true, 1),
            labels::chat("2", "c@lid", false, 1),
            labels::message("2", "b@lid", "3EB0", true, 1),
        ]);
        assert_eq!(phone.live(), [""; 0], "a label nobody defined is not live");
        phone.edit(
            "2",
            &PatchLabel {
                name: Some("B".into()),
                ..Default::default()
            },
        );
        assert_eq!(phone.live(), ["2:b@lid"]);
        let messages = truth(&phone.0, &[], Vec::new()).message_associations;
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].message_id, "3EB0");
        phone.edit(
            "2",
            &PatchLabel {
                deleted: Some(true),
                ..Default::default()
            },
        );
        assert_eq!(phone.live(), [""; 0]);
        phone.edit(
            "2",
            &PatchLabel {
                deleted: Some(false),
                ..Default::default()
            },
        );
        assert_eq!(phone.live(), ["2:b@lid"], "records are never pruned");
        let label = &truth(&phone.0, &[], Vec::new()).labels[0];
        assert_eq!((label.name.as_str(), label.deleted), ("B", false));
    }
}
