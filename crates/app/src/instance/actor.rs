//! The one task that changes an instance: events in, transactions out, in order.

mod recovery;

use std::sync::atomic::AtomicU8;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use labelwire_domain::collection::{Batch, Batcher, Outcome, Step};
use labelwire_domain::instance::State;
use labelwire_store::{collections, instances};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::handle::{Ask, Handle, Line, Parts, Status};
use super::messages::Messages;
use super::names;
use crate::error::Error;
use crate::ingest::{self, Applied, REGULAR};
use crate::phone::{HeardMessage, PhoneError, PhoneEvent, Settled};

/// Records one transaction takes before others get their turn at the database.
const RECORDS_PER_COMMIT: usize = 5_000;
/// How long steps may wait for the end of their batch before it is asked for.
const PENDING_PATIENCE: Duration = Duration::from_secs(3);
/// First and last pause before a stopped client is started anew.
const RESTART_PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// See [`Actor::catch_ups`].
const OWED: u8 = 2;

/// A running client's side of the actor.
struct Client {
    line: Line,
    events: mpsc::UnboundedReceiver<PhoneEvent>,
}

/// The actor of one instance.
pub(super) struct Actor {
    parts: Arc<Parts>,
    handle: Arc<Handle>,
    asks: mpsc::Receiver<Ask>,
    client: Option<Client>,
    batcher: Batcher,
    ready: Vec<Batch>,
    version: u64,
    replays: u64,
    needs_snapshot: bool,
    /// When a client is to be started by itself, and the pause after that.
    restart: Option<Instant>,
    pause: Duration,
    last_step: Instant,
    /// 0: none runs; 1: one runs; [`OWED`]: one runs and another is to follow.
    catch_ups: Arc<AtomicU8>,
    messages: Messages,
    /// Messages heard behind steps that are not committed yet: what is told with them
    /// is what those make.
    heard: Vec<HeardMessage>,
}

impl Actor {
    pub(super) fn new(parts: Arc<Parts>, handle: Arc<Handle>, asks: mpsc::Receiver<Ask>) -> Self {
        let messages = Messages::open(&parts, &handle);
        Self {
            parts,
            handle,
            messages,
            heard: Vec::new(),
            asks,
            client: None,
            batcher: Batcher::default(),
            ready: Vec::new(),
            version: 0,
            replays: 0,
            needs_snapshot: false,
            restart: None,
            pause: RESTART_PAUSE.0,
            last_step: Instant::now(),
            catch_ups: Arc::default(),
        }
    }

    pub(super) async fn run(mut self) {
        let tasks = self.parts.tasks.clone();
        loop {
            let idle_at = self
                .batcher
                .is_pending()
                .then(|| self.last_step + PENDING_PATIENCE);
            tokio::select! {
                biased;
                () = tasks.stopping() => break,
                ask = self.asks.recv() => match ask {
                    Some(Ask::Start(done)) => {
                        let _ = done.send(self.start_again().await);
                    }
                    Some(Ask::Stop(done)) => {
                        let _ = done.send(self.stop().await);
                    }
                    Some(Ask::Restart(done)) => {
                        self.shut().await;
                        let _ = done.send(self.start_again().await);
                    }
                    Some(Ask::LogOut(done)) => {
                        let _ = done.send(self.log_out().await);
                    }
                    Some(Ask::End(done)) => {
                        self.shut().await;
                        // Whoever waits for a code must not wait on.
                        self.handle.status.send_modify(|s| {
                            s.state = State::Disconnected;
                            s.reason = "the instance was deleted".into();
                            s.qr = None;
                        });
                        let _ = done.send(());
                        return;
                    }
                    None => break,
                },
                event = next(&mut self.client) => match event {
                    Some(event) => self.on_events(event).await,
                    None => self.client_gone("the client ended", true).await,
                },
                () = until(idle_at), if idle_at.is_some() => {
                    self.last_step = Instant::now();
                    self.spawn_catch_up();
                }
                () = until(self.restart), if self.restart.is_some() => {
                    self.restart = None;
                    if let Err(error) = self.start().await {
                        tracing::warn!(instance = %self.handle.name, %error, "the client could not be started");
                        self.restart_later();
                    }
                }
            }
        }
        self.shut().await;
    }

