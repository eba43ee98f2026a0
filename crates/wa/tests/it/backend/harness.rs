//! A backend, and the part of the instance's actor that commits `regular`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use labelwire_domain::clock::{Clock, Timestamp};
use labelwire_domain::collection::{Batch, Batcher, Outcome, Step};
use labelwire_domain::ids::InstanceKey;
use labelwire_store::testing::{self, TestDb};
use labelwire_store::{Db, collections};
use labelwire_wa::backend::{REGULAR, RegularOverlay, SqlBackend, StepSink};
use whatsapp_rust::wacore::store::InMemoryBackend;
use whatsapp_rust::wacore::store::traits::Backend;

pub(super) struct Harness {
    pub(super) backend: Arc<dyn Backend>,
    sql: Option<Sql>,
}

struct Sql {
    test_db: TestDb,
    db: Db,
    instance: InstanceKey,
    overlay: Arc<RegularOverlay>,
    queue: Arc<Queue>,
    batcher: Batcher,
    clock: Arc<SetClock>,
}

/// What a real sink would send to the actor.
#[derive(Default)]
pub(super) struct Queue {
    steps: Mutex<Vec<(u64, u64, Step)>>,
    learned: Mutex<Vec<(String, String)>>,
}

impl StepSink for Queue {
    fn step(&self, seq: u64, task: u64, step: Step) {
        self.steps.lock().unwrap().push((seq, task, step));
    }
    fn lids_learned(&self, pairs: Vec<(String, String)>) {
        self.learned.lock().unwrap().extend(pairs);
    }
}

/// A clock that stands still until set.
#[derive(Default)]
pub(super) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

impl Harness {
    pub(super) fn memory() -> Self {
        Self {
            backend: Arc::new(InMemoryBackend::new()),
            sql: None,
        }
    }

    pub(super) async fn sqlite() -> Self {
        Self::on(TestDb::sqlite().unwrap()).await
    }

    pub(super) async fn postgres() -> Self {
        Self::on(TestDb::postgres().await.unwrap()).await
    }

    async fn on(test_db: TestDb) -> Self {
        let db = test_db.open().await.unwrap();
        // A neighbour with a key before ours and one behind: nothing may leak over.
        testing::instance(&db, "before").await.unwrap();
        let instance = testing::instance(&db, "ours").await.unwrap();
        testing::instance(&db, "behind").await.unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(1_700_000_000_000_000)));
        Self::start(test_db, db, instance, clock).await
    }

    async fn start(test_db: TestDb, db: Db, instance: InstanceKey, clock: Arc<SetClock>) -> Self {
        let queue = Arc::new(Queue::default());
        let overlay = Arc::new(RegularOverlay::new(queue.clone()));
        let mut reader = db.reader().await.unwrap();
        let stored = collections::find(reader.conn(), instance, REGULAR)
            .await
            .unwrap();
        drop(reader);
        let batcher = Batcher::new(stored.map_or(0, |s| s.version));
        let backend = SqlBackend::new(db.clone(), instance, clock.clone(), overlay.clone());
        let sql = Sql {
            test_db,
            db,
            instance,
            overlay,
            queue,
            batcher,
            clock,
        };
        Self {
            backend: Arc::new(backend),
            sql: Some(sql),
        }
    }

    /// Another instance of the same database; the in-memory backend knows none.
    pub(super) fn neighbour(&self) -> Option<SqlBackend> {
        let sql = self.sql.as_ref()?;
        let key = InstanceKey(sql.instance.0 + 1);
        let overlay = Arc::new(RegularOverlay::new(Arc::new(Queue::default())));
        Some(SqlBackend::new(
            sql.db.clone(),
            key,
            sql.clock.clone(),
            overlay,
        ))
    }

    /// A restart: what was not committed is gone. The in-memory backend goes on.
    pub(super) async fn restart(&mut self) {
        if let Some(Sql {
            test_db,
            db,
            instance,
            clock,
            ..
        }) = self.sql.take()
        {
            db.close().await;
            let db = test_db.open().await.unwrap();
            *self = Self::start(test_db, db, instance, clock).await;
        }
    }

    /// What the actor does: commits every batch that is whole. Returns them, and
    /// whether changes were lost.
    pub(super) async fn settle(&mut self) -> (Vec<Batch>, bool) {
        let Some(sql) = &mut self.sql else {
            return (Vec::new(), false);
        };
        let steps = std::mem::take(&mut *sql.queue.steps.lock().unwrap());
        let (mut batches, mut lost) = (Vec::new(), false);
        for (seq, task, step) in steps {
            match sql.batcher.step(seq, task, step) {
                Outcome::Pending => {}
                Outcome::Lost => lost = true,
                Outcome::Ready(batch) => {
                    let mut tx = sql.db.begin().await.unwrap();
                    collections::apply_macs(
                        &mut tx,
                        sql.instance,
                        REGULAR,
                        batch.complete,
                        &batch.macs,
                    )
                    .await
                    .unwrap();
                    let version = &batch.version;
                    collections::set_version(
                        &mut tx,
                        sql.instance,
                        REGULAR,
                        version.number,
                        &version.state,
                    )
                    .await
                    .unwrap();
                    tx.commit().await.unwrap();
                    sql.overlay.committed(batch.through);
                    batches.push(*batch);
                }
            }
        }
        (batches, lost)
    }

    /// The overlay and the pairs of LID and phone the sink was told since.
    pub(super) fn overlay(&self) -> Arc<RegularOverlay> {
        self.sql.as_ref().unwrap().overlay.clone()
    }

    pub(super) fn learned(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.sql.as_ref().unwrap().queue.learned.lock().unwrap())
    }

    pub(super) fn set_clock(&self, secs: i64) {
        if let Some(sql) = &self.sql {
            sql.clock.0.store(secs * 1_000_000, Ordering::Relaxed);
        }
    }

    pub(super) async fn remove(self) {
        if let Some(sql) = self.sql {
            drop(self.backend);
            sql.db.close().await;
            sql.test_db.remove().await.unwrap();
        }
    }
}
