//! A state as callers see it: chats under their shown names, live labels only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use labelwire_domain::chat::{ChatJid, PHONE_SERVER};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::intent::label_place;
use labelwire_domain::label::{Label, id_order};
use labelwire_domain::past::Past;
use labelwire_domain::selection::{ChatKind, Resolved};
use labelwire_store::Db;
use labelwire_store::checkpoints::Seen;

use crate::chats::{ChatOrder, ChatPage, LabeledChat, Place, PutLabel, TimePlace};
use crate::error::Error;
use crate::identity;
use crate::lists::Labels;

/// LIDs one statement is asked for.
const CHUNK: usize = 4_000;
/// What stands for an erased person begins so, and is so long.
const ERASED: (&str, usize) = ("erased-", 23);

/// A chat with the labels it carried: their places in the labels, and since when.
#[derive(Debug)]
struct Shown {
    chat: Box<str>,
    on: Box<[(u32, i64)]>,
}

/// How labels stood at a moment, by shown names as they are known now.
#[derive(Debug)]
pub struct View {
    place: Seen,
    labels: Arc<Labels>,
    order: Vec<i32>,
    /// By shown name.
    chats: Vec<Shown>,
}

/// Labels of one chat: ids and since when.
pub(crate) type Carried = Vec<(String, i64)>;

