//! Secrets of messages, which open what refers to them (votes, edits, reactions).
//!
//! A value is the message's time in seconds, eight bytes, then the secret; the
//! row's `at` is when it may be forgotten, 0 never.

use std::collections::HashMap;

use async_trait::async_trait;
use labelwire_domain::clock::Timestamp;
use labelwire_store::protocol::{self as rows, Entry, Kind};
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use whatsapp_rust::wacore::store::traits::{
    MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry, merge_msg_secret_message_ts,
};

use super::{SqlBackend, failed, from_secs, joined, to_secs};

/// Entries merged at once.
const CHUNK: usize = 2_000;

fn encode(message_ts: i64, secret: &[u8]) -> Vec<u8> {
    [&message_ts.to_le_bytes(), secret].concat()
}

fn decode(value: &[u8]) -> Result<(i64, &[u8])> {
    let (ts, secret) = value.split_first_chunk().ok_or_else(|| {
        StoreError::Validation(format!("a message secret of {} bytes", value.len()))
    })?;
    Ok((i64::from_le_bytes(*ts), secret))
}

struct Merged {
    expires_at: i64,
    message_ts: i64,
    secret: [u8; 32],
}

#[async_trait]
impl MsgSecretStore for SqlBackend {
    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        if entries.is_empty() {
            return Ok(0);
        }
        let _edit = self.edit.lock().await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        for chunk in entries.chunks(CHUNK) {
            let keys: Vec<String> = chunk
                .iter()
                .map(|e| joined(&[&e.chat, &e.sender, &e.msg_id]))
                .collect();
            let names: Vec<&str> = keys.iter().map(String::as_str).collect();
            let known = rows::get_many(tx.conn(), self.instance, Kind::MsgSecret, &names)
                .await
                .map_err(failed)?;
            let mut times: HashMap<String, (i64, i64)> = HashMap::with_capacity(known.len());
            for row in known {
                let (message_ts, _) = decode(&row.value)?;
                times.insert(row.key, (to_secs(row.at), message_ts));
            }
            let mut merged: HashMap<&str, Merged> = HashMap::with_capacity(chunk.len());
            for (key, entry) in names.iter().zip(chunk) {
                let before = merged
                    .get(key)
                    .map(|m| (m.expires_at, m.message_ts))
                    .or_else(|| times.get(*key).copied());
                let (expires_at, message_ts) = before.map_or(
                    (entry.expires_at, entry.message_ts),
                    |(expires_at, message_ts)| {
                        (
                            merge_msg_secret_expiry(expires_at, entry.expires_at),
                            merge_msg_secret_message_ts(message_ts, entry.message_ts),
                        )
                    },
                );
                merged.insert(
                    key,
                    Merged {
                        expires_at,
                        message_ts,
                        secret: entry.secret,
                    },
                );
            }
            let values: Vec<(&str, Vec<u8>, Timestamp)> = merged
                .into_iter()
                .map(|(key, m)| {
                    (
                        key,
                        encode(m.message_ts, &m.secret),
                        from_secs(m.expires_at),
                    )
                })
                .collect();
            let rows: Vec<Entry<'_>> = values
                .iter()
                .map(|(key, value, at)| Entry {
                    key,
                    value,
                    at: *at,
                })
                .collect();
            rows::put_many(&mut tx, self.instance, Kind::MsgSecret, &rows)
                .await
                .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)?;
        Ok(entries.len())
    }

    async fn get_msg_secret(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<Vec<u8>>> {
        let found = self.get_msg_secret_with_ts(chat, sender, msg_id).await?;
        Ok(found.map(|(secret, _)| secret))
    }

    async fn get_msg_secret_with_ts(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<(Vec<u8>, i64)>> {
        let key = joined(&[chat, sender, msg_id]);
        let Some(value) = self.value(Kind::MsgSecret, &key).await? else {
            return Ok(None);
        };
        let (message_ts, secret) = decode(&value)?;
        Ok(Some((secret.to_vec(), message_ts)))
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        // The deadline itself counts as past.
        let cutoff = Timestamp(from_secs(cutoff_timestamp).0.saturating_add(1));
        self.delete_older(Kind::MsgSecret, cutoff).await
    }
}
