//! Records out of patches and snapshots, with the keys the phone shared.

use std::collections::HashMap;
use std::sync::Arc;

use aes::Aes256Dec;
use aes::cipher::{Array, BlockCipherDecrypt as _, KeyInit as _};
use labelwire_domain::change::Record;
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::appstate::hash::generate_patch_mac;
use whatsapp_rust::wacore::appstate::{ExpandedAppStateKeys, decode_record};
use whatsapp_rust::waproto::codec;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::syncd_mutation::SyncdOperation;

use super::wire::{self, Fields, Malformed, Value};
use crate::backend::REGULAR;
use crate::translate;

/// Keys by their ids.
pub(crate) type Keys = HashMap<Vec<u8>, Arc<ExpandedAppStateKeys>>;

/// Why something could not be read. Never says what stood in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The key has not come from the phone, or was not known when this was tried.
    #[error("a key is missing")]
    NoKey,
    /// The library would refuse it too.
    #[error("{0}")]
    Wrong(&'static str),
}

impl From<Malformed> for Unreadable {
    fn from(_: Malformed) -> Self {
        Self::Wrong("not a message")
    }
}

/// Ids of the keys a patch needs.
pub(super) fn key_ids(patch: &wa::SyncdPatch) -> Vec<&[u8]> {
    let mut ids: Vec<&[u8]> = Vec::new();
    let records = patch.mutations.iter().filter_map(|m| m.record.as_option());
    let of_records = records.filter_map(|r| r.key_id.as_option());
    for id in patch.key_id.as_option().into_iter().chain(of_records) {
        if let Some(id) = id.id.as_deref()
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    }
    ids
}

/// All records of a patch that labels are made of, in order. What is read past
/// the library is believed as little: the patch's MAC and each record's are
/// checked here too.
pub(super) fn patch(
    patch: &wa::SyncdPatch,
    version: u64,
    keys: &Keys,
) -> Result<Vec<Record>, Unreadable> {
    let key = |id: Option<&[u8]>| {
        id.and_then(|id| keys.get(id))
            .map(|keys| &**keys)
            .ok_or(Unreadable::NoKey)
    };
    let id = patch.key_id.as_option().and_then(|k| k.id.as_deref());
    let expected = generate_patch_mac(patch, REGULAR, &key(id)?.patch_mac, version);
    if patch.patch_mac.as_deref() != Some(&expected) {
        return Err(Unreadable::Wrong("a patch MAC that does not match"));
    }
    let mut records = Vec::with_capacity(patch.mutations.len());
    for mutation in &patch.mutations {
        let Some(record) = mutation.record.as_option() else {
            continue;
        };
        let operation = match mutation.operation {
            None => SyncdOperation::SET,
            Some(operation) => operation
                .as_known()
                .ok_or(Unreadable::Wrong("an unknown operation"))?,
        };
        let id = record.key_id.as_option().and_then(|k| k.id.as_deref());
        let (mutation, _) =
            decode_record(operation, record, key(id)?, id.unwrap_or_default(), true)
                .map_err(|_| Unreadable::Wrong("a record that does not open"))?;
        records.extend(translate::record(&mutation));
    }
    Ok(records)
}

/// A snapshot's records that the library raises no event for.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) version: u64,
    pub(super) records: Vec<Record>,
}

/// Reads from a `SyncdSnapshot` what no event tells of.
///
/// Of each record one cipher block is opened: it shows the first letters of the
/// index, which say what the record is about. Opening all of each would cost as
/// much as the library's own pass. Lengths would be no safe sign: clients may pad.
pub(super) fn snapshot(plain: &[u8], keys: &Keys) -> Result<Snapshot, Unreadable> {
    let mut found = Vec::new();
    let mut ciphers: Vec<(&[u8], &ExpandedAppStateKeys, Aes256Dec)> = Vec::new();
    for field in Fields(plain) {
        let (2, Value::Bytes(record)) = field? else {
            continue;
        };
        let value = wire::bytes(wire::bytes(record, 2)?, 1)?;
        let id = wire::bytes(wire::bytes(record, 3)?, 1)?;
        let at = match ciphers.iter().position(|(known, ..)| *known == id) {
            Some(at) => at,
            None => {
                let keys = keys.get(id).ok_or(Unreadable::NoKey)?;
                let cipher = Aes256Dec::new(&Array::from(keys.value_encryption));
                ciphers.push((id, keys, cipher));
                ciphers.len() - 1
            }
        };
        let (_, keys, cipher) = &ciphers[at];
        if !may_be_unraised(value, cipher) {
            continue;
        }
        let record = wa::SyncdRecord::decode_from_slice(record)
            .map_err(|_| Unreadable::Wrong("not a record"))?;
        let (mutation, _) = decode_record(SyncdOperation::SET, &record, keys, id, true)
            .map_err(|_| Unreadable::Wrong("a record that does not open"))?;
        found.extend(translate::record(&mutation).filter(unraised));
    }
    Ok(Snapshot {
        version: wire::version(plain)?,
        records: found,
    })
}

const fn unraised(record: &Record) -> bool {
    matches!(record, Record::Message(_) | Record::Order(_))
}

/// Whether the first block of a value (16 bytes IV, then `SyncActionData`, then
/// 32 bytes MAC) leaves it possible that this is a `label_message` or a
/// `label_reordering`. Whatever does not look as all clients write it is.
fn may_be_unraised(value: &[u8], cipher: &Aes256Dec) -> bool {
    let Some((Ok(iv), rest)) = value
        .split_at_checked(16)
        .map(|(iv, rest)| (<[u8; 16]>::try_from(iv), rest))
    else {
        return true;
    };
    let Some(Ok(block)) = rest.get(..16).map(<[u8; 16]>::try_from) else {
        return true;
    };
    let mut block = Array::from(block);
    cipher.decrypt_block(&mut block);
    let mut plain: [u8; 16] = block.into();
    for (byte, iv) in plain.iter_mut().zip(iv) {
        *byte ^= iv;
    }
    // Field 1, the index: its length takes one byte, or two.
    let index: &[u8] = match &plain {
        [0x0a, ..0x80, index @ ..] => index,
        [0x0a, _, ..0x80, index @ ..] => index,
        _ => return true,
    };
    match index.strip_prefix(b"[\"") {
        Some(kind) => kind.starts_with(b"label_m") || kind.starts_with(b"label_r"),
        None => true,
    }
}

/// The mutations of a patch that keeps them elsewhere.
pub(super) fn mutations(plain: &[u8]) -> Result<Vec<wa::SyncdMutation>, Unreadable> {
    codec::syncd_mutations_decode(plain)
        .map(|mutations| mutations.mutations)
        .map_err(|_| Unreadable::Wrong("not mutations"))
}
