//! The log: one row a fact, appended and never changed.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::instances::take_number;
use crate::macros::{on, row, sql};

/// Facts one statement takes.
const CHUNK: usize = 4_000;

/// A fact to append.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// When it happened on WhatsApp.
    pub at: Timestamp,
    /// `noun.past_participle`.
    pub kind: &'static str,
    /// `phone`, `api`, `sync`.
    pub origin: &'static str,
    /// Who asked, where somebody did.
    pub actor: Option<String>,
    /// The chat under the key WhatsApp used.
    pub chat_jid: Option<String>,
    /// The label.
    pub label_id: Option<String>,
    /// The label's name at that time.
    pub label_name: Option<String>,
    /// The fact as JSON.
    pub body: String,
}

impl NewEntry {
    /// What `log/append` reads, in its order.
    fn columns(&self) -> impl serde::Serialize {
        (
            self.at.0,
            self.kind,
            self.origin,
            &self.actor,
            &self.chat_jid,
            &self.label_id,
            &self.label_name,
            &self.body,
        )
    }
}

row! {
    /// A stored fact.
    pub struct Entry {
        /// Place in the log.
        pub seq: i64,
        /// When it happened on WhatsApp, microseconds.
        pub at: i64,
        /// When it was seen here, microseconds.
        pub seen_at: i64,
        /// `noun.past_participle`.
        pub kind: String,
        /// `phone`, `api`, `sync`.
        pub origin: String,
        /// Who asked.
        pub actor: Option<String>,
        /// The chat.
        pub chat_jid: Option<String>,
        /// The label.
        pub label_id: Option<String>,
        /// The label's name then.
        pub label_name: Option<String>,
        /// The fact as JSON.
        pub body: String,
    }
}

/// Appends facts in order; returns the last sequence number, or `None` for none.
///
/// # Errors
/// The engine's own.
pub async fn append(
    tx: &mut Tx,
    instance: InstanceKey,
    seen_at: Timestamp,
    entries: &[NewEntry],
) -> Result<Option<i64>, Error> {
    let Ok(count) = i64::try_from(entries.len()) else {
        return Ok(None);
    };
    if count == 0 {
        return Ok(None);
    }
    let last = take_number(tx, "log", count).await?;
    let mut first = last - count + 1;
    for chunk in entries.chunks(CHUNK) {
        let rows: Vec<_> = chunk.iter().map(NewEntry::columns).collect();
        let rows =
            serde_json::to_string(&rows).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))?;
        on!(tx.conn(), c, text = "log/append" => sqlx::query(text)
            .bind(first).bind(instance.0).bind(seen_at.0).bind(rows)
            .execute(c).await.map(drop))?;
        first += i64::try_from(chunk.len()).unwrap_or_default();
    }
    Ok(Some(last))
}

/// Facts after `seq`, at most `limit`.
///
/// # Errors
/// The engine's own.
pub async fn page_after(
    conn: Conn<'_>,
    instance: InstanceKey,
    seq: i64,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("log/page_after"))
        .bind(instance.0).bind(seq).bind(limit).fetch_all(c).await)?)
}

/// Stores one part of a baseline; `id` is the sequence number of the row that names it.
///
/// # Errors
/// The engine's own.
pub async fn insert_baseline(tx: &mut Tx, id: i64, part: i32, body: &str) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("log/insert_baseline"))
        .bind(id).bind(part).bind(body).execute(c).await.map(drop))?;
    Ok(())
}

/// A baseline's parts, in order.
///
/// # Errors
/// The engine's own.
pub async fn baseline(conn: Conn<'_>, id: i64) -> Result<Vec<String>, Error> {
    let rows: Vec<(String,)> = on!(conn, c => sqlx::query_as(sql!("log/baseline"))
        .bind(id).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}
