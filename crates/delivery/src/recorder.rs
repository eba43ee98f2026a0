//! Writes down what has become of deliveries, those of all webhooks together: one
//! transaction for what ended in the same moment costs the mirror's writer little.

use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::clock::Clock;
use labelwire_store::deliveries::{self, Record};
use labelwire_store::{Db, Error, webhooks};
use tokio::sync::mpsc;

/// Records one transaction takes.
const BATCH: usize = 1_000;
/// How long a commit and the next are apart, so that they gather.
const GATHER: Duration = Duration::from_millis(10);
/// The pause after a commit that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// Failures in a row after which a stop is not waited with any longer.
const LAST_TRIES: u32 = 3;

/// What has become of a delivery, and who wants to know that it is written down.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) record: Record,
    /// Its lane.
    pub(crate) lane: String,
    /// The webhook that is to be switched off with it, and why.
    pub(crate) disable: Option<(String, String)>,
    /// Told its number and lane after the commit.
    pub(crate) told: mpsc::UnboundedSender<(i64, String)>,
}

pub(crate) struct Recorder {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Recorder {
    /// Writes until all who send are gone.
    pub(crate) async fn run(self, mut ended: mpsc::UnboundedReceiver<Ended>) {
        let mut batch = Vec::new();
        while ended.recv_many(&mut batch, BATCH).await > 0 {
            let mut failures = 0;
            while let Err(error) = self.write(&batch).await {
                failures += 1;
                tracing::error!(%error, "what became of deliveries could not be written down");
                if ended.is_closed() && failures >= LAST_TRIES {
                    // They are sent once more after the next start.
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
            for ended in batch.drain(..) {
                let _ = ended.told.send((ended.record.delivery, ended.lane));
            }
            if ended.is_empty() {
                continue;
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    async fn write(&self, batch: &[Ended]) -> Result<(), Error> {
        let now = self.clock.now();
        let records: Vec<Record> = batch.iter().map(|ended| ended.record.clone()).collect();
        let mut tx = self.db.begin().await?;
        deliveries::record(&mut tx, &records, now).await?;
        for (webhook, reason) in batch.iter().filter_map(|ended| ended.disable.as_ref()) {
            webhooks::disable(&mut tx, webhook, reason, now).await?;
        }
        tx.commit().await
    }
}
