//! Use cases on snapshots: states of chosen chats and labels, kept under a name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::SnapshotId;
use labelwire_domain::label::Label;
use labelwire_domain::past::{Past, label_json};
use labelwire_domain::selection::Selection;
use labelwire_domain::token::Scope as Right;
use labelwire_store::checkpoints::Seen;
use labelwire_store::snapshots::{self, NewSnapshot, Snapshot as Row};
use labelwire_store::{Error as StoreError, settings};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::chats::{ChatOrder, LabeledChat};
use crate::error::Error;
use crate::identity;
use crate::instance::Handle;
use crate::timeline::{AsOf, Side, Untold, View};

/// Snapshots one instance may have.
pub const MAX_SNAPSHOTS: usize = 1_000;
/// Where the schedule is kept.
const SCHEDULE: &str = "snapshots.schedule";
/// Who makes scheduled ones.
const JOB: &str = "job";

/// Which chats: those that carry these labels, and those named. Without any of it,
/// all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// By labels.
    pub selection: Selection,
    /// By name: any form at first, shown names once it is kept.
    pub chats: Vec<String>,
}

impl Scope {
    pub(crate) fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The chats it speaks of at a moment, by shown name.
    pub(crate) fn chats_of(&self, view: &View) -> BTreeSet<String> {
        let mut chats: BTreeSet<String> = self.chats.iter().cloned().collect();
        if chats.is_empty() || self.selection != Selection::default() {
            let resolved = self.selection.resolve(view.labels());
            let page = view.page(&resolved, ChatOrder::Chat, None, usize::MAX - 1);
            chats.extend(page.chats.into_iter().map(|chat| chat.chat));
        }
        chats
    }
}

/// A snapshot, without what it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `snp_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The row of history it stands at.
    pub seq: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it; `job` where the schedule did.
    pub actor: Option<String>,
    /// What was asked for.
    pub scope: Scope,
}

/// What a snapshot held.
#[derive(Debug, Clone)]
pub struct Held {
    /// The live labels, in the account's order.
    pub labels: Vec<Label>,
    /// The chats, by shown name as it is known now.
    pub chats: Vec<LabeledChat>,
}

/// Snapshots that are made by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Hours from one to the next, 1 to 8,760.
    pub every_h: u32,
    /// How many are kept, 1 to 500.
    pub keep: u32,
    /// Of which chats.
    #[serde(default)]
    pub scope: Scope,
}

fn snapshot(row: Row) -> Result<Snapshot, Error> {
    let scope =
        serde_json::from_str(&row.selection).map_err(|_| StoreError::Corrupt("snapshot"))?;
    Ok(Snapshot {
        id: row.snapshot_id,
        name: row.name,
        seq: row.seq,
        created_at: Timestamp(row.created_at),
        actor: row.actor,
        scope,
    })
}

#[derive(Deserialize)]
struct Body {
    labels: Value,
    order: Vec<i32>,
    chats: Vec<(String, Vec<(String, i64)>)>,
}

fn body_of(view: &View, scope: &Scope) -> String {
    let within = (!scope.is_everything()).then(|| scope.chats_of(view));
    let chats: Vec<Value> = view
        .chats()
        .filter(|(chat, _)| within.as_ref().is_none_or(|chats| chats.contains(*chat)))
        .map(|(chat, on)| {
            let on: Vec<Value> = on.map(|(label, at)| json!([label.id, at])).collect();
            json!([chat, on])
        })
        .collect();
    let labels: Vec<Value> = view.labels().iter().map(label_json).collect();
    json!({ "labels": labels, "order": view.order(), "chats": chats }).to_string()
}

impl App {
    /// The snapshots of an instance, oldest first.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `read`; the database's.
    pub async fn snapshots(&self, caller: &Caller, name: &str) -> Result<Vec<Snapshot>, Error> {
        let handle = self.instance(caller, Right::Read, name)?;
        let mut reader = self.db().reader().await?;
        let rows = snapshots::all(reader.conn(), handle.key).await?;
        rows.into_iter().map(snapshot).collect()
    }

    /// One snapshot.
    ///
    /// # Errors
    /// [`Untold::SnapshotNotFound`]; as [`App::snapshots`].
    pub async fn snapshot(&self, caller: &Caller, name: &str, id: &str) -> Result<Snapshot, Error> {
        let handle = self.instance(caller, Right::Read, name)?;
        self.snapshot_of(&handle, id).await
    }

