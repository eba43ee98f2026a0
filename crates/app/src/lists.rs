//! Kept answers of "which chats carry these labels", rendered once and mended
//! chat by chat.
//!
//! A scan of 100,000 rows takes longer than sending the answer, so answers are
//! kept as ordered segments of some tens of kilobytes. A change re-renders one
//! segment; a request holds shared references to the segments, so its memory
//! does not grow with the account. What is kept is bounded over all instances;
//! the database stays the source.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::label::{Label, id_order};
use labelwire_store::{Db, Error, chat_labels};
use tokio::sync::mpsc;

use crate::instance::{Handle, Seen};
use crate::tasks::Tasks;

/// Bytes a segment aims at: large enough to be sent in few writes, small enough
/// to be rendered anew for one change.
const SEGMENT_BYTES: usize = 48 * 1024;
/// Rows a streamed answer reads at a time.
const PAGE_ROWS: i64 = 10_000;

/// How a dialect writes one chat. The pieces of an answer are joined by commas.
pub trait Render: Send + Sync {
    /// A name that tells this rendering from others.
    fn name(&self) -> &'static str;
    /// Appends one chat with its live labels, ordered by id.
    fn chat(&self, chat: &str, labels: &[&Label], out: &mut Vec<u8>);
}

/// An answer: pieces of text to send in order, and what they hold.
#[derive(Debug, Clone, Default)]
pub struct ChatList {
    segments: Vec<Arc<Segment>>,
    /// Chats in it.
    pub chats: u64,
    /// Pairs of chat and label in it.
    pub rows: u64,
    /// Bytes of all pieces, commas between them included.
    pub bytes: u64,
}

#[derive(Debug)]
struct Segment {
    /// `,chat,chat,…`: every chat behind a comma, so that segments join as they are.
    body: Bytes,
    entries: Box<[Entry]>,
    /// The chats' shown names, one after the other.
    names: Box<str>,
    rows: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    body_end: u32,
    name_end: u32,
    labels: u32,
}

impl ChatList {
    /// The pieces, in order; the first without its comma.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.segments.iter().enumerate().map(|(i, s)| {
            if i == 0 {
                s.body.slice(1..)
            } else {
                s.body.clone()
            }
        })
    }

    fn of(segments: Vec<Arc<Segment>>) -> Self {
        let chats = segments.iter().map(|s| s.entries.len() as u64).sum();
        let rows = segments.iter().map(|s| s.rows).sum();
        let bytes: u64 = segments.iter().map(|s| s.body.len() as u64).sum();
        Self {
            segments,
            chats,
            rows,
            bytes: bytes.saturating_sub(1),
        }
    }

    fn weight(&self) -> usize {
        self.segments
            .iter()
            .map(|s| s.body.len() + s.names.len() + s.entries.len() * size_of::<Entry>() + 96)
            .sum()
    }
}

impl Segment {
    fn name(&self, at: usize) -> &str {
        let start = if at == 0 {
            0
        } else {
            self.entries[at - 1].name_end as usize
        };
        &self.names[start..self.entries[at].name_end as usize]
    }

    fn body(&self, at: usize) -> &[u8] {
        let start = if at == 0 {
            0
        } else {
            self.entries[at - 1].body_end as usize
        };
        &self.body[start..self.entries[at].body_end as usize]
    }

    fn last(&self) -> &str {
        self.entries
            .len()
            .checked_sub(1)
            .map_or("", |at| self.name(at))
    }
}

/// Fills segments in order.
#[derive(Default)]
struct Filler {
    done: Vec<Arc<Segment>>,
    body: Vec<u8>,
    entries: Vec<Entry>,
    names: String,
    rows: u64,
}

impl Filler {
    fn push(&mut self, name: &str, labels: u32, body: impl FnOnce(&mut Vec<u8>)) {
        if self.body.len() >= SEGMENT_BYTES {
            self.cut();
        }
        body(&mut self.body);
        self.names.push_str(name);
        self.rows += u64::from(labels);
        // A segment is cut long before either length leaves 32 bits.
        self.entries.push(Entry {
            body_end: u32::try_from(self.body.len()).unwrap_or(u32::MAX),
            name_end: u32::try_from(self.names.len()).unwrap_or(u32::MAX),
            labels,
        });
    }

