//! App state: the keys that open it, and per collection the version, the
//! LT-hash and the MACs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::collection::{MacOp, MacPair, Version};
use labelwire_store::collections;
use labelwire_store::protocol::{self as rows, Entry, Kind};
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use whatsapp_rust::wacore::store::traits::{AppStateSyncKey, AppSyncStore};

use super::{REGULAR, SqlBackend, failed, from_json, to_json};

/// Leading byte of a stored [`HashState`]: version, flag and hash follow.
const FORMAT: u8 = 1;
const STATE_BYTES: usize = 1 + 8 + 1 + 128;

fn encode_state(state: &HashState) -> Result<Vec<u8>> {
    // The library keeps values in the MAC store; what would be here is not held
    // anywhere else, so it must not be dropped in silence.
    if !state.index_value_map.is_empty() {
        return Err(StoreError::Validation(
            "a hash state with an index map".to_owned(),
        ));
    }
    let mut bytes = Vec::with_capacity(STATE_BYTES);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&state.version.to_le_bytes());
    bytes.push(u8::from(state.mac_mismatch_fatal));
    bytes.extend_from_slice(&state.hash);
    Ok(bytes)
}

fn decode_state(bytes: &[u8]) -> Result<HashState> {
    // A collection whose MACs were stored before its first version.
    if bytes.is_empty() {
        return Ok(HashState::default());
    }
    let bytes: &[u8; STATE_BYTES] = bytes
        .try_into()
        .map_err(|_| StoreError::Validation(format!("a hash state of {} bytes", bytes.len())))?;
    if bytes[0] != FORMAT {
        return Err(StoreError::Validation(format!(
            "a hash state of format {}",
            bytes[0]
        )));
    }
    let mut state = HashState::default();
    let mut version = [0; 8];
    version.copy_from_slice(&bytes[1..9]);
    state.version = u64::from_le_bytes(version);
    state.mac_mismatch_fatal = bytes[9] != 0;
    state.hash.copy_from_slice(&bytes[10..]);
    Ok(state)
}

fn mac(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}

