//! What is to be sent to webhooks: a row for each event and destination, from the
//! transaction of the change until it has arrived or is given up.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::instances::take_number;
use crate::macros::{on, row, sql};

/// Deliveries one statement takes.
const CHUNK: usize = 4_000;

/// A delivery to be made.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Where to.
    pub webhook_id: String,
    /// The log's row; `None` where `event` holds what is told.
    pub seq: Option<i64>,
    /// The event's id.
    pub event_id: String,
    /// The event's kind.
    pub kind: &'static str,
    /// What it is in order by.
    pub lane: String,
    /// The event as JSON, where no row of the log has it.
    pub event: Option<String>,
}

row! {
    /// A stored delivery.
    pub struct Delivery {
        /// Its number: deliveries of one lane are made in the order of these.
        pub delivery: i64,
        /// Where to.
        pub webhook_id: String,
        /// Whose.
        pub instance: i64,
        /// The log's row.
        pub seq: Option<i64>,
        /// The event's id.
        pub event_id: String,
        /// The event's kind.
        pub kind: String,
        /// What it is in order by.
        pub lane: String,
        /// The event as JSON, where no row of the log has it.
        pub event: Option<String>,
        /// `pending`, `done`, `dead`.
        pub state: String,
        /// Tries so far.
        pub attempts: i32,
        /// Those of them that were made before it was last replayed.
        pub forgiven: i32,
        /// Not before; microseconds.
        pub due_at: i64,
        /// Microseconds.
        pub created_at: i64,
        /// Microseconds.
        pub ended_at: Option<i64>,
    }
}

row! {
    /// A try.
    pub struct Attempt {
        /// Of which delivery.
        pub delivery: i64,
        /// Which try, from 1.
        pub attempt: i32,
        /// Microseconds.
        pub at: i64,
        /// The answer's status.
        pub status: Option<i32>,
        /// How long it took.
        pub ms: i64,
        /// The answer's first bytes.
        pub answer: Option<String>,
        /// Why there was no answer.
        pub error: Option<String>,
    }
}

row! {
    /// How deliveries of a webhook stand.
    pub struct Standing {
        /// `pending`, `done`, `dead`.
        pub state: String,
        /// How many.
        pub deliveries: i64,
        /// When the oldest was made; microseconds.
        pub oldest_at: i64,
    }
}

/// Queues deliveries in order.
///
/// # Errors
/// The engine's own.
pub async fn insert(
    tx: &mut Tx,
    instance: InstanceKey,
    deliveries: &[NewDelivery],
    now: Timestamp,
) -> Result<(), Error> {
    let Ok(count) = i64::try_from(deliveries.len()) else {
        return Ok(());
    };
    if count == 0 {
        return Ok(());
    }
    let mut first = take_number(tx, "delivery", count).await? - count + 1;
    for chunk in deliveries.chunks(CHUNK) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|d| (&d.webhook_id, d.seq, &d.event_id, d.kind, &d.lane, &d.event))
            .collect();
        let rows =
            serde_json::to_string(&rows).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))?;
        on!(tx.conn(), c, text = "deliveries/insert" => sqlx::query(text)
            .bind(first).bind(instance.0).bind(now.0).bind(rows)
            .execute(c).await.map(drop))?;
        first += i64::try_from(chunk.len()).unwrap_or_default();
    }
    Ok(())
}

/// Pending deliveries of a webhook behind this number, in order.
///
/// # Errors
/// The engine's own.
pub async fn page_pending(
    conn: Conn<'_>,
    webhook_id: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<Delivery>, Error> {
    Ok(
        on!(conn, c, text = "deliveries/page_pending" => sqlx::query_as(text)
        .bind(webhook_id).bind(after).bind(limit).fetch_all(c).await)?,
    )
}

/// Deliveries of a webhook before this number, latest first; `state` picks some.
///
/// # Errors
/// The engine's own.
pub async fn page(
    conn: Conn<'_>,
    webhook_id: &str,
    state: Option<&str>,
    before: i64,
    limit: i64,
) -> Result<Vec<Delivery>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("deliveries/page"))
        .bind(webhook_id).bind(state).bind(before).bind(limit).fetch_all(c).await)?)
}

/// One delivery of a webhook.
///
/// # Errors
/// The engine's own.
pub async fn find(
    conn: Conn<'_>,
    webhook_id: &str,
    delivery: i64,
) -> Result<Option<Delivery>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("deliveries/find"))
        .bind(webhook_id).bind(delivery).fetch_optional(c).await)?)
}

