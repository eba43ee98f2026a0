//! LID and phone number of one person, digits without a server, as the client
//! library learns them.

use std::collections::HashMap;
use std::fmt::Write as _;

use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

/// Rows a bulk statement takes at once: about half a megabyte of JSON.
const CHUNK: usize = 5_000;

row! {
    /// One LID and the phone number behind it.
    pub struct Mapping {
        /// The LID's digits.
        pub lid: String,
        /// The phone number's digits.
        pub phone: String,
        /// Microseconds, when it was first learned; 0 where the source is known to be stale.
        pub created_at: i64,
        /// Microseconds, when it was last learned.
        pub updated_at: i64,
        /// The library's word for where it was learned from.
        pub learning_source: String,
    }
}

row! {
    /// A LID whose phone number is new.
    struct News {
        lid: String,
        phone: String,
    }
}

/// What is known of a LID.
///
/// # Errors
/// The engine's own.
pub async fn find_by_lid(
    conn: Conn<'_>,
    instance: InstanceKey,
    lid: &str,
) -> Result<Option<Mapping>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("lid_map/find_by_lid"))
        .bind(instance.0).bind(lid).fetch_optional(c).await)?)
}

/// The LID learned last for a phone number.
///
/// # Errors
/// The engine's own.
pub async fn find_by_phone(
    conn: Conn<'_>,
    instance: InstanceKey,
    phone: &str,
) -> Result<Option<Mapping>, Error> {
    // SQLite, without statistics, would rather walk the instance's whole map.
    Ok(
        on!(conn, c, text = "lid_map/find_by_phone" => sqlx::query_as(text)
        .bind(instance.0).bind(phone).fetch_optional(c).await)?,
    )
}

/// What is known of these LIDs, the mapping learned last first.
///
/// # Errors
/// The engine's own.
pub async fn find_by_lids(
    conn: Conn<'_>,
    instance: InstanceKey,
    lids: &[&str],
) -> Result<Vec<Mapping>, Error> {
    let json = texts_json(lids)?;
    Ok(
        on!(conn, c, text = "lid_map/find_by_lids" => sqlx::query_as(text)
        .bind(instance.0).bind(json).fetch_all(c).await)?,
    )
}

/// Every LID learned for these phone numbers, the one learned last first.
///
/// # Errors
/// The engine's own.
pub async fn find_by_phones(
    conn: Conn<'_>,
    instance: InstanceKey,
    phones: &[&str],
) -> Result<Vec<Mapping>, Error> {
    let json = texts_json(phones)?;
    Ok(
        on!(conn, c, text = "lid_map/find_by_phones" => sqlx::query_as(text)
        .bind(instance.0).bind(json).fetch_all(c).await)?,
    )
}

/// Every mapping, by LID.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Mapping>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("lid_map/all"))
        .bind(instance.0).fetch_all(c).await)?)
}

/// Writes mappings, the last one of a LID winning; returns the pairs `(lid, phone)`
/// that were unknown or other before.
///
/// # Errors
/// The engine's own.
pub async fn put_many(
    tx: &mut Tx,
    instance: InstanceKey,
    mappings: &[Mapping],
) -> Result<Vec<(String, String)>, Error> {
    let mut changed = Vec::new();
    let mut distinct = last_of_each(mappings);
    // In the order of the key, so that neighbours are written together.
    distinct.sort_unstable_by(|a, b| a.lid.cmp(&b.lid));
    for chunk in distinct.chunks(CHUNK) {
        let news: Vec<News> = match (tx.conn(), to_flat_json(chunk)) {
            (Conn::Sqlite(c), Some(flat)) => {
                sqlx::query_as(sql!("lid_map/put_news_flat.sqlite"))
                    .bind(instance.0)
                    .bind(flat)
                    .bind(chunk[0].created_at)
                    .bind(chunk[0].updated_at)
                    .bind(&chunk[0].learning_source)
                    .fetch_all(c)
                    .await?
            }
            (conn, _) => on!(conn, c, text = "lid_map/put_news" => sqlx::query_as(text)
                .bind(instance.0).bind(to_json(chunk)?).fetch_all(c).await)?,
        };
        if news.len() < chunk.len() {
            // What is known as it is still counts as learned again, just now.
            on!(tx.conn(), c, text = "lid_map/put_many" => sqlx::query(text)
                .bind(instance.0).bind(to_json(chunk)?).execute(c).await.map(drop))?;
        }
        changed.extend(news.into_iter().map(|n| (n.lid, n.phone)));
    }
    Ok(changed)
}

/// One mapping a LID: PostgreSQL refuses to touch a row twice in one statement.
fn last_of_each(mappings: &[Mapping]) -> Vec<&Mapping> {
    let mut at: HashMap<&str, usize> = HashMap::with_capacity(mappings.len());
    let mut kept: Vec<&Mapping> = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        match at.get(mapping.lid.as_str()) {
            Some(&i) => kept[i] = mapping,
            None => {
                at.insert(&mapping.lid, kept.len());
                kept.push(mapping);
            }
        }
    }
    kept
}

/// Mappings that were all learned at once as plain texts: length of the number
/// (2), number, LID. SQLite takes a text apart in half the time that it takes an
/// array. `None` where they were not, or do not fit.
fn to_flat_json(mappings: &[&Mapping]) -> Option<String> {
    let first = mappings.first()?;
    let digits = |text: &str| text.len() <= 99 && text.bytes().all(|b| b.is_ascii_digit());
    let mut json = String::with_capacity(mappings.len() * 36 + 2);
    json.push('[');
    for (i, m) in mappings.iter().enumerate() {
        let alike = m.created_at == first.created_at
            && m.updated_at == first.updated_at
            && m.learning_source == first.learning_source;
        if !(alike && digits(&m.phone) && digits(&m.lid)) {
            return None;
        }
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(json, "{comma}\"{:02}{}{}\"", m.phone.len(), m.phone, m.lid);
    }
    json.push(']');
    Some(json)
}

/// `["text", …]`.
pub(crate) fn texts_json(texts: &[&str]) -> Result<String, Error> {
    serde_json::to_string(texts).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))
}

/// `[[lid, phone, created_at, updated_at, learning_source], …]`.
fn to_json(mappings: &[&Mapping]) -> Result<String, Error> {
    let rows: Vec<_> = mappings
        .iter()
        .map(|m| {
            (
                &m.lid,
                &m.phone,
                m.created_at,
                m.updated_at,
                &m.learning_source,
            )
        })
        .collect();
    serde_json::to_string(&rows).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))
}
