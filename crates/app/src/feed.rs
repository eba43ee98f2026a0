//! The end of an instance's history, for many readers at once: told that there is
//! news, they read it here, and the first who asks reads it from the database.

use std::collections::VecDeque;
use std::sync::Arc;

use labelwire_domain::event::Event;
use labelwire_domain::ids::InstanceKey;
use labelwire_store::{Db, Error, log};
use tokio::sync::{Mutex, watch};

/// Rows kept for readers that follow closely.
const KEPT: usize = 2_048;
/// Rows read at a time.
const PAGE: i64 = 512;

/// The feed of one instance.
#[derive(Debug)]
pub struct Feed {
    instance: InstanceKey,
    name: String,
    /// The last row known to be committed.
    last: watch::Sender<i64>,
    recent: Mutex<Recent>,
}

/// All rows behind `from`, up to `through`.
#[derive(Debug, Default)]
struct Recent {
    known: bool,
    from: i64,
    through: i64,
    events: VecDeque<Arc<Event>>,
}

impl Feed {
    pub(crate) fn new(instance: InstanceKey, name: String) -> Self {
        Self {
            instance,
            name,
            last: watch::Sender::new(0),
            recent: Mutex::default(),
        }
    }

    /// Says that history goes as far as this row. Call after it is durable.
    pub(crate) fn announce(&self, seq: i64) {
        self.last
            .send_if_modified(|last| seq > *last && std::mem::replace(last, seq) < seq);
    }

    /// Forgets the rows kept for close readers: they were changed in the database.
    pub(crate) async fn forget(&self) {
        *self.recent.lock().await = Recent::default();
    }

    /// Wakes when there is news: the value is a row that is there, not the news itself.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.last.subscribe()
    }

    /// The place of the last row there is; 0 without any.
    ///
    /// # Errors
    /// The database's.
    pub async fn end(&self, db: &Db) -> Result<i64, Error> {
        let mut recent = self.recent.lock().await;
        self.catch_up(db, &mut recent).await?;
        Ok(recent.through)
    }

    /// Rows behind a cursor, in order, at most `limit`; none where it is at the end.
    ///
    /// # Errors
    /// The database's.
    pub async fn since(
        &self,
        db: &Db,
        cursor: i64,
        limit: usize,
    ) -> Result<Vec<Arc<Event>>, Error> {
        {
            let mut recent = self.recent.lock().await;
            self.catch_up(db, &mut recent).await?;
            if cursor >= recent.from {
                let at = recent
                    .events
                    .partition_point(|e| e.seq.unwrap_or_default() <= cursor);
                return Ok(recent.events.iter().skip(at).take(limit).cloned().collect());
            }
        }
        // Far behind: by itself, so that it does not hold up the others.
        let limit = i64::try_from(limit).unwrap_or(PAGE).min(PAGE);
        let mut reader = db.reader().await?;
        let rows = log::page_after(reader.conn(), self.instance, cursor, limit).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| row.event(&self.name).map(Arc::new))
            .collect())
    }

    async fn catch_up(&self, db: &Db, recent: &mut Recent) -> Result<(), Error> {
        let last = *self.last.borrow();
        if recent.known && last <= recent.through {
            return Ok(());
        }
        let mut reader = db.reader().await?;
        if !recent.known {
            let end = log::last_seq(reader.conn(), self.instance).await?;
            (recent.known, recent.from, recent.through) = (true, end, end);
            return Ok(());
        }
        loop {
            let rows = log::page_after(reader.conn(), self.instance, recent.through, PAGE).await?;
            let more = i64::try_from(rows.len()).is_ok_and(|n| n == PAGE);
            for row in rows {
                recent.through = row.seq;
                recent.events.extend(row.event(&self.name).map(Arc::new));
            }
            while recent.events.len() > KEPT {
                if let Some(old) = recent.events.pop_front() {
                    recent.from = old.seq.unwrap_or(recent.from);
                }
            }
            if !more {
                return Ok(());
            }
        }
    }
}