    async fn snapshot_of(&self, handle: &Handle, id: &str) -> Result<Snapshot, Error> {
        let mut reader = self.db().reader().await?;
        let row = snapshots::find(reader.conn(), handle.key, id).await?;
        let missing = || Untold::SnapshotNotFound(id.chars().take(60).collect());
        snapshot(row.ok_or_else(missing)?)
    }

    /// What a snapshot held.
    ///
    /// # Errors
    /// As [`App::snapshot`].
    pub async fn snapshot_held(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
    ) -> Result<Held, Error> {
        let handle = self.instance(caller, Right::Read, name)?;
        let found = self.snapshot_of(&handle, id).await?;
        let view = self.stored_view(&handle, &found).await?;
        let all = Selection::default().resolve(view.labels());
        Ok(Held {
            labels: view.ordered_labels(),
            chats: view.page(&all, ChatOrder::Chat, None, usize::MAX - 1).chats,
        })
    }

    async fn stored_view(&self, handle: &Handle, found: &Snapshot) -> Result<View, Error> {
        let mut reader = self.db().reader().await?;
        let body = snapshots::body(reader.conn(), handle.key, &found.id).await?;
        drop(reader);
        let corrupt = || StoreError::Corrupt("snapshot");
        let body: Body = serde_json::from_str(&body.unwrap_or_default()).map_err(|_| corrupt())?;
        let mut labels = Past::default();
        labels
            .read(0, &body.labels.to_string())
            .map_err(|_| corrupt())?;
        let place = Seen {
            seq: found.seq,
            seen_at: found.created_at.0,
        };
        View::of_stored(
            self.db(),
            handle.key,
            place,
            labels.labels(),
            body.order,
            body.chats,
        )
        .await
    }

    /// A moment to compare, and the chats it is about where it is a snapshot. A
    /// snapshot speaks for itself where the history it was taken of was dropped.
    pub(crate) async fn side(
        &self,
        handle: &Handle,
        side: &Side,
    ) -> Result<(Arc<View>, Option<Scope>), Error> {
        match side {
            Side::Moment(as_of) => Ok((self.view_of(handle, *as_of).await?, None)),
            Side::Snapshot(id) => {
                let found = self.snapshot_of(handle, id).await?;
                let view = match self.view_of(handle, AsOf::Seq(found.seq)).await {
                    Err(Error::Timeline(Untold::Pruned(_) | Untold::BeforePairing)) => {
                        Arc::new(self.stored_view(handle, &found).await?)
                    }
                    other => other?,
                };
                Ok((view, Some(found.scope)))
            }
        }
    }

    /// Keeps how things stand now, or stood at a moment, under a name.
    ///
    /// # Errors
    /// [`Untold`]; [`Error::InvalidChat`]; [`Error::NeverSynced`]; the database's.
    pub async fn create_snapshot(
        &self,
        caller: &Caller,
        name: &str,
        called: &str,
        scope: Scope,
        as_of: AsOf,
    ) -> Result<Snapshot, Error> {
        let handle = self.instance(caller, Right::Label, name)?;
        if !handle.status().synced {
            return Err(Error::NeverSynced(name.to_owned()));
        }
        let scope = self.shown_scope(&handle, scope).await?;
        self.make_snapshot(&handle, called, scope, as_of, &caller.actor())
            .await
    }

    /// The same scope with chats by their shown names.
    async fn shown_scope(&self, handle: &Handle, scope: Scope) -> Result<Scope, Error> {
        let jids: Vec<ChatJid> = scope
            .chats
            .iter()
            .map(|chat| ChatJid::parse(chat))
            .collect::<Result<_, _>>()?;
        let mut reader = self.db().reader().await?;
        Ok(Scope {
            chats: identity::find_many(&mut reader, handle.key, &jids).await?,
            ..scope
        })
    }

