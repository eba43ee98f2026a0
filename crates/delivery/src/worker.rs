//! The supervisor: sees which webhooks have something waiting, and keeps a task for
//! each of them, so that one that is dead or hangs costs the others nothing.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::clock::{Clock, Entropy, Timestamp};
use labelwire_domain::webhook::Words;
use labelwire_store::webhooks::{self, Waiting};
use labelwire_store::{Db, Error as StoreError, deliveries};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::endpoint::{Endpoint, Shared, Signal};
use crate::recorder::Recorder;
use crate::sender::Sender;

/// How often is looked though nobody rang.
const POLL: Duration = Duration::from_secs(1);
/// Webhooks above which there is a pause after each look, as long as it took, and the
/// longest of these.
const MANY: usize = 1_000;
const BREATH: Duration = Duration::from_millis(100);
/// How often old deliveries are cleared away.
const HOUSEKEEPING: Duration = Duration::from_mins(10);
/// How long a delivery that has arrived is remembered.
const KEEP_DONE: Duration = Duration::from_hours(7 * 24);
/// How long a delivery that was given up can be replayed.
const KEEP_DEAD: Duration = Duration::from_hours(30 * 24);
/// How long a delivery waits for its turn at an endpoint that is down or switched off.
pub(crate) const PATIENCE: Duration = Duration::from_hours(84);
/// Deliveries cleared away in one transaction.
const SWEEP: i64 = 2_000;

/// What delivering takes from outside.
pub struct Options {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness for pauses.
    pub entropy: Arc<dyn Entropy>,
    /// Rung where deliveries were queued or webhooks changed.
    pub bell: Arc<Notify>,
    /// What events look like to receivers.
    pub words: Arc<dyn Words>,
    /// Whether addresses that are not public may be sent to.
    pub allow_private: bool,
}

/// Delivering cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct NoTls(#[from] rustls::Error);

/// Makes deliveries.
pub struct Worker {
    shared: Shared,
    bell: Arc<Notify>,
    recorder: (Recorder, mpsc::UnboundedReceiver<crate::recorder::Ended>),
}

impl Worker {
    /// One that has not begun.
    ///
    /// # Errors
    /// [`NoTls`].
    pub fn new(options: Options) -> Result<Self, NoTls> {
        let Options {
            db,
            clock,
            entropy,
            bell,
            words,
            allow_private,
        } = options;
        let sender = Sender::new(allow_private)?;
        let (ended, what_ended) = mpsc::unbounded_channel();
        let recorder = Recorder {
            db: db.clone(),
            clock: Arc::clone(&clock),
        };
        Ok(Self {
            shared: Shared {
                db,
                clock,
                entropy,
                words,
                sender,
                ended,
                stop: CancellationToken::new(),
            },
            bell,
            recorder: (recorder, what_ended),
        })
    }

    /// Delivers until `stop` resolves. Calls under way then have a few seconds more;
    /// those that do not end are made again after the next start.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            shared,
            bell,
            recorder: (recorder, ended),
        } = self;
        let shared = Arc::new(shared);
        let mut recording = JoinSet::new();
        recording.spawn(recorder.run(ended));
        let mut housekeeping = JoinSet::new();
        housekeeping.spawn(keep_house(shared.db.clone(), Arc::clone(&shared.clock)));
        let mut endpoints = Endpoints {
            shared: Arc::clone(&shared),
            signals: HashMap::new(),
            names: HashMap::new(),
            tasks: JoinSet::new(),
        };
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            let at_once = tokio::select! {
                () = &mut stop => break,
                () = bell.notified() => true,
                _ = poll.tick() => true,
                Some(ended) = endpoints.tasks.join_next_with_id() => {
                    let (id, crashed) = match ended {
                        Ok((id, ())) => (id, false),
                        Err(error) => {
                            tracing::error!(%error, "delivering to a webhook broke off");
                            (error.id(), true)
                        }
                    };
                    endpoints.ended(id);
                    // What came meanwhile; but one that always breaks must not spin.
                    !crashed
                }
            };
            if !at_once {
                continue;
            }
            let began = Instant::now();
            match endpoints.look().await {
                // So that bells that ring and ring do not keep the database busy.
                Ok(webhooks) if webhooks > MANY => {
                    tokio::time::sleep(began.elapsed().min(BREATH)).await;
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "deliveries could not be looked for"),
            }
        }
        shared.stop.cancel();
        while endpoints.tasks.join_next().await.is_some() {}
        housekeeping.shutdown().await;
        drop(endpoints);
        // The last who could report is gone: the recorder ends when all is written.
        drop(shared);
        while recording.join_next().await.is_some() {}
    }
}

