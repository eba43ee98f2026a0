//! Writes whose end nobody knows yet: no verdict came, or the program was killed.

use labelwire_domain::ids::CommandId;
use labelwire_domain::intent::{Intent, LabelRules};
use labelwire_store::commands;
use tokio::time::Instant;

use super::{SETTLE_AFTER, Writer};
use crate::error::Error;
use crate::instance::handle::Line;

impl Writer {
    /// Answers new labels that the same key has made before, for a caller who was
    /// never told: its program was killed, or it got no verdict. False where the
    /// end of the one before is not known yet; it is looked for at once then.
    pub(super) async fn recall(&mut self) -> Result<bool, Error> {
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

    /// Commands a program before this one left without an end. Its connection is
    /// gone, so what is not there once we have looked was not taken.
    pub(super) async fn load_unsettled(&mut self) -> Result<(), Error> {
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

    pub(super) fn unsettle(&mut self, id: CommandId, intent: Intent) {
        self.unsettled
            .push((Instant::now() + SETTLE_AFTER, id, intent));
    }

    /// Says of commands without an end whether WhatsApp has them.
    pub(super) async fn settle_unsettled(&mut self, line: &Line) -> Result<(), Error> {
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
}
