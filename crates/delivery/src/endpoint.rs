//! The task of one webhook: reads what waits, sends it lane by lane, and says what
//! became of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use labelwire_domain::clock::{Clock, Entropy, Timestamp};
use labelwire_domain::event::Event;
use labelwire_domain::ids::{InstanceId, InstanceKey};
use labelwire_domain::webhook::{Hook, Next, Outcome, Words, decide};
use labelwire_store::deliveries::{self, Attempt, Delivery, Record};
use labelwire_store::{Db, Error, instances, log, webhooks};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::breaker::Breaker;
use crate::lanes::{Item, Lanes, TEST_LANE};
use crate::recorder::Ended;
use crate::sender::{Sender, Tried, target};
use crate::signature::{Signed, headers};
use crate::worker::PATIENCE;

/// Calls to one endpoint at a time.
const CALLS: usize = 8;
/// Deliveries in memory at a time, and how few there are when more are read.
const WINDOW: usize = 1_024;
const LOW: usize = 512;
/// Deliveries read at a time.
const PAGE: i64 = 256;
/// How long the webhook's row is believed while there is no sign of a change: the
/// instance's profile is in it too.
const BELIEVED: Duration = Duration::from_secs(10);
/// How often what waits is read from the beginning without a sign: a replay between
/// others shows nowhere else.
const AGAIN: Duration = Duration::from_secs(5);
/// Pauses between such readings are at least so many times as long as one takes.
const SPACING: u32 = 4;
/// The pause after a database's error.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a task without work stays.
const LINGER: Duration = Duration::from_secs(30);
/// How long calls under way have at a stop.
const GRACE: Duration = Duration::from_secs(5);

/// What the tasks of all webhooks share.
pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) words: Arc<dyn Words>,
    pub(crate) sender: Sender,
    pub(crate) ended: mpsc::UnboundedSender<Ended>,
    pub(crate) stop: CancellationToken,
}

/// How a webhook stands, as the supervisor saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Enabled.
    On {
        /// When it was configured last; microseconds.
        updated_at: i64,
        /// The oldest pending delivery.
        oldest: Option<i64>,
        /// The newest pending delivery.
        newest: Option<i64>,
    },
    /// Switched off, or gone.
    Off,
}

/// A call that was made.
struct Called {
    delivery: Delivery,
    at: Timestamp,
    ms: i64,
    tried: Tried,
}

type Calls = FuturesUnordered<BoxFuture<'static, Called>>;

pub(crate) struct Endpoint {
    shared: Arc<Shared>,
    id: String,
    signal: watch::Sender<Signal>,
    watch: watch::Receiver<Signal>,
    /// What was read of the webhook, and when; no moment where it is to be read anew.
    hook: Option<Arc<Hook>>,
    hook_read_at: Option<Instant>,
    updated_at: i64,
    off: bool,
    lanes: Lanes,
    breaker: Breaker,
    /// A receiver that asked to be left alone.
    hold_until: Option<Timestamp>,
    /// All behind this number is still to be read, if there is more.
    tail: i64,
    more: bool,
    oldest: Option<i64>,
    newest: i64,
    /// Tests behind this number are still to be looked for.
    peeked: i64,
    rewound: Instant,
    reading_took: Duration,
    /// Not read before this, after an error.
    read_at: Instant,
    give_up: bool,
    told: mpsc::UnboundedReceiver<(i64, String)>,
    tell: mpsc::UnboundedSender<(i64, String)>,
}

