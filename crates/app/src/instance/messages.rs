//! Messages as they pass: told with the labels their chat carries at that moment, to the
//! webhooks that ask for them and to who listens. Nothing of them is kept in history, and
//! nothing is written where nobody asks.
//!
//! A task of its own does it, so that messages never hold up labels; it takes them in the
//! order they came in.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Event, EventChat, Kind, Origin, passing_id};
use labelwire_domain::label::{Label, id_order};
use labelwire_domain::webhook::{Config, Filter};
use labelwire_store::deliveries::{self, NewDelivery};
use labelwire_store::{Error, Reader, chat_labels, labels, webhooks};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Handle;
use super::handle::Parts;
use crate::identity;
use crate::phone::HeardMessage;

/// Messages that may wait; what comes above it is not told.
const WAITING: usize = 10_000;
/// Messages one transaction takes.
const BATCH: usize = 500;

/// The way to the task.
pub(super) struct Messages(mpsc::Sender<HeardMessage>);

impl Messages {
    /// Starts the task; it ends with what this is part of.
    pub(super) fn open(parts: &Arc<Parts>, handle: &Arc<Handle>) -> Self {
        let (heard, inbox) = mpsc::channel(WAITING);
        let teller = Teller {
            parts: Arc::clone(parts),
            handle: Arc::clone(handle),
        };
        let stop = parts.tasks.clone();
        parts.tasks.spawn(async move {
            tokio::select! {
                () = stop.stopping() => {}
                () = teller.run(inbox) => {}
            }
        });
        Self(heard)
    }

    /// Hands messages on.
    pub(super) fn tell(&self, messages: impl Iterator<Item = HeardMessage>) {
        let lost = messages.filter(|m| self.0.try_send(m.clone()).is_err());
        let lost = lost.count();
        if lost > 0 {
            tracing::warn!("{lost} messages were not told: too many wait");
        }
    }
}

/// A webhook that asks for messages.
struct Asker {
    id: String,
    filter: Filter,
    text: bool,
}

struct Teller {
    parts: Arc<Parts>,
    handle: Arc<Handle>,
}

impl Teller {
    async fn run(self, mut inbox: mpsc::Receiver<HeardMessage>) {
        let mut batch = Vec::new();
        while inbox.recv_many(&mut batch, BATCH).await > 0 {
            let count = batch.len();
            if let Err(error) = self.tell(std::mem::take(&mut batch)).await {
                let instance = &self.handle.name;
                tracing::error!(%instance, %error, "{count} messages could not be told");
            }
        }
    }

    async fn tell(&self, batch: Vec<HeardMessage>) -> Result<(), Error> {
        let (events, queue) = {
            let mut reader = self.parts.db.reader().await?;
            let askers = self.askers(&mut reader).await?;
            if askers.is_empty() && self.handle.passing.receiver_count() == 0 {
                return Ok(());
            }
            let events = self.events(&mut reader, batch).await?;
            let queue: Vec<_> = events
                .iter()
                .flat_map(|e| deliveries_of(e, &askers))
                .collect();
            (events, queue)
        };
        if !queue.is_empty() {
            let now = self.parts.clock.now();
            let mut tx = self.parts.db.begin().await?;
            deliveries::insert(&mut tx, self.handle.key, &queue, now).await?;
            tx.commit().await?;
            self.parts.bell.notify_one();
        }
        for event in events {
            // Nobody may listen.
            let _ = self.handle.passing.send(Arc::new(event));
        }
        Ok(())
    }

    async fn askers(&self, reader: &mut Reader) -> Result<Vec<Asker>, Error> {
        let mut askers = Vec::new();
        for row in webhooks::all(reader.conn(), self.handle.key).await? {
            let Config {
                filter,
                message_text,
                ..
            } = row.config()?;
            if row.enabled && filter.events.contains(&Kind::MessageReceived) {
                askers.push(Asker {
                    id: row.webhook_id,
                    filter,
                    text: message_text,
                });
            }
        }
        Ok(askers)
    }

