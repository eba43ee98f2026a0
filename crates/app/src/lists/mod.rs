//! Kept answers of "which chats carry these labels", rendered once and mended
//! chat by chat.
//!
//! A scan of 100,000 rows takes longer than sending the answer, so answers are
//! kept as ordered segments of some tens of kilobytes. A change re-renders one
//! segment; a request holds shared references to the segments, so its memory
//! does not grow with the account. What is kept is bounded over all instances;
//! the database stays the source.

mod labels;
mod segment;
mod stream;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use labelwire_domain::ids::InstanceKey;
use labelwire_domain::label::id_order;
use labelwire_store::{Db, Error, chat_labels};
use tokio::sync::mpsc;

use crate::instance::{Handle, Seen};
use crate::tasks::Tasks;

pub use labels::Labels;
pub use segment::{ChatList, Render};
use segment::{Filler, SEGMENT_BYTES, keep};
pub use stream::{Part, Streamed};

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    instance: InstanceKey,
    render: &'static str,
    /// Resolved label ids; `None` is every live label.
    labels: Option<Vec<String>>,
}

#[derive(Default)]
struct Slot {
    list: tokio::sync::Mutex<Option<(u64, Arc<ChatList>)>>,
    weight: AtomicUsize,
    used: AtomicU64,
    /// It was once found too large to be kept.
    too_large: AtomicBool,
}

/// An answer to "which chats carry these labels".
pub enum Answer {
    /// Kept and whole.
    Kept(Arc<ChatList>),
    /// Too large to be kept: read and rendered as it is sent.
    Streamed(Streamed),
}

/// All kept answers of the process.
pub struct Lists {
    db: Db,
    tasks: Tasks,
    budget: usize,
    clock: AtomicU64,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    labels: Mutex<HashMap<InstanceKey, Arc<Labels>>>,
}

impl Lists {
    /// Keeps up to `budget` bytes; an answer of more than half of that is streamed.
    #[must_use]
    pub fn new(db: Db, tasks: Tasks, budget: usize) -> Self {
        Self {
            db,
            tasks,
            budget,
            clock: AtomicU64::new(0),
            slots: Mutex::default(),
            labels: Mutex::default(),
        }
    }