/// The pairs in one allocation: a first sync brings 100,000.
fn pairs(mutations: &[AppStateMutationMAC]) -> Result<Arc<[MacPair]>> {
    if let Some(odd) = mutations
        .iter()
        .find(|m| m.index_mac.len() != 32 || m.value_mac.len() != 32)
    {
        return Err(StoreError::Validation(format!(
            "MACs of {} and {} bytes",
            odd.index_mac.len(),
            odd.value_mac.len()
        )));
    }
    Ok(mutations
        .iter()
        .map(|m| {
            (
                mac(&m.index_mac).unwrap_or_default(),
                mac(&m.value_mac).unwrap_or_default(),
            )
        })
        .collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

impl SqlBackend {
    /// `regular` as a patch of our own may be built on it, with the value MACs of
    /// these records and a stamp for [`SqlBackend::is_still`]. `None` while the
    /// library is writing it: version and MACs would not belong together, and
    /// WhatsApp, which cannot check that, would spread the error to all devices.
    pub(crate) async fn regular_base(
        &self,
        index_macs: &[[u8; 32]],
    ) -> Result<Option<(HashState, HashMap<[u8; 32], Vec<u8>>, u64)>> {
        let Some(base) = self.regular.base(index_macs) else {
            return Ok(None);
        };
        let state = match &base.version {
            Some(state) => decode_state(state)?,
            None => {
                let mut reader = self.db.reader().await.map_err(failed)?;
                let stored = collections::find(reader.conn(), self.instance, REGULAR)
                    .await
                    .map_err(failed)?;
                stored.map_or_else(
                    || Ok(HashState::default()),
                    |stored| decode_state(&stored.state),
                )?
            }
        };
        let mut found = base.found;
        for (index, value) in self.stored_macs(REGULAR, &base.unknown).await? {
            found.insert(index, value.to_vec());
        }
        Ok(Some((state, found, base.stamp)))
    }

    /// Whether `regular` is as it was when this stamp was given.
    pub(crate) fn is_still(&self, stamp: u64) -> bool {
        self.regular.is_still(stamp)
    }

    async fn stored_macs(&self, name: &str, index_macs: &[[u8; 32]]) -> Result<Vec<MacPair>> {
        if index_macs.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.db.reader().await.map_err(failed)?;
        collections::find_macs(reader.conn(), self.instance, name, index_macs)
            .await
            .map_err(failed)
    }

    async fn apply_macs(&self, name: &str, cleared: bool, ops: &[MacOp]) -> Result<()> {
        let _edit = self.edit.lock().await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        collections::apply_macs(&mut tx, self.instance, name, cleared, ops)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn find_macs(
        &self,
        name: &str,
        index_macs: &[[u8; 32]],
    ) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let (mut found, unknown) = if name == REGULAR {
            self.regular.lookup(index_macs)
        } else {
            (
                HashMap::with_capacity(index_macs.len()),
                index_macs.to_vec(),
            )
        };
        for (index, value) in self.stored_macs(name, &unknown).await? {
            found.insert(index, value.to_vec());
        }
        Ok(found)
    }
}

#[async_trait]
impl AppSyncStore for SqlBackend {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        let value = self.value(Kind::SyncKey, &hex(key_id)).await?;
        value.map(|value| from_json(&value)).transpose()
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        let value = to_json(&key)?;
        let _edit = self.edit.lock().await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        let last = rows::latest(tx.conn(), self.instance, Kind::SyncKey)
            .await
            .map_err(failed)?;
        // The latest is the one stored last, also when the clock did not move
        // in between or went back.
        let after = last.map_or(0, |row| row.at.saturating_add(1));
        let at = Timestamp(self.clock.now().0.max(after));
        let entry = Entry {
            key: &hex(key_id),
            value: &value,
            at,
        };
        rows::put(&mut tx, self.instance, Kind::SyncKey, entry)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        self.forget_expanded(key_id);
        Ok(())
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        if name == REGULAR
            && let Some(state) = self.regular.version()
        {
            return decode_state(&state);
        }
        let mut reader = self.db.reader().await.map_err(failed)?;
        let stored = collections::find(reader.conn(), self.instance, name)
            .await
            .map_err(failed)?;
        let state = stored.map_or_else(
            || Ok(HashState::default()),
            |stored| decode_state(&stored.state),
        )?;
        if name == REGULAR {
            self.regular.stored_version(state.version);
        }
        Ok(state)
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        let bytes = encode_state(&state)?;
        if name == REGULAR {
            self.hand_on_raw(state.version).await;
            self.regular.set_version(Version {
                number: state.version,
                state: bytes.into(),
                mismatch: state.mac_mismatch_fatal,
            });
            return Ok(());
        }
        let _edit = self.edit.lock().await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        collections::set_version(&mut tx, self.instance, name, state.version, &bytes)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn put_mutation_macs(
        &self,
        name: &str,
        _version: u64,
        mutations: &[AppStateMutationMAC],
    ) -> Result<()> {
        if mutations.is_empty() {
            return Ok(());
        }
        let pairs = pairs(mutations)?;
        if name == REGULAR {
            self.regular.put(pairs);
            return Ok(());
        }
        self.apply_macs(name, false, &[MacOp::Put(pairs)]).await
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(index) = mac(index_mac) else {
            return Ok(None);
        };
        Ok(self.find_macs(name, &[index]).await?.remove(&index))
    }

    async fn get_mutation_macs(
        &self,
        name: &str,
        index_macs: &[[u8; 32]],
    ) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        self.find_macs(name, index_macs).await
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        // One of another length was never stored.
        let macs: Arc<[[u8; 32]]> = index_macs.iter().filter_map(|m| mac(m)).collect();
        if macs.is_empty() {
            return Ok(());
        }
        if name == REGULAR {
            self.regular.delete(macs);
            return Ok(());
        }
        self.apply_macs(name, false, &[MacOp::Delete(macs)]).await
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        if name == REGULAR {
            self.regular.clear();
            return Ok(());
        }
        self.apply_macs(name, true, &[]).await
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        let mut reader = self.db.reader().await.map_err(failed)?;
        let last = rows::latest(reader.conn(), self.instance, Kind::SyncKey)
            .await
            .map_err(failed)?;
        Ok(last.and_then(|row| from_hex(&row.key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_state_comes_back_as_it_was() {
        let state = HashState {
            version: 7,
            hash: std::array::from_fn(|i| u8::try_from(i).unwrap_or_default()),
            mac_mismatch_fatal: true,
            ..HashState::default()
        };
        let bytes = encode_state(&state).expect("nothing but a hash");
        let back = decode_state(&bytes).expect("as encoded");
        assert_eq!(
            (back.version, back.hash, back.mac_mismatch_fatal),
            (7, state.hash, true)
        );
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let mut state = HashState::default();
        state.index_value_map.insert("a".into(), vec![1]);
        assert!(encode_state(&state).is_err());
        assert!(decode_state(&[FORMAT, 1]).is_err());
        assert!(decode_state(&[9; STATE_BYTES]).is_err());
    }

    #[test]
    fn key_ids_survive_hex() {
        assert_eq!(
            from_hex(&hex(&[0, 1, 254, 255])),
            Some(vec![0, 1, 254, 255])
        );
    }
}