    /// Starts a client where none runs.
    async fn start(&mut self) -> Result<(), PhoneError> {
        if self.client.is_some() {
            return Ok(());
        }
        self.restart = None;
        self.load()
            .await
            .map_err(|e| PhoneError::Refused(e.to_string()))?;
        let (events_in, events) = mpsc::unbounded_channel();
        let phone = self
            .parts
            .connector
            .start(self.handle.key, events_in.clone())
            .await?;
        let line = Line {
            phone,
            events: events_in,
        };
        self.set_line(Some(line.clone()));
        self.client = Some(Client { line, events });
        self.set_state(State::Connecting, "").await;
        Ok(())
    }

    /// Starts over from what is committed.
    async fn load(&mut self) -> Result<(), Error> {
        let mut tx = self.parts.db.begin().await?;
        let applied = ingest::merge_unmerged(&mut tx, self.handle.key).await?;
        self.version = collections::find(tx.conn(), self.handle.key, REGULAR)
            .await?
            .map_or(0, |stored| stored.version);
        tx.commit().await?;
        self.handle.journal.note(applied);
        self.batcher = Batcher::new(self.version);
        self.ready.clear();
        self.needs_snapshot = false;
        Ok(())
    }

    /// Starts a client because a caller asks for one, who thereby takes back that
    /// it is stopped.
    async fn start_again(&mut self) -> Result<(), PhoneError> {
        if self.handle.status.borrow().stopped {
            self.set_stopped(false)
                .await
                .map_err(|e| PhoneError::Refused(e.to_string()))?;
        }
        self.start().await
    }

    async fn stop(&mut self) -> Result<(), Error> {
        // First of all: a crash from here on must not bring the client back.
        self.set_stopped(true).await?;
        self.shut().await;
        if self.handle.status.borrow().state != State::LoggedOut {
            self.set_state(State::Disconnected, "stopped by the API")
                .await;
        }
        Ok(())
    }

    async fn set_stopped(&self, stopped: bool) -> Result<(), Error> {
        let at = stopped.then(|| self.parts.clock.now());
        let mut tx = self.parts.db.begin().await?;
        instances::set_stopped(&mut tx, self.handle.key, at).await?;
        tx.commit().await?;
        self.handle.status.send_modify(|s| s.stopped = stopped);
        Ok(())
    }

    async fn log_out(&mut self) -> Result<(), Error> {
        self.shut().await;
        self.forget().await?;
        self.set_state(State::LoggedOut, "logged out by the API")
            .await;
        Ok(())
    }

    async fn forget(&self) -> Result<(), Error> {
        let mut tx = self.parts.db.begin().await?;
        instances::forget_pairing(&mut tx, self.handle.key).await?;
        instances::set_wanted(&mut tx, self.handle.key, false).await?;
        Ok(tx.commit().await?)
    }

    /// Stops the client and commits what it left.
    async fn shut(&mut self) {
        self.restart = None;
        self.set_line(None);
        let Some(mut client) = self.client.take() else {
            return;
        };
        client.line.phone.shutdown().await;
        client.events.close();
        let mut left = Vec::new();
        while let Ok(event) = client.events.try_recv() {
            left.push(event);
        }
        for event in left {
            if let PhoneEvent::Step { seq, task, step } = event {
                self.on_step(seq, task, step);
            }
        }
        self.flush(Some(&client.line)).await;
    }

    /// Takes an event and whatever else is queued, in as few transactions as
    /// order allows.
    async fn on_events(&mut self, first: PhoneEvent) {
        let mut next = Some(first);
        while let Some(event) = next.take() {
            match event {
                PhoneEvent::Step { seq, task, step } => {
                    self.on_step(seq, task, step);
                    let waiting: usize = self.ready.iter().map(|b| b.records.len() + 1).sum();
                    if waiting > RECORDS_PER_COMMIT {
                        break;
                    }
                }
                // It says nothing of labels, so it is no reason to commit.
                PhoneEvent::Message(message) => self.heard.push(*message),
                other => {
                    self.flush_current().await;
                    self.on_event(other).await;
                }
            }
            next = self.client.as_mut().and_then(|c| c.events.try_recv().ok());
        }
        self.flush_current().await;
        self.messages.tell(self.heard.drain(..));
    }

