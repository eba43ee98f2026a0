//! The client library's own state: key and value, by kind.
//!
//! Keys sort by their bytes. They must not hold NUL, which PostgreSQL's text
//! refuses.

use std::collections::HashMap;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

/// Rows, and about how many bytes of JSON, a bulk statement takes at once.
const CHUNK_ROWS: usize = 5_000;
const CHUNK_BYTES: usize = 1 << 20;

/// What a row is. The numbers are stored: never changed, only added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The device itself: its keys and what pairing gave it.
    Device = 1,
    /// A contact's device's identity key.
    Identity = 2,
    /// A Signal session.
    Session = 3,
    /// A one-time pre-key.
    PreKey = 4,
    /// A signed pre-key.
    SignedPreKey = 5,
    /// A group's sender key.
    SenderKey = 6,
    /// A key that opens app state.
    SyncKey = 7,
    /// Whether a device of a group holds our sender key.
    SenderKeyDevice = 8,
    /// A session's base key, to notice that a retry used the same one.
    BaseKey = 9,
    /// A user's devices.
    DeviceList = 10,
    /// A group's members.
    GroupMetadata = 11,
    /// A contact's privacy token.
    TcToken = 12,
    /// A message sent lately, kept for retries.
    SentMessage = 13,
    /// A message decrypted and not yet taken.
    PendingInbound = 14,
    /// A message's secret, which opens what refers to it.
    MsgSecret = 15,
}

impl Kind {
    const fn code(self) -> i32 {
        self as i32
    }
}

row! {
    /// A stored value.
    pub struct Row {
        /// Its key within the kind.
        pub key: String,
        /// The library's bytes.
        pub value: Vec<u8>,
        /// Microseconds; what expiry and "latest" go by. 0 where neither applies.
        pub at: i64,
    }
}

row! {
    struct Key {
        key: String,
    }
}

/// A value to store.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its key within the kind.
    pub key: &'a str,
    /// The bytes.
    pub value: &'a [u8],
    /// What expiry and "latest" go by; 0 where neither applies.
    pub at: Timestamp,
}

/// The value under a key.
///
/// # Errors
/// The engine's own.
pub async fn get(
    conn: Conn<'_>,
    instance: InstanceKey,
    kind: Kind,
    key: &str,
) -> Result<Option<Row>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("protocol/get"))
        .bind(instance.0).bind(kind.code()).bind(key).fetch_optional(c).await)?)
}

/// The values under these keys, those that exist, in no order.
///
/// # Errors
/// The engine's own.
pub async fn get_many(
    conn: Conn<'_>,
    instance: InstanceKey,
    kind: Kind,
    keys: &[&str],
) -> Result<Vec<Row>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let json = keys_json(keys)?;
    Ok(
        on!(conn, c, text = "protocol/get_many" => sqlx::query_as(text)
        .bind(instance.0).bind(kind.code()).bind(&json).fetch_all(c).await)?,
    )
}

/// Stores a value, over the one that was there.
///
/// # Errors
/// The engine's own.
pub async fn put(
    tx: &mut Tx,
    instance: InstanceKey,
    kind: Kind,
    entry: Entry<'_>,
) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("protocol/put"))
        .bind(instance.0).bind(kind.code()).bind(entry.key).bind(entry.value).bind(entry.at.0)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Stores values, the last one of a key winning.
