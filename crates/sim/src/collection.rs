//! One app-state collection of one account, as the phone keeps it.
//!
//! Every record is encrypted exactly as a phone would, every patch carries both
//! aggregate MACs, and a client's patch is believed only after all of them were
//! recomputed. A change costs O(log n) in the number of records: the LT-hash is
//! adjusted, never rebuilt, and a snapshot is made only when somebody asks.

mod key;
mod record;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use rand::Rng;
use wacore::appstate::encode_record;
use wacore::appstate::hash::{HashState, generate_patch_mac};
use waproto::buffa::Message as _;
use waproto::whatsapp as wa;

pub use key::SyncKey;
pub use record::{Change, Op, Record};
use record::{IndexMac, index_json};
pub use verify::{Accepted, Rejected};

/// Why the phone could not write what it was asked to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A patch without mutations would still take a version.
    #[error("a patch needs at least one change")]
    Empty,
    /// A `Remove` of an index that is not there.
    #[error("there is no record `{0}` to remove")]
    NotFound(String),
    /// An index with no parts cannot be filed.
    #[error("a change needs an index of at least one part")]
    NoIndex,
    /// The record's own key was never shown to this collection.
    #[error("record `{0}` is encrypted with a key this collection does not know")]
    UnknownKey(String),
}

/// Some of the patches after a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchPage {
    /// Encoded `SyncdPatch` messages, oldest first, each carrying its version.
    pub patches: Vec<Bytes>,
    /// Whether newer patches exist than the last of these.
    pub has_more: bool,
}

/// One app-state collection.
pub struct Collection {
    name: String,
    state: HashState,
    records: BTreeMap<IndexMac, Record>,
    by_index: BTreeMap<Arc<str>, IndexMac>,
    patches: Vec<Bytes>,
    keys: Vec<SyncKey>,
    highest: HashMap<String, i32>,
    snapshot: Option<(u64, Vec<u8>, Bytes)>,
}

/// A mutation that was encrypted or verified and only waits to be filed.
struct Pending {
    op: Op,
    mac: IndexMac,
    record: Record,
}

