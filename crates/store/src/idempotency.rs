//! Writes that carried an `Idempotency-Key`, and what was answered.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::TokenId;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::instances::take_number;
use crate::macros::{on, row, sql};

row! {
    /// A request that came with a key.
    pub struct Request {
        /// SHA-256 of what was asked.
        pub fingerprint: Vec<u8>,
        /// The run of the program that answers it.
        pub run: i64,
        /// When it came, in microseconds.
        pub created_at: i64,
        /// The answer's HTTP status; `None` while there is no answer.
        pub status: Option<i32>,
        /// The answer's headers, JSON.
        pub headers: Option<String>,
        /// The answer's body.
        pub body: Option<Vec<u8>>,
    }
}

/// A number for a run of the program, unlike that of any other on this database.
///
/// # Errors
/// The engine's own.
pub async fn take_run(tx: &mut Tx) -> Result<i64, Error> {
    take_number(tx, "runs", 1).await
}

/// The request that came with this key.
///
/// # Errors
/// The engine's own.
pub async fn find(conn: Conn<'_>, token: &TokenId, key: &str) -> Result<Option<Request>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("idempotency/find"))
        .bind(token.as_str()).bind(key).fetch_optional(c).await)?)
}

/// Adds a request that is about to be answered; false where the key is there.
///
/// # Errors
/// The engine's own.
pub async fn insert(
    tx: &mut Tx,
    token: &TokenId,
    key: &str,
    fingerprint: &[u8; 32],
    run: i64,
    now: Timestamp,
) -> Result<bool, Error> {
    let rows = on!(tx.conn(), c => sqlx::query(sql!("idempotency/insert"))
        .bind(token.as_str()).bind(key).bind(&fingerprint[..]).bind(run).bind(now.0)
        .execute(c).await.map(|done| done.rows_affected()))?;
    Ok(rows > 0)
}

/// Keeps a request's answer.
///
/// # Errors
/// The engine's own.
pub async fn set_answer(
    tx: &mut Tx,
    token: &TokenId,
    key: &str,
    run: i64,
    status: u16,
    headers: &str,
    body: &[u8],
) -> Result<(), Error> {
    Ok(
        on!(tx.conn(), c => sqlx::query(sql!("idempotency/set_answer"))
        .bind(token.as_str()).bind(key).bind(run)
        .bind(i32::from(status)).bind(headers).bind(body)
        .execute(c).await.map(drop))?,
    )
}

/// Removes a request of this run and moment; nothing where another took its place.
///
/// # Errors
/// The engine's own.
pub async fn delete(
    tx: &mut Tx,
    token: &TokenId,
    key: &str,
    run: i64,
    created_at: Timestamp,
) -> Result<(), Error> {
    Ok(on!(tx.conn(), c => sqlx::query(sql!("idempotency/delete"))
        .bind(token.as_str()).bind(key).bind(run).bind(created_at.0)
        .execute(c).await.map(drop))?)
}

/// Removes requests that came before a moment; how many.
///
/// # Errors
/// The engine's own.
pub async fn delete_older(tx: &mut Tx, before: Timestamp) -> Result<u64, Error> {
    Ok(
        on!(tx.conn(), c => sqlx::query(sql!("idempotency/delete_older"))
        .bind(before.0).execute(c).await.map(|done| done.rows_affected()))?,
    )
}