///
/// # Errors
/// The engine's own.
pub async fn put_many(
    tx: &mut Tx,
    instance: InstanceKey,
    kind: Kind,
    entries: &[Entry<'_>],
) -> Result<(), Error> {
    if let [entry] = entries {
        return put(tx, instance, kind, *entry).await;
    }
    let entries = last_of_each(entries);
    let mut rest = entries.as_slice();
    while !rest.is_empty() {
        let (json, taken) = chunk_json(rest)?;
        rest = &rest[taken..];
        on!(tx.conn(), c, text = "protocol/put_many" => sqlx::query(text)
            .bind(instance.0).bind(kind.code()).bind(&json).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Removes a value and returns it.
///
/// # Errors
/// The engine's own.
pub async fn take(
    tx: &mut Tx,
    instance: InstanceKey,
    kind: Kind,
    key: &str,
) -> Result<Option<Row>, Error> {
    Ok(on!(tx.conn(), c => sqlx::query_as(sql!("protocol/take"))
        .bind(instance.0).bind(kind.code()).bind(key).fetch_optional(c).await)?)
}

/// Removes a value; whether there was one.
///
/// # Errors
/// The engine's own.
pub async fn delete(
    tx: &mut Tx,
    instance: InstanceKey,
    kind: Kind,
    key: &str,
) -> Result<bool, Error> {
    let gone = on!(tx.conn(), c => sqlx::query(sql!("protocol/delete"))
        .bind(instance.0).bind(kind.code()).bind(key)
        .execute(c).await.map(|r| r.rows_affected()))?;
    Ok(gone > 0)
}

/// Removes values; how many there were.
///
/// # Errors
/// The engine's own.
pub async fn delete_many(
    tx: &mut Tx,
    instance: InstanceKey,
    kind: Kind,
    keys: &[&str],
) -> Result<u64, Error> {
    let mut gone = 0;
    for chunk in keys.chunks(CHUNK_ROWS) {
        let json = keys_json(chunk)?;
        gone += on!(tx.conn(), c, text = "protocol/delete_many" => sqlx::query(text)
            .bind(instance.0).bind(kind.code()).bind(&json)
            .execute(c).await.map(|r| r.rows_affected()))?;
    }
    Ok(gone)
}

/// Removes the values whose key begins so; how many there were.
///
/// # Errors
/// The engine's own.
pub async fn delete_prefix(
    tx: &mut Tx,
    instance: InstanceKey,
    kind: Kind,
    prefix: &str,
) -> Result<u64, Error> {
    Ok(
        on!(tx.conn(), c, text = "protocol/delete_prefix" => sqlx::query(text)
        .bind(instance.0).bind(kind.code()).bind(prefix).bind(end_of(prefix))
        .execute(c).await.map(|r| r.rows_affected()))?,
    )
}

/// Removes every value of a kind; how many there were.
///
/// # Errors
/// The engine's own.
pub async fn delete_kind(tx: &mut Tx, instance: InstanceKey, kind: Kind) -> Result<u64, Error> {
    Ok(
        on!(tx.conn(), c => sqlx::query(sql!("protocol/delete_kind"))
        .bind(instance.0).bind(kind.code())
        .execute(c).await.map(|r| r.rows_affected()))?,
    )
}

/// Removes the values whose `at` is set and before `cutoff`; how many there were.
///
/// # Errors
/// The engine's own.
pub async fn delete_older(
    tx: &mut Tx,
    instance: InstanceKey,
    kind: Kind,
    cutoff: Timestamp,
) -> Result<u64, Error> {
    Ok(
        on!(tx.conn(), c => sqlx::query(sql!("protocol/delete_older"))
        .bind(instance.0).bind(kind.code()).bind(cutoff.0)
        .execute(c).await.map(|r| r.rows_affected()))?,
    )
}

/// Every value of a kind, by key.
///
/// # Errors
/// The engine's own.
pub async fn list(conn: Conn<'_>, instance: InstanceKey, kind: Kind) -> Result<Vec<Row>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("protocol/list"))
        .bind(instance.0).bind(kind.code()).fetch_all(c).await)?)
}

/// Every key of a kind.
///
/// # Errors
/// The engine's own.
pub async fn list_keys(
    conn: Conn<'_>,
    instance: InstanceKey,
    kind: Kind,
) -> Result<Vec<String>, Error> {
    let rows: Vec<Key> = on!(conn, c => sqlx::query_as(sql!("protocol/list_keys"))
        .bind(instance.0).bind(kind.code()).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|r| r.key).collect())
}

/// The values whose key begins so, by key.
///
/// # Errors
/// The engine's own.
pub async fn list_prefix(
    conn: Conn<'_>,
    instance: InstanceKey,
    kind: Kind,
    prefix: &str,
) -> Result<Vec<Row>, Error> {
    Ok(
        on!(conn, c, text = "protocol/list_prefix" => sqlx::query_as(text)
        .bind(instance.0).bind(kind.code()).bind(prefix).bind(end_of(prefix))
        .fetch_all(c).await)?,
    )
}

/// Whether a key begins so.
///
/// # Errors
/// The engine's own.
pub async fn has_prefix(
    conn: Conn<'_>,
    instance: InstanceKey,
    kind: Kind,
    prefix: &str,
) -> Result<bool, Error> {
    let first: Option<Key> = on!(conn, c, text = "protocol/first_of_prefix" => sqlx::query_as(text)
        .bind(instance.0).bind(kind.code()).bind(prefix).bind(end_of(prefix))
        .fetch_optional(c).await)?;
    Ok(first.is_some())
}

/// The value with the greatest `at`.
///
/// # Errors
/// The engine's own.
pub async fn latest(
    conn: Conn<'_>,
    instance: InstanceKey,
    kind: Kind,
) -> Result<Option<Row>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("protocol/latest"))
        .bind(instance.0).bind(kind.code()).fetch_optional(c).await)?)
}