    fn on_step(&mut self, seq: u64, task: u64, step: Step) {
        self.last_step = Instant::now();
        match self.batcher.step(seq, task, step) {
            Outcome::Pending => {}
            Outcome::Ready(batch) => self.ready.push(*batch),
            Outcome::Lost => {
                tracing::warn!(instance = %self.handle.name, "a sync ended half way; its changes will be read anew");
                self.want_snapshot();
            }
        }
    }

    async fn on_event(&mut self, event: PhoneEvent) {
        match event {
            PhoneEvent::Step { .. } | PhoneEvent::Message(_) => {}
            PhoneEvent::LidsLearned(pairs) => self.merge(&pairs).await,
            PhoneEvent::Contacts(news) => {
                let now = self.parts.clock.now();
                names::learn(&self.parts.db, &self.handle, now, news).await;
            }
            PhoneEvent::Qr(code) => {
                self.handle.status.send_modify(|s| s.qr = Some(code));
            }
            PhoneEvent::QrExhausted => {
                self.client_gone("no QR code was scanned in time; connect again", false)
                    .await;
            }
            PhoneEvent::Paired(profile) => match self.paired(&profile).await {
                Ok(()) => self.spawn_watch_for_keys(),
                Err(error) => self.database_failed(&error).await,
            },
            PhoneEvent::Connected => {
                self.pause = RESTART_PAUSE.0;
                self.set_state(State::Connected, "").await;
                self.spawn_first_catch_up();
            }
            PhoneEvent::Disconnected(reason) => {
                self.set_state(State::Connecting, &reason).await;
            }
            PhoneEvent::LoggedOut(reason) => {
                self.shut().await;
                if let Err(error) = self.forget().await {
                    self.database_failed(&error).await;
                }
                self.set_state(State::LoggedOut, &reason).await;
            }
            PhoneEvent::Stopped { reason, again } => self.client_gone(&reason, again).await,
            PhoneEvent::SyncSkipped => self.spawn_catch_up(),
            PhoneEvent::CaughtUp => {
                if !self.handle.status.borrow().synced
                    && self.version == 0
                    && let Err(error) = self.synced_empty().await
                {
                    self.database_failed(&error).await;
                }
            }
            PhoneEvent::Barrier(done) => {
                let _ = done.send(Settled {
                    pending: self.batcher.is_pending(),
                    needs_snapshot: self.needs_snapshot,
                    replays: self.replays,
                    version: self.version,
                });
            }
        }
    }

    async fn paired(&mut self, profile: &labelwire_domain::instance::Profile) -> Result<(), Error> {
        let mut tx = self.parts.db.begin().await?;
        ingest::paired(&mut tx, self.handle.key, profile).await?;
        let row = instances::find(tx.conn(), self.handle.key).await?;
        tx.commit().await?;
        self.handle.journal.note(Applied {
            everything: true,
            labels: true,
            ..Applied::default()
        });
        if let Some(row) = row {
            self.handle.status.send_modify(|s| {
                s.qr = None;
                s.profile = row.profile();
                s.synced = row.synced_at.is_some();
            });
        }
        Ok(())
    }

    async fn synced_empty(&self) -> Result<(), Error> {
        let mut tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        let recorded = ingest::synced_empty(&mut tx, self.handle.key, now).await?;
        tx.commit().await?;
        self.announce(Some(recorded));
        self.handle.status.send_modify(|s| s.synced = true);
        Ok(())
    }

    async fn merge(&mut self, pairs: &[(String, String)]) {
        let merged = async {
            let mut tx = self.parts.db.begin().await?;
            let applied = ingest::merge_chats(&mut tx, self.handle.key, pairs).await?;
            tx.commit().await?;
            Ok::<_, Error>(applied)
        };
        match merged.await {
            Ok(applied) => {
                self.handle.journal.note(applied);
                // A name learned under one id is the other's from now on.
                self.handle.journal.note_names();
            }
            Err(error) => self.database_failed(&error).await,
        }
    }

