//! The one task that writes to an instance's labels on WhatsApp.
//!
//! ```text
//! use case ──► Job ──► round: resolve against the mirror
//!                        ├─ note command rows           (one commit)
//!                        ├─ Phone::write                (one patch for all that waits)
//!                        ├─ Phone::sync ──► actor       (mirror and command rows: one commit)
//!                        └─ answer
//! ```
//! Writes that come while a patch is under way travel together in the next one.
//! A conflict, a lost connection or a busy server only means another round: what
//! is already so resolves to nothing. A write that gets no verdict in time is
//! reported as pending and settled by looking.

mod batch;
mod unsettled;
mod verdict;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::change::Record;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::CommandId;
use labelwire_domain::intent::Intent;
use labelwire_domain::label::Label;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::handle::{Handle, Line, Parts};
use crate::error::Error;
use crate::phone::{PhoneEvent, WriteError, Written};

/// Mutations in one patch; 200 were seen to be accepted (`protocol.md` B).
const PATCH_RECORDS: usize = 200;
/// How long a write may go without any progress.
const PATIENCE: Duration = Duration::from_secs(30);
/// First and last pause before another try.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// When a write without verdict is looked for again.
const SETTLE_AFTER: Duration = Duration::from_secs(10);

/// A write to be done.
pub(crate) struct Job {
    /// The command's id.
    pub(crate) id: CommandId,
    /// What is wanted.
    pub(crate) intent: Intent,
    /// Who wants it.
    pub(crate) actor: String,
    /// The request it came with.
    pub(crate) request_id: Option<String>,
    /// The caller's own key for it.
    pub(crate) idempotency_key: Option<String>,
    /// Where the answer goes.
    pub(crate) done: oneshot::Sender<Result<Finished, Error>>,
}

/// A write that is so.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// The command, where anything had to be written.
    pub(crate) command: Option<CommandId>,
    /// The label it was about, as it stands now.
    pub(crate) label: Option<Label>,
    /// Records written.
    pub(crate) mutations: u64,
    /// Patches they travelled in.
    pub(crate) patches: u64,
}

/// A job under way.
struct Work {
    job: Job,
    /// Records still to be sent, where they do not fit one patch.
    plan: Option<VecDeque<Record>>,
    deadline: Instant,
    /// Its row is written, with this body.
    noted: Option<String>,
    /// It was sent and no verdict came.
    uncertain: bool,
    /// WhatsApp took all of it; the mirror has it from this version on.
    taken: Option<u64>,
    /// Whether it is known that its key has not made what it asks for already.
    recalled: bool,
    /// It is to be sent without company: a patch with it was refused.
    alone: bool,
    /// How often a patch of its own was refused.
    refused: u32,
    /// Why the last try did not help.
    last: Option<WriteError>,
    mutations: u64,
    patches: u64,
}

/// What a round asks for.
enum Next {
    Now,
    After(Duration),
}

/// The writer of one instance.
pub(super) struct Writer {
    parts: Arc<Parts>,
    handle: Arc<Handle>,
    inbox: mpsc::Receiver<Job>,
    work: VecDeque<Work>,
    /// Commands whose end is not known, and when to look for it.
    unsettled: Vec<(Instant, CommandId, Intent)>,
    pause: Duration,
}

impl Writer {
    pub(super) fn new(parts: Arc<Parts>, handle: Arc<Handle>, inbox: mpsc::Receiver<Job>) -> Self {
        Self {
            parts,
            handle,
            inbox,
            work: VecDeque::new(),
            unsettled: Vec::new(),
            pause: PAUSE.0,
        }
    }

