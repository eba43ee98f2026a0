//! Use cases that read history: pages of events, by what is asked of them.

use std::sync::Arc;

use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Event, EventChat, EventLabel, Kind, event_id};
use labelwire_domain::event_filter::{EventFilter, LabelWanted};
use labelwire_domain::label::fold;
use labelwire_domain::past::{Past, label_json};
use labelwire_domain::token::Scope;
use labelwire_store::events::{self, Rows};
use labelwire_store::{Error as StoreError, checkpoints, labels, log};
use serde_json::json;

use crate::access::Caller;
use crate::app::App;
use crate::erase::ids_of;
use crate::error::Error;
use crate::identity;
use crate::instance::Handle;

/// Events a whole list is read by.
const WHOLE_PAGE: usize = 2_000;
/// The same where a first sync is told, which is read anew for each part.
const WHOLE_PAGE_INITIAL: usize = 20_000;

/// What is asked of an instance's history, as callers write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// A chat in any of its forms; under each of its keys.
    pub chat: Option<String>,
    /// A label, by id or by the name it has or had last.
    pub label: Option<String>,
    /// Who asked for the change.
    pub actor: Option<String>,
    /// Kinds.
    pub kinds: Option<Vec<Kind>>,
    /// Seen here no sooner than this.
    pub since: Option<Timestamp>,
    /// Seen here sooner than this.
    pub until: Option<Timestamp>,
    /// Latest first.
    pub latest_first: bool,
    /// Whether what a first sync found is told as events of its own.
    pub initial: bool,
}

/// Where a page of events ended: a row, and how many of the events told for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPlace {
    /// The row.
    pub seq: i64,
    /// Of what a first sync found, the last one told; 0: none yet.
    pub initial: u32,
}

/// A page of events.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// In the order asked for.
    pub events: Vec<Event>,
    /// Where the next page begins; `None` behind the last event.
    pub next: Option<EventPlace>,
}

/// The answer to an [`EventQuery`], to be read by pages.
pub struct EventPages {
    app: App,
    handle: Arc<Handle>,
    query: EventQuery,
    filter: EventFilter,
    /// Places: behind the first, up to the second.
    within: (i64, i64),
}

/// How far the reading of a whole list has come.
#[derive(Debug, Default)]
pub struct EventProgress {
    behind: Option<EventPlace>,
    done: bool,
}

impl App {
    /// What a query asks for, against what is known now of chats and labels.
    ///
    /// # Errors
    /// [`Error::InvalidChat`]; the database's.
    pub async fn event_filter(
        &self,
        handle: &Handle,
        query: &EventQuery,
    ) -> Result<EventFilter, Error> {
        let mut reader = self.db().reader().await?;
        let chats = match &query.chat {
            None => None,
            Some(chat) => {
                let jid = ChatJid::parse(chat)?;
                Some(
                    ids_of(&mut reader, handle, &jid)
                        .await?
                        .into_iter()
                        .collect(),
                )
            }
        };
        let label = match &query.label {
            None => None,
            Some(text) => {
                let known = labels::all(reader.conn(), handle.key).await?;
                let named = known
                    .iter()
                    .filter(|label| label.id == *text || fold(&label.name) == fold(text));
                Some(LabelWanted {
                    ids: named.map(|label| label.id.clone()).collect(),
                    text: text.clone(),
                })
            }
        };
        Ok(EventFilter {
            chats,
            label,
            actor: query.actor.clone(),
            kinds: query.kinds.clone(),
            since: query.since,
            until: query.until,
        })
    }

    /// An instance's history, as far as it is asked for.
    ///
    /// # Errors
    /// [`Error::InvalidChat`]; those of [`App::instance`]; the database's.
    pub async fn events(
        &self,
        caller: &Caller,
        name: &str,
        query: EventQuery,
    ) -> Result<EventPages, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        let filter = self.event_filter(&handle, &query).await?;
        let mut reader = self.db().reader().await?;
        let seen_before = |at: Timestamp| at.0.saturating_sub(1);
        let from = match query.since {
            None => 0,
            Some(at) => {
                let row = checkpoints::seen_by(reader.conn(), handle.key, seen_before(at)).await?;
                row.map_or(0, |row| row.seq)
            }
        };
        let to = match query.until {
            // The end as it is now: pages of a list do not run after it for ever.
            None => log::last_seq(reader.conn(), handle.key).await?,
            Some(at) => {
                let row = checkpoints::seen_by(reader.conn(), handle.key, seen_before(at)).await?;
                row.map_or(0, |row| row.seq)
            }
        };
        drop(reader);
        Ok(EventPages {
            app: self.clone(),
            handle,
            query,
            filter,
            within: (from, to),
        })
    }
}