    /// The messages as events, each with what its chat carries.
    async fn events(
        &self,
        reader: &mut Reader,
        batch: Vec<HeardMessage>,
    ) -> Result<Vec<Event>, Error> {
        let key = self.handle.key;
        let chats: Vec<ChatJid> = batch.iter().map(|m| m.chat.clone()).collect();
        let ids = identity::both_ids(reader.conn(), key, &chats).await?;
        let own = self.handle.status().profile.jid;
        let writers: Vec<ChatJid> = batch.iter().map(|m| writer(m, own.as_deref())).collect();
        let writers = identity::shown_many(reader.conn(), key, writers.iter()).await?;
        let shown: Vec<&str> = ids.iter().map(|(shown, _)| shown.as_str()).collect();
        let mut on: HashMap<String, Vec<String>> = HashMap::new();
        for row in chat_labels::live_of_chats(reader.conn(), key, &shown).await? {
            on.entry(row.chat).or_default().push(row.label_id);
        }
        let known: HashMap<String, Label> = if on.is_empty() {
            HashMap::new()
        } else {
            let all = labels::all(reader.conn(), key).await?.into_iter();
            let live = all.filter(|label| !label.deleted);
            live.map(|label| (label.id.clone(), label)).collect()
        };
        let now = self.parts.clock.now();
        let told = batch.into_iter().zip(ids).zip(writers);
        Ok(told
            .map(|((message, (shown, lid)), from)| {
                let carried = on.get(&shown).map(Vec::as_slice).unwrap_or_default();
                let labels = carried_labels(carried, &known);
                let id = self.id_of(&message, &shown);
                let key = message.chat.as_str().to_owned();
                Event {
                    id,
                    seq: None,
                    kind: Kind::MessageReceived,
                    instance: self.handle.name.clone(),
                    at: message.at,
                    seen_at: now,
                    origin: Origin::Phone,
                    actor: None,
                    cause: None,
                    request_id: None,
                    chat: Some(EventChat {
                        jid: shown,
                        lid,
                        key,
                    }),
                    label: None,
                    message_id: Some(message.id),
                    before: None,
                    after: None,
                    details: json!({
                        "from": from,
                        "from_me": message.from_me,
                        "push_name": message.push_name,
                        "type": message.kind,
                        "text": message.text,
                        "labels": labels,
                    }),
                    initial: false,
                }
            })
            .collect())
    }

    /// Made of the message itself, so that one that WhatsApp tells twice has one id.
    fn id_of(&self, message: &HeardMessage, chat: &str) -> String {
        let mut random = [0; 10];
        for (part, bytes) in (0_u8..).zip(random.chunks_mut(8)) {
            let mut hasher = DefaultHasher::new();
            let of = (part, self.handle.key.0, chat, &message.id, message.from_me);
            of.hash(&mut hasher);
            let hash = hasher.finish().to_be_bytes();
            bytes.copy_from_slice(&hash[..bytes.len()]);
        }
        // A time that is none would make ids that do not sort.
        passing_id(message.at.max(Timestamp(0)), random)
    }
}

/// Who wrote it.
fn writer(message: &HeardMessage, own: Option<&str>) -> ChatJid {
    match (&message.from, own) {
        (_, Some(own)) if message.from_me => ChatJid::from_app_state(own),
        (Some(from), _) => from.clone(),
        (None, _) => message.chat.clone(),
    }
}

fn carried_labels(ids: &[String], known: &HashMap<String, Label>) -> Vec<Value> {
    let mut carried: Vec<&Label> = ids.iter().filter_map(|id| known.get(id)).collect();
    carried.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
    carried.dedup_by(|a, b| a.id == b.id);
    carried
        .into_iter()
        .map(|l| json!({"id": l.id, "name": l.name, "color": l.color}))
        .collect()
}

/// A delivery for each webhook that asks for this message, with its text or without.
fn deliveries_of(event: &Event, askers: &[Asker]) -> Vec<NewDelivery> {
    let chat = event.chat.as_ref().map(|chat| chat.jid.as_str());
    let labels = event.details["labels"].as_array();
    let passes = |filter: &Filter| {
        if filter.labels.is_empty() {
            return filter.passes(event.kind, None, chat);
        }
        let mut carried = labels.into_iter().flatten();
        carried.any(|label| {
            let id = label["id"].as_str().unwrap_or_default();
            filter.passes(event.kind, Some((id, label["name"].as_str())), chat)
        })
    };
    let asked = askers.iter().filter(|asker| passes(&asker.filter));
    asked
        .filter_map(|asker| {
            let told = if asker.text {
                serde_json::to_string(event)
            } else {
                let mut silent = event.clone();
                if let Some(details) = silent.details.as_object_mut() {
                    details.remove("text");
                }
                serde_json::to_string(&silent)
            };
            Some(NewDelivery {
                webhook_id: asker.id.clone(),
                seq: None,
                event_id: event.id.clone(),
                kind: event.kind.as_str(),
                lane: chat.unwrap_or("messages").to_owned(),
                event: Some(told.ok()?),
            })
        })
        .collect()
}