    async fn make_snapshot(
        &self,
        handle: &Handle,
        called: &str,
        scope: Scope,
        as_of: AsOf,
        actor: &str,
    ) -> Result<Snapshot, Error> {
        let called = called.trim();
        if !(1..=100).contains(&called.chars().count()) || called.chars().any(char::is_control) {
            let why = "a snapshot's name is 1 to 100 characters, none of them a control character";
            return Err(Untold::Invalid(why).into());
        }
        let view = self.view_of(handle, as_of).await?;
        let now = self.clock().now();
        let mut random = [0; 10];
        self.entropy().fill(&mut random);
        let id = SnapshotId::new(now, random);
        let selection = json!(scope).to_string();
        let body = body_of(&view, &scope);
        let mut tx = self.db().begin().await?;
        if snapshots::all(tx.conn(), handle.key).await?.len() >= MAX_SNAPSHOTS {
            return Err(Untold::TooManySnapshots(MAX_SNAPSHOTS).into());
        }
        let new = NewSnapshot {
            id: &id,
            name: called,
            seq: view.seq(),
            actor,
            selection: &selection,
            body: &body,
        };
        snapshots::insert(&mut tx, handle.key, &new, now).await?;
        tx.commit().await?;
        Ok(Snapshot {
            id: id.to_string(),
            name: called.to_owned(),
            seq: view.seq(),
            created_at: now,
            actor: Some(actor.to_owned()),
            scope,
        })
    }

    /// Forgets a snapshot.
    ///
    /// # Errors
    /// [`Untold::SnapshotNotFound`]; the database's.
    pub async fn delete_snapshot(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
    ) -> Result<(), Error> {
        let handle = self.instance(caller, Right::Label, name)?;
        let mut tx = self.db().begin().await?;
        if !snapshots::delete(&mut tx, handle.key, id).await? {
            return Err(Untold::SnapshotNotFound(id.chars().take(60).collect()).into());
        }
        Ok(tx.commit().await?)
    }

    /// The snapshots that are made by themselves, if there are any.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `read`; the database's.
    pub async fn snapshot_schedule(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Option<Schedule>, Error> {
        let handle = self.instance(caller, Right::Read, name)?;
        self.schedule_of(&handle).await
    }

    async fn schedule_of(&self, handle: &Handle) -> Result<Option<Schedule>, Error> {
        let mut reader = self.db().reader().await?;
        let all = settings::all(reader.conn(), handle.key).await?;
        let Some(row) = all.into_iter().find(|row| row.name == SCHEDULE) else {
            return Ok(None);
        };
        let read = serde_json::from_str(&row.value);
        Ok(read.map_err(|_| StoreError::Corrupt("schedule of snapshots"))?)
    }

    /// Sets which snapshots are made by themselves; `None`: none.
    ///
    /// # Errors
    /// [`Untold::Invalid`]; [`Error::InvalidChat`]; [`Error::ScopeMissing`] without
    /// `admin`; the database's.
    pub async fn set_snapshot_schedule(
        &self,
        caller: &Caller,
        name: &str,
        schedule: Option<Schedule>,
    ) -> Result<Option<Schedule>, Error> {
        let handle = self.instance(caller, Right::Admin, name)?;
        let schedule = match schedule {
            None => None,
            Some(asked) => {
                if !(1..=8_760).contains(&asked.every_h) {
                    return Err(Untold::Invalid("`every_h` is 1 to 8760 hours").into());
                }
                if !(1..=500).contains(&asked.keep) {
                    return Err(Untold::Invalid("`keep` is 1 to 500 snapshots").into());
                }
                Some(Schedule {
                    scope: self.shown_scope(&handle, asked.scope).await?,
                    ..asked
                })
            }
        };
        let mut tx = self.db().begin().await?;
        settings::set(&mut tx, handle.key, SCHEDULE, &json!(schedule).to_string()).await?;
        tx.commit().await?;
        Ok(schedule)
    }

    /// Makes the scheduled snapshot of an instance if it is time.
    pub(crate) async fn make_due_snapshot(&self, handle: &Handle) -> Result<(), Error> {
        if !handle.status().synced {
            return Ok(());
        }
        let Some(schedule) = self.schedule_of(handle).await? else {
            return Ok(());
        };
        let mut reader = self.db().reader().await?;
        let all = snapshots::all(reader.conn(), handle.key).await?;
        drop(reader);
        let now = self.clock().now();
        let last = all
            .iter()
            .rev()
            .find(|row| row.actor.as_deref() == Some(JOB));
        let every = Duration::from_hours(u64::from(schedule.every_h));
        if last.is_some_and(|last| Timestamp(last.created_at).after(every) > now) {
            return Ok(());
        }
        self.make_snapshot(handle, "scheduled", schedule.scope, AsOf::Now, JOB)
            .await?;
        let mut tx = self.db().begin().await?;
        snapshots::delete_surplus(&mut tx, handle.key, i64::from(schedule.keep)).await?;
        Ok(tx.commit().await?)
    }
}
