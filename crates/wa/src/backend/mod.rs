//! The client library's `Backend` on our store: everything the protocol must
//! remember, in the same database as the rest.
//!
//! Each call is one read or one transaction, durable when it returns. The one
//! exception is the `regular` collection, which labels are made of: its version
//! and MACs go through [`RegularOverlay`] and are committed by the instance's
//! actor together with the mirror.
//!
//! ```text
//! library ──► SqlBackend ──► store
//!                 └─ `regular` ─► RegularOverlay ─► steps ─► actor ──► store
//! ```

mod app_sync;
mod device;
mod known;
mod msg_secret;
mod overlay;
mod protocol;
mod raw;
mod signal;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use labelwire_domain::clock::{Clock, Timestamp};
use labelwire_domain::ids::InstanceKey;
use labelwire_store::Db;
use labelwire_store::protocol::{self as rows, Entry, Kind, Row};
use tokio::sync::Mutex;
use whatsapp_rust::wacore::store::error::{Result, StoreError};

pub use overlay::{RegularOverlay, StepSink};

use known::KnownKeys;

/// The collection that goes through the overlay.
pub const REGULAR: &str = "regular";

/// One instance's protocol state.
pub struct SqlBackend {
    db: Db,
    instance: InstanceKey,
    clock: Arc<dyn Clock>,
    regular: Arc<RegularOverlay>,
    /// Held where a write depends on a read: PostgreSQL would let two such
    /// writes overtake each other. One process runs an instance, so this is enough.
    edit: Mutex<()>,
    /// The same for what is learned of LIDs.
    learning: Mutex<()>,
    known: known::KnownKeys,
    /// Keys of app state, expanded.
    expanded: std::sync::Mutex<crate::raw::Keys>,
}

impl SqlBackend {
    /// The state of `instance`, with `regular` held back in `overlay`.
    #[must_use]
    pub fn new(
        db: Db,
        instance: InstanceKey,
        clock: Arc<dyn Clock>,
        overlay: Arc<RegularOverlay>,
    ) -> Self {
        Self {
            db,
            instance,
            clock,
            regular: overlay,
            edit: Mutex::new(()),
            learning: Mutex::new(()),
            known: KnownKeys::default(),
            expanded: std::sync::Mutex::default(),
        }
    }

    /// The overlay in front of `regular`.
    #[must_use]
    pub fn overlay(&self) -> &Arc<RegularOverlay> {
        &self.regular
    }