    /// The instance's labels, at least as new as the last commit before the call.
    ///
    /// # Errors
    /// The database's.
    pub async fn labels(&self, handle: &Handle) -> Result<Arc<Labels>, Error> {
        let changed = handle.journal.labels();
        let kept = self
            .labels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&handle.key)
            .filter(|l| l.as_of >= changed)
            .cloned();
        if let Some(labels) = kept {
            return Ok(labels);
        }
        let as_of = handle.journal.now();
        let mut reader = self.db.reader().await?;
        let mut all = labelwire_store::labels::all(reader.conn(), handle.key).await?;
        all.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
        let labels = Arc::new(Labels { as_of, all });
        self.labels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(handle.key, Arc::clone(&labels));
        Ok(labels)
    }

    /// The chats that carry at least one of `filter`'s labels (`None`: any live
    /// one), each with all its live labels, at least as new as the last commit
    /// before the call.
    ///
    /// # Errors
    /// The database's.
    pub async fn chats(
        &self,
        handle: &Handle,
        filter: Option<Vec<String>>,
        render: &'static dyn Render,
    ) -> Result<Answer, Error> {
        let key = Key {
            instance: handle.key,
            render: render.name(),
            labels: filter,
        };
        let slot = Arc::clone(
            self.slots
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key.clone())
                .or_default(),
        );
        slot.used.store(
            self.clock.fetch_add(1, Ordering::Relaxed),
            Ordering::Relaxed,
        );
        if slot.too_large.load(Ordering::Relaxed) {
            let labels = self.labels(handle).await?;
            return Ok(self.stream(handle.key, labels, key.labels, render));
        }
        // One request mends or builds, the others wait for it.
        let mut kept = slot.list.lock().await;
        let filter = key.labels.as_deref();
        // The labels are read after the journal: with older ones, chats would be
        // rendered that no later commit names again.
        let (now, list) = match kept
            .as_ref()
            .map(|(at, list)| (handle.journal.since(*at), list))
        {
            Some(((_, Seen::Current), list)) => return Ok(Answer::Kept(Arc::clone(list))),
            Some(((now, Seen::Chats(chats)), list)) => {
                let labels = self.labels(handle).await?;
                (
                    now,
                    self.mend(handle.key, list, &chats, &labels, filter, render)
                        .await?,
                )
            }
            Some(((_, Seen::Stale), _)) | None => {
                let now = handle.journal.now();
                let labels = self.labels(handle).await?;
                let built = self.build(handle.key, &labels, filter, render).await?;
                let Some(list) = built else {
                    *kept = None;
                    slot.too_large.store(true, Ordering::Relaxed);
                    slot.weight.store(0, Ordering::Relaxed);
                    return Ok(self.stream(handle.key, labels, key.labels, render));
                };
                (now, list)
            }
        };
        let list = Arc::new(list);
        slot.weight.store(list.weight(), Ordering::Relaxed);
        *kept = Some((now, Arc::clone(&list)));
        drop(kept);
        self.make_room();
        Ok(Answer::Kept(list))
    }

    /// Reads, renders and sends page by page; whoever reads slowly makes it wait,
    /// and holds no connection of the database.
    fn stream(
        &self,
        instance: InstanceKey,
        labels: Arc<Labels>,
        filter: Option<Vec<String>>,
        render: &'static dyn Render,
    ) -> Answer {
        let (send, receive) = mpsc::channel(2);
        let db = self.db.clone();
        self.tasks.spawn(async move {
            let sent =
                stream::send_pages(&db, instance, &labels, filter.as_deref(), render, &send).await;
            if let Err(error) = sent {
                let _ = send.send(Err(error)).await;
            }
        });
        Answer::Streamed(Streamed(receive))
    }

    /// Forgets what was kept of an instance.
    pub fn forget(&self, instance: InstanceKey) {
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|key, _| key.instance != instance);
        self.labels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&instance);
    }

    /// Drops the answers that were asked for longest ago, until the rest fits.
    fn make_room(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held: usize = slots
            .values()
            .map(|s| s.weight.load(Ordering::Relaxed))
            .sum();
        if held <= self.budget && slots.len() <= 1_024 {
            return;
        }
        let mut by_age: Vec<(u64, usize, Key)> = slots
            .iter()
            .map(|(key, s)| {
                (
                    s.used.load(Ordering::Relaxed),
                    s.weight.load(Ordering::Relaxed),
                    key.clone(),
                )
            })
            .collect();
        by_age.sort_unstable_by_key(|(used, _, _)| *used);
        for (_, weight, key) in by_age {
            if held <= self.budget && slots.len() <= 1_024 {
                break;
            }
            held -= weight;
            slots.remove(&key);
        }
    }

    /// The list as the database has it; `None` where it is too large to be kept.
    async fn build(
        &self,
        instance: InstanceKey,
        labels: &Labels,
        filter: Option<&[String]>,
        render: &dyn Render,
    ) -> Result<Option<ChatList>, Error> {
        let limit = self.budget / 2 / SEGMENT_BYTES;
        let too_large = |filler: &Filler| filler.done.len() > limit;
        let mut filler = Filler::default();
        let mut chat = String::new();
        let mut ids: Vec<String> = Vec::new();
        let mut row = |row: chat_labels::LiveRow| {
            if row.chat != chat {
                let live = labels.live_of(ids.iter().map(String::as_str));
                if !live.is_empty() && !too_large(&filler) {
                    filler.render(render, &chat, &live);
                }
                chat = row.chat;
                ids.clear();
            }
            ids.push(row.label_id);
        };
        let mut reader = self.db.reader().await?;
        match filter {
            None => chat_labels::each_live(reader.conn(), instance, &mut row).await?,
            Some(filter) => {
                let filter: Vec<&str> = filter.iter().map(String::as_str).collect();
                chat_labels::each_live_by_label(reader.conn(), instance, &filter, &mut row).await?;
            }
        }
        let live = labels.live_of(ids.iter().map(String::as_str));
        if !live.is_empty() {
            filler.render(render, &chat, &live);
        }
        if too_large(&filler) {
            return Ok(None);
        }
        Ok(Some(ChatList::of(filler.finish())))
    }

    /// The list with these chats as they are now.
    async fn mend(
        &self,
        instance: InstanceKey,
        list: &ChatList,
        chats: &std::collections::BTreeSet<String>,
        labels: &Labels,
        filter: Option<&[String]>,
        render: &dyn Render,
    ) -> Result<ChatList, Error> {
        let names: Vec<&str> = chats.iter().map(String::as_str).collect();
        let mut reader = self.db.reader().await?;
        let rows = chat_labels::live_of_chats(reader.conn(), instance, &names).await?;
        drop(reader);
        let mut now: BTreeMap<&str, Vec<&str>> = names.iter().map(|n| (*n, Vec::new())).collect();
        for row in &rows {
            now.entry(&row.chat).or_default().push(&row.label_id);
        }
        let mut news = now
            .into_iter()
            .map(|(chat, ids)| {
                let asked = filter.is_none_or(|f| ids.iter().any(|id| f.iter().any(|f| f == id)));
                let live = if asked {
                    labels.live_of(ids.into_iter())
                } else {
                    Vec::new()
                };
                (chat, live)
            })
            .peekable();

        let mut segments = Vec::with_capacity(list.segments.len() + 1);
        for (i, segment) in list.segments.iter().enumerate() {
            let is_last = i + 1 == list.segments.len();
            let mut filler = Filler::default();
            let mut touched = false;
            let mut at = 0;
            while let Some((chat, live)) = news.next_if(|(c, _)| is_last || *c <= segment.last()) {
                touched = true;
                while at < segment.entries.len() && segment.name(at) < chat {
                    keep(&mut filler, segment, at);
                    at += 1;
                }
                if at < segment.entries.len() && segment.name(at) == chat {
                    at += 1;
                }
                if !live.is_empty() {
                    filler.render(render, chat, &live);
                }
            }
            if touched {
                for at in at..segment.entries.len() {
                    keep(&mut filler, segment, at);
                }
                segments.extend(filler.finish());
            } else {
                segments.push(Arc::clone(segment));
            }
        }
        if list.segments.is_empty() {
            let mut filler = Filler::default();
            for (chat, live) in news {
                if !live.is_empty() {
                    filler.render(render, chat, &live);
                }
            }
            segments = filler.finish();
        }
        Ok(ChatList::of(segments))
    }
}

#[cfg(test)]
mod tests;
