//! Use cases on how long history is kept, and dropping what is over.

use std::collections::BTreeMap;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Kind, Origin};
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::token::Scope;
use labelwire_store::checkpoints::{self, Seen};
use labelwire_store::log::NewEntry;
use labelwire_store::{Db, Error as StoreError, prune as rows, settings};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::ingest;
use crate::instance::Handle;
use crate::timeline::{self, Untold};

/// Where it is kept.
const RETENTION: &str = "retention.days";
/// Rows dropped in one transaction.
const DROPPED: i64 = 10_000;
/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// What the program's own notes about dropped history are: those stay.
const NOTES: [Kind; 2] = [Kind::HistoryPruned, Kind::ContactErased];

/// How many days events are kept, by kind; kinds not named are kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Retention {
    /// Days, at least 1.
    pub days: BTreeMap<Kind, u32>,
}

/// The kinds history may be rid of.
#[must_use]
pub fn prunable() -> Vec<Kind> {
    let kept = |kind: &Kind| {
        !NOTES.contains(kind) && !matches!(kind, Kind::MessageReceived | Kind::WebhookTest)
    };
    Kind::ALL.iter().copied().filter(kept).collect()
}

/// What is to be dropped.
#[derive(Debug, Clone)]
pub struct Prune<'a> {
    /// Rows seen here before this moment.
    pub before: Timestamp,
    /// Of these kinds.
    pub kinds: &'a [Kind],
    /// Who asked; `job` for retention.
    pub actor: &'a str,
}

impl App {
    /// How long an instance's history is kept.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `read`; the database's.
    pub async fn retention(&self, caller: &Caller, name: &str) -> Result<Retention, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        self.retention_of(handle.key).await
    }

    async fn retention_of(&self, key: InstanceKey) -> Result<Retention, Error> {
        let mut reader = self.db().reader().await?;
        let all = settings::all(reader.conn(), key).await?;
        let Some(row) = all.into_iter().find(|row| row.name == RETENTION) else {
            return Ok(Retention::default());
        };
        let read = serde_json::from_str(&row.value);
        Ok(read.map_err(|_| StoreError::Corrupt("retention"))?)
    }

    /// Sets how long an instance's history is kept.
    ///
    /// # Errors
    /// [`Untold::Invalid`]; [`Error::ScopeMissing`] without `admin`; the database's.
    pub async fn set_retention(
        &self,
        caller: &Caller,
        name: &str,
        retention: Retention,
    ) -> Result<Retention, Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        let can_be = prunable();
        if retention.days.keys().any(|kind| !can_be.contains(kind)) {
            return Err(Untold::Invalid("history of that kind is not dropped, or not kept").into());
        }
        if retention
            .days
            .values()
            .any(|days| !(1..=36_500).contains(days))
        {
            return Err(Untold::Invalid("days are 1 to 36500").into());
        }
        let mut tx = self.db().begin().await?;
        settings::set(
            &mut tx,
            handle.key,
            RETENTION,
            &json!(retention).to_string(),
        )
        .await?;
        tx.commit().await?;
        Ok(retention)
    }

    /// Drops what an instance need not keep any more. Whole days, so that one note a
    /// day is made about it at most.
    pub(crate) async fn retain(&self, handle: &Handle) -> Result<(), Error> {
        let retention = self.retention_of(handle.key).await?;
        let mut by_days: BTreeMap<u32, Vec<Kind>> = BTreeMap::new();
        for (kind, days) in retention.days {
            by_days.entry(days).or_default().push(kind);
        }
        let now = self.clock().now();
        for (days, kinds) in by_days {
            let today = now.0.div_euclid(DAY);
            let ask = Prune {
                before: Timestamp((today - i64::from(days)) * DAY),
                kinds: &kinds,
                actor: "job",
            };
            let dropped = prune(self.db(), handle.key, &ask, now).await?;
            if let Some(noted) = dropped.noted {
                self.views().forget(handle.key);
                handle.feed.forget().await;
                handle.feed.announce(noted);
                self.bell().notify_one();
            }
        }
        Ok(())
    }
}

/// What was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Rows of history.
    pub rows: u64,
    /// The row that says so, where anything was dropped.
    pub noted: Option<i64>,
}

/// Drops rows of an instance's history and says so in it. The state of labels at the
/// last dropped row is stored first, so that every later moment can still be told.
/// Rows still to be told to a webhook stay until they are.
///
/// # Errors
/// The database's.
pub async fn prune(
    db: &Db,
    instance: InstanceKey,
    ask: &Prune<'_>,
    now: Timestamp,
) -> Result<Dropped, Error> {
    let kinds: Vec<&str> = ask
        .kinds
        .iter()
        .filter(|kind| !NOTES.contains(kind))
        .map(|kind| kind.as_str())
        .collect();
    let until = ask.before.0.min(now.0).saturating_sub(1);
    let mut reader = db.reader().await?;
    let Some(last) = checkpoints::seen_by(reader.conn(), instance, until).await? else {
        return Ok(Dropped::default());
    };
    let count = rows::count(reader.conn(), instance, last.seq, &kinds).await?;
    let cut = checkpoints::cut(reader.conn(), instance).await?;
    drop(reader);
    if count == 0 {
        return Ok(Dropped::default());
    }
    // Of what says nothing about labels, states do not depend.
    let is_state = |kind: &&Kind| !kind.is_about_instance() || **kind == Kind::InstanceSynced;
    let is_cut =
        ask.kinds.iter().any(|kind| is_state(&kind)) && cut.is_none_or(|cut| cut.seq < last.seq);
    let past = match timeline::load(db, instance, last.seq).await {
        _ if !is_cut => None,
        Ok(past) => Some(past),
        Err(Error::Timeline(_)) => None,
        Err(other) => return Err(other),
    };
    let mut tx = db.begin().await?;
    if let Some(past) = &past {
        let at = Seen {
            seq: last.seq,
            seen_at: until,
        };
        timeline::store(&mut tx, instance, at, past, true).await?;
        checkpoints::delete_before(&mut tx, instance, last.seq).await?;
    }
    let body = json!({
        "through": last.seq,
        "before": ask.before.0,
        "kinds": kinds,
        "rows": count,
    });
    let entry = NewEntry {
        actor: Some(ask.actor.to_owned()),
        ..NewEntry::new(now, Kind::HistoryPruned, Origin::Job, &body)
    };
    let noted = ingest::record(&mut tx, instance, vec![entry], now).await?;
    tx.commit().await?;
    let mut dropped = Dropped { rows: 0, noted };
    loop {
        let mut tx = db.begin().await?;
        rows::unlock(&mut tx).await?;
        let gone = rows::delete(&mut tx, instance, last.seq, &kinds, DROPPED).await?;
        rows::lock(&mut tx).await?;
        tx.commit().await?;
        dropped.rows += gone;
        if gone == 0 {
            return Ok(dropped);
        }
    }
}
