//! Use cases on chats by label: set algebra, two orders, pages.
//!
//! A whole list is its pages one after another, so both are the same answer, and
//! neither holds more than a page nor a connection while the reader is slow.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::label::{Label, id_order};
use labelwire_domain::selection::{ChatKind, Resolved, Selection, named};
use labelwire_domain::token::Scope;
use labelwire_store::{Db, Reader, chat_labels, labeled_chats, log};

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::instance::Handle;
use crate::lists::Labels;
use crate::timeline::{AsOf, View};

/// Records of a label up to which a page by chat is made from the label's own
/// chats; with more, the chats are gone through in order, where some are soon found.
const FEW: i64 = 2_000;
/// Most demanded labels that are tried for being on few chats.
const TRIES: usize = 4;
/// Rows read at once where chats are gone through in order.
const MOST_ROWS: usize = 10_000;
/// Chats a whole list is read by.
const WHOLE_PAGE: usize = 4_000;
/// The same by time, where each page costs a pass over all records asked for.
const WHOLE_PAGE_BY_TIME: usize = 10_000;
/// Chats that may change while one list is paged by time. Behind it, it must
/// begin anew.
const MOST_CHANGED: i64 = 50_000;

/// In which order chats are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatOrder {
    /// By shown name.
    Chat,
    /// By when the latest of the labels asked for was put on, oldest first.
    OldestFirst,
    /// The same, newest first.
    NewestFirst,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The last chat of the page.
    pub chat: String,
    /// By time only: how the pages are ordered.
    pub time: Option<TimePlace>,
}

/// What pages by time are ordered by, the same for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimePlace {
    /// The last chat's time.
    pub at: Timestamp,
    /// The history row the first page was read at. Chats that changed since are
    /// left out of later pages: they may have been on an earlier one.
    pub since: i64,
    /// Ids of the labels whose times count.
    pub label_ids: Vec<String>,
}

/// A label on a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutLabel {
    /// The label.
    pub label: Label,
    /// When it was put on, as WhatsApp says.
    pub labeled_at: Timestamp,
}

/// A chat with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabeledChat {
    /// Its one shown name.
    pub chat: String,
    /// Its sort.
    pub kind: ChatKind,
    /// What to call it, where names are asked for and one is known.
    pub name: Option<String>,
    /// When the latest of the labels asked for was put on.
    pub labeled_at: Timestamp,
    /// All its live labels, by id.
    pub labels: Vec<PutLabel>,
}

/// A page of chats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatPage {
    /// The chats, in order.
    pub chats: Vec<LabeledChat>,
    /// Where the next page begins; `None` behind the last chat.
    pub next: Option<Place>,
}

/// What is asked of the chats of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatQuery {
    /// Which chats.
    pub selection: Selection,
    /// In which order.
    pub order: ChatOrder,
    /// Whether their names are wanted.
    pub names: bool,
}

/// The answer to a [`ChatQuery`], to be read by pages.
pub struct ChatPages {
    app: App,
    handle: Arc<Handle>,
    query: ChatQuery,
    version: String,
    /// The moment asked for, where it is not the present.
    past: Option<Arc<View>>,
}

impl App {
    /// Chats by label. Nothing is read yet.
    ///
    /// # Errors
    /// [`Error::NeverSynced`], and those of [`App::instance`].
    pub fn chats(&self, caller: &Caller, name: &str, query: ChatQuery) -> Result<ChatPages, Error> {
        let handle = self.synced(caller, name)?;
        let version = format!("{}.{}", handle.id, handle.journal.version(query.names));
        Ok(ChatPages {
            app: self.clone(),
            handle,
            query,
            version,
            past: None,
        })
    }

    /// Chats by label as they were at a moment.
    ///
    /// # Errors
    /// [`Untold`](crate::timeline::Untold), and those of [`App::chats`].
    pub async fn chats_as_of(
        &self,
        caller: &Caller,
        name: &str,
        query: ChatQuery,
        as_of: AsOf,
    ) -> Result<ChatPages, Error> {
        let handle = self.synced(caller, name)?;
        let names = handle.journal.version(true);
        let names = names.rsplit('.').next().unwrap_or_default();
        let past = self.view_of(&handle, as_of).await?;
        let version = format!("{}.past.{}.{names}", handle.id, past.seq());
        Ok(ChatPages {
            app: self.clone(),
            handle,
            query,
            version,
            past: Some(past),
        })
    }

