//! Whole states of labels at rows of history, and what lies between them.

use futures_util::TryStreamExt as _;
use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    /// A row's place and when it was seen here.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Seen {
        /// Place in the log.
        pub seq: i64,
        /// Microseconds.
        pub seen_at: i64,
    }
}

row! {
    struct SeqRow {
        seq: i64,
    }
}

row! {
    /// What a row of history changed, as far as a state follows from it.
    pub struct ChangeRow {
        /// A kind's word.
        pub kind: String,
        /// When on WhatsApp, microseconds.
        pub at: i64,
        /// The label.
        pub label_id: Option<String>,
        /// The chat under the key WhatsApp used.
        pub chat_jid: Option<String>,
        /// The message.
        pub message_id: Option<String>,
        /// The fact as JSON; for labels and their order only.
        pub body: Option<String>,
    }
}

row! {
    /// One part of a stored state.
    pub struct PartRow {
        /// Its number; 0 holds the labels.
        pub part: i32,
        /// JSON.
        pub body: String,
    }
}

row! {
    /// One part, and of which state.
    pub struct PlacedPart {
        /// The row the state stands at.
        pub baseline_id: i64,
        /// Its number.
        pub part: i32,
        /// JSON.
        pub body: String,
    }
}

/// Notes that a whole state is stored for a row; `cut`: rows of before may be gone.
///
/// # Errors
/// The engine's own.
pub async fn insert(tx: &mut Tx, instance: InstanceKey, at: Seen, cut: bool) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("checkpoints/insert"))
        .bind(instance.0).bind(at.seq).bind(at.seen_at).bind(cut).execute(c).await.map(drop))?;
    Ok(())
}

/// The last row with a whole state up to this one; 0 without any.
///
/// # Errors
/// The engine's own.
pub async fn nearest(conn: Conn<'_>, instance: InstanceKey, seq: i64) -> Result<i64, Error> {
    let row: SeqRow = on!(conn, c => sqlx::query_as(sql!("checkpoints/nearest"))
        .bind(instance.0).bind(seq).fetch_one(c).await)?;
    Ok(row.seq)
}

/// The place before which no state can be told any more; `None` where nothing was
/// dropped.
///
/// # Errors
/// The engine's own.
pub async fn cut(conn: Conn<'_>, instance: InstanceKey) -> Result<Option<Seen>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("checkpoints/cut"))
        .bind(instance.0).fetch_optional(c).await)?)
}

/// All rows with a whole state, in order.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<i64>, Error> {
    let rows: Vec<SeqRow> = on!(conn, c => sqlx::query_as(sql!("checkpoints/all"))
        .bind(instance.0).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|row| row.seq).collect())
}

/// Drops the states that stand at rows before this one.
///
/// # Errors
/// The engine's own.
pub async fn delete_before(tx: &mut Tx, instance: InstanceKey, seq: i64) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("checkpoints/delete_parts_before"))
        .bind(instance.0).bind(seq).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("checkpoints/delete_before"))
        .bind(instance.0).bind(seq).execute(c).await.map(drop))?;
    Ok(())
}

/// The parts of a state, in order.
///
/// # Errors
/// The engine's own, or `each`'s.
pub async fn each_part(
    conn: Conn<'_>,
    seq: i64,
    mut each: impl FnMut(PartRow) -> Result<(), Error>,
) -> Result<(), Error> {
    on!(conn, c => {
        let mut rows = sqlx::query_as::<_, PartRow>(sql!("checkpoints/parts")).bind(seq).fetch(c);
        while let Some(row) = rows.try_next().await? {
            each(row)?;
        }
    });
    Ok(())
}

/// How many parts a state has.
///
/// # Errors
/// The engine's own.
pub async fn count_parts(conn: Conn<'_>, seq: i64) -> Result<i64, Error> {
    let row: SeqRow = on!(conn, c => sqlx::query_as(sql!("checkpoints/count_parts"))
        .bind(seq).fetch_one(c).await)?;
    Ok(row.seq)
}

/// The next part of any state of an instance behind this one.
///
/// # Errors
/// The engine's own.
pub async fn part_behind(
    conn: Conn<'_>,
    instance: InstanceKey,
    (seq, part): (i64, i32),
) -> Result<Option<PlacedPart>, Error> {
    Ok(
        on!(conn, c => sqlx::query_as(sql!("checkpoints/parts_of_instance"))
        .bind(instance.0).bind(seq).bind(part).fetch_optional(c).await)?,
    )
}

/// Writes a part of a stored state anew.
///
/// # Errors
/// The engine's own.
pub async fn set_part(tx: &mut Tx, seq: i64, part: i32, body: &str) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("checkpoints/set_part"))
        .bind(seq).bind(part).bind(body).execute(c).await.map(drop))?;
    Ok(())
}

/// What changed behind a row, up to another one, in order.
///
/// # Errors
/// The engine's own.
pub async fn each_change(
    conn: Conn<'_>,
    instance: InstanceKey,
    behind: i64,
    through: i64,
    mut each: impl FnMut(ChangeRow),
) -> Result<(), Error> {
    on!(conn, c => {
        let mut rows = sqlx::query_as::<_, ChangeRow>(sql!("log/changes"))
            .bind(instance.0).bind(behind).bind(through).fetch(c);
        while let Some(row) = rows.try_next().await? {
            each(row);
        }
    });
    Ok(())
}

/// The last row up to a place; `None` where there is none.
///
/// # Errors
/// The engine's own.
pub async fn at_or_before(
    conn: Conn<'_>,
    instance: InstanceKey,
    seq: i64,
) -> Result<Option<Seen>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("log/at_or_before"))
        .bind(instance.0).bind(seq).fetch_optional(c).await)?)
}

/// The row that many places behind a row, counted from 0; `None` where there are
/// no more than that.
///
/// # Errors
/// The engine's own.
pub async fn nth_behind(
    conn: Conn<'_>,
    instance: InstanceKey,
    seq: i64,
    nth: i64,
) -> Result<Option<Seen>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("log/nth_after"))
        .bind(instance.0).bind(seq).bind(nth).fetch_optional(c).await)?)
}

/// The last row seen up to a moment, for rows are numbered in the order they were
/// seen in: found by halving, for an index on the time would cost every row.
///
/// # Errors
/// The engine's own.
pub async fn seen_by(
    conn: Conn<'_>,
    instance: InstanceKey,
    moment: i64,
) -> Result<Option<Seen>, Error> {
    let mut conn = conn;
    let Some(last) = at_or_before(conn.reborrow(), instance, i64::MAX).await? else {
        return Ok(None);
    };
    if last.seen_at <= moment {
        return Ok(Some(last));
    }
    let Some(first) = nth_behind(conn.reborrow(), instance, 0, 0).await? else {
        return Ok(None);
    };
    if first.seen_at > moment {
        return Ok(None);
    }
    // `found` was seen by then, what is at `later` or behind it was not.
    let (mut found, mut later) = (first, last.seq);
    while later - found.seq > 1 {
        let middle = found.seq + (later - found.seq) / 2;
        match at_or_before(conn.reborrow(), instance, middle).await? {
            Some(row) if row.seq <= found.seq => {
                // None in the first half.
                match nth_behind(conn.reborrow(), instance, middle, 0).await? {
                    Some(next) if next.seq < later && next.seen_at <= moment => found = next,
                    _ => return Ok(Some(found)),
                }
            }
            Some(row) if row.seen_at <= moment => found = row,
            Some(row) => later = row.seq,
            None => return Ok(Some(found)),
        }
    }
    Ok(Some(found))
}
