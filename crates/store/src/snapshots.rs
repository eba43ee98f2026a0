//! Named states of labels, kept with what they held.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{InstanceKey, SnapshotId};

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    /// A snapshot, without what it held.
    pub struct Snapshot {
        /// `snp_…`.
        pub snapshot_id: String,
        /// Its name.
        pub name: String,
        /// The row of history it stands at.
        pub seq: i64,
        /// Microseconds.
        pub created_at: i64,
        /// Who made it; `job` where a schedule did.
        pub actor: Option<String>,
        /// What was asked for, JSON.
        pub selection: String,
    }
}

/// A snapshot to keep.
#[derive(Debug, Clone)]
pub struct NewSnapshot<'a> {
    /// Its id.
    pub id: &'a SnapshotId,
    /// Its name.
    pub name: &'a str,
    /// The row of history it stands at.
    pub seq: i64,
    /// Who made it.
    pub actor: &'a str,
    /// What was asked for, JSON.
    pub selection: &'a str,
    /// What it held, JSON.
    pub body: &'a str,
}

/// Keeps a snapshot.
///
/// # Errors
/// The engine's own.
pub async fn insert(
    tx: &mut Tx,
    instance: InstanceKey,
    new: &NewSnapshot<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("snapshots/insert"))
        .bind(new.id.as_str()).bind(instance.0).bind(new.name).bind(new.seq).bind(now.0)
        .bind(new.actor).bind(new.selection).bind(new.body)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// The snapshots of an instance, oldest first.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Snapshot>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("snapshots/all"))
        .bind(instance.0).fetch_all(c).await)?)
}

/// One snapshot.
///
/// # Errors
/// The engine's own.
pub async fn find(
    conn: Conn<'_>,
    instance: InstanceKey,
    id: &str,
) -> Result<Option<Snapshot>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("snapshots/find"))
        .bind(instance.0).bind(id).fetch_optional(c).await)?)
}

/// What a snapshot held, JSON.
///
/// # Errors
/// The engine's own.
pub async fn body(
    conn: Conn<'_>,
    instance: InstanceKey,
    id: &str,
) -> Result<Option<String>, Error> {
    let row: Option<(String,)> = on!(conn, c => sqlx::query_as(sql!("snapshots/body"))
        .bind(instance.0).bind(id).fetch_optional(c).await)?;
    Ok(row.map(|row| row.0))
}

/// Forgets a snapshot; whether there was one.
///
/// # Errors
/// The engine's own.
pub async fn delete(tx: &mut Tx, instance: InstanceKey, id: &str) -> Result<bool, Error> {
    let gone = on!(tx.conn(), c => sqlx::query(sql!("snapshots/delete"))
        .bind(instance.0).bind(id).execute(c).await.map(|done| done.rows_affected()))?;
    Ok(gone > 0)
}

/// Forgets scheduled snapshots but for so many, the latest ones.
///
/// # Errors
/// The engine's own.
pub async fn delete_surplus(tx: &mut Tx, instance: InstanceKey, keep: i64) -> Result<(), Error> {
    on!(tx.conn(), c, text = "snapshots/delete_surplus" => sqlx::query(text)
        .bind(instance.0).bind(keep).execute(c).await.map(drop))?;
    Ok(())
}
