//! States read from the database, and stored there.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::Kind;
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::past::{Past, Step};
use labelwire_store::checkpoints::{self, Seen};
use labelwire_store::{Db, Error as StoreError, Tx, log};

use super::Untold;
use crate::error::Error;

/// Records one part of a stored state has.
const PART: usize = 4_000;

/// The state at a row of history.
///
/// # Errors
/// [`Untold::Pruned`], [`Untold::BeforePairing`]; the database's.
pub(crate) async fn load(db: &Db, instance: InstanceKey, seq: i64) -> Result<Past, Error> {
    let mut reader = db.reader().await?;
    let start = checkpoints::nearest(reader.conn(), instance, seq).await?;
    let corrupt = |_| StoreError::Corrupt("state of labels");
    let mut past = Past::default();
    checkpoints::each_part(reader.conn(), start, |row| {
        past.read(row.part, &row.body).map_err(corrupt)
    })
    .await?;
    let mut read = Ok(());
    checkpoints::each_change(reader.conn(), instance, start, seq, |row| {
        let Some(kind) = Kind::parse(&row.kind) else {
            return;
        };
        let step = past.step(Step {
            kind,
            at: Timestamp(row.at),
            label_id: row.label_id.as_deref(),
            chat: row.chat_jid.as_deref(),
            message: row.message_id.as_deref(),
            body: row.body.as_deref(),
        });
        if step.is_err() {
            read = step;
        }
    })
    .await?;
    read.map_err(corrupt)?;
    // Last, for somebody may have dropped rows while these were read.
    let cut = checkpoints::cut(reader.conn(), instance).await?;
    if let Some(cut) = cut.filter(|cut| seq < cut.seq) {
        return Err(Untold::Pruned(cut.seq).into());
    }
    if start == 0 && past.labels().is_empty() && past.records() == 0 {
        return Err(Untold::BeforePairing.into());
    }
    Ok(past)
}

/// Stores the state at a row of history, from which later ones are read.
///
/// # Errors
/// The database's.
pub(crate) async fn store(
    tx: &mut Tx,
    instance: InstanceKey,
    at: Seen,
    past: &Past,
    cut: bool,
) -> Result<(), StoreError> {
    if checkpoints::nearest(tx.conn(), instance, at.seq).await? != at.seq {
        for (part, body) in (0..).zip(past.parts(PART)) {
            log::insert_baseline(tx, at.seq, part, &body).await?;
        }
    }
    checkpoints::insert(tx, instance, at, cut).await
}
