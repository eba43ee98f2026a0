//! What others hold of an instance: its status, and ways to ask its actor.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use labelwire_domain::clock::{Clock, Timestamp};
use labelwire_domain::event::Event;
use labelwire_domain::ids::{AccountId, InstanceId, InstanceKey};
use labelwire_domain::instance::{Profile, State};
use labelwire_domain::intent::LabelRules;
use labelwire_store::Db;
use labelwire_store::instances::Instance;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::asked::Asked;
use super::journal::Journal;
use super::writer::{Job, Writer};
use crate::error::Error;
use crate::feed::Feed;
use crate::phone::{Connector, EventSink, Phone, PhoneError, PhoneEvent, Settled};
use crate::tasks::Tasks;

/// A full replay this fresh need not be repeated: many forced snapshots may get a
/// session dropped (`protocol.md`, risk 10), and what came since came as patches.
const REPLAY_FRESH_MICROS: i64 = 10_000_000;

/// The longest pause before what is new is fetched once more: WhatsApp may be busy,
/// but whoever reads the labels waits.
const CATCH_UP_PAUSE: Duration = Duration::from_secs(10);

/// Passing events a listener may be behind by before it misses some.
const PASSING: usize = 256;

/// How often work that recovers is looked at.
const RECOVERY_TICK: Duration = Duration::from_millis(500);

/// How an instance stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// What it does.
    pub state: State,
    /// Why; empty where there is nothing to say.
    pub reason: String,
    /// What is known of the account.
    pub profile: Profile,
    /// Whether its labels were ever synced.
    pub synced: bool,
    /// The QR code to scan now.
    pub qr: Option<String>,
    /// Whether a caller stopped it: it stays so, whatever is restarted, until one starts it.
    pub stopped: bool,
    /// What is being done where the labels are behind.
    pub recovery: Recovery,
}

/// What is being done where the labels are known to be behind WhatsApp: each is
/// tried before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recovery {
    /// Nothing: they are not known to be behind.
    #[default]
    None,
    /// What is new is fetched.
    CatchingUp,
    /// All is fetched anew, for what is new could not be read.
    ReadingSnapshot,
    /// The phone was asked for the keys it takes.
    AskingPhone,
}

/// What an actor needs from outside.
pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) tasks: Tasks,
    pub(crate) rules: LabelRules,
    pub(crate) bell: Arc<Notify>,
}

/// What the actor is asked to do.
pub(crate) enum Ask {
    /// Run a client, if none runs; answer with it.
    Start(oneshot::Sender<Result<(), PhoneError>>),
    /// Stop the client, keep the pairing, and run none until asked to.
    Stop(oneshot::Sender<Result<(), Error>>),
    /// Stop the client, if one runs, and run a new one.
    Restart(oneshot::Sender<Result<(), PhoneError>>),
    /// Stop the client; the pairing is void afterwards.
    LogOut(oneshot::Sender<Result<(), Error>>),
    /// Stop the client and end the actor.
    End(oneshot::Sender<()>),
}

/// The running client, for those who may call it.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) phone: Arc<dyn Phone>,
    pub(crate) events: EventSink,
}

/// A linked account, as the rest of the program sees it.
pub struct Handle {
    /// Row number.
    pub key: InstanceKey,
    /// Public id.
    pub id: InstanceId,
    /// Owner.
    pub account: AccountId,
    /// Name within the account.
    pub name: String,
    /// What changed since when.
    pub journal: Journal,
    /// The end of its history.
    pub feed: Feed,
    /// What is told and not kept in history, to whoever listens just now.
    pub(super) passing: broadcast::Sender<Arc<Event>>,
    pub(super) status: watch::Sender<Status>,
    pub(super) line: Mutex<Option<Line>>,
    pub(super) asked: Asked,
    /// Cancelled when the instance is gone.
    pub(super) ended: CancellationToken,
    asks: mpsc::Sender<Ask>,
    jobs: mpsc::Sender<Job>,
    clock: Arc<dyn Clock>,
    /// Held by writes and replays: no label is written while one is replayed.
    pub(super) writes: tokio::sync::Mutex<Option<Timestamp>>,
}