    /// Ids of the live labels that items name, by id or else by name in any case:
    /// for who is about to write them.
    ///
    /// # Errors
    /// [`Error::LabelNotFound`]; [`Error::LabelAmbiguous`] for the name of several;
    /// [`Error::NeverSynced`].
    pub async fn label_ids(
        &self,
        caller: &Caller,
        name: &str,
        items: &[String],
    ) -> Result<Vec<String>, Error> {
        let handle = self.instance(caller, Scope::Label, name)?;
        if !handle.status().synced {
            return Err(Error::NeverSynced(name.to_owned()));
        }
        let labels = &self.lists().labels(&handle).await?.all;
        items
            .iter()
            .map(|item| {
                let found = named(item, labels);
                let mut ids = found.into_iter();
                match (ids.next(), ids.next()) {
                    (Some(id), None) => Ok(id.to_owned()),
                    (None, _) => Err(Error::LabelNotFound(item.chars().take(100).collect())),
                    (Some(_), Some(_)) => {
                        Err(Error::LabelAmbiguous(item.chars().take(100).collect()))
                    }
                }
            })
            .collect()
    }
}

impl ChatPages {
    /// A word that is another one whenever the answer may be: good for this run of
    /// the program, read before anything else.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The page behind a place, or the first one.
    ///
    /// # Errors
    /// [`Error::CursorExpired`]; the database's.
    pub async fn page(&self, behind: Option<&Place>, limit: usize) -> Result<ChatPage, Error> {
        if let Some(past) = &self.past {
            let resolved = self.query.selection.resolve(past.labels());
            let mut page = past.page(&resolved, self.query.order, behind, limit);
            if self.query.names {
                self.name(&mut page.chats).await?;
            }
            return Ok(page);
        }
        let labels = self.app.lists().labels(&self.handle).await?;
        let pager = Pager {
            db: self.app.db(),
            instance: self.handle.key,
            order: self.query.order,
            resolved: self.query.selection.resolve(&labels.all),
            labels,
        };
        let mut page = pager.page(behind, limit).await?;
        if self.query.names {
            self.name(&mut page.chats).await?;
        }
        Ok(page)
    }

    /// The next part of the whole list; `None` behind its end. `at` is what the
    /// part before left there, at first the default.
    ///
    /// # Errors
    /// Those of [`ChatPages::page`].
    pub async fn part(&self, at: &mut Progress) -> Result<Option<Vec<LabeledChat>>, Error> {
        if at.done {
            return Ok(None);
        }
        let limit = match self.query.order {
            ChatOrder::Chat => WHOLE_PAGE,
            ChatOrder::OldestFirst | ChatOrder::NewestFirst => WHOLE_PAGE_BY_TIME,
        };
        let page = self.page(at.behind.as_ref(), limit).await?;
        at.done = page.next.is_none();
        at.behind = page.next;
        Ok(Some(page.chats))
    }

    async fn name(&self, chats: &mut [LabeledChat]) -> Result<(), Error> {
        let asked: Vec<String> = chats.iter().map(|c| c.chat.clone()).collect();
        let mut names = self.app.names_of(&self.handle, &asked).await?;
        for chat in chats {
            chat.name = names.remove(&chat.chat);
        }
        Ok(())
    }
}

/// How far the reading of a whole list has come.
#[derive(Debug, Default)]
pub struct Progress {
    behind: Option<Place>,
    done: bool,
}

/// Reads pages of one selection, against the labels of one moment.
struct Pager<'a> {
    db: &'a Db,
    instance: InstanceKey,
    order: ChatOrder,
    resolved: Resolved,
    labels: Arc<Labels>,
}