    fn render(&mut self, render: &dyn Render, name: &str, labels: &[&Label]) {
        let count = u32::try_from(labels.len()).unwrap_or(u32::MAX);
        self.push(name, count, |out| {
            out.push(b',');
            render.chat(name, labels, out);
        });
    }

    fn cut(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        self.done.push(Arc::new(Segment {
            body: std::mem::take(&mut self.body).into_boxed_slice().into(),
            entries: std::mem::take(&mut self.entries).into(),
            names: std::mem::take(&mut self.names).into(),
            rows: std::mem::take(&mut self.rows),
        }));
    }

    fn finish(mut self) -> Vec<Arc<Segment>> {
        self.cut();
        self.done
    }
}

/// The labels of an instance, as of a commit.
#[derive(Debug)]
pub struct Labels {
    as_of: u64,
    /// All labels, deleted ones too, ordered by id.
    pub all: Vec<Label>,
}

impl Labels {
    /// The live label of an id.
    #[must_use]
    pub fn live(&self, id: &str) -> Option<&Label> {
        self.all
            .binary_search_by(|l| id_order(&l.id).cmp(&id_order(id)))
            .ok()
            .map(|at| &self.all[at])
            .filter(|l| !l.deleted)
    }

    /// The live labels of these ids, ordered by id, each once.
    fn live_of<'a>(&'a self, ids: impl Iterator<Item = &'a str>) -> Vec<&'a Label> {
        let mut labels: Vec<&Label> = ids.filter_map(|id| self.live(id)).collect();
        labels.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
        labels.dedup_by(|a, b| a.id == b.id);
        labels
    }
}

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

/// An answer on its way.
pub struct Streamed(mpsc::Receiver<Result<Part, Error>>);

/// A part of a streamed answer.
#[derive(Debug)]
pub enum Part {
    /// Chats, joined by commas, the first behind one too except in the first part.
    Chats(Bytes),
    /// The last part: what all of them held.
    End {
        /// Chats.
        chats: u64,
        /// Pairs of chat and label.
        rows: u64,
    },
}

impl Streamed {
    /// The next part. After an error, or where the last was no [`Part::End`], the
    /// answer is not whole and must not look so.
    pub async fn next(&mut self) -> Option<Result<Part, Error>> {
        self.0.recv().await
    }
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
            let sent = send_pages(&db, instance, &labels, filter.as_deref(), render, &send).await;
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

/// Sends a whole answer, page by page. A reader that is gone ends it.
async fn send_pages(
    db: &Db,
    instance: InstanceKey,
    labels: &Labels,
    filter: Option<&[String]>,
    render: &dyn Render,
    send: &mpsc::Sender<Result<Part, Error>>,
) -> Result<(), Error> {
    let (mut chats, mut rows) = (0, 0);
    let mut behind = String::new();
    loop {
        let page = {
            let mut reader = db.reader().await?;
            chat_labels::live_page(reader.conn(), instance, &behind, PAGE_ROWS).await?
        };
        let last_page = page.len() < usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
        let mut groups: Vec<&[chat_labels::LiveRow]> =
            page.chunk_by(|a, b| a.chat == b.chat).collect();
        if !last_page && groups.len() > 1 {
            // The last chat may go on in the next page.
            groups.pop();
        }
        let mut filler = Filler::default();
        for group in &groups {
            let asked = filter.is_none_or(|f| group.iter().any(|row| f.contains(&row.label_id)));
            let live = if asked {
                labels.live_of(group.iter().map(|row| row.label_id.as_str()))
            } else {
                Vec::new()
            };
            if !live.is_empty() {
                filler.render(render, &group[0].chat, &live);
            }
        }
        if let Some(group) = groups.last() {
            behind.clone_from(&group[0].chat);
        }
        for segment in filler.finish() {
            let first = usize::from(chats == 0);
            chats += segment.entries.len() as u64;
            rows += segment.rows;
            if send
                .send(Ok(Part::Chats(segment.body.slice(first..))))
                .await
                .is_err()
            {
                return Ok(());
            }
        }
        if last_page {
            let _ = send.send(Ok(Part::End { chats, rows })).await;
            return Ok(());
        }
    }
}

fn keep(filler: &mut Filler, segment: &Segment, at: usize) {
    filler.push(segment.name(at), segment.entries[at].labels, |out| {
        out.extend_from_slice(segment.body(at));
    });
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
