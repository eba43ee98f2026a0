//! How labels stood at a moment: the nearest whole state before it, and what the
//! history behind that changed.

mod checkpoint;
mod diff;
mod state;
#[cfg(test)]
mod tests;
mod view;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::label::Label;
use labelwire_domain::token::Scope;
use labelwire_store::checkpoints::{self, Seen};
use labelwire_store::log;

use crate::access::Caller;
use crate::app::App;
use crate::error::{Error, Kind};
use crate::identity;
use crate::instance::Handle;

pub use diff::{ChatChange, Diff, LabelChange};
pub(crate) use state::{load, store};
pub use view::View;

/// Chats all kept views have together, at most: some 100 bytes each.
const KEPT_CHATS: usize = 400_000;
/// Views kept at most.
const KEPT_VIEWS: usize = 8;

/// Why something of history is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// A moment that is still to come.
    #[error("that moment is still to come: history ends at {0}")]
    Future(i64),
    /// A moment before the first sync.
    #[error("nothing is known of that moment: it is before this account's labels were first read")]
    BeforePairing,
    /// A moment whose history was dropped.
    #[error("history of before {0} was dropped; ask for that row or a later one")]
    Pruned(i64),
    /// No such snapshot.
    #[error("there is no snapshot `{0}` on this instance")]
    SnapshotNotFound(String),
    /// As many snapshots as may be.
    #[error("this instance has {0} snapshots, as many as may be; delete one first")]
    TooManySnapshots(usize),
    /// What cannot be set or asked for.
    #[error("{0}")]
    Invalid(&'static str),
}

impl Untold {
    /// The sort of this error.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Future(_) | Self::BeforePairing | Self::Pruned(_) | Self::Invalid(_) => {
                Kind::Invalid
            }
            Self::SnapshotNotFound(_) => Kind::NotFound,
            Self::TooManySnapshots(_) => Kind::Limit,
        }
    }

    /// The stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Future(_) => "as_of_future",
            Self::BeforePairing => "as_of_before_pairing",
            Self::Pruned(_) => "as_of_pruned",
            Self::SnapshotNotFound(_) => "snapshot_not_found",
            Self::TooManySnapshots(_) => "snapshot_limit_reached",
            Self::Invalid(_) => "history_invalid",
        }
    }
}

/// A moment, as callers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After this row of history.
    Seq(i64),
    /// At this time, as this gateway saw it.
    Time(Timestamp),
    /// At the end of history.
    Now,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    instance: InstanceKey,
    seq: i64,
    /// Which ids were known to be one person.
    names: String,
}

/// Views of late, for pages of one answer and questions about one moment.
#[derive(Default)]
pub(crate) struct Views {
    kept: Mutex<VecDeque<(Key, Arc<View>)>>,
    /// Held by who makes one: the next finds it made.
    making: tokio::sync::Mutex<()>,
}

impl Views {
    fn find(&self, key: &Key) -> Option<Arc<View>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == key)?;
        let found = kept.remove(at)?;
        let view = Arc::clone(&found.1);
        kept.push_back(found);
        Some(view)
    }

    fn keep(&self, key: Key, view: &Arc<View>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key, Arc::clone(view)));
        let total = |kept: &VecDeque<(Key, Arc<View>)>| -> usize {
            kept.iter().map(|(_, view)| view.len()).sum()
        };
        while kept.len() > KEPT_VIEWS || total(&kept) > KEPT_CHATS {
            kept.pop_front();
        }
    }

    /// Forgets all of an instance.
    pub(crate) fn forget(&self, instance: InstanceKey) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(key, _)| key.instance != instance);
    }
}

impl App {
    /// How labels stood at a moment.
    ///
    /// # Errors
    /// [`Untold`]; [`Error::NeverSynced`]; the database's.
    pub async fn view(&self, caller: &Caller, name: &str, as_of: AsOf) -> Result<Arc<View>, Error> {
        let handle = self.synced(caller, name)?;
        self.view_of(&handle, as_of).await
    }

    pub(crate) async fn view_of(&self, handle: &Handle, as_of: AsOf) -> Result<Arc<View>, Error> {
        let place = self.place(handle, as_of).await?;
        let names = handle.journal.version(true);
        let key = Key {
            instance: handle.key,
            seq: place.seq,
            names: names.rsplit('.').next().unwrap_or_default().to_owned(),
        };
        if let Some(view) = self.views().find(&key) {
            return Ok(view);
        }
        let _making = self.views().making.lock().await;
        if let Some(view) = self.views().find(&key) {
            return Ok(view);
        }
        let past = state::load(self.db(), handle.key, place.seq).await?;
        let view = Arc::new(View::of_past(self.db(), handle.key, place, &past).await?);
        self.views().keep(key, &view);
        Ok(view)
    }

