//! One live record of a collection, and the change that made it.

use std::sync::Arc;

use waproto::buffa::Message as _;
use waproto::whatsapp as wa;

/// What a mutation does with its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes the value.
    Set,
    /// Drops the record; label changes never do this, they write a tombstone value.
    Remove,
}

impl Op {
    pub(super) fn wire(self) -> wa::syncd_mutation::SyncdOperation {
        match self {
            Self::Set => wa::syncd_mutation::SyncdOperation::SET,
            Self::Remove => wa::syncd_mutation::SyncdOperation::REMOVE,
        }
    }
}

/// One mutation in the clear.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Write or drop.
    pub op: Op,
    /// The index parts, such as `["label_jid", "3", "4915…@s.whatsapp.net"]`.
    pub index: Vec<String>,
    /// The whole value; it replaces the previous one.
    pub action: wa::SyncActionValue,
    /// Schema version of the action; 3 for everything about labels.
    pub version: i32,
}

/// The HMAC of an index, under which servers and clients file a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexMac(pub(super) [u8; 32]);

impl Ord for IndexMac {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        #[cfg(test)]
        super::tests::count_step();
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for IndexMac {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// One live record. The value is kept encoded: an account may hold 300,000.
#[derive(Clone, Debug)]
pub struct Record {
    pub(super) json: Arc<str>,
    pub(super) action: Box<[u8]>,
    pub(super) schema: i32,
    pub(super) key_id: Box<[u8]>,
    pub(super) value_mac: [u8; 32],
    /// The encrypted `SyncdRecord`, as clients get it in a snapshot.
    pub(super) wire: Box<[u8]>,
}

impl Record {
    /// The index parts.
    pub fn index(&self) -> Vec<String> {
        serde_json::from_str(&self.json).unwrap_or_default()
    }

    /// The index as compact JSON.
    pub fn index_json(&self) -> &str {
        &self.json
    }

    /// The value in the clear.
    pub fn action(&self) -> wa::SyncActionValue {
        // Only bytes this crate encoded itself are ever stored here.
        wa::SyncActionValue::decode_from_slice(&self.action).unwrap_or_default()
    }

    /// Schema version of the action.
    pub fn version(&self) -> i32 {
        self.schema
    }

    /// Id of the sync key it is encrypted with.
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }
}

/// Compact JSON of an index, the form all clients write.
pub(super) fn index_json(index: &[String]) -> String {
    serde_json::Value::from(index).to_string()
}