/// The tasks there are, by webhook.
struct Endpoints {
    shared: Arc<Shared>,
    signals: HashMap<String, watch::Sender<Signal>>,
    names: HashMap<Id, String>,
    tasks: JoinSet<()>,
}

impl Endpoints {
    fn ended(&mut self, id: Id) {
        if let Some(webhook) = self.names.remove(&id) {
            self.signals.remove(&webhook);
        }
    }

    /// Tells each task how its webhook stands, and starts those that are missing;
    /// returns how many webhooks are on.
    async fn look(&mut self) -> Result<usize, StoreError> {
        let waiting = {
            let mut reader = self.shared.db.reader().await?;
            webhooks::standing(reader.conn()).await?
        };
        let webhooks = waiting.len();
        let mut off: HashSet<String> = self.signals.keys().cloned().collect();
        for Waiting {
            webhook_id,
            updated_at,
            oldest,
            newest,
        } in waiting
        {
            let signal = Signal::On {
                updated_at,
                oldest,
                newest,
            };
            off.remove(&webhook_id);
            if let Some(known) = self.signals.get(&webhook_id) {
                tell(known, signal);
            } else if newest.is_some() {
                let send = watch::Sender::new(signal);
                let shared = Arc::clone(&self.shared);
                let endpoint = Endpoint::new(shared, webhook_id.clone(), send.clone());
                let task = self.tasks.spawn(endpoint.run());
                self.names.insert(task.id(), webhook_id.clone());
                self.signals.insert(webhook_id, send);
            }
        }
        for webhook in off {
            if let Some(known) = self.signals.get(&webhook) {
                tell(known, Signal::Off);
            }
        }
        Ok(webhooks)
    }
}

fn tell(to: &watch::Sender<Signal>, signal: Signal) {
    to.send_if_modified(|known| std::mem::replace(known, signal) != signal);
}

/// Clears away what is old.
async fn keep_house(db: Db, clock: Arc<dyn Clock>) {
    let mut often = tokio::time::interval(HOUSEKEEPING);
    loop {
        often.tick().await;
        if let Err(error) = sweep(&db, clock.now()).await {
            tracing::warn!(%error, "old deliveries could not be cleared away");
        }
    }
}

pub(crate) async fn sweep(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    let ago = |time: Duration| {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Timestamp(now.0.saturating_sub(micros))
    };
    let full = |deleted: u64| i64::try_from(deleted).is_ok_and(|n| n >= SWEEP);
    loop {
        let mut tx = db.begin().await?;
        let done = deliveries::delete_ended(&mut tx, ago(KEEP_DONE), SWEEP).await?;
        tx.commit().await?;
        if !full(done) {
            break;
        }
    }
    loop {
        let mut tx = db.begin().await?;
        let dead = deliveries::delete_dead(&mut tx, ago(KEEP_DEAD), SWEEP).await?;
        tx.commit().await?;
        if !full(dead) {
            break;
        }
    }
    let mut tx = db.begin().await?;
    deliveries::abandon(&mut tx, ago(PATIENCE), now).await?;
    tx.commit().await
}