    /// The row of history a moment is at.
    ///
    /// # Errors
    /// [`Untold`]; the database's.
    pub(crate) async fn place(&self, handle: &Handle, as_of: AsOf) -> Result<Seen, Error> {
        let mut reader = self.db().reader().await?;
        let last = log::last_seq(reader.conn(), handle.key).await?;
        let cut = checkpoints::cut(reader.conn(), handle.key).await?;
        let found = match as_of {
            AsOf::Seq(seq) if seq > last => return Err(Untold::Future(last).into()),
            AsOf::Time(at) if at > self.clock().now() => return Err(Untold::Future(last).into()),
            AsOf::Seq(seq) => checkpoints::at_or_before(reader.conn(), handle.key, seq).await?,
            AsOf::Time(at) => checkpoints::seen_by(reader.conn(), handle.key, at.0).await?,
            AsOf::Now => checkpoints::at_or_before(reader.conn(), handle.key, last).await?,
        };
        let Some(cut) = cut else {
            return found.ok_or_else(|| Untold::BeforePairing.into());
        };
        // Between the cut and the first row that is left, the state is the cut's.
        let is_behind = match as_of {
            AsOf::Seq(seq) => seq >= cut.seq,
            AsOf::Time(at) => at.0 >= cut.seen_at,
            AsOf::Now => true,
        };
        match found {
            Some(row) if row.seq > cut.seq => Ok(row),
            _ if is_behind => Ok(cut),
            _ => Err(Untold::Pruned(cut.seq).into()),
        }
    }

    /// The live labels of a moment, in the account's own order then.
    ///
    /// # Errors
    /// As [`App::view`].
    pub async fn labels_as_of(
        &self,
        caller: &Caller,
        name: &str,
        as_of: AsOf,
    ) -> Result<Vec<Label>, Error> {
        Ok(self.view(caller, name, as_of).await?.ordered_labels())
    }

    /// The live labels of a moment, by id, each with the number of chats that
    /// carried it.
    ///
    /// # Errors
    /// As [`App::view`].
    pub async fn label_counts_as_of(
        &self,
        caller: &Caller,
        name: &str,
        as_of: AsOf,
    ) -> Result<Vec<(Label, u64)>, Error> {
        Ok(self.view(caller, name, as_of).await?.counts())
    }

    /// The live labels one chat carried at a moment, by id; the chat's shown name is
    /// today's.
    ///
    /// # Errors
    /// As [`App::view`]; [`Error::InvalidChat`].
    pub async fn labels_of_chat_as_of(
        &self,
        caller: &Caller,
        name: &str,
        chat: &str,
        as_of: AsOf,
    ) -> Result<(String, Vec<Label>), Error> {
        let handle = self.synced(caller, name)?;
        let jid = labelwire_domain::chat::ChatJid::parse(chat)?;
        let view = self.view_of(&handle, as_of).await?;
        let mut reader = self.db().reader().await?;
        let shown = identity::shown(reader.conn(), handle.key, &jid).await?;
        drop(reader);
        // Brazil's numbers with and without their ninth digit.
        let twin = jid.ninth_digit_twin().map(|twin| twin.to_string());
        let shown = match twin {
            Some(twin) if !view.has(&shown) && view.has(&twin) => twin,
            _ => shown,
        };
        let labels = view.labels_of(&shown);
        Ok((shown, labels))
    }

    /// What differs between two moments. The chats are those `only` lets through, by
    /// shown name.
    ///
    /// # Errors
    /// As [`App::view`].
    pub async fn diff(
        &self,
        caller: &Caller,
        name: &str,
        from: &Side,
        to: &Side,
    ) -> Result<Diff, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        if !handle.status().synced {
            return Err(Error::NeverSynced(name.to_owned()));
        }
        let (from, from_scope) = self.side(&handle, from).await?;
        let (to, to_scope) = self.side(&handle, to).await?;
        let scopes: Vec<diff::Within> = [from_scope, to_scope]
            .into_iter()
            .flatten()
            .map(|scope| diff::Within::of(&scope, &from, &to))
            .collect();
        Ok(Diff::between(&from, &to, |chat| {
            scopes.iter().all(|scope| scope.has(chat))
        }))
    }
}

/// One end of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// A moment.
    Moment(AsOf),
    /// A snapshot, by its id.
    Snapshot(String),
}
