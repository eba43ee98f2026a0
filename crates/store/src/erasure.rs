//! Taking one person's ids out of what is kept.

use labelwire_domain::ids::InstanceKey;

use crate::db::Tx;
use crate::error::Error;
use crate::macros::{on, row, sql};

/// An id, and what stands in its place from now on.
pub type Renamed = (String, String);

row! {
    /// A text that names a person somewhere.
    struct TextRow {
        id: String,
        body: String,
    }
}

row! {
    struct DeliveryRow {
        id: i64,
        body: String,
    }
}

fn pairs(renamed: &[Renamed]) -> Result<String, Error> {
    serde_json::to_string(renamed).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))
}

/// The text with each id replaced where it stands as a whole, between quotes.
#[must_use]
pub fn replaced(text: &str, renamed: &[Renamed]) -> Option<String> {
    let mut out: Option<String> = None;
    for (id, pseudonym) in renamed {
        let (from, to) = (format!("\"{id}\""), format!("\"{pseudonym}\""));
        let now = out.as_deref().unwrap_or(text);
        if now.contains(&from) {
            out = Some(now.replace(&from, &to));
        }
    }
    out
}

/// Renames a person in the log's rows, which must be unlocked, and in the order
/// deliveries are made by. Returns how many rows of the log it was in.
///
/// # Errors
/// The engine's own.
pub async fn log(tx: &mut Tx, instance: InstanceKey, renamed: &[Renamed]) -> Result<u64, Error> {
    let json = pairs(renamed)?;
    let rows = on!(tx.conn(), c, text = "erase/log" => sqlx::query(text)
        .bind(instance.0).bind(&json).execute(c).await.map(|done| done.rows_affected()))?;
    on!(tx.conn(), c, text = "erase/lanes" => sqlx::query(text)
        .bind(instance.0).bind(&json).execute(c).await.map(drop))?;
    Ok(rows)
}

/// Forgets the names of a person.
///
/// # Errors
/// The engine's own.
pub async fn contacts(
    tx: &mut Tx,
    instance: InstanceKey,
    renamed: &[Renamed],
) -> Result<u64, Error> {
    let json = pairs(renamed)?;
    Ok(
        on!(tx.conn(), c, text = "erase/contacts" => sqlx::query(text)
        .bind(instance.0).bind(&json).execute(c).await.map(|done| done.rows_affected()))?,
    )
}

/// Renames a person in copies of events that wait for delivery, in snapshots and in
/// commands that ended, and forgets answers that name it: those of webhooks'
/// receivers, and those kept for an `Idempotency-Key`. Returns in how many
/// snapshots it was.
///
/// # Errors
/// The engine's own.
pub async fn texts(tx: &mut Tx, instance: InstanceKey, renamed: &[Renamed]) -> Result<u64, Error> {
    let mut snapshots = 0;
    for (id, _) in renamed {
        // The user part: answers of others may write it in another form.
        let user = id.split('@').next().unwrap_or(id);
        let (whole, part) = (format!("%\"{id}\"%"), format!("%{user}%"));
        let rows: Vec<DeliveryRow> = on!(tx.conn(), c => sqlx::query_as(sql!("erase/deliveries"))
            .bind(instance.0).bind(&whole).fetch_all(c).await)?;
        for row in rows {
            if let Some(event) = replaced(&row.body, renamed) {
                on!(tx.conn(), c => sqlx::query(sql!("erase/set_delivery"))
                    .bind(row.id).bind(event).execute(c).await.map(drop))?;
            }
        }
        let rows: Vec<TextRow> = on!(tx.conn(), c => sqlx::query_as(sql!("erase/snapshots"))
            .bind(instance.0).bind(&whole).fetch_all(c).await)?;
        for row in rows {
            if let Some(body) = replaced(&row.body, renamed) {
                snapshots += 1;
                on!(tx.conn(), c => sqlx::query(sql!("snapshots/set_body"))
                    .bind(&row.id).bind(body).execute(c).await.map(drop))?;
            }
        }
        let rows: Vec<TextRow> = on!(tx.conn(), c => sqlx::query_as(sql!("erase/commands"))
            .bind(instance.0).bind(&whole).fetch_all(c).await)?;
        for row in rows {
            if let Some(body) = replaced(&row.body, renamed) {
                on!(tx.conn(), c => sqlx::query(sql!("erase/set_command"))
                    .bind(&row.id).bind(body).execute(c).await.map(drop))?;
            }
        }
        on!(tx.conn(), c => sqlx::query(sql!("erase/attempts"))
            .bind(instance.0).bind(&part).execute(c).await.map(drop))?;
        on!(tx.conn(), c, text = "erase/answers" => sqlx::query(text)
            .bind(instance.0).bind(&part).execute(c).await.map(drop))?;
    }
    Ok(snapshots)
}