impl Collection {
    /// An empty collection at version 0.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: HashState::default(),
            records: BTreeMap::new(),
            by_index: BTreeMap::new(),
            patches: Vec::new(),
            keys: Vec::new(),
            highest: HashMap::new(),
            snapshot: None,
        }
    }

    /// Its name on the wire, such as `regular`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of the last patch; 0 when there was none.
    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// The LT-hash over all records.
    pub fn hash(&self) -> &[u8; 128] {
        &self.state.hash
    }

    /// How many indexes hold a record.
    pub fn len(&self) -> usize {
        self.by_index.len()
    }

    /// Whether no index holds a record.
    pub fn is_empty(&self) -> bool {
        self.by_index.is_empty()
    }

    /// The highest number ever seen as second index part under `kind`, records since removed included.
    pub fn highest(&self, kind: &str) -> Option<i32> {
        self.highest.get(kind).copied()
    }

    /// The last record written under this index.
    pub fn get(&self, index: &[String]) -> Option<&Record> {
        self.find(&index_json(index)).map(|(_, record)| record)
    }

    /// All records in the order of their index.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.by_index
            .values()
            .filter_map(|mac| self.records.get(mac))
    }

    /// The records whose first index part is `kind`, in the order of their index.
    pub fn records_of(&self, kind: &str) -> impl Iterator<Item = &Record> {
        let head = serde_json::Value::from(kind).to_string();
        let (from, bare) = (format!("[{head},"), format!("[{head}]"));
        let end = format!("[{head}-"); // `-` follows `,` in ASCII
        let alone = self.by_index.get(bare.as_str());
        let range = (
            Bound::Included(from.as_str()),
            Bound::Excluded(end.as_str()),
        );
        let many = self.by_index.range::<str, _>(range).map(|(_, mac)| mac);
        alone
            .into_iter()
            .chain(many)
            .filter_map(|mac| self.records.get(mac))
    }

    /// The phone changes something: one patch holding all `changes`, of which the last one per index counts.
    pub fn commit<R: Rng + ?Sized>(
        &mut self,
        key: &SyncKey,
        changes: &[Change],
        rng: &mut R,
    ) -> Result<u64, Error> {
        if changes.is_empty() {
            return Err(Error::Empty);
        }
        self.learn(key);
        let mut pending = Vec::with_capacity(changes.len());
        let mut mutations = Vec::with_capacity(changes.len());
        for (change, json) in last_per_index(changes) {
            if change.index.is_empty() {
                return Err(Error::NoIndex);
            }
            let old = self.find(&json).map(|(_, record)| record.key_id.to_vec());
            match (change.op, old) {
                (Op::Remove, None) => return Err(Error::NotFound(json)),
                // A record is removed under the key it was written with, and a
                // rotated key files the same index elsewhere: the old one must go.
                (op, Some(old)) if op == Op::Remove || old != key.id => {
                    let old = self
                        .key(&old)
                        .cloned()
                        .ok_or(Error::UnknownKey(json.clone()))?;
                    let (mutation, gone) = encrypt(Op::Remove, change, &json, &old, rng);
                    mutations.push(mutation);
                    pending.push(gone);
                }
                _ => {}
            }
            if change.op == Op::Set {
                let (mutation, set) = encrypt(Op::Set, change, &json, key, rng);
                mutations.push(mutation);
                pending.push(set);
            }
        }

        let mut state = self.hashed(&mutations);
        state.version += 1;
        let mut patch = wa::SyncdPatch {
            version: version_field(state.version),
            snapshot_mac: Some(
                state.generate_snapshot_mac(&self.name, &key.expanded().snapshot_mac),
            ),
            key_id: key_id_field(&key.id),
            mutations,
            ..Default::default()
        };
        patch.patch_mac = Some(self.sign(&patch, state.version, key));
        self.push(state, &patch, pending);
        Ok(self.state.version)
    }

    /// Encoded `SyncdPatch` messages after `version`, at most `max` of them.
    pub fn patches_after(&self, version: u64, max: usize) -> PatchPage {
        let from = usize::try_from(version)
            .unwrap_or(usize::MAX)
            .min(self.patches.len());
        let to = from.saturating_add(max).min(self.patches.len());
        PatchPage {
            patches: self.patches[from..to].to_vec(),
            has_more: to < self.patches.len(),
        }
    }

    /// The encoded `SyncdPatch` that led to `version`.
    pub fn patch(&self, version: u64) -> Option<&Bytes> {
        let at = usize::try_from(version.checked_sub(1)?).ok()?;
        self.patches.get(at)
    }

    /// The encoded `SyncdSnapshot` of the current version, kept until the next change.
    pub fn snapshot(&mut self, key: &SyncKey) -> Result<Bytes, Error> {
        if let Some((version, id, bytes)) = &self.snapshot
            && *version == self.state.version
            && *id == key.id
        {
            return Ok(bytes.clone());
        }
        let head = wa::SyncdSnapshot {
            version: version_field(self.state.version),
            mac: Some(
                self.state
                    .generate_snapshot_mac(&self.name, &key.expanded().snapshot_mac),
            ),
            key_id: key_id_field(&key.id),
            ..Default::default()
        };
        // Fields of a message may come in any order, so the records, which are
        // already encoded, are appended instead of being built up as objects.
        let mut out = head.encode_to_vec();
        out.reserve(
            self.records
                .values()
                .map(|record| record.wire.len() + 4)
                .sum(),
        );
        for record in self.records.values() {
            #[cfg(test)]
            tests::count_step();
            out.push(0x12); // field 2, length-delimited
            push_varint(&mut out, record.wire.len());
            out.extend_from_slice(&record.wire);
        }
        let bytes = Bytes::from(out);
        self.snapshot = Some((self.state.version, key.id.clone(), bytes.clone()));
        Ok(bytes)
    }

    /// The same patch with a snapshot MAC that matches no state, signed again: a
    /// genuine-looking patch of a phone whose hash went another way.
    pub fn with_wrong_snapshot_mac(&self, patch: &[u8]) -> Bytes {
        self.altered(patch, |patch| {
            flip(&mut patch.snapshot_mac);
            let version = patch.version.version.unwrap_or(0);
            let key = patch.key_id.id.as_deref().and_then(|id| self.key(id));
            patch.patch_mac = key.map(|key| self.sign(patch, version, key));
        })
    }

    /// The same patch with a patch MAC that nobody's key could have made.
    pub fn with_wrong_patch_mac(&self, patch: &[u8]) -> Bytes {
        self.altered(patch, |patch| flip(&mut patch.patch_mac))
    }

    fn altered(&self, patch: &[u8], alter: impl FnOnce(&mut wa::SyncdPatch)) -> Bytes {
        match wa::SyncdPatch::decode_from_slice(patch) {
            Ok(mut patch) => {
                alter(&mut patch);
                patch.encode_to_bytes()
            }
            Err(_) => Bytes::copy_from_slice(patch),
        }
    }

    fn find(&self, json: &str) -> Option<(&IndexMac, &Record)> {
        let mac = self.by_index.get(json)?;
        self.records.get(mac).map(|record| (mac, record))
    }

    fn key(&self, id: &[u8]) -> Option<&SyncKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    fn learn(&mut self, key: &SyncKey) {
        if self.key(&key.id).is_none() {
            self.keys.push(key.clone());
        }
    }

    fn sign(&self, patch: &wa::SyncdPatch, version: u64, key: &SyncKey) -> Vec<u8> {
        generate_patch_mac(patch, &self.name, &key.expanded().patch_mac, version)
    }

    /// The state after these mutations, version not yet raised.
    fn hashed(&self, mutations: &[wa::SyncdMutation]) -> HashState {
        let mut state = self.state.clone();
        // It fails only on an unknown operation or a failing lookup: callers made
        // or checked the operations, and the lookup is a map.
        let _ = state.update_hash(mutations, |index_mac, _| {
            let mac = <[u8; 32]>::try_from(index_mac).map(IndexMac).ok();
            Ok(mac
                .and_then(|mac| self.records.get(&mac))
                .map(|record| record.value_mac.to_vec()))
        });
        state
    }

    fn push(&mut self, state: HashState, patch: &wa::SyncdPatch, pending: Vec<Pending>) {
        let (removed, set): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|pending| pending.op == Op::Remove);
        for Pending { mac, record, .. } in removed {
            self.records.remove(&mac);
            if self.by_index.get(&record.json) == Some(&mac) {
                self.by_index.remove(&record.json);
            }
        }
        for Pending { mac, record, .. } in set {
            self.note_number(&record.json);
            self.by_index.insert(record.json.clone(), mac);
            self.records.insert(mac, record);
        }
        self.state = state;
        self.patches.push(patch.encode_to_bytes());
        self.snapshot = None;
    }

    fn note_number(&mut self, json: &str) {
        let Ok(parts) = serde_json::from_str::<Vec<String>>(json) else {
            return;
        };
        let mut parts = parts.into_iter();
        if let (Some(kind), Some(Ok(number))) =
            (parts.next(), parts.next().map(|id| id.parse::<i32>()))
        {
            let highest = self.highest.entry(kind).or_insert(number);
            *highest = number.max(*highest);
        }
    }
}

