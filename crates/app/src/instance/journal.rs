//! What changed since when: lets kept answers catch up instead of being rebuilt.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ingest::Applied;

/// Chats remembered; whoever is further behind rebuilds.
const CHATS: usize = 8_192;

/// The recent commits of one instance.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Number of the last commit that changed anything shown.
    now: u64,
    /// The last commit after which everything must be rebuilt.
    rebuilt: u64,
    /// The last commit that changed labels.
    labels: u64,
    /// How often names of chats were learned.
    names: u64,
    recent: VecDeque<(u64, Arc<BTreeSet<String>>)>,
    chats: usize,
}

/// What a reader at some commit has missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Current,
    /// These chats.
    Chats(BTreeSet<String>),
    /// Too much to name: everything shown may differ.
    Stale,
}

impl Journal {
    /// Notes a commit. Call after it is durable and before anyone is told.
    pub fn note(&self, applied: Applied) {
        if applied.is_empty() {
            return;
        }
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.now += 1;
        let now = inner.now;
        if applied.labels {
            inner.labels = now;
        }
        if applied.everything {
            inner.rebuilt = now;
            inner.recent.clear();
            inner.chats = 0;
            return;
        }
        inner.chats += applied.chats.len();
        inner.recent.push_back((now, Arc::new(applied.chats)));
        while inner.chats > CHATS {
            if let Some((at, chats)) = inner.recent.pop_front() {
                inner.chats -= chats.len();
                inner.rebuilt = at;
            }
        }
    }

    /// Notes that names of chats were learned, or which ids are one person. Call
    /// after it is durable.
    pub fn note_names(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).names += 1;
    }

    /// A word that is another one after every commit, for as long as this journal
    /// lives; with `names`, after every name learned, too. Read it before reading
    /// the database.
    #[must_use]
    pub fn version(&self, names: bool) -> String {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names {
            format!("{}.{}", inner.now, inner.names)
        } else {
            inner.now.to_string()
        }
    }

    /// The last commit. Read it before reading the database: what is read then
    /// is at least as new.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    /// The last commit that changed labels.
    #[must_use]
    pub fn labels(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).labels
    }

    /// What a reader at `then` has missed, and the commit it is at once it knows.
    #[must_use]
    pub fn since(&self, then: u64) -> (u64, Seen) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = if then == inner.now {
            Seen::Current
        } else if then < inner.rebuilt {
            Seen::Stale
        } else {
            Seen::Chats(
                inner
                    .recent
                    .iter()
                    .filter(|(at, _)| *at > then)
                    .flat_map(|(_, chats)| chats.iter().cloned())
                    .collect(),
            )
        };
        (inner.now, seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chats(names: &[&str]) -> Applied {
        Applied {
            chats: names.iter().map(|n| (*n).to_owned()).collect(),
            ..Applied::default()
        }
    }

    #[test]
    fn a_reader_learns_what_it_missed_and_no_more() {
        let journal = Journal::default();
        journal.note(chats(&["a"]));
        journal.note(chats(&["b", "a"]));
        assert_eq!(journal.since(2), (2, Seen::Current));
        assert_eq!(
            journal.since(1),
            (2, Seen::Chats(["a", "b"].map(str::to_owned).into()))
        );
        journal.note(Applied {
            everything: true,
            ..Applied::default()
        });
        assert_eq!(journal.since(2), (3, Seen::Stale));
        journal.note(chats(&["c"]));
        assert_eq!(
            journal.since(3),
            (4, Seen::Chats(["c"].map(str::to_owned).into()))
        );
    }

    #[test]
    fn a_reader_too_far_behind_rebuilds() {
        let journal = Journal::default();
        journal.note(chats(&["first"]));
        for i in 0..CHATS {
            journal.note(chats(&[&i.to_string()]));
        }
        assert_eq!(journal.since(0).1, Seen::Stale);
        assert!(matches!(journal.since(CHATS as u64), (_, Seen::Chats(_))));
    }
}