/// The greatest key; meant for numbers of equal width, which sort alike under
/// every collation.
///
/// # Errors
/// The engine's own.
pub async fn max_key(
    conn: Conn<'_>,
    instance: InstanceKey,
    kind: Kind,
) -> Result<Option<String>, Error> {
    let last: Option<Key> = on!(conn, c => sqlx::query_as(sql!("protocol/max_key"))
        .bind(instance.0).bind(kind.code()).fetch_optional(c).await)?;
    Ok(last.map(|r| r.key))
}

/// Behind every key that begins with `prefix`, by bytes.
fn end_of(prefix: &str) -> String {
    let mut end = String::with_capacity(prefix.len() + 4);
    end.push_str(prefix);
    end.push(char::MAX);
    end
}

/// PostgreSQL's text for it ends in `OFFSET 0`, so that the index is asked for each
/// key: on a table not analysed yet the planner would compare every row with every key.
fn keys_json(keys: &[&str]) -> Result<String, Error> {
    serde_json::to_string(keys).map_err(encode_error)
}

/// One entry a key: PostgreSQL refuses to touch a row twice in one statement.
fn last_of_each<'a>(entries: &[Entry<'a>]) -> Vec<Entry<'a>> {
    let mut at: HashMap<&str, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<Entry<'a>> = Vec::with_capacity(entries.len());
    for entry in entries {
        match at.get(entry.key) {
            Some(&i) => kept[i] = *entry,
            None => {
                at.insert(entry.key, kept.len());
                kept.push(*entry);
            }
        }
    }
    kept
}

/// As many entries as one statement takes, `[[key, hex, at], …]`, and their number.
fn chunk_json(entries: &[Entry<'_>]) -> Result<(String, usize), Error> {
    let mut json = String::from("[");
    let mut taken = 0;
    for entry in entries.iter().take(CHUNK_ROWS) {
        if taken > 0 {
            json.push(',');
        }
        json.push('[');
        json.push_str(&serde_json::to_string(entry.key).map_err(encode_error)?);
        json.push_str(",\"");
        push_hex(&mut json, entry.value);
        json.push_str("\",");
        json.push_str(&entry.at.0.to_string());
        json.push(']');
        taken += 1;
        if json.len() >= CHUNK_BYTES {
            break;
        }
    }
    json.push(']');
    Ok((json, taken))
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn encode_error(error: serde_json::Error) -> Error {
    Error::Sql(sqlx::Error::Encode(error.into()))
}