fn encrypt<R: Rng + ?Sized>(
    op: Op,
    change: &Change,
    json: &str,
    key: &SyncKey,
    rng: &mut R,
) -> (wa::SyncdMutation, Pending) {
    let mut iv = [0; 16];
    rng.fill_bytes(&mut iv);
    let (mutation, value_mac) = encode_record(
        op.wire(),
        json.as_bytes(),
        &change.action,
        key.expanded(),
        &key.id,
        &iv,
        change.version,
    );
    let mut mac = [0; 32];
    if let Some(blob) = mutation
        .record
        .index
        .blob
        .as_deref()
        .and_then(|blob| blob.first_chunk())
    {
        mac = *blob;
    }
    let record = Record {
        json: json.into(),
        action: change.action.encode_to_vec().into(),
        schema: change.version,
        key_id: key.id.as_slice().into(),
        value_mac,
        wire: mutation.record.encode_to_vec().into(),
    };
    (
        mutation,
        Pending {
            op,
            mac: IndexMac(mac),
            record,
        },
    )
}

/// Clients refuse a patch that names an index twice, so only the last change of each is kept.
fn last_per_index(changes: &[Change]) -> Vec<(&Change, String)> {
    let mut at: HashMap<String, usize> = HashMap::with_capacity(changes.len());
    for (position, change) in changes.iter().enumerate() {
        at.insert(index_json(&change.index), position);
    }
    let mut kept: Vec<(usize, String)> = at
        .into_iter()
        .map(|(json, position)| (position, json))
        .collect();
    kept.sort_unstable();
    kept.into_iter()
        .map(|(position, json)| (&changes[position], json))
        .collect()
}

fn version_field<P: From<wa::SyncdVersion>>(version: u64) -> P {
    wa::SyncdVersion {
        version: Some(version),
    }
    .into()
}

fn key_id_field<P: From<wa::KeyId>>(id: &[u8]) -> P {
    wa::KeyId {
        id: Some(id.to_vec()),
    }
    .into()
}

fn flip(mac: &mut Option<Vec<u8>>) {
    if let Some(first) = mac.as_mut().and_then(|mac| mac.first_mut()) {
        *first ^= 0xff;
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