/// How many there are of each state.
///
/// # Errors
/// The engine's own.
pub async fn count(conn: Conn<'_>, webhook_id: &str) -> Result<Vec<Standing>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("deliveries/count"))
        .bind(webhook_id).fetch_all(c).await)?)
}

/// What has become of a delivery.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which.
    pub delivery: i64,
    /// `pending`, `done`, `dead`.
    pub state: &'static str,
    /// Tries so far.
    pub attempts: i32,
    /// Not before, for one that stays pending.
    pub due_at: Timestamp,
    /// The try, where there was one.
    pub attempt: Option<Attempt>,
}

/// Writes down what has become of deliveries, and their tries. What has arrived is
/// not kept twice: its own copy of the event goes. Deliveries that are gone with
/// their webhook are left out.
///
/// # Errors
/// The engine's own.
pub async fn record(tx: &mut Tx, records: &[Record], now: Timestamp) -> Result<(), Error> {
    let json = |rows: serde_json::Result<String>| {
        rows.map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))
    };
    for chunk in records.chunks(CHUNK) {
        let attempts: Vec<_> = chunk
            .iter()
            .filter_map(|record| record.attempt.as_ref())
            .map(|a| {
                let (answer, error) = (&a.answer, &a.error);
                (a.delivery, a.attempt, a.at, a.status, a.ms, answer, error)
            })
            .collect();
        let attempts = json(serde_json::to_string(&attempts))?;
        on!(tx.conn(), c, text = "deliveries/record_attempts" => sqlx::query(text)
            .bind(attempts).execute(c).await.map(drop))?;
        let states: Vec<_> = chunk
            .iter()
            .map(|r| {
                let ended = (r.state != "pending").then_some(now.0);
                (r.delivery, r.state, r.attempts, r.due_at.0, ended)
            })
            .collect();
        let states = json(serde_json::to_string(&states))?;
        on!(tx.conn(), c, text = "deliveries/record" => sqlx::query(text)
            .bind(states).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Gives up the deliveries of a webhook that have been due since before this moment
/// and were never tried; returns how many.
///
/// # Errors
/// The engine's own.
pub async fn give_up(
    tx: &mut Tx,
    webhook_id: &str,
    before: Timestamp,
    now: Timestamp,
) -> Result<u64, Error> {
    Ok(on!(tx.conn(), c => sqlx::query(sql!("deliveries/give_up"))
        .bind(webhook_id).bind(before.0).bind(now.0)
        .execute(c).await.map(|done| done.rows_affected()))?)
}

/// Gives up what has been due since before this moment to webhooks that are off;
/// returns how many.
///
/// # Errors
/// The engine's own.
pub async fn abandon(tx: &mut Tx, before: Timestamp, now: Timestamp) -> Result<u64, Error> {
    Ok(on!(tx.conn(), c => sqlx::query(sql!("deliveries/abandon"))
        .bind(before.0).bind(now.0)
        .execute(c).await.map(|done| done.rows_affected()))?)
}

/// The tries of a delivery, in order.
///
/// # Errors
/// The engine's own.
pub async fn attempts(conn: Conn<'_>, delivery: i64) -> Result<Vec<Attempt>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("deliveries/attempts"))
        .bind(delivery).fetch_all(c).await)?)
}

/// Makes deliveries that ended (`dead`, `done`, or of any state) pending again, from
/// one number to another, both included; those without an event any more are left.
/// Their tries are kept and counted anew. Returns how many.
///
/// # Errors
/// The engine's own.
pub async fn replay(
    tx: &mut Tx,
    webhook_id: &str,
    state: Option<&str>,
    from: i64,
    to: i64,
    now: Timestamp,
) -> Result<u64, Error> {
    Ok(on!(tx.conn(), c => sqlx::query(sql!("deliveries/replay"))
        .bind(webhook_id).bind(state).bind(from).bind(to).bind(now.0)
        .execute(c).await.map(|done| done.rows_affected()))?)
}

/// Forgets what arrived before this moment, at most `limit` deliveries; returns how many.
///
/// # Errors
/// The engine's own.
pub async fn delete_ended(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    Ok(
        on!(tx.conn(), c => sqlx::query(sql!("deliveries/delete_ended"))
        .bind(before.0).bind(limit)
        .execute(c).await.map(|done| done.rows_affected()))?,
    )
}

/// Forgets what was given up before this moment, at most `limit` deliveries; returns
/// how many.
///
/// # Errors
/// The engine's own.
pub async fn delete_dead(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    Ok(
        on!(tx.conn(), c => sqlx::query(sql!("deliveries/delete_dead"))
        .bind(before.0).bind(limit)
        .execute(c).await.map(|done| done.rows_affected()))?,
    )
}
