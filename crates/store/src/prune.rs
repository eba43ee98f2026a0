//! Dropping history: the one exception to rows that never change.

use labelwire_domain::ids::InstanceKey;

use crate::chat_labels::texts;
use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    struct CountRow {
        seq: i64,
    }
}

/// Lets the log be changed until [`lock`]; both in one transaction.
///
/// # Errors
/// The engine's own.
pub async fn unlock(tx: &mut Tx) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("prune/unlock")).execute(c).await.map(drop))?;
    Ok(())
}

/// Ends what [`unlock`] began.
///
/// # Errors
/// The engine's own.
pub async fn lock(tx: &mut Tx) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("prune/lock")).execute(c).await.map(drop))?;
    Ok(())
}

/// How many rows of these kinds there are up to a place; those still to be told to
/// a webhook do not count.
///
/// # Errors
/// The engine's own.
pub async fn count(
    conn: Conn<'_>,
    instance: InstanceKey,
    through: i64,
    kinds: &[&str],
) -> Result<u64, Error> {
    let row: CountRow = on!(conn, c, text = "prune/count" => sqlx::query_as(text)
        .bind(instance.0).bind(through).bind(texts(kinds)).fetch_one(c).await)?;
    Ok(u64::try_from(row.seq).unwrap_or_default())
}

/// Drops such rows, oldest first, at most `limit`; returns how many. The log must
/// be unlocked.
///
/// # Errors
/// The engine's own.
pub async fn delete(
    tx: &mut Tx,
    instance: InstanceKey,
    through: i64,
    kinds: &[&str],
    limit: i64,
) -> Result<u64, Error> {
    Ok(on!(tx.conn(), c, text = "prune/delete" => sqlx::query(text)
        .bind(instance.0).bind(through).bind(texts(kinds)).bind(limit)
        .execute(c).await.map(|done| done.rows_affected()))?)
}