impl View {
    /// The view of a state.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn of_past(
        db: &Db,
        instance: InstanceKey,
        place: Seen,
        past: &Past,
    ) -> Result<Self, Error> {
        let labels = past.labels();
        let places: HashMap<&str, u32> = (0..)
            .zip(&labels)
            .map(|(at, label)| (label.id.as_str(), at))
            .collect();
        let carried: Vec<(ChatJid, Vec<(u32, i64)>)> = past
            .carriers()
            .map(|(chat, on)| {
                let on = on.filter_map(|(id, at)| Some((*places.get(id)?, at.0)));
                (ChatJid::from_app_state(chat), on.collect())
            })
            .collect();
        Self::new(
            db,
            instance,
            place,
            labels.clone(),
            past.order().to_vec(),
            carried,
        )
        .await
    }

    /// The view of what was stored of one.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn of_stored(
        db: &Db,
        instance: InstanceKey,
        place: Seen,
        labels: Vec<Label>,
        order: Vec<i32>,
        chats: Vec<(String, Carried)>,
    ) -> Result<Self, Error> {
        let mut labels = labels;
        labels.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
        let places: HashMap<&str, u32> = (0..)
            .zip(&labels)
            .map(|(at, label)| (label.id.as_str(), at))
            .collect();
        let carried = chats
            .into_iter()
            .map(|(chat, on)| {
                let on = on
                    .into_iter()
                    .filter_map(|(id, at)| Some((*places.get(id.as_str())?, at)));
                (ChatJid::from_app_state(chat), on.collect())
            })
            .collect();
        Self::new(db, instance, place, labels.clone(), order, carried).await
    }

    /// `labels` are ordered by id.
    async fn new(
        db: &Db,
        instance: InstanceKey,
        place: Seen,
        labels: Vec<Label>,
        order: Vec<i32>,
        carried: Vec<(ChatJid, Vec<(u32, i64)>)>,
    ) -> Result<Self, Error> {
        let mut reader = db.reader().await?;
        let mut chats = Vec::with_capacity(carried.len());
        for chunk in carried.chunks(CHUNK) {
            let jids = chunk.iter().map(|(jid, _)| jid);
            let names = identity::shown_many(reader.conn(), instance, jids).await?;
            for (name, (_, on)) in names.into_iter().zip(chunk) {
                chats.push((erased(&name).unwrap_or(name), on.clone()));
            }
        }
        chats.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut shown: Vec<Shown> = Vec::with_capacity(chats.len());
        // The ids of one person are neighbours now.
        for group in chats.chunk_by(|a, b| a.0 == b.0) {
            let mut on: BTreeMap<u32, i64> = BTreeMap::new();
            for (label, at) in group.iter().flat_map(|(_, on)| on) {
                let since = on.entry(*label).or_insert(*at);
                *since = (*since).max(*at);
            }
            shown.push(Shown {
                chat: group[0].0.as_str().into(),
                on: on.into_iter().collect(),
            });
        }
        Ok(Self {
            place,
            labels: Arc::new(Labels::of(0, labels)),
            order,
            chats: shown,
        })
    }

    /// The row of history it is at.
    #[must_use]
    pub const fn seq(&self) -> i64 {
        self.place.seq
    }

    /// When that row was seen here.
    #[must_use]
    pub const fn seen_at(&self) -> Timestamp {
        Timestamp(self.place.seen_at)
    }

    /// How many chats carried a label.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chats.len()
    }

    /// Whether no chat carried a label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chats.is_empty()
    }

    /// All labels, deleted ones too, by id.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels.all
    }

    /// The account's order of labels.
    #[must_use]
    pub fn order(&self) -> &[i32] {
        &self.order
    }

    /// The live labels in the account's own order.
    #[must_use]
    pub fn ordered_labels(&self) -> Vec<Label> {
        let live = self.labels.all.iter().filter(|label| !label.deleted);
        let mut labels: Vec<Label> = live.cloned().collect();
        labels.sort_by_key(|label| label_place(label, &self.order));
        labels
    }

    /// The live labels, by id, each with the number of chats that carried it.
    #[must_use]
    pub fn counts(&self) -> Vec<(Label, u64)> {
        let mut counts = vec![0; self.labels.all.len()];
        for (label, _) in self.chats.iter().flat_map(|chat| &chat.on) {
            counts[*label as usize] += 1;
        }
        let labels = self.labels.all.iter().zip(counts);
        labels
            .filter(|(label, _)| !label.deleted)
            .map(|(label, count)| (label.clone(), count))
            .collect()
    }

    fn find(&self, chat: &str) -> Option<&Shown> {
        let at = self.chats.binary_search_by(|known| (*known.chat).cmp(chat));
        at.ok().map(|at| &self.chats[at])
    }

    /// Whether a chat (by shown name) carried a label.
    #[must_use]
    pub fn has(&self, chat: &str) -> bool {
        self.find(chat).is_some()
    }

    /// The labels a chat (by shown name) carried, by id.
    #[must_use]
    pub fn labels_of(&self, chat: &str) -> Vec<Label> {
        let on = self.find(chat).map(|chat| &*chat.on).unwrap_or_default();
        on.iter()
            .map(|(label, _)| self.label(*label).clone())
            .collect()
    }

    fn label(&self, at: u32) -> &Label {
        &self.labels.all[at as usize]
    }

    fn ids<'a>(&'a self, chat: &'a Shown) -> impl Iterator<Item = &'a str> {
        chat.on
            .iter()
            .map(|(label, _)| self.label(*label).id.as_str())
    }

    /// The chats, by shown name, each with the ids of its labels and since when.
    pub(crate) fn chats(
        &self,
    ) -> impl Iterator<Item = (&str, impl Iterator<Item = (&Label, i64)> + '_)> + '_ {
        self.chats.iter().map(|chat| {
            let on = chat.on.iter().map(|(label, at)| (self.label(*label), *at));
            (&*chat.chat, on)
        })
    }

    /// Chats that are asked for, with all their labels, one page of them.
    pub(crate) fn page(
        &self,
        resolved: &Resolved,
        order: ChatOrder,
        behind: Option<&Place>,
        limit: usize,
    ) -> ChatPage {
        let nothing = ChatPage {
            chats: Vec::new(),
            next: None,
        };
        if resolved.is_impossible() {
            return nothing;
        }
        let asked = resolved.positive();
        let matching = |chat: &&Shown| resolved.matches(&chat.chat, self.ids(chat));
        let mut time = None;
        let mut found: Vec<&Shown> = match order {
            ChatOrder::Chat => {
                let behind = behind.map_or("", |place| place.chat.as_str());
                let from = self.chats.partition_point(|chat| &*chat.chat <= behind);
                self.chats[from..]
                    .iter()
                    .filter(matching)
                    .take(limit + 1)
                    .collect()
            }
            ChatOrder::OldestFirst | ChatOrder::NewestFirst => {
                let sign = if order == ChatOrder::NewestFirst {
                    -1
                } else {
                    1
                };
                let place =
                    |chat: &Shown| sign * self.labeled_at(chat, asked.as_ref()).unwrap_or_default();
                let last = behind.and_then(|p| Some((sign * p.time.as_ref()?.at.0, &*p.chat)));
                let mut placed: Vec<(i64, &Shown)> = self
                    .chats
                    .iter()
                    .filter(matching)
                    .map(|chat| (place(chat), chat))
                    .filter(|(at, chat)| last.is_none_or(|last| (*at, &*chat.chat) > last))
                    .collect();
                placed.sort_unstable_by(|a, b| (a.0, &a.1.chat).cmp(&(b.0, &b.1.chat)));
                placed.truncate(limit + 1);
                time = placed.get(limit.saturating_sub(1)).map(|(at, _)| sign * at);
                placed.into_iter().map(|(_, chat)| chat).collect()
            }
        };
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| Place {
            chat: last.chat.to_string(),
            time: time.map(|at| TimePlace {
                at: Timestamp(at),
                since: self.place.seq,
                label_ids: Vec::new(),
            }),
        });
        let chats = found
            .into_iter()
            .map(|chat| self.told(chat, asked.as_ref()));
        ChatPage {
            chats: chats.collect(),
            next,
        }
    }

    fn labeled_at(&self, chat: &Shown, asked: Option<&BTreeSet<&str>>) -> Option<i64> {
        let counts = |label: u32| asked.is_none_or(|ids| ids.contains(&*self.label(label).id));
        let on = chat.on.iter().filter(|(label, _)| counts(*label));
        on.map(|(_, at)| *at).max()
    }

    fn told(&self, chat: &Shown, asked: Option<&BTreeSet<&str>>) -> LabeledChat {
        LabeledChat {
            chat: chat.chat.to_string(),
            kind: ChatKind::of(&chat.chat),
            name: None,
            labeled_at: Timestamp(self.labeled_at(chat, asked).unwrap_or_default()),
            labels: chat
                .on
                .iter()
                .map(|(label, at)| PutLabel {
                    label: self.label(*label).clone(),
                    labeled_at: Timestamp(*at),
                })
                .collect(),
        }
    }
}

/// The one shown name of an erased person, whose ids all begin alike.
fn erased(name: &str) -> Option<String> {
    let id = name.get(..ERASED.1).filter(|id| id.starts_with(ERASED.0))?;
    Some(format!("{id}@{PHONE_SERVER}"))
}