    async fn flush_current(&mut self) {
        let line = self.client.as_ref().map(|c| c.line.clone());
        self.flush(line.as_ref()).await;
    }

    /// Commits what is ready: mirror, history, version and MACs as one.
    async fn flush(&mut self, line: Option<&Line>) {
        let Some(last) = self.ready.last() else {
            return;
        };
        let (through, version) = (last.through, last.version.number);
        let replays = self.ready.iter().filter(|b| b.complete).count() as u64;
        let replay_last = self.ready.iter().rposition(|b| b.complete);
        let wants = self.ready.iter().enumerate().any(|(at, b)| {
            (b.removed || b.version.mismatch) && replay_last.is_none_or(|replay| at > replay)
        });
        match self.commit().await {
            Ok(applied) => {
                self.version = version;
                self.replays += replays;
                if replays > 0 {
                    self.needs_snapshot = false;
                    self.handle
                        .status
                        .send_if_modified(|s| !std::mem::replace(&mut s.synced, true));
                }
                self.handle.asked.committed(&applied.commands);
                let recorded = applied.recorded;
                self.handle.journal.note(applied);
                self.announce(recorded);
                if let Some(line) = line {
                    line.phone.committed(through);
                }
                if wants {
                    self.want_snapshot();
                }
            }
            Err(error) => self.database_failed(&error).await,
        }
    }

    async fn commit(&mut self) -> Result<Applied, Error> {
        let mut tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        let mut asked = &self.handle.asked;
        let applied =
            ingest::apply(&mut tx, self.handle.key, &mut self.ready, &mut asked, now).await?;
        tx.commit().await?;
        Ok(applied)
    }

    /// The database refused. Nothing of the batch was written, so a client started
    /// anew from the committed version fetches it again.
    async fn database_failed(&mut self, error: &Error) {
        tracing::error!(instance = %self.handle.name, %error, "the database failed; the client is started anew");
        self.ready.clear();
        if let Some(client) = self.client.take() {
            self.set_line(None);
            client.line.phone.shutdown().await;
        }
        self.handle.status.send_modify(|s| {
            s.state = State::Disconnected;
            s.reason = "the database failed".into();
        });
        self.restart_later();
    }

    async fn client_gone(&mut self, reason: &str, again: bool) {
        self.shut().await;
        self.set_state(State::Disconnected, reason).await;
        if again {
            self.restart_later();
        }
    }

    fn restart_later(&mut self) {
        self.restart = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(RESTART_PAUSE.1);
    }

    async fn set_state(&self, state: State, reason: &str) {
        let same = {
            let status = self.handle.status.borrow();
            status.state == state && status.reason == reason
        };
        if !same {
            tracing::info!(instance = %self.handle.name, %state, reason, "instance `{}` is {state}", self.handle.name);
            let written = async {
                let mut tx = self.parts.db.begin().await?;
                let now = self.parts.clock.now();
                let recorded =
                    ingest::set_state(&mut tx, self.handle.key, state, reason, now).await?;
                tx.commit().await.map(|()| recorded)
            };
            match written.await {
                Ok(recorded) => self.announce(recorded),
                Err(error) => {
                    tracing::error!(instance = %self.handle.name, %error, "the state could not be stored");
                }
            }
        }
        self.handle.status.send_modify(|s: &mut Status| {
            s.state = state;
            reason.clone_into(&mut s.reason);
            if state != State::Connecting {
                s.qr = None;
            }
        });
    }

    /// Tells readers and whoever makes deliveries that history has gone on.
    fn announce(&self, recorded: Option<i64>) {
        if let Some(seq) = recorded {
            self.handle.feed.announce(seq);
            self.parts.bell.notify_one();
        }
    }

    fn set_line(&self, line: Option<Line>) {
        *self
            .handle
            .line
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = line;
    }
}

async fn next(client: &mut Option<Client>) -> Option<PhoneEvent> {
    match client {
        Some(client) => client.events.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