impl Handle {
    /// Makes the handle of a stored instance and starts its actor.
    pub(crate) fn start(row: &Instance, parts: &Arc<Parts>) -> Result<Arc<Self>, Error> {
        // The program that wrote the row is gone, and so is its client.
        let state = match row.state()? {
            State::LoggedOut => State::LoggedOut,
            _ => State::Disconnected,
        };
        let (asks, inbox) = mpsc::channel(64);
        let (jobs, work) = mpsc::channel(256);
        let handle = Arc::new(Self {
            key: row.key(),
            id: InstanceId::from_stored(row.instance_id.clone()),
            account: AccountId::from_stored(row.account_id.clone()),
            name: row.name.clone(),
            journal: Journal::default(),
            feed: Feed::new(row.key(), row.name.clone()),
            passing: broadcast::Sender::new(PASSING),
            status: watch::Sender::new(Status {
                state,
                reason: row.reason.clone(),
                profile: row.profile(),
                synced: row.synced_at.is_some(),
                qr: None,
                stopped: row.stopped_at.is_some(),
                recovery: Recovery::None,
            }),
            line: Mutex::new(None),
            asked: Asked::default(),
            ended: CancellationToken::new(),
            asks,
            jobs,
            clock: Arc::clone(&parts.clock),
            writes: tokio::sync::Mutex::new(None),
        });
        let actor = super::actor::Actor::new(Arc::clone(parts), Arc::clone(&handle), inbox);
        parts.tasks.spawn(actor.run());
        let writer = Writer::new(Arc::clone(parts), Arc::clone(&handle), work);
        parts.tasks.spawn(writer.run());
        Ok(handle)
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Tells of every change of its standing.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Tells of what is not kept in history: messages, with their text. Who is slow
    /// misses some.
    #[must_use]
    pub fn passing(&self) -> broadcast::Receiver<Arc<Event>> {
        self.passing.subscribe()
    }

    /// Runs a client, if none runs.
    ///
    /// # Errors
    /// [`Error::Phone`] where the client could not be started.
    pub async fn connect(&self) -> Result<(), Error> {
        self.run_client(Ask::Start).await
    }

    /// Runs a new client, in the place of the one that runs, if one does.
    ///
    /// # Errors
    /// [`Error::Phone`] where the client could not be started.
    pub(crate) async fn restart(&self) -> Result<(), Error> {
        self.run_client(Ask::Restart).await
    }

    async fn run_client(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<(), PhoneError>>) -> Ask,
    ) -> Result<(), Error> {
        let (done, wait) = oneshot::channel();
        self.ask(ask(done)).await?;
        wait.await
            .map_err(|_| Error::Stopping)?
            .map_err(|e| Error::Phone(e.to_string()))
    }

    /// Stops the client and keeps the pairing. None runs until [`Self::connect`]
    /// or [`Self::restart`], not even after a restart of the program.
    ///
    /// # Errors
    /// The database's; [`Error::Stopping`].
    pub(crate) async fn stop(&self) -> Result<(), Error> {
        let (done, wait) = oneshot::channel();
        self.ask(Ask::Stop(done)).await?;
        wait.await.map_err(|_| Error::Stopping)?
    }

    /// Unlinks the device where that is possible, and forgets the pairing.
    ///
    /// # Errors
    /// The database's; [`Error::Stopping`].
    pub async fn logout(&self) -> Result<(), Error> {
        if let Some(line) = self.line()
            && self.status().state == State::Connected
            && let Err(error) = line.phone.logout().await
        {
            tracing::warn!(instance = %self.name, %error, "WhatsApp was not told of the logout");
        }
        let (done, wait) = oneshot::channel();
        self.ask(Ask::LogOut(done)).await?;
        wait.await.map_err(|_| Error::Stopping)?
    }

    /// Stops the client and the actor.
    pub(crate) async fn end(&self) {
        let (done, wait) = oneshot::channel();
        if self.ask(Ask::End(done)).await.is_ok() {
            let _ = wait.await;
        }
        self.ended.cancel();
    }

    /// Resolves when the instance is deleted.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Asks WhatsApp for a pairing code for a number (digits).
    ///
    /// # Errors
    /// [`Error::Phone`], [`Error::NotConnected`] where no client runs.
    pub async fn request_pair_code(&self, number: &str) -> Result<String, Error> {
        let line = self
            .line()
            .ok_or_else(|| Error::NotConnected(self.name.clone()))?;
        line.phone
            .request_pair_code(number)
            .await
            .map_err(|e| self.phone_error(&e))
    }

