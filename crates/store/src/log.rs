//! The log: one row a fact, appended and never changed.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Event, EventChat, EventLabel, Kind, Origin, event_id};
use labelwire_domain::ids::InstanceKey;
use serde_json::Value;

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
    /// What happened.
    pub kind: Kind,
    /// Where it came from.
    pub origin: Origin,
    /// Who asked, where somebody did.
    pub actor: Option<String>,
    /// The chat under the key WhatsApp used.
    pub chat_jid: Option<String>,
    /// The label.
    pub label_id: Option<String>,
    /// The label's name at that time.
    pub label_name: Option<String>,
    /// The fact as JSON: [`Entry::event`] says how it is read.
    pub body: String,
    /// The chat's shown name at that time.
    pub chat: Option<String>,
    /// The chat's hidden id, where it was known.
    pub lid: Option<String>,
    /// The message.
    pub message_id: Option<String>,
    /// The command behind it.
    pub cause: Option<String>,
    /// The request behind it.
    pub request_id: Option<String>,
}

impl NewEntry {
    /// A fact about nothing in particular.
    #[must_use]
    pub fn new(at: Timestamp, kind: Kind, origin: Origin, body: &serde_json::Value) -> Self {
        Self {
            at,
            kind,
            origin,
            actor: None,
            chat_jid: None,
            label_id: None,
            label_name: None,
            body: body.to_string(),
            chat: None,
            lid: None,
            message_id: None,
            cause: None,
            request_id: None,
        }
    }

    /// What `log/append` reads, in its order.
    fn columns(&self) -> impl serde::Serialize {
        (
            self.at.0,
            self.kind.as_str(),
            self.origin.as_str(),
            &self.actor,
            &self.chat_jid,
            &self.label_id,
            &self.label_name,
            &self.body,
            &self.chat,
            &self.lid,
            &self.message_id,
            &self.cause,
            &self.request_id,
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
        /// A [`Kind`]'s word.
        pub kind: String,
        /// An [`Origin`]'s word.
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
        /// The chat's shown name then.
        pub chat: Option<String>,
        /// The chat's hidden id.
        pub lid: Option<String>,
        /// The message.
        pub message_id: Option<String>,
        /// The command behind it.
        pub cause: Option<String>,
        /// The request behind it.
        pub request_id: Option<String>,
    }
}

impl Entry {
    /// The event this row is; `None` for a kind this program does not know.
    ///
    /// The body's `before` and `after` are the event's; `color` is the label's; all
    /// else is its details.
    #[must_use]
    pub fn event(self, instance: &str) -> Option<Event> {
        let kind = Kind::parse(&self.kind)?;
        let mut body = match serde_json::from_str(&self.body) {
            Ok(Value::Object(body)) => body,
            _ => serde_json::Map::new(),
        };
        let color = body.remove("color").and_then(|c| c.as_i64());
        let (before, after) = (body.remove("before"), body.remove("after"));
        let label_color = || after.as_ref()?.get("color")?.as_i64();
        let color = color.or_else(label_color);
        let jid = self.chat.or_else(|| self.chat_jid.clone());
        Some(Event {
            id: event_id(Timestamp(self.seen_at), self.seq),
            seq: Some(self.seq),
            kind,
            instance: instance.to_owned(),
            at: Timestamp(self.at),
            seen_at: Timestamp(self.seen_at),
            origin: Origin::parse(&self.origin).unwrap_or(Origin::Sync),
            actor: self.actor,
            cause: self.cause,
            request_id: self.request_id,
            chat: self.chat_jid.zip(jid).map(|(key, jid)| EventChat {
                jid,
                lid: self
                    .lid
                    .or_else(|| key.ends_with("@lid").then(|| key.clone())),
                key,
            }),
            label: self.label_id.map(|id| EventLabel {
                id,
                name: self.label_name,
                color: color.and_then(|c| i32::try_from(c).ok()),
            }),
            message_id: self.message_id,
            before: before.filter(|v| !v.is_null()),
            after: after.filter(|v| !v.is_null()),
            details: Value::Object(body),
            initial: false,
        })
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

row! {
    struct SeqRow {
        seq: i64,
    }
}

/// The number of an instance's last history row; 0 where it has none.
///
/// # Errors
/// The engine's own.
pub async fn last_seq(conn: Conn<'_>, instance: InstanceKey) -> Result<i64, Error> {
    let row: SeqRow = on!(conn, c => sqlx::query_as(sql!("log/last_seq"))
        .bind(instance.0).fetch_one(c).await)?;
    Ok(row.seq)
}

/// These facts, in order.
///
/// # Errors
/// The engine's own.
pub async fn find_many(conn: Conn<'_>, seqs: &[i64]) -> Result<Vec<Entry>, Error> {
    let seqs =
        serde_json::to_string(seqs).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))?;
    Ok(on!(conn, c, text = "log/find_many" => sqlx::query_as(text)
        .bind(seqs).fetch_all(c).await)?)
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
