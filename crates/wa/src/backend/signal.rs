//! Signal's identities, sessions and keys.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use labelwire_domain::clock::Timestamp;
use labelwire_store::protocol::{self as rows, Kind};
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use whatsapp_rust::wacore::store::traits::SignalStore;

use super::{SqlBackend, failed, number_key, number_of};

/// The timeless entries of a batch, as the backend's bulk write takes them.
fn timeless<V: AsRef<[u8]>>(batch: &[(Arc<str>, V)]) -> Vec<(&str, &[u8], Timestamp)> {
    batch
        .iter()
        .map(|(key, value)| (key.as_ref(), value.as_ref(), Timestamp(0)))
        .collect()
}

#[async_trait]
impl SignalStore for SqlBackend {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.put(Kind::Identity, address, &key).await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        self.put_many(Kind::Identity, &timeless(identities)).await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let Some(value) = self.value(Kind::Identity, address).await? else {
            return Ok(None);
        };
        let key = value.as_slice().try_into().map_err(|_| {
            StoreError::Validation(format!("an identity key of {} bytes", value.len()))
        })?;
        Ok(Some(key))
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.delete(Kind::Identity, address).await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        Ok(self.value(Kind::Session, address).await?.map(Bytes::from))
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.put(Kind::Session, address, session).await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_many(Kind::Session, &timeless(sessions)).await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.delete(Kind::Session, address).await
    }

    async fn has_session(&self, address: &str) -> Result<bool> {
        Ok(self.get(Kind::Session, address).await?.is_some())
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        // An address is `user@server` or `user:device@server`.
        for prefix in [format!("{user}@"), format!("{user}:")] {
            let prefix = super::storable(&prefix);
            for kind in [Kind::Session, Kind::Identity] {
                if !self.may_have(kind, &prefix, false).await? {
                    continue;
                }
                let mut reader = self.db.reader().await.map_err(failed)?;
                if rows::has_prefix(reader.conn(), self.instance, kind, &prefix)
                    .await
                    .map_err(failed)?
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], _uploaded: bool) -> Result<()> {
        self.put(Kind::PreKey, &number_key(id), record).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], _uploaded: bool) -> Result<()> {
        let entries: Vec<_> = keys
            .iter()
            .map(|(id, record)| (number_key(*id), record.as_ref(), Timestamp(0)))
            .collect();
        self.put_many(Kind::PreKey, &entries).await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        Ok(self
            .value(Kind::PreKey, &number_key(id))
            .await?
            .map(Bytes::from))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let keys: Vec<String> = ids.iter().map(|id| number_key(*id)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut reader = self.db.reader().await.map_err(failed)?;
        let found = rows::get_many(reader.conn(), self.instance, Kind::PreKey, &keys)
            .await
            .map_err(failed)?;
        found
            .into_iter()
            .map(|row| Ok((number_of(&row.key)?, Bytes::from(row.value))))
            .collect()
    }

    /// Nothing asks for the flag again: the device's watermark says which keys
    /// are uploaded. What matters is that no consumed key comes back.
    async fn mark_prekeys_uploaded(&self, _ids: &[u32]) -> Result<()> {
        Ok(())
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.delete(Kind::PreKey, &number_key(id)).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        let mut reader = self.db.reader().await.map_err(failed)?;
        let key = rows::max_key(reader.conn(), self.instance, Kind::PreKey)
            .await
            .map_err(failed)?;
        key.map_or(Ok(0), |key| number_of(&key))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.put(Kind::SignedPreKey, &number_key(id), record).await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        self.value(Kind::SignedPreKey, &number_key(id)).await
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let all = self.list(Kind::SignedPreKey).await?;
        all.into_iter()
            .map(|row| Ok((number_of(&row.key)?, row.value)))
            .collect()
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.delete(Kind::SignedPreKey, &number_key(id)).await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.put(Kind::SenderKey, address, record).await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_many(Kind::SenderKey, &timeless(sender_keys)).await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        self.value(Kind::SenderKey, address).await
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.delete(Kind::SenderKey, address).await
    }
}
