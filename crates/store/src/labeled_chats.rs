//! Reads of "which chats carry these labels", by page and in an order.
//!
//! By chat there is an index; by time there is none, because it would cost every
//! first sync a third tree for a question that is seldom asked: each such page
//! reads the records of the labels asked for and sorts inside the engine.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;

use crate::chat_labels::texts;
use crate::db::Conn;
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    struct CarriedRow {
        chat: String,
        label_id: String,
        changed_at: i64,
    }
}

row! {
    struct PlacedRow {
        chat: String,
        labeled_at: i64,
    }
}

/// A label on a chat, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The chat's one shown name.
    pub chat: String,
    /// The label's id; the label itself may be deleted.
    pub label_id: String,
    /// When WhatsApp says it was put on.
    pub changed_at: Timestamp,
}

/// Shown names of chats that carry one of these labels, in no order, a chat once
/// for each record; `None` where there are more than `limit` records.
///
/// # Errors
/// The engine's own.
pub async fn few_carriers(
    conn: Conn<'_>,
    instance: InstanceKey,
    label_ids: &[&str],
    limit: i64,
) -> Result<Option<Vec<String>>, Error> {
    let json = texts(label_ids);
    let rows: Vec<(String,)> = on!(conn, c, text = "labeled_chats/some_carriers" => sqlx::query_as(text)
        .bind(instance.0).bind(json).bind(limit.saturating_add(1)).fetch_all(c).await)?;
    if i64::try_from(rows.len()).is_ok_and(|n| n <= limit) {
        Ok(Some(rows.into_iter().map(|r| r.0).collect()))
    } else {
        Ok(None)
    }
}

/// The next chats behind a place, in the order of when the latest of these labels
/// was put on, ties by chat; newest first where `newest_first`. Without a place,
/// the first ones.
///
/// # Errors
/// The engine's own.
pub async fn page_by_time(
    conn: Conn<'_>,
    instance: InstanceKey,
    label_ids: &[&str],
    newest_first: bool,
    behind: Option<(Timestamp, &str)>,
    limit: i64,
) -> Result<Vec<(Timestamp, String)>, Error> {
    let json = texts(label_ids);
    // One text for both directions: times are compared times this.
    let sign: i64 = if newest_first { -1 } else { 1 };
    let (at, chat) = behind.map_or((i64::MIN, ""), |(at, chat)| {
        (at.0.saturating_mul(sign), chat)
    });
    let rows: Vec<PlacedRow> = on!(conn, c, text = "labeled_chats/page_by_time" => sqlx::query_as(text)
        .bind(instance.0).bind(json).bind(sign).bind(at).bind(chat).bind(limit).fetch_all(c).await)?;
    Ok(rows
        .into_iter()
        .map(|r| (Timestamp(r.labeled_at), r.chat))
        .collect())
}

/// Every "labeled" record of these chats (shown names), ordered by chat and label.
///
/// # Errors
/// The engine's own.
pub async fn of_chats(
    conn: Conn<'_>,
    instance: InstanceKey,
    chats: &[&str],
) -> Result<Vec<Carried>, Error> {
    let json = texts(chats);
    let rows: Vec<CarriedRow> = on!(conn, c, text = "labeled_chats/of_chats" => sqlx::query_as(text)
        .bind(instance.0).bind(json).fetch_all(c).await)?;
    Ok(rows
        .into_iter()
        .map(|r| Carried {
            chat: r.chat,
            label_id: r.label_id,
            changed_at: Timestamp(r.changed_at),
        })
        .collect())
}

/// Shown names of the chats history speaks of behind a row, at most `limit`.
///
/// # Errors
/// The engine's own.
pub async fn changed_since(
    conn: Conn<'_>,
    instance: InstanceKey,
    seq: i64,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let rows: Vec<(String,)> = on!(conn, c => sqlx::query_as(sql!("labeled_chats/changed_since"))
        .bind(instance.0).bind(seq).bind(limit).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}
