//! A client's patch, recomputed in full before it is believed.

use std::collections::HashSet;

use wacore::appstate::hash::{generate_content_mac, generate_index_mac};
use wacore::libsignal::crypto::aes_256_cbc_decrypt_into;
use waproto::buffa::Message as _;
use waproto::whatsapp as wa;

use super::record::{Change, IndexMac, Op, Record, index_json};
use super::{Collection, Pending, SyncKey, version_field};

/// A patch that was believed and filed.
#[derive(Debug)]
pub struct Accepted {
    /// The version it made.
    pub version: u64,
    /// Its mutations in the clear.
    pub changes: Vec<Change>,
}

/// Why a patch was not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It was built on another version than the current one; answer 409 with the missing patches.
    #[error("the patch was built on another version than the current one")]
    Conflict,
    /// Something in it does not add up; answer 400.
    #[error("{0}")]
    Invalid(String),
}

fn invalid(why: impl Into<String>) -> Rejected {
    Rejected::Invalid(why.into())
}

impl Collection {
    /// Verifies a client's patch in full (LT-hash, snapshot MAC, patch MAC, index and value MAC of every record) and files it.
    pub fn accept(
        &mut self,
        keys: &[SyncKey],
        base_version: u64,
        patch: &[u8],
    ) -> Result<Accepted, Rejected> {
        let mut patch = wa::SyncdPatch::decode_from_slice(patch)
            .map_err(|error| invalid(format!("the patch is no SyncdPatch: {error}")))?;
        if base_version != self.version() {
            return Err(Rejected::Conflict);
        }
        let next = base_version + 1;
        if patch.version.version.is_some_and(|version| version != next) {
            return Err(invalid(format!(
                "the patch names another version than {next}"
            )));
        }
        if patch.external_mutations.is_set() {
            return Err(invalid(
                "mutations in an external blob are not supported; send them inline",
            ));
        }
        if patch.mutations.is_empty() {
            return Err(invalid("the patch holds no mutations"));
        }
        let id = patch
            .key_id
            .id
            .as_deref()
            .ok_or_else(|| invalid("the patch names no key"))?;
        let key = find_key(keys, id)?.clone();

        let mut pending = Vec::with_capacity(patch.mutations.len());
        let mut changes = Vec::with_capacity(patch.mutations.len());
        let mut seen = HashSet::new();
        for (position, mutation) in patch.mutations.iter().enumerate() {
            let (filed, change) = open(keys, mutation)
                .map_err(|why| invalid(format!("mutation {position}: {}", text(why))))?;
            if !seen.insert((filed.op == Op::Set, filed.mac.0)) {
                return Err(invalid(format!(
                    "mutation {position}: its index occurs twice in the patch"
                )));
            }
            pending.push(filed);
            changes.push(change);
        }

        let mut state = self.hashed(&patch.mutations);
        state.version = next;
        let snapshot_mac = state.generate_snapshot_mac(self.name(), &key.expanded().snapshot_mac);
        if patch.snapshot_mac.as_deref() != Some(&snapshot_mac) {
            return Err(invalid(
                "the snapshot MAC is wrong: the sender's LT-hash is not ours",
            ));
        }
        if patch.patch_mac.as_deref() != Some(&self.sign(&patch, next, &key)) {
            return Err(invalid("the patch MAC is wrong"));
        }

        for key in keys {
            self.learn(key);
        }
        // Clients leave it out; readers need it.
        patch.version = version_field(next);
        self.push(state, &patch, pending);
        Ok(Accepted {
            version: next,
            changes,
        })
    }
}

fn text(rejected: Rejected) -> String {
    rejected.to_string()
}

fn find_key<'a>(keys: &'a [SyncKey], id: &[u8]) -> Result<&'a SyncKey, Rejected> {
    keys.iter()
        .find(|key| key.id == id)
        .ok_or_else(|| invalid("it names a key the account does not have"))
}

/// Checks both MACs of one record and decrypts it.
fn open(keys: &[SyncKey], mutation: &wa::SyncdMutation) -> Result<(Pending, Change), Rejected> {
    let op = match mutation.operation {
        None => Op::Set,
        Some(op) => match op.as_known() {
            Some(wa::syncd_mutation::SyncdOperation::SET) => Op::Set,
            Some(wa::syncd_mutation::SyncdOperation::REMOVE) => Op::Remove,
            None => return Err(invalid(format!("unknown operation {}", op.to_i32()))),
        },
    };
    let wire = mutation
        .record
        .as_option()
        .ok_or_else(|| invalid("no record"))?;
    let id = wire
        .key_id
        .id
        .as_deref()
        .ok_or_else(|| invalid("no key id"))?;
    let key = find_key(keys, id)?.expanded();
    let blob = wire
        .value
        .blob
        .as_deref()
        .ok_or_else(|| invalid("no value"))?;
    let (sealed, value_mac) = blob
        .split_last_chunk::<32>()
        .ok_or_else(|| invalid("the value is too short"))?;
    if generate_content_mac(op.wire(), sealed, id, &key.value_mac) != *value_mac {
        return Err(invalid("the value MAC is wrong"));
    }
    let (iv, sealed) = sealed
        .split_first_chunk::<16>()
        .ok_or_else(|| invalid("the value is too short"))?;
    let mut plain = Vec::new();
    aes_256_cbc_decrypt_into(sealed, &key.value_encryption, iv, &mut plain)
        .map_err(|_| invalid("the value cannot be decrypted"))?;
    let data = wa::SyncActionData::decode_from_slice(&plain)
        .map_err(|error| invalid(format!("the value is no SyncActionData: {error}")))?;

    let raw = data
        .index
        .as_deref()
        .ok_or_else(|| invalid("the value names no index"))?;
    let index_mac = wire
        .index
        .blob
        .as_deref()
        .ok_or_else(|| invalid("no index MAC"))?;
    let expected = generate_index_mac(raw, &key.index);
    if index_mac != expected {
        return Err(invalid("the index MAC is wrong"));
    }
    let mac = <[u8; 32]>::try_from(index_mac)
        .map(IndexMac)
        .map_err(|_| invalid("the index MAC is wrong"))?;
    let index: Vec<String> = serde_json::from_slice(raw)
        .map_err(|_| invalid("the index is no JSON array of strings"))?;
    if index.is_empty() {
        return Err(invalid("the index has no parts"));
    }

    let version = data.version.unwrap_or(0);
    let action = data.value.into_option().unwrap_or_default();
    let record = Record {
        json: index_json(&index).into(),
        action: action.encode_to_vec().into(),
        schema: version,
        key_id: id.into(),
        value_mac: *value_mac,
        wire: wire.encode_to_vec().into(),
    };
    Ok((
        Pending { op, mac, record },
        Change {
            op,
            index,
            action,
            version,
        },
    ))
}