    pub(super) async fn run(mut self) {
        if let Err(error) = self.load_unsettled().await {
            tracing::error!(instance = %self.handle.name, %error, "pending commands could not be read");
        }
        let tasks = self.parts.tasks.clone();
        let ended = self.handle.ended.clone();
        let mut status = self.handle.watch();
        let mut wait = Some(Duration::ZERO);
        loop {
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = ended.cancelled() => return,
                job = self.inbox.recv() => match job {
                    Some(job) => self.take(job),
                    None => return,
                },
                changed = status.changed(), if wait.is_some() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = pause(wait) => {}
            }
            while let Ok(job) = self.inbox.try_recv() {
                self.take(job);
            }
            wait = loop {
                match self.round().await {
                    Next::Now if tasks.is_stopping() => return,
                    Next::Now => {
                        while let Ok(job) = self.inbox.try_recv() {
                            self.take(job);
                        }
                    }
                    Next::After(pause) => break Some(pause),
                }
            };
            if self.work.is_empty() {
                wait = self
                    .unsettled
                    .iter()
                    .map(|(at, ..)| at.saturating_duration_since(Instant::now()))
                    .min()
                    .map(|left| left.max(PAUSE.1));
            }
        }
    }

    fn take(&mut self, job: Job) {
        self.work.push_back(Work {
            // All else comes to nothing where it is so already.
            recalled: !matches!(job.intent, Intent::CreateLabel { .. })
                || job.idempotency_key.is_none(),
            job,
            plan: None,
            deadline: Instant::now() + PATIENCE,
            noted: None,
            uncertain: false,
            taken: None,
            alone: false,
            refused: 0,
            last: None,
            mutations: 0,
            patches: 0,
        });
    }

    /// One patch, or the reason for none.
    async fn round(&mut self) -> Next {
        self.expire().await;
        if self.work.is_empty() && self.unsettled.is_empty() {
            return Next::After(Duration::ZERO);
        }
        let line = match self.handle.connected_line() {
            Ok(line) if self.handle.status().synced => line,
            Ok(_) => {
                self.refuse_fresh(Error::NeverSynced).await;
                return Next::After(PAUSE.1);
            }
            Err(_) => {
                self.refuse_fresh(Error::NotConnected).await;
                return Next::After(PAUSE.1);
            }
        };
        match self.patch(&line).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(instance = %self.handle.name, %error, "a write has to wait");
                if let Error::Store(_) = error {
                    let text = "the database failed";
                    for work in &mut self.work {
                        work.last = Some(WriteError::Busy(text.into()));
                    }
                }
                self.later()
            }
        }
    }

    async fn patch(&mut self, line: &Line) -> Result<Next, Error> {
        let handle = Arc::clone(&self.handle);
        let mut last_replay = handle.writes.lock().await;
        // On a mirror that lacks something, an intent would be resolved wrongly.
        let mut sound = handle.settle_quietly(line).await?;
        let behind =
            |version| move |w: &Work| w.uncertain || w.taken.is_some_and(|taken| taken > version);
        if sound.pending || self.work.iter().any(behind(sound.version)) {
            let whole = line.phone.sync().await;
            sound = handle.settle(line).await?;
            if !whole {
                return Ok(self.later());
            }
            // What was sent before is in what was just read, or was never taken.
            for work in &mut self.work {
                work.uncertain = false;
            }
        }
        if sound.needs_snapshot || sound.pending {
            handle.replay_with(&mut last_replay).await?;
        }
        self.finish_taken(sound.version).await;
        self.recall().await?;
        self.settle_unsettled(line).await?;
        let known = self.recall().await?;
        if !known || self.work.iter().any(behind(sound.version)) {
            return Ok(self.later());
        }
        let Some(batch) = self.collect().await? else {
            return Ok(if self.work.is_empty() {
                Next::After(Duration::ZERO)
            } else {
                Next::Now
            });
        };
        let records: Vec<Record> = batch.iter().flat_map(|(_, r, _)| r.clone()).collect();
        let verdict = line.phone.write(&records).await;
        match verdict {
            Ok(Written::Accepted(version)) => {
                self.pause = PAUSE.0;
                self.accepted(&batch, version);
                if !line.phone.sync().await {
                    // The mirror is behind what was taken. The next round sees to it before
                    // anything else is resolved; this, where there is no next round.
                    let _ = line.events.send(PhoneEvent::SyncSkipped);
                }
                let settled = handle.settle(line).await?;
                self.finish_taken(settled.version).await;
                Ok(Next::Now)
            }
            Ok(Written::Conflict) => {
                line.phone.sync().await;
                handle.settle(line).await?;
                for work in &mut self.work {
                    work.plan = None;
                    work.last = Some(WriteError::Busy("other devices were faster".into()));
                }
                Ok(Next::Now)
            }
            Err(WriteError::NotReady) => {
                line.phone.sync().await;
                Ok(self.later())
            }
            Err(WriteError::NotSynced) => {
                for (id, ..) in &batch {
                    let error = Error::NeverSynced(handle.name.clone());
                    self.finish(id, Err(error)).await;
                }
                Ok(Next::Now)
            }
            Err(WriteError::Refused(why)) => {
                self.refused(&batch, &why, line, &mut last_replay).await?;
                Ok(Next::Now)
            }
            Err(error) => {
                let uncertain = matches!(error, WriteError::Unknown(_));
                for (id, ..) in &batch {
                    if let Some(work) = self.work.iter_mut().find(|w| w.job.id == *id) {
                        work.uncertain |= uncertain;
                        work.last = Some(error.clone());
                        work.plan = None;
                    }
                }
                Ok(self.later())
            }
        }
    }

    fn later(&mut self) -> Next {
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE.1);
        Next::After(pause)
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }
}

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