    /// Hands a write to the instance's writer.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub(crate) async fn submit(&self, job: Job) -> Result<(), Error> {
        self.jobs.send(job).await.map_err(|_| Error::Stopping)
    }

    /// Whether WhatsApp has moved this account's chats to hidden ids.
    pub(crate) async fn is_lid_migrated(&self) -> bool {
        match self.line() {
            Some(line) => line.phone.is_lid_migrated().await,
            None => false,
        }
    }

    /// Brings the mirror up to date with WhatsApp, removals included.
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`Error::RefreshTimeout`] after `within`.
    pub async fn refresh(&self, within: Duration) -> Result<(), Error> {
        tokio::time::timeout(within, self.replay())
            .await
            .map_err(|_| Error::RefreshTimeout)?
    }

    /// Replays the collection whole, unless that was just done and nothing since
    /// asks for it: then what is new suffices.
    pub(crate) async fn replay(&self) -> Result<(), Error> {
        let mut last = self.writes.lock().await;
        self.replay_with(&mut last).await
    }

    /// The same for whoever holds the lock already.
    pub(super) async fn replay_with(&self, last: &mut Option<Timestamp>) -> Result<(), Error> {
        let line = self.connected_line()?;
        line.phone.sync().await;
        let before = self.settle_quietly(&line).await?;
        let now = self.clock.now();
        if !before.needs_snapshot && last.is_some_and(|at| now.0 - at.0 < REPLAY_FRESH_MICROS) {
            return Ok(());
        }
        for attempt in 0..4u32 {
            line.phone
                .replay()
                .await
                .map_err(|e| self.phone_error(&e))?;
            let after = self.settle_quietly(&line).await?;
            if after.replays > before.replays || (after.version == 0 && !after.needs_snapshot) {
                *last = Some(self.clock.now());
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(250) * 2u32.pow(attempt)).await;
        }
        Err(Error::Phone(
            "no snapshot of the labels could be read".into(),
        ))
    }

    /// Replays the collection if that is what the mirror waits for.
    pub(crate) async fn repair(&self) -> Result<(), Error> {
        let line = self.connected_line()?;
        if self.settle_quietly(&line).await?.needs_snapshot {
            self.replay().await
        } else {
            Ok(())
        }
    }

    /// Fetches what is new and waits until it is in the mirror.
    pub(crate) async fn catch_up(&self) -> Result<(), Error> {
        let line = self.connected_line()?;
        let whole = line.phone.sync().await;
        let settled = self.settle(&line).await?;
        if whole && !settled.pending {
            return Ok(());
        }
        self.connected_line()?;
        Err(Error::Phone("not all that is new could be read".into()))
    }

    /// The same until it succeeds, or nothing can be fetched.
    pub(super) async fn catch_up_for_sure(&self) -> Result<(), Error> {
        let mut pause = Duration::from_millis(250);
        loop {
            match self.catch_up().await {
                Err(Error::Phone(why)) => {
                    tracing::debug!(instance = %self.name, why, "catching up is tried again");
                }
                ended => return ended,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(CATCH_UP_PAUSE);
        }
    }

    /// Does such work while the status says so.
    pub(super) async fn recovering<T>(&self, step: Recovery, work: impl Future<Output = T>) -> T {
        self.show(step);
        tokio::pin!(work);
        loop {
            let tick = tokio::time::sleep(RECOVERY_TICK);
            tokio::select! {
                done = &mut work => return done,
                () = tick => {
                    let asking = match self.line() {
                        Some(line) => line.phone.waits_for_keys().await,
                        None => false,
                    };
                    self.show(if asking { Recovery::AskingPhone } else { step });
                }
            }
        }
    }

    /// Says in the status what is being done.
    pub(super) fn show(&self, step: Recovery) {
        self.status
            .send_if_modified(|s| std::mem::replace(&mut s.recovery, step) != step);
    }

    /// Waits until everything queued so far is committed.
    pub(super) async fn settle(&self, line: &Line) -> Result<Settled, Error> {
        for _ in 0..3 {
            let settled = self.settle_quietly(line).await?;
            if !settled.pending {
                return Ok(settled);
            }
            line.phone.sync().await;
        }
        self.settle_quietly(line).await
    }

    pub(super) async fn settle_quietly(&self, line: &Line) -> Result<Settled, Error> {
        let (done, wait) = oneshot::channel();
        line.events
            .send(PhoneEvent::Barrier(done))
            .map_err(|_| Error::Stopping)?;
        wait.await
            .map_err(|_| Error::NotConnected(self.name.clone()))
    }

    pub(super) fn line(&self) -> Option<Line> {
        self.line
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn connected_line(&self) -> Result<Line, Error> {
        match self.line() {
            Some(line) if self.status.borrow().state == State::Connected => Ok(line),
            _ => Err(Error::NotConnected(self.name.clone())),
        }
    }

    /// Refuses while WhatsApp cannot be reached: nothing is recorded as done then.
    ///
    /// # Errors
    /// [`Error::NotConnected`].
    pub fn require_connected(&self) -> Result<(), Error> {
        self.connected_line().map(drop)
    }

    async fn ask(&self, ask: Ask) -> Result<(), Error> {
        self.asks.send(ask).await.map_err(|_| Error::Stopping)
    }

    pub(super) fn phone_error(&self, error: &PhoneError) -> Error {
        match error {
            PhoneError::NotConnected => Error::NotConnected(self.name.clone()),
            PhoneError::NotSynced => Error::NeverSynced(self.name.clone()),
            PhoneError::Refused(why) => Error::Phone(why.clone()),
        }
    }
}
