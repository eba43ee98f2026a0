//! What WhatsApp made of a patch, and what its callers are told.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::CommandId;
use labelwire_domain::intent::Intent;
use labelwire_domain::label::Label;
use labelwire_store::{commands, labels};
use tokio::time::Instant;

use super::batch::Batch;
use super::{Finished, PATIENCE, Writer};
use crate::error::Error;
use crate::instance::handle::Line;
use crate::phone::WriteError;

impl Writer {
    /// WhatsApp took a patch, which made this version.
    pub(super) fn accepted(&mut self, batch: &Batch, version: u64) {
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
    pub(super) async fn finish_taken(&mut self, version: u64) {
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
    pub(super) async fn refused(
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
    pub(super) async fn expire(&mut self) {
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
    pub(super) async fn refuse_fresh(&mut self, error: impl Fn(String) -> Error) {
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
    pub(super) async fn finish(&mut self, id: &CommandId, answer: Result<(), Error>) {
        let Some(at) = self.work.iter().position(|w| w.job.id == *id) else {
            return;
        };
        let Some(work) = self.work.remove(at) else {
            return;
        };
        // Of what took several patches, those before are on the phone.
        let answer = answer.map_err(|error| match error {
            Error::Pending(_) => error,
            error if work.patches > 0 => Error::WritePartly {
                command: id.to_string(),
                mutations: work.mutations,
                why: error.to_string(),
            },
            error => error,
        });
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

    pub(super) async fn close(&self, id: &CommandId, error: Option<&str>) -> Result<(), Error> {
        let mut tx = self.parts.db.begin().await?;
        commands::finish(&mut tx, id, error, self.now()).await?;
        Ok(tx.commit().await?)
    }
}