impl Endpoint {
    pub(crate) fn new(shared: Arc<Shared>, id: String, signal: watch::Sender<Signal>) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let now = Instant::now();
        Self {
            shared,
            id,
            watch: signal.subscribe(),
            signal,
            hook: None,
            hook_read_at: None,
            updated_at: 0,
            off: false,
            lanes: Lanes::default(),
            breaker: Breaker::default(),
            hold_until: None,
            tail: 0,
            more: true,
            oldest: None,
            newest: 0,
            peeked: 0,
            rewound: now,
            reading_took: Duration::ZERO,
            read_at: now,
            give_up: false,
            told,
            tell,
        }
    }

    /// Delivers until the webhook is off, everything stops, or nothing comes for a while.
    pub(crate) async fn run(mut self) {
        let mut calls = Calls::new();
        let mut ends_at: Option<Instant> = None;
        let mut busy_at = Instant::now();
        self.see();
        loop {
            if ends_at.is_none() && !self.off {
                if let Err(error) = self.read().await {
                    tracing::error!(webhook = %self.id, %error, "deliveries could not be read");
                    self.read_at = Instant::now() + PAUSE;
                }
                self.begin(&mut calls);
            }
            if self.off && ends_at.is_none() {
                self.lanes.forget();
                if self.lanes.len() == 0 {
                    return;
                }
            }
            if let Some(end) = ends_at
                && (calls.is_empty() || Instant::now() >= end)
            {
                return;
            }
            let works = self.more || self.lanes.len() > 0 || self.lanes.is_waiting();
            if works {
                busy_at = Instant::now();
            } else if busy_at.elapsed() >= LINGER {
                return;
            } else {
                self.nothing_waits();
            }
            let wake = ends_at.unwrap_or_else(|| Instant::now() + self.pause());
            tokio::select! {
                Some(called) = calls.next(), if !calls.is_empty() => {
                    self.called(called);
                }
                Some((number, lane)) = self.told.recv() => {
                    self.lanes.recorded(number, &lane);
                    while let Ok((number, lane)) = self.told.try_recv() {
                        self.lanes.recorded(number, &lane);
                    }
                }
                Ok(()) = self.watch.changed(), if ends_at.is_none() => self.see(),
                () = self.shared.stop.cancelled(), if ends_at.is_none() => {
                    ends_at = Some(Instant::now() + GRACE);
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn jitter(&self) -> u8 {
        let mut byte = [0];
        self.shared.entropy.fill(&mut byte);
        byte[0]
    }

    /// Takes in what the supervisor saw.
    fn see(&mut self) {
        let signal = *self.watch.borrow_and_update();
        let Signal::On {
            updated_at,
            oldest,
            newest,
        } = signal
        else {
            self.off = true;
            return;
        };
        if updated_at != self.updated_at {
            if self.updated_at != 0 {
                // Whoever changed it may have mended it.
                self.breaker = Breaker::default();
                self.hold_until = None;
            }
            self.updated_at = updated_at;
            self.hook_read_at = None;
        }
        if let Some(newest) = newest {
            self.newest = self.newest.max(newest);
            self.more |= newest > self.tail;
        }
        // What was passed and is not in memory was replayed, or waits.
        let earlier = |oldest: i64| self.oldest.is_none_or(|known| oldest < known);
        if oldest.is_some_and(|oldest| {
            oldest <= self.tail
                && !self.lanes.knows(oldest)
                && (earlier(oldest) || !self.lanes.is_waiting())
        }) {
            self.rewind();
        }
        self.oldest = oldest;
    }

    /// Makes the supervisor's next look a change where it finds something, though it
    /// be what it found the last time: deliveries can be replayed.
    fn nothing_waits(&mut self) {
        self.oldest = None;
        let watch = &self.watch;
        self.signal.send_if_modified(|signal| {
            // What was not taken in yet stays.
            if let (Signal::On { oldest, newest, .. }, Ok(false)) = (signal, watch.has_changed()) {
                (*oldest, *newest) = (None, None);
            }
            false
        });
    }

    /// All that waits is to be read from the beginning.
    fn rewind(&mut self) {
        self.tail = 0;
        self.more = true;
        self.rewound = Instant::now();
    }

    /// How long there is nothing to do but to listen.
    fn pause(&self) -> Duration {
        let now = self.now();
        let until = |at: Timestamp| {
            let micros = u64::try_from(at.0 - now.0).unwrap_or_default();
            Duration::from_micros(micros).max(Duration::from_millis(1))
        };
        let mut pause = if self.lanes.is_waiting() {
            AGAIN
        } else {
            LINGER
        };
        if self.lanes.is_ready() && !self.may_call(now) {
            // Nothing else is read until then.
            let held = self.hold_until.into_iter().chain(self.breaker.opens_at());
            pause = held.map(until).max().map_or(pause, |held| pause.min(held));
        } else if let Some(due) = self.lanes.due() {
            let spaced = self.spacing().saturating_sub(self.rewound.elapsed());
            pause = pause.min(until(due).max(spaced));
        }
        let now = Instant::now();
        if self.read_at > now {
            pause = pause.min(self.read_at - now);
        }
        pause
    }

    fn spacing(&self) -> Duration {
        self.reading_took * SPACING
    }

    /// Whether a call that is no test may be begun.
    fn may_call(&self, now: Timestamp) -> bool {
        self.hold_until.is_none_or(|until| until <= now) && self.breaker.admits(now)
    }

    /// Reads what waits, as far as there is room for it.
    async fn read(&mut self) -> Result<(), Error> {
        if Instant::now() < self.read_at {
            return Ok(());
        }
        if std::mem::take(&mut self.give_up) {
            self.give_up().await?;
        }
        if self.hook_read_at.is_none() && !self.know_hook().await? {
            return Ok(());
        }
        let now = self.now();
        // Nothing can be sent, and there is something to probe with.
        if !self.may_call(now) && self.lanes.is_ready() {
            return self.peek(now).await;
        }
        let rested = self.rewound.elapsed();
        if rested >= self.spacing() && self.lanes.release(now)
            || rested >= AGAIN && !self.more && self.lanes.is_waiting()
        {
            self.rewind();
        }
        if !self.more {
            return Ok(());
        }
        if self.lanes.len() >= LOW {
            return self.peek(now).await;
        }
        let began = Instant::now();
        while self.more && self.lanes.len() < WINDOW {
            if !self.know_hook().await? {
                return Ok(());
            }
            let page = {
                let mut reader = self.shared.db.reader().await?;
                deliveries::page_pending(reader.conn(), &self.id, self.tail, PAGE).await?
            };
            self.more = i64::try_from(page.len()).is_ok_and(|n| n >= PAGE);
            let last = page.last().map(|delivery| delivery.delivery);
            self.take(page, now).await?;
            self.tail = last.unwrap_or(self.tail);
        }
        self.peeked = self.peeked.max(self.tail);
        self.reading_took = began.elapsed();
        if self.more {
            self.peek(now).await?;
        }
        Ok(())
    }

    /// Looks for tests among what came last, where it is not read in order.
    async fn peek(&mut self, now: Timestamp) -> Result<(), Error> {
        if self.newest <= self.peeked || !self.know_hook().await? {
            return Ok(());
        }
        let mut page = {
            let after = self.peeked.max(self.newest.saturating_sub(64));
            let mut reader = self.shared.db.reader().await?;
            deliveries::page_pending(reader.conn(), &self.id, after, 64).await?
        };
        page.retain(|delivery| delivery.lane == TEST_LANE);
        self.take(page, now).await?;
        self.peeked = self.newest;
        Ok(())
    }

    /// Takes deliveries into memory, with their events.
    async fn take(&mut self, mut page: Vec<Delivery>, now: Timestamp) -> Result<(), Error> {
        page.retain(|delivery| self.lanes.wants(delivery));
        let Some(hook) = self.hook.clone() else {
            return Ok(());
        };
        let seqs: Vec<i64> = page.iter().filter_map(|delivery| delivery.seq).collect();
        let mut events: HashMap<i64, Arc<Event>> = HashMap::new();
        if !seqs.is_empty() {
            let mut reader = self.shared.db.reader().await?;
            let rows = log::find_many(reader.conn(), &seqs).await?;
            events = rows
                .into_iter()
                .filter_map(|row| {
                    let seq = row.seq;
                    Some((seq, Arc::new(row.event(&hook.instance)?)))
                })
                .collect();
        }
        for delivery in page {
            let event = match (&delivery.event, delivery.seq) {
                (Some(event), _) => serde_json::from_str(event).ok().map(Arc::new),
                (None, Some(seq)) => events.get(&seq).cloned(),
                (None, None) => None,
            };
            self.lanes.offer(Item { delivery, event }, now);
        }
        Ok(())
    }

    /// Whether the webhook is there and on; reads it where it is not known.
    async fn know_hook(&mut self) -> Result<bool, Error> {
        if self.hook_read_at.is_some_and(|at| at.elapsed() < BELIEVED) {
            return Ok(true);
        }
        let mut reader = self.shared.db.reader().await?;
        let row = webhooks::find(reader.conn(), &self.id).await?;
        let Some(row) = row.filter(|row| row.enabled) else {
            self.off = true;
            return Ok(false);
        };
        let instance = instances::find(reader.conn(), InstanceKey(row.instance)).await?;
        let (Some(instance), Some(dialect)) = (instance, row.dialect()) else {
            return Err(Error::Corrupt("webhook"));
        };
        let hook = Hook {
            config: row.config()?,
            id: row.webhook_id,
            dialect,
            name: row.name,
            profile: instance.profile(),
            instance: instance.name,
            instance_id: InstanceId::from_stored(instance.instance_id),
        };
        self.hook = Some(Arc::new(hook));
        self.hook_read_at = Some(Instant::now());
        Ok(true)
    }

    /// Gives up what has waited for its turn for days: the endpoint is still down.
    async fn give_up(&mut self) -> Result<(), Error> {
        let now = self.now();
        let micros = i64::try_from(PATIENCE.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp(now.0.saturating_sub(micros));
        let mut tx = self.shared.db.begin().await?;
        let given_up = deliveries::give_up(&mut tx, &self.id, before, now).await?;
        tx.commit().await?;
        if given_up > 0 {
            tracing::warn!(webhook = %self.id, given_up, "deliveries were given up: the endpoint has been down for days");
            self.lanes.forget();
            self.rewind();
        }
        Ok(())
    }

    /// Begins calls, as many as may be.
    fn begin(&mut self, calls: &mut Calls) {
        let Some(hook) = self.hook.clone().filter(|_| self.hook_read_at.is_some()) else {
            return;
        };
        while let Some(item) = self.lanes.next_test() {
            self.start(&hook, item, calls);
        }
        while calls.len() < CALLS && self.lanes.is_ready() && self.may_call(self.now()) {
            let Some(item) = self.lanes.next() else {
                return;
            };
            self.start(&hook, item, calls);
        }
    }

    fn start(&mut self, hook: &Arc<Hook>, item: Item, calls: &mut Calls) {
        let Item { delivery, event } = item;
        let at = self.now();
        let Some(event) = event else {
            let why = "the event is no more in history".to_owned();
            let tried = Tried::failed(why);
            self.settle(delivery, at, 0, tried, Next::Dead);
            return;
        };
        let Some(told) = self.shared.words.tell(hook, &event) else {
            // The dialect has no word for it.
            let record = Record {
                delivery: delivery.delivery,
                state: "done",
                attempts: delivery.attempts,
                due_at: at,
                attempt: None,
            };
            self.lanes.done(&delivery.lane);
            self.record(record, delivery.lane, None);
            return;
        };
        if delivery.lane != TEST_LANE {
            self.breaker.begin();
        }
        let (hook, sender) = (Arc::clone(hook), self.shared.sender.clone());
        calls.push(Box::pin(async move {
            let began = Instant::now();
            let tried = match target(&hook.config, &told.name) {
                Err(why) => Tried::failed(why),
                Ok(uri) => {
                    let signed = Signed {
                        event_id: &delivery.event_id,
                        delivery: delivery.delivery,
                        body: &told.body,
                        now: at,
                    };
                    let headers = headers(hook.dialect, &hook.config, signed);
                    sender.send(uri, headers, told.body, at).await
                }
            };
            Called {
                delivery,
                at,
                ms: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
                tried,
            }
        }));
    }

    /// A call has ended: what follows.
    fn called(&mut self, called: Called) {
        let Called {
            delivery,
            at,
            ms,
            tried,
        } = called;
        let now = self.now();
        let jitter = self.jitter();
        let retries = self
            .hook
            .as_ref()
            .map(|hook| hook.config.retries.clone())
            .unwrap_or_default();
        let tries = delivery.attempts.saturating_sub(delivery.forgiven) + 1;
        let tries = u32::try_from(tries).unwrap_or(1);
        let next = decide(&retries, tries, &tried.outcome, now, jitter);
        if next == Next::Done {
            self.hold_until = None;
            if self.breaker.succeeded() {
                tracing::info!(webhook = %self.id, "the endpoint is back");
            }
        } else if delivery.lane != TEST_LANE {
            if self.breaker.failed(&retries, now, jitter) {
                tracing::warn!(webhook = %self.id, "the endpoint is down: it is only probed until it answers");
            }
            self.give_up = self.breaker.is_open();
            // A receiver that is busy is busy for every delivery.
            if let (
                Next::Again(due),
                Outcome::Answered {
                    status: 429 | 503,
                    retry_after: Some(_),
                },
            ) = (next, &tried.outcome)
            {
                self.hold_until = self.hold_until.max(Some(due));
            }
        }
        self.settle(delivery, at, ms, tried, next);
    }

    /// Writes a try down and lets the lane go on, or wait.
    fn settle(&mut self, delivery: Delivery, at: Timestamp, ms: i64, tried: Tried, next: Next) {
        let attempts = delivery.attempts.saturating_add(1);
        let status = match tried.outcome {
            Outcome::Answered { status, .. } => Some(i32::from(status)),
            Outcome::Failed => None,
        };
        let (state, due_at) = match next {
            Next::Done => ("done", at),
            Next::Again(due) => ("pending", due),
            Next::Dead | Next::Disable => ("dead", at),
        };
        match next {
            Next::Again(due) => self.lanes.again(&delivery.lane, delivery.delivery, due),
            _ => self.lanes.done(&delivery.lane),
        }
        let disable = (next == Next::Disable).then(|| {
            self.off = true;
            tracing::warn!(webhook = %self.id, "the receiver answered 410: the webhook is switched off");
            let reason = "the receiver answered 410 Gone".to_owned();
            (self.id.clone(), reason)
        });
        let record = Record {
            delivery: delivery.delivery,
            state,
            attempts,
            due_at,
            attempt: Some(Attempt {
                delivery: delivery.delivery,
                attempt: attempts,
                at: at.0,
                status,
                ms,
                answer: tried.answer,
                error: tried.error,
            }),
        };
        self.record(record, delivery.lane, disable);
    }

    fn record(&self, record: Record, lane: String, disable: Option<(String, String)>) {
        let ended = Ended {
            record,
            lane,
            disable,
            told: self.tell.clone(),
        };
        // The recorder is there as long as anybody can report to it.
        let _ = self.shared.ended.send(ended);
    }
}