    /// Whether a key that begins so, or is so (`whole`), may be stored.
    async fn may_have(&self, kind: Kind, prefix: &str, whole: bool) -> Result<bool> {
        if !KnownKeys::covers(kind) {
            return Ok(true);
        }
        if let Some(known) = self.known.may_have(kind, prefix, whole) {
            return Ok(known);
        }
        // No write of this instance goes on while its keys are read and noted.
        let _edit = self.edit.lock().await;
        let mut reader = self.db.reader().await.map_err(failed)?;
        let keys = rows::list_keys(reader.conn(), self.instance, kind)
            .await
            .map_err(failed)?;
        self.known.load(kind, keys);
        Ok(self.known.may_have(kind, prefix, whole).unwrap_or(true))
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Row>> {
        if !self.may_have(kind, &storable(key), true).await? {
            return Ok(None);
        }
        let mut reader = self.db.reader().await.map_err(failed)?;
        rows::get(reader.conn(), self.instance, kind, &storable(key))
            .await
            .map_err(failed)
    }

    async fn value(&self, kind: Kind, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get(kind, key).await?.map(|row| row.value))
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Row>> {
        let mut reader = self.db.reader().await.map_err(failed)?;
        rows::list(reader.conn(), self.instance, kind)
            .await
            .map_err(failed)
    }

    async fn put(&self, kind: Kind, key: &str, value: &[u8]) -> Result<()> {
        self.put_at(kind, key, value, Timestamp(0)).await
    }

    async fn put_at(&self, kind: Kind, key: &str, value: &[u8], at: Timestamp) -> Result<()> {
        let key = storable(key);
        let _edit = self.noting(kind, std::iter::once(&*key)).await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        rows::put(
            &mut tx,
            self.instance,
            kind,
            Entry {
                key: &key,
                value,
                at,
            },
        )
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    /// Stores `(key, value, at)`s in one transaction.
    async fn put_many<K, V>(&self, kind: Kind, values: &[(K, V, Timestamp)]) -> Result<()>
    where
        K: AsRef<str> + Sync,
        V: AsRef<[u8]> + Sync,
    {
        if values.is_empty() {
            return Ok(());
        }
        let keys: Vec<Cow<'_, str>> = values.iter().map(|(k, ..)| storable(k.as_ref())).collect();
        let entries: Vec<Entry<'_>> = keys
            .iter()
            .zip(values)
            .map(|(key, (_, value, at))| Entry {
                key,
                value: value.as_ref(),
                at: *at,
            })
            .collect();
        let _edit = self.noting(kind, keys.iter().map(|k| &**k)).await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        rows::put_many(&mut tx, self.instance, kind, &entries)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    /// Notes keys about to be stored; hold what it returns until they are.
    async fn noting<'a>(
        &self,
        kind: Kind,
        keys: impl Iterator<Item = &'a str>,
    ) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        if !KnownKeys::covers(kind) {
            return None;
        }
        let edit = self.edit.lock().await;
        self.known.add(kind, keys);
        Some(edit)
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<()> {
        let mut tx = self.db.begin().await.map_err(failed)?;
        rows::delete(&mut tx, self.instance, kind, &storable(key))
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn delete_many(&self, kind: Kind, keys: &[String]) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut tx = self.db.begin().await.map_err(failed)?;
        let gone = rows::delete_many(&mut tx, self.instance, kind, &keys)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(gone)
    }

    /// Removes what is dated before `cutoff`; how many there were.
    async fn delete_older(&self, kind: Kind, cutoff: Timestamp) -> Result<u32> {
        let mut tx = self.db.begin().await.map_err(failed)?;
        let gone = rows::delete_older(&mut tx, self.instance, kind, cutoff)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(count(gone))
    }
}

fn failed(error: labelwire_store::Error) -> StoreError {
    StoreError::Database(Box::new(error))
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Serialization(error.into())
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(unreadable)
}

fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// The library counts in `u32`.
fn count(rows: u64) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

/// The library's seconds as the store keeps time.
const fn from_secs(secs: i64) -> Timestamp {
    Timestamp(secs.saturating_mul(1_000_000))
}

const fn to_secs(micros: i64) -> i64 {
    micros.div_euclid(1_000_000)
}

/// PostgreSQL's text refuses NUL, and message ids are the sender's to choose.
fn storable(key: &str) -> Cow<'_, str> {
    if key.contains('\0') {
        Cow::Owned(key.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(key)
    }
}

/// Several strings as one key that no other strings make: each but the last is
/// preceded by its length.
fn joined(parts: &[&str]) -> String {
    let mut key = String::with_capacity(parts.iter().map(|p| p.len() + 4).sum());
    for (i, part) in parts.iter().enumerate() {
        let part = storable(part);
        if i + 1 < parts.len() {
            let _ = write!(key, "{}:", part.len());
        }
        key.push_str(&part);
    }
    key
}

/// What every [`joined`] key of two parts with this first one begins with.
fn joined_prefix(first: &str) -> String {
    joined(&[first, ""])
}

/// The second part of a [`joined`] key of two.
fn second_part(key: &str) -> Option<&str> {
    let (len, rest) = key.split_once(':')?;
    rest.get(len.parse().ok()?..)
}

/// Numbers as keys of equal width, so that they sort.
fn number_key(id: u32) -> String {
    format!("{id:010}")
}

fn number_of(key: &str) -> Result<u32> {
    key.parse().map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_keys_of_different_parts_differ() {
        assert_ne!(joined(&["a", "bc"]), joined(&["ab", "c"]));
        assert_ne!(joined(&["1:a", "b"]), joined(&["1", "ab"]));
        assert_ne!(joined(&["", "a", "b"]), joined(&["", "ab", ""]));
        assert!(joined(&["g", "d"]).starts_with(&joined_prefix("g")));
        assert!(!joined(&["gg", "d"]).starts_with(&joined_prefix("g")));
        assert_eq!(
            second_part(&joined(&["1@g.us", "2:3@lid"])),
            Some("2:3@lid")
        );
    }
}
