//! What is done about history by itself, now and then: states stored on the way,
//! scheduled snapshots, and what need not be kept any more.

use std::time::Duration;

use labelwire_store::{checkpoints, log};

use super::state::{load, store};
use crate::app::App;
use crate::error::Error;
use crate::instance::Handle;

/// How often it is looked after.
const EVERY: Duration = Duration::from_mins(1);
/// Rounds between two looks for what need not be kept.
const HOURLY: u32 = 60;
/// Rows of history from one stored state to the next, at least.
const ROWS: i64 = 20_000;
/// Rows for each part of a state: states of many records are stored more seldom, so
/// that they take no more room than history itself.
const ROWS_OF_PART: i64 = 2_000;

impl App {
    /// Looks after history until everything stops.
    pub(crate) fn keep_history(&self) {
        let (app, tasks) = (self.clone(), self.tasks().clone());
        self.tasks().spawn(async move {
            let mut round = 0_u32;
            while !tasks.is_stopping() {
                tokio::select! {
                    () = tasks.stopping() => return,
                    () = tokio::time::sleep(EVERY) => {}
                }
                round = round.wrapping_add(1);
                app.tend_history(round.is_multiple_of(HOURLY)).await;
            }
        });
    }

    /// Does what is due: of each instance a state stored and a snapshot made, and,
    /// where `prune`, what is over dropped. What fails is told in the program's log
    /// and tried again the next time.
    pub async fn tend_history(&self, prune: bool) {
        for handle in self.all_handles() {
            if self.tasks().is_stopping() {
                return;
            }
            if let Err(error) = self.store_due_state(&handle).await {
                tracing::warn!(instance = %handle.name, %error, "a state of labels could not be stored");
            }
            if let Err(error) = self.make_due_snapshot(&handle).await {
                tracing::warn!(instance = %handle.name, %error, "a scheduled snapshot could not be made");
            }
            if prune && let Err(error) = self.retain(&handle).await {
                tracing::warn!(instance = %handle.name, %error, "history that is over could not be dropped");
            }
        }
    }

    /// Stores states on the way through history, so that each moment is near one.
    async fn store_due_state(&self, handle: &Handle) -> Result<(), Error> {
        if !handle.status().synced {
            return Ok(());
        }
        while !self.tasks().is_stopping() {
            let mut reader = self.db().reader().await?;
            let last = log::last_seq(reader.conn(), handle.key).await?;
            let start = checkpoints::nearest(reader.conn(), handle.key, last).await?;
            let parts = checkpoints::count_parts(reader.conn(), start).await?;
            let rows = ROWS.max(parts * ROWS_OF_PART);
            if last - start < rows {
                return Ok(());
            }
            let due = checkpoints::nth_behind(reader.conn(), handle.key, start, rows - 1).await?;
            drop(reader);
            let Some(at) = due else { return Ok(()) };
            let past = load(self.db(), handle.key, at.seq).await?;
            let mut tx = self.db().begin().await?;
            store(&mut tx, handle.key, at, &past, false).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