impl Pager<'_> {
    async fn page(&self, behind: Option<&Place>, limit: usize) -> Result<ChatPage, Error> {
        if self.resolved.is_impossible() {
            return Ok(ChatPage {
                chats: Vec::new(),
                next: None,
            });
        }
        let mut reader = self.db.reader().await?;
        match self.order {
            ChatOrder::Chat => {
                let behind = behind.map_or("", |p| p.chat.as_str());
                self.by_chat(&mut reader, behind, limit).await
            }
            ChatOrder::OldestFirst | ChatOrder::NewestFirst => {
                self.by_time(&mut reader, behind, limit).await
            }
        }
    }

    async fn by_chat(
        &self,
        reader: &mut Reader,
        behind: &str,
        limit: usize,
    ) -> Result<ChatPage, Error> {
        let mut found = match self.few(reader).await? {
            Some(few) => {
                let chats: Vec<String> = few.into_iter().filter(|c| c.as_str() > behind).collect();
                self.load_until(reader, chats, limit).await?
            }
            None => self.walk(reader, behind, limit).await?,
        };
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| Place {
            chat: last.chat.clone(),
            time: None,
        });
        Ok(ChatPage { chats: found, next })
    }

    /// All chats that carry a demanded label, in order, where one is on few chats.
    async fn few(&self, reader: &mut Reader) -> Result<Option<BTreeSet<String>>, Error> {
        for demand in self.resolved.demands().take(TRIES) {
            let ids: Vec<&str> = demand.iter().map(String::as_str).collect();
            if let Some(few) =
                labeled_chats::few_carriers(reader.conn(), self.instance, &ids, FEW).await?
            {
                return Ok(Some(few.into_iter().collect()));
            }
        }
        Ok(None)
    }

    /// The first matching ones of these chats, one more than `limit` where there are.
    async fn load_until(
        &self,
        reader: &mut Reader,
        chats: Vec<String>,
        limit: usize,
    ) -> Result<Vec<LabeledChat>, Error> {
        let mut found = Vec::new();
        for chunk in chats.chunks(limit.clamp(100, MOST_ROWS)) {
            found.extend(self.load(reader, chunk).await?);
            if found.len() > limit {
                break;
            }
        }
        Ok(found)
    }

    /// Goes through all labelled chats in order until enough match.
    async fn walk(
        &self,
        reader: &mut Reader,
        behind: &str,
        limit: usize,
    ) -> Result<Vec<LabeledChat>, Error> {
        let mut behind = behind.to_owned();
        let mut matching: Vec<String> = Vec::new();
        // A chat has a label or two; what is not found is looked for in larger bites.
        let mut rows = (limit.saturating_mul(2)).clamp(200, MOST_ROWS);
        loop {
            let ask = i64::try_from(rows).unwrap_or(i64::MAX);
            let page = chat_labels::live_page(reader.conn(), self.instance, &behind, ask).await?;
            let last_page = page.len() < rows;
            let mut groups: Vec<&[chat_labels::LiveRow]> =
                page.chunk_by(|a, b| a.chat == b.chat).collect();
            if !last_page && groups.len() > 1 {
                // The last chat may go on in the next page.
                groups.pop();
            } else if !last_page {
                // One chat with more labels than that: read it whole.
                rows = rows.saturating_mul(2);
                continue;
            }
            for group in &groups {
                let ids = group.iter().map(|row| row.label_id.as_str());
                if self.matches(&group[0].chat, ids) {
                    matching.push(group[0].chat.clone());
                }
            }
            if let Some(group) = groups.last() {
                behind.clone_from(&group[0].chat);
            }
            if last_page || matching.len() > limit {
                break;
            }
            rows = rows.saturating_mul(2).min(MOST_ROWS);
        }
        matching.truncate(limit + 1);
        self.load(reader, &matching).await
    }

    async fn by_time(
        &self,
        reader: &mut Reader,
        behind: Option<&Place>,
        limit: usize,
    ) -> Result<ChatPage, Error> {
        let key = self.instance;
        let newest_first = self.order == ChatOrder::NewestFirst;
        let (label_ids, since) = match behind.and_then(|p| p.time.as_ref()) {
            Some(time) => (time.label_ids.clone(), time.since),
            None => (
                self.timed(),
                // Before anything is read: what changes from now on is seen as changed.
                log::last_seq(reader.conn(), key).await?,
            ),
        };
        let ids: Vec<&str> = label_ids.iter().map(String::as_str).collect();
        let mut at = behind.and_then(|p| Some((p.time.as_ref()?.at, p.chat.clone())));
        let mut found: Vec<(Timestamp, LabeledChat)> = Vec::new();
        let ask = limit.saturating_add(1).max(100);
        loop {
            let place = at.as_ref().map(|(at, chat)| (*at, chat.as_str()));
            let bound = i64::try_from(ask).unwrap_or(i64::MAX);
            let placed =
                labeled_chats::page_by_time(reader.conn(), key, &ids, newest_first, place, bound)
                    .await?;
            let last_page = placed.len() < ask;
            // Behind the page: what changed until it was read is known then.
            let changed = match behind {
                Some(_) => self.changed(reader, since).await?,
                None => HashSet::new(),
            };
            at = placed.last().cloned().or(at);
            let names: Vec<String> = placed.iter().map(|(_, chat)| chat.clone()).collect();
            let loaded = self.load(reader, &names).await?;
            let mut loaded: HashMap<String, LabeledChat> =
                loaded.into_iter().map(|c| (c.chat.clone(), c)).collect();
            found.extend(
                placed
                    .into_iter()
                    .filter(|(_, chat)| !changed.contains(chat))
                    .filter_map(|(at, chat)| Some((at, loaded.remove(&chat)?))),
            );
            if last_page || found.len() > limit {
                break;
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(at, last)| Place {
            chat: last.chat.clone(),
            time: Some(TimePlace {
                at: *at,
                since,
                label_ids,
            }),
        });
        let chats = found.into_iter().map(|(_, chat)| chat).collect();
        Ok(ChatPage { chats, next })
    }

    async fn changed(&self, reader: &mut Reader, since: i64) -> Result<HashSet<String>, Error> {
        let bound = MOST_CHANGED + 1;
        let changed =
            labeled_chats::changed_since(reader.conn(), self.instance, since, bound).await?;
        if i64::try_from(changed.len()).is_ok_and(|n| n <= MOST_CHANGED) {
            Ok(changed.into_iter().collect())
        } else {
            Err(Error::CursorExpired)
        }
    }

    /// Those of these chats that match, in their order by name.
    async fn load(&self, reader: &mut Reader, chats: &[String]) -> Result<Vec<LabeledChat>, Error> {
        if chats.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = chats.iter().map(String::as_str).collect();
        let rows = labeled_chats::of_chats(reader.conn(), self.instance, &names).await?;
        Ok(rows
            .chunk_by(|a, b| a.chat == b.chat)
            .filter_map(|group| self.chat(group))
            .collect())
    }

    fn matches<'a>(&self, chat: &str, ids: impl Iterator<Item = &'a str>) -> bool {
        let live = ids.filter(|id| self.labels.live(id).is_some());
        self.resolved.matches(chat, live)
    }

    /// Ids of the labels whose times count: those asked for, else every live one.
    fn timed(&self) -> Vec<String> {
        match self.resolved.positive() {
            Some(ids) => ids.into_iter().map(str::to_owned).collect(),
            None => {
                let live = self.labels.all.iter().filter(|l| !l.deleted);
                live.map(|l| l.id.clone()).collect()
            }
        }
    }

    /// A chat from all its records, if it matches. A label that is on both ids of
    /// a person is on it once, since the later time.
    fn chat(&self, records: &[labeled_chats::Carried]) -> Option<LabeledChat> {
        let chat = &records.first()?.chat;
        let ids = records.iter().map(|r| r.label_id.as_str());
        if !self.matches(chat, ids) {
            return None;
        }
        let mut labels: Vec<PutLabel> = Vec::with_capacity(records.len());
        for record in records {
            match labels.last_mut() {
                // Records come by label.
                Some(last) if last.label.id == record.label_id => {
                    last.labeled_at = last.labeled_at.max(record.changed_at);
                }
                _ => labels.extend(self.labels.live(&record.label_id).map(|label| PutLabel {
                    label: label.clone(),
                    labeled_at: record.changed_at,
                })),
            }
        }
        labels.sort_unstable_by(|a, b| id_order(&a.label.id).cmp(&id_order(&b.label.id)));
        let asked = self.resolved.positive();
        let counts = |put: &&PutLabel| {
            asked
                .as_ref()
                .is_none_or(|ids| ids.contains(put.label.id.as_str()))
        };
        let labeled_at = labels.iter().filter(counts).map(|put| put.labeled_at).max();
        Some(LabeledChat {
            chat: chat.clone(),
            kind: ChatKind::of(chat),
            name: None,
            labeled_at: labeled_at.unwrap_or_default(),
            labels,
        })
    }
}

#[cfg(test)]
mod tests;