impl EventPages {
    /// The page behind a place, or the first one.
    ///
    /// # Errors
    /// The database's.
    pub async fn page(&self, behind: Option<EventPlace>, limit: usize) -> Result<EventPage, Error> {
        let (mut from, mut to) = self.within;
        let mut events: Vec<Event> = Vec::new();
        match behind {
            Some(place) if self.query.latest_first => to = to.min(place.seq - 1),
            Some(place) => {
                from = from.max(place.seq);
                if self.query.initial {
                    // The page before may have ended within what a first sync found.
                    let rest = self.initial_of(place.seq).await?;
                    let told = usize::try_from(place.initial).unwrap_or(usize::MAX);
                    events.extend(rest.into_iter().skip(told));
                }
            }
            None => {}
        }
        let mut more = false;
        while events.len() <= limit {
            let ask = limit + 1 - events.len();
            let rows = self.rows(from, to, ask).await?;
            more = rows.len() >= ask;
            for row in rows {
                let place = row.seq;
                if self.query.latest_first {
                    to = place - 1;
                } else {
                    from = place;
                }
                let is_first = row.kind == Kind::InstanceSynced.as_str();
                if !is_first || self.is_asked(Kind::InstanceSynced) {
                    events.extend(row.event(&self.handle.name).filter(|e| self.passes(e)));
                }
                if is_first && self.query.initial && !self.query.latest_first {
                    events.extend(self.initial_of(place).await?);
                }
            }
            if !more {
                break;
            }
        }
        let more = more || events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| more).map(place_of);
        Ok(EventPage { events, next })
    }

    /// The next part of the whole list; `None` behind its end.
    ///
    /// # Errors
    /// The database's.
    pub async fn part(&self, at: &mut EventProgress) -> Result<Option<Vec<Event>>, Error> {
        if at.done {
            return Ok(None);
        }
        let limit = if self.query.initial {
            WHOLE_PAGE_INITIAL
        } else {
            WHOLE_PAGE
        };
        let page = self.page(at.behind, limit).await?;
        at.done = page.next.is_none();
        at.behind = page.next;
        Ok(Some(page.events))
    }

    fn is_asked(&self, kind: Kind) -> bool {
        self.filter
            .kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind))
    }

    fn passes(&self, event: &Event) -> bool {
        // Labels are asked for by id here: names of then would be looked for in all
        // of history.
        let label = self.filter.label.as_ref().is_none_or(|wanted| {
            let id = event.label.as_ref().map(|label| &label.id);
            id.is_some_and(|id| wanted.ids.contains(id) || *id == wanted.text)
        });
        let filter = EventFilter {
            label: None,
            ..self.filter.clone()
        };
        label && filter.passes(event)
    }

    async fn rows(&self, from: i64, to: i64, limit: usize) -> Result<Vec<log::Entry>, Error> {
        let filter = &self.filter;
        let kinds: Option<Vec<&str>> = filter.kinds.as_ref().map(|kinds| {
            let mut words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            if self.query.initial {
                words.push(Kind::InstanceSynced.as_str());
            }
            words
        });
        let initial = self.query.initial && !self.query.latest_first;
        let labels: Option<Vec<&str>> = filter.label.as_ref().map(|wanted| {
            let ids = wanted.ids.iter().map(String::as_str);
            ids.chain([wanted.text.as_str()]).collect()
        });
        let chats: Option<Vec<&str>> = filter
            .chats
            .as_ref()
            .map(|chats| chats.iter().map(String::as_str).collect());
        let mut rows = Rows {
            behind: from,
            through: to,
            kinds: kinds.as_deref(),
            labels: labels.as_deref(),
            actor: filter.actor.as_deref(),
            chats: chats.as_deref(),
            latest_first: self.query.latest_first,
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut reader = self.app.db().reader().await?;
        let mut found = events::page(reader.conn(), self.handle.key, &rows, limit).await?;
        let narrowed = rows.labels.is_some() || rows.chats.is_some() || rows.actor.is_some();
        if initial && narrowed {
            // Rows about the first sync name no chat and no label.
            let kinds = [Kind::InstanceSynced.as_str()];
            (rows.labels, rows.chats, rows.actor) = (None, None, None);
            rows.kinds = Some(&kinds);
            if found.len() >= usize::try_from(limit).unwrap_or(usize::MAX)
                && let Some(last) = found.last()
            {
                rows.through = last.seq;
            }
            let synced = events::page(reader.conn(), self.handle.key, &rows, limit).await?;
            found.extend(synced);
            found.sort_by_key(|row| row.seq);
            found.dedup_by_key(|row| row.seq);
        }
        Ok(found)
    }

    /// What a first sync found, as events, as far as they are asked for. The same each
    /// time: labels by id, then chats and messages by name.
    async fn initial_of(&self, seq: i64) -> Result<Vec<Event>, Error> {
        let mut reader = self.app.db().reader().await?;
        let row = log::find_many(reader.conn(), &[seq]).await?.pop();
        let Some(row) = row.filter(|row| row.kind == Kind::InstanceSynced.as_str()) else {
            return Ok(Vec::new());
        };
        let mut past = Past::default();
        checkpoints::each_part(reader.conn(), seq, |part| {
            past.read(part.part, &part.body)
                .map_err(|_| StoreError::Corrupt("state of labels"))
        })
        .await?;
        drop(reader);
        let (at, seen_at) = (Timestamp(row.at), Timestamp(row.seen_at));
        let Some(first) = row.event(&self.handle.name) else {
            return Ok(Vec::new());
        };
        let event = |kind, at, label, chat, message_id| Event {
            kind,
            at,
            chat,
            label,
            message_id,
            before: None,
            after: Some(json!({ "labeled": true })),
            details: json!({}),
            initial: true,
            ..first.clone()
        };
        let labels = past.labels();
        let named = |id: &str| {
            let known = labels.iter().find(|label| label.id == id);
            Some(EventLabel {
                id: id.to_owned(),
                name: known.map(|label| label.name.clone()),
                color: known.map(|label| label.color),
            })
        };
        let mut told = Vec::new();
        for label in labels.iter().filter(|label| !label.deleted) {
            told.push(Event {
                after: Some(label_json(label)),
                ..event(Kind::LabelCreated, at, named(&label.id), None, None)
            });
        }
        let mut chats: Vec<(&str, &str, Timestamp)> = past
            .carriers()
            .flat_map(|(chat, on)| on.map(move |(label, at)| (chat, label, at)))
            .collect();
        chats.sort_unstable();
        let mut messages: Vec<(&str, &str, &str, Timestamp)> = past
            .labeled_messages()
            .map(|(label, chat, message, at)| (chat, message, label, at))
            .collect();
        messages.sort_unstable();
        let keys = chats.iter().map(|(chat, ..)| *chat);
        let keys = keys.chain(messages.iter().map(|(chat, ..)| *chat));
        let mut ids = self.both_ids(keys).await?.into_iter();
        for (_, label, at) in chats {
            told.push(event(Kind::ChatLabeled, at, named(label), ids.next(), None));
        }
        for (_, message, label, at) in messages {
            let message = Some(message.to_owned());
            told.push(event(
                Kind::MessageLabeled,
                at,
                named(label),
                ids.next(),
                message,
            ));
        }
        told.retain(|event| self.passes(event));
        for (n, event) in (1_i64..).zip(&mut told) {
            // Each its own id, in order behind the row's.
            event.id = event_id(seen_at, (n << 40) | seq);
            event.details = json!({ "initial": n });
        }
        Ok(told)
    }

    async fn both_ids(&self, keys: impl Iterator<Item = &str>) -> Result<Vec<EventChat>, Error> {
        let jids: Vec<ChatJid> = keys.map(ChatJid::from_app_state).collect();
        let mut reader = self.app.db().reader().await?;
        let mut chats = Vec::with_capacity(jids.len());
        for chunk in jids.chunks(4_000) {
            let ids = identity::both_ids(reader.conn(), self.handle.key, chunk).await?;
            chats.extend(
                ids.into_iter()
                    .zip(chunk)
                    .map(|((jid, lid), key)| EventChat {
                        jid,
                        lid,
                        key: key.as_str().to_owned(),
                    }),
            );
        }
        Ok(chats)
    }
}

fn place_of(event: &Event) -> EventPlace {
    let initial = event
        .details
        .get("initial")
        .and_then(serde_json::Value::as_u64);
    EventPlace {
        seq: event.seq.unwrap_or_default(),
        initial: initial
            .filter(|_| event.initial)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or_default(),
    }
}
