//! What the next patch carries.

use std::collections::{HashMap, HashSet};

use labelwire_domain::change::{MessageLabel, Record, RecordKey};
use labelwire_domain::ids::CommandId;
use labelwire_domain::intent::{Intent, View};
use labelwire_store::commands::{self, NewCommand};
use labelwire_store::{chat_labels, instances, label_orders, labels, message_labels};

use super::{PATCH_RECORDS, Writer};
use crate::error::Error;
use crate::ingest::Asker;

/// Command, its records, whether they are its last.
pub(super) type Batch = Vec<(CommandId, Vec<Record>, bool)>;

impl Writer {
    /// What the next patch carries, by command: its records, and whether they are
    /// its last. What is already so is answered here.
    pub(super) async fn collect(&mut self) -> Result<Option<Batch>, Error> {
        self.drop_stale_plans().await?;
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
                let asker = Asker {
                    actor: work.job.actor.clone(),
                    command: id.clone(),
                    request_id: work.job.request_id.clone(),
                };
                self.handle.asked.expect(&asker, records, *last);
            }
        }
        Ok(Some(batch))
    }

    /// What is spread over many patches is planned once; where a label of it has been
    /// deleted since, it is resolved anew, which refuses it.
    async fn drop_stale_plans(&mut self) -> Result<(), Error> {
        if self.work.iter().all(|w| w.plan.is_none()) {
            return Ok(());
        }
        let mut reader = self.parts.db.reader().await?;
        let all = labels::all(reader.conn(), self.handle.key).await?;
        let live: HashSet<&str> = all
            .iter()
            .filter(|l| !l.deleted)
            .map(|l| l.id.as_str())
            .collect();
        for work in &mut self.work {
            let is_live = |record: &Record| match record {
                Record::Association(a) => live.contains(a.label_id.as_str()),
                _ => true,
            };
            work.plan.take_if(|plan| !plan.iter().all(is_live));
        }
        Ok(())
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

    pub(super) async fn view_of(&self, intents: &[&Intent]) -> Result<View, Error> {
        // Each once, however many intents name it: the database answers per name asked.
        let mut chats: Vec<&str> = intents
            .iter()
            .flat_map(|i| i.chats())
            .map(|t| t.chat.as_str())
            .collect();
        chats.sort_unstable();
        chats.dedup();
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
            // Of all intents only a new label's changes: by the id it gets.
            let fixed = !matches!(work.job.intent, Intent::CreateLabel { .. });
            if work.noted.is_some() && fixed {
                continue;
            }
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
}
