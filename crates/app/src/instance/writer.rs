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

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::change::{MessageLabel, Record, RecordKey};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::CommandId;
use labelwire_domain::intent::{Intent, LabelRules, View};
use labelwire_domain::label::Label;
use labelwire_store::commands::{self, NewCommand};
use labelwire_store::{chat_labels, instances, label_orders, labels, message_labels};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::handle::{Handle, Line, Parts};
use crate::error::Error;
use crate::phone::{WriteError, Written};

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
                line.phone.sync().await;
                // A sync that failed leaves the mirror behind what was taken: the next
                // round sees to it, before anything else is resolved.
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

    /// Answers new labels that the same key has made before, for a caller who was
    /// never told: its program was killed, or it got no verdict. False where the
    /// end of the one before is not known yet; it is looked for at once then.
    async fn recall(&mut self) -> Result<bool, Error> {
        if self.work.iter().all(|w| w.recalled) {
            return Ok(true);
        }
        let mut made = Vec::new();
        let mut known = true;
        let mut reader = self.parts.db.reader().await?;
        for work in self.work.iter_mut().filter(|w| !w.recalled) {
            let job = &mut work.job;
            let key = job.idempotency_key.as_deref().unwrap_or_default();
            let row =
                commands::find_by_key(reader.conn(), self.handle.key, &job.actor, key).await?;
            let before = row.and_then(|row| {
                let intent: Intent = serde_json::from_str(&row.body).ok()?;
                intent.asks_same(&job.intent).then_some((row, intent))
            });
            let Some((row, intent)) = before else {
                work.recalled = true;
                continue;
            };
            let mut unsettled = self.unsettled.iter_mut();
            if row.state == "done" {
                job.intent = intent;
                made.push(job.id.clone());
            } else if let Some(open) = unsettled.find(|(_, id, _)| id.as_str() == row.command_id) {
                open.0 = Instant::now();
                known = false;
            } else {
                work.recalled = true;
            }
        }
        drop(reader);
        for id in made {
            self.finish(&id, Ok(())).await;
        }
        Ok(known)
    }

    /// What the next patch carries, by command: its records, and whether they are
    /// its last. What is already so is answered here.
    async fn collect(&mut self) -> Result<Option<Batch>, Error> {
        let mut view = self.view().await?;
        let mut batch: Batch = Vec::new();
        let mut keys: HashSet<RecordKey> = HashSet::new();
        let mut room = PATCH_RECORDS;
        let mut answers = Vec::new();
        let mut order: Vec<usize> = (0..self.work.len()).collect();
        // What is spread over many patches lets the others go first.
        order.sort_by_key(|at| self.work[*at].plan.is_some());
        for at in order {
            let work = &mut self.work[at];
            if room == 0 || work.taken.is_some() || (work.alone && !batch.is_empty()) {
                continue;
            }
            let mut records = match work.plan.take() {
                Some(plan) => plan,
                None => match work.job.intent.resolve(&mut view, &self.parts.rules) {
                    Ok(records) => records.into(),
                    Err(reject) => {
                        answers.push((work.job.id.clone(), Err(reject.into())));
                        continue;
                    }
                },
            };
            if records.is_empty() {
                answers.push((work.job.id.clone(), Ok(())));
                continue;
            }
            if !batch.is_empty()
                && (records.len() > room || records.iter().any(|r| keys.contains(&r.key())))
            {
                // The view has taken records that are not sent now: no other
                // intent may be resolved on it.
                if records.len() > PATCH_RECORDS {
                    work.plan = Some(records);
                }
                break;
            }
            let rest = records.split_off(records.len().min(room));
            let last = rest.is_empty();
            if !last {
                work.plan = Some(rest);
            }
            room -= records.len();
            keys.extend(records.iter().map(Record::key));
            let alone = work.alone;
            batch.push((work.job.id.clone(), records.into(), last));
            if alone || !last {
                break;
            }
        }
        for (id, answer) in answers {
            self.finish(&id, answer).await;
        }
        if batch.is_empty() {
            return Ok(None);
        }
        self.note(&batch).await?;
        for (id, records, last) in &batch {
            if let Some(work) = self.work.iter().find(|w| w.job.id == *id) {
                self.handle
                    .asked
                    .expect(id, &work.job.actor, records, *last);
            }
        }
        Ok(Some(batch))
    }

    /// The mirror, as far as the waiting intents need it.
    async fn view(&self) -> Result<View, Error> {
        let intents: Vec<&Intent> = self
            .work
            .iter()
            .filter(|w| w.plan.is_none())
            .map(|w| &w.job.intent)
            .collect();
        self.view_of(&intents).await
    }

    async fn view_of(&self, intents: &[&Intent]) -> Result<View, Error> {
        let chats: Vec<&str> = intents
            .iter()
            .flat_map(|i| i.chats())
            .map(|t| t.chat.as_str())
            .collect();
        let key = self.handle.key;
        let mut reader = self.parts.db.reader().await?;
        let all = labels::all(reader.conn(), key).await?;
        let held = if chats.is_empty() {
            HashMap::new()
        } else {
            chat_labels::of_chats(reader.conn(), key, &chats).await?
        };
        let mut messages: HashMap<String, Vec<MessageLabel>> = HashMap::new();
        for intent in intents {
            if let Intent::LabelMessage {
                chat,
                message_id,
                label_id,
                ..
            } = intent
            {
                let of = message_labels::keys_of_message(
                    reader.conn(),
                    key,
                    label_id,
                    &chat.chat,
                    message_id,
                );
                let held = messages.entry(chat.chat.clone()).or_default();
                for record in of.await? {
                    if !held.contains(&record) {
                        held.push(record);
                    }
                }
            }
        }
        let mut order = Vec::new();
        if intents.iter().any(|i| matches!(i, Intent::Reorder { .. })) {
            let known = label_orders::find(reader.conn(), key).await?;
            order = known.map(|o| o.ids).unwrap_or_default();
        }
        let mut highest = 0;
        if intents
            .iter()
            .any(|i| matches!(i, Intent::CreateLabel { .. }))
        {
            let floor = instances::label_floor(reader.conn(), key).await?;
            let of_chats = chat_labels::label_ids(reader.conn(), key).await?;
            highest = all
                .iter()
                .map(|l| l.id.as_str())
                .chain(of_chats.iter().map(String::as_str))
                .filter_map(|id| id.parse::<i32>().ok())
                .chain(i32::try_from(floor))
                .max()
                .unwrap_or_default();
        }
        Ok(View {
            labels: all.into_iter().map(|l| (l.id.clone(), l)).collect(),
            order,
            highest_id: highest,
            held,
            messages,
            now: self.now(),
        })
    }

    /// Writes the rows of commands about to be sent.
    async fn note(&mut self, batch: &Batch) -> Result<(), Error> {
        let mut rows = Vec::new();
        for (id, ..) in batch {
            let Some(work) = self.work.iter().find(|w| w.job.id == *id) else {
                continue;
            };
            let body = serde_json::to_string(&work.job.intent).unwrap_or_default();
            if work.noted.as_ref() != Some(&body) {
                rows.push((id.clone(), body));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let mut tx = self.parts.db.begin().await?;
        for (id, body) in &rows {
            let Some(work) = self.work.iter().find(|w| w.job.id == *id) else {
                continue;
            };
            if let Intent::CreateLabel { id: Some(id), .. } = &work.job.intent
                && let Ok(number) = id.parse()
            {
                instances::raise_label_floor(&mut tx, self.handle.key, number).await?;
            }
            if work.noted.is_some() {
                commands::set_body(&mut tx, id, body).await?;
                continue;
            }
            let row = NewCommand {
                id,
                kind: work.job.intent.kind(),
                body,
                actor: &work.job.actor,
                idempotency_key: work.job.idempotency_key.as_deref(),
            };
            commands::insert(&mut tx, self.handle.key, &[row], now).await?;
        }
        tx.commit().await?;
        for (id, body) in rows {
            if let Some(work) = self.work.iter_mut().find(|w| w.job.id == id) {
                work.noted = Some(body);
            }
        }
        Ok(())
    }

    /// WhatsApp took a patch, which made this version.
    fn accepted(&mut self, batch: &Batch, version: u64) {
        for (id, records, last) in batch {
            if let Some(work) = self.work.iter_mut().find(|w| w.job.id == *id) {
                work.mutations += records.len() as u64;
                work.patches += 1;
                work.uncertain = false;
                work.deadline = Instant::now() + PATIENCE;
                work.taken = last.then_some(version);
            }
        }
    }

    /// Answers what WhatsApp took and the mirror has, up to this version.
    async fn finish_taken(&mut self, version: u64) {
        let done: Vec<CommandId> = self
            .work
            .iter()
            .filter(|w| w.taken.is_some_and(|taken| taken <= version))
            .map(|w| w.job.id.clone())
            .collect();
        for id in done {
            self.finish(&id, Ok(())).await;
        }
    }

    /// A patch was refused: each of its writes is tried by itself, and one that is
    /// refused by itself once more on a collection read anew.
    async fn refused(
        &mut self,
        batch: &Batch,
        why: &str,
        line: &Line,
        last_replay: &mut Option<Timestamp>,
    ) -> Result<(), Error> {
        let single = batch.len() == 1;
        let mut give_up = Vec::new();
        let mut replay = false;
        for (id, ..) in batch {
            let Some(work) = self.work.iter_mut().find(|w| w.job.id == *id) else {
                continue;
            };
            work.alone = true;
            work.plan = None;
            work.last = Some(WriteError::Refused(why.to_owned()));
            if single {
                work.refused += 1;
                if work.refused > 1 {
                    give_up.push(id.clone());
                } else {
                    replay = true;
                }
            }
        }
        for id in give_up {
            let error = Error::WriteFailed(format!("WhatsApp refused it: {why}"));
            self.finish(&id, Err(error)).await;
        }
        if replay {
            *last_replay = None;
            line.phone.sync().await;
            self.handle.replay_with(last_replay).await?;
        }
        Ok(())
    }

    /// Gives up on what made no progress in time.
    async fn expire(&mut self) {
        let now = Instant::now();
        let late: Vec<CommandId> = self
            .work
            .iter()
            .filter(|w| w.deadline <= now)
            .map(|w| w.job.id.clone())
            .collect();
        for id in late {
            let Some(work) = self.work.iter().find(|w| w.job.id == id) else {
                continue;
            };
            let why = work.last.as_ref().map_or_else(
                || "there was no time for it".to_owned(),
                ToString::to_string,
            );
            // What was taken is done; only the mirror may lack it still.
            let error = if work.uncertain || work.taken.is_some() {
                Error::Pending(id.to_string())
            } else {
                Error::WriteFailed(why)
            };
            self.finish(&id, Err(error)).await;
        }
    }

    /// Refuses what was never sent; what was goes on waiting.
    async fn refuse_fresh(&mut self, error: impl Fn(String) -> Error) {
        let fresh: Vec<CommandId> = self
            .work
            .iter()
            .filter(|w| w.noted.is_none())
            .map(|w| w.job.id.clone())
            .collect();
        for id in fresh {
            let error = error(self.handle.name.clone());
            self.finish(&id, Err(error)).await;
        }
    }

    /// Ends a write: its row, then its answer.
    async fn finish(&mut self, id: &CommandId, answer: Result<(), Error>) {
        let Some(at) = self.work.iter().position(|w| w.job.id == *id) else {
            return;
        };
        let Some(work) = self.work.remove(at) else {
            return;
        };
        let stays_open = matches!(answer, Err(Error::Pending(_)));
        if work.noted.is_some() && !stays_open && !self.handle.asked.is_done(id) {
            let error = answer.as_ref().err().map(ToString::to_string);
            if let Err(error) = self.close(id, error.as_deref()).await {
                // The row stays pending and is settled later; the answer is true.
                tracing::error!(instance = %self.handle.name, %error, "a command could not be finished");
                self.unsettle(id.clone(), work.job.intent.clone());
            }
        }
        if stays_open {
            self.unsettle(id.clone(), work.job.intent.clone());
        } else {
            self.handle.asked.forget(id);
        }
        let answer = match answer {
            Ok(()) => {
                let label = self.label_of(&work.job.intent).await;
                Ok(Finished {
                    command: work.noted.is_some().then(|| id.clone()),
                    label,
                    mutations: work.mutations,
                    patches: work.patches,
                })
            }
            Err(error) => Err(error),
        };
        // Nobody listens any more where the caller hung up.
        let _ = work.job.done.send(answer);
    }

    async fn label_of(&self, intent: &Intent) -> Option<Label> {
        let id = match intent {
            Intent::CreateLabel { id: Some(id), .. }
            | Intent::EditLabel { id, .. }
            | Intent::DeleteLabel { id } => id,
            _ => return None,
        };
        let mut reader = self.parts.db.reader().await.ok()?;
        let all = labels::all(reader.conn(), self.handle.key).await.ok()?;
        all.into_iter().find(|l| l.id == *id)
    }

    async fn close(&self, id: &CommandId, error: Option<&str>) -> Result<(), Error> {
        let mut tx = self.parts.db.begin().await?;
        commands::finish(&mut tx, id, error, self.now()).await?;
        Ok(tx.commit().await?)
    }

    fn unsettle(&mut self, id: CommandId, intent: Intent) {
        self.unsettled
            .push((Instant::now() + SETTLE_AFTER, id, intent));
    }

    /// Commands a program before this one left without an end. Its connection is
    /// gone, so what is not there once we have looked was not taken.
    async fn load_unsettled(&mut self) -> Result<(), Error> {
        let mut reader = self.parts.db.reader().await?;
        for row in commands::pending(reader.conn(), self.handle.key).await? {
            let id = CommandId::from_stored(row.command_id);
            match serde_json::from_str(&row.body) {
                Ok(intent) => self.unsettled.push((Instant::now(), id, intent)),
                Err(error) => {
                    tracing::error!(instance = %self.handle.name, %error, "command `{id}` cannot be read");
                }
            }
        }
        Ok(())
    }

    /// Says of commands without an end whether WhatsApp has them.
    async fn settle_unsettled(&mut self, line: &Line) -> Result<(), Error> {
        let now = Instant::now();
        if !self.unsettled.iter().any(|(at, ..)| *at <= now) {
            return Ok(());
        }
        let whole = line.phone.sync().await;
        let settled = self.handle.settle(line).await?;
        if !whole || settled.pending || settled.needs_snapshot {
            return Ok(());
        }
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unsettled)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.unsettled = rest;
        for (at, id, mut intent) in due {
            let settled = async {
                let mut view = self.view_of(&[&intent]).await?;
                // Rules are for what is asked, not for what may be there already.
                let found = intent.resolve(&mut view, &LabelRules::lenient());
                let error = match found {
                    Ok(records) if records.is_empty() => None,
                    _ => Some("WhatsApp did not take it"),
                };
                self.close(&id, error).await
            };
            if let Err(error) = settled.await {
                tracing::error!(instance = %self.handle.name, %error, "a command could not be settled");
                self.unsettled.push((at + SETTLE_AFTER, id, intent));
                continue;
            }
            self.handle.asked.forget(&id);
        }
        Ok(())
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

/// What one patch carries: command, its records, whether they are its last.
type Batch = Vec<(CommandId, Vec<Record>, bool)>;

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
