//! The client library's writes to the `regular` collection, cut into batches
//! that may be committed whole.
//!
//! `whatsapp-rust` persists a collection's version and MACs in separate calls
//! and raises the changes as events afterwards (`protocol.md` A2). Committing
//! them as they come would let a crash leave a version ahead of the mirror, or
//! a wrong LT-hash base. So they are queued in order, events between them, and
//! [`Batcher`] says where a batch ends: at a `set_version` that repeats the
//! current version, which the library sends once all events of a sync are out.
//!
//! ```text
//! patch     V(1) M V(2) M  E E  V(2)=end
//! snapshot  Clear M V(9) V(9)  E E E  V(9)=end      (the second V(9) is no end)
//! ```
//!
//! Events tell of SETs on labels and chats only. What stands in the patch itself
//! comes as a [`Step::Raw`] right before the version it leads to; where every
//! version of a batch has one, its records are those, and the events only say
//! that the sync went to its end.

use std::sync::Arc;

use crate::change::Record;

/// An index MAC and the value MAC stored under it.
pub type MacPair = ([u8; 32], [u8; 32]);

/// A change to the stored MACs, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacOp {
    /// Set these.
    Put(Arc<[MacPair]>),
    /// Remove these.
    Delete(Arc<[[u8; 32]]>),
}

/// The collection's version and LT-hash, as the library serialises them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version number; 0 is "never synced".
    pub number: u64,
    /// The library's own serialised hash state.
    pub state: Arc<[u8]>,
    /// The library has seen the hash disagree with WhatsApp's: only a snapshot
    /// mends it (`protocol.md` B2).
    pub mismatch: bool,
}

/// One call of the library, or one event it raised, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The version was read.
    Read,
    /// MACs were looked up.
    Lookup,
    /// We stood the collection down to "never synced", so that the next sync
    /// replays it whole.
    Reset,
    /// The library dropped all MACs: a snapshot, or the first patch, follows.
    Clear,
    /// MACs were changed.
    Macs(MacOp),
    /// What the stanza holds that leads to this version, whose write follows.
    Raw {
        /// The version it leads to.
        version: u64,
        /// What was read.
        read: Raw,
    },
    /// The version was written.
    Version(Version),
    /// A record was raised as an event.
    Record(Record),
}

/// What was read from a stanza, past the library's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// All records of a patch, in order.
    Patch(Vec<Record>),
    /// The records of a snapshot that no event tells of.
    Snapshot(Vec<Record>),
    /// A patch that could not be read: what no event tells of is unknown.
    Unread,
}

/// What is committed in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Number of the last step inside; the overlay up to it may be dropped.
    pub through: u64,
    /// The collection was replayed whole: what it did not hold is gone.
    pub complete: bool,
    /// The records tell all there was: message labels, the order and removals
    /// too. Otherwise only what the library raises events for.
    pub whole: bool,
    /// Something was among the changes that only a snapshot can tell: a REMOVE the
    /// records do not hold, or a patch that could not be read.
    pub removed: bool,
    /// Changes of the stored MACs.
    pub macs: Vec<MacOp>,
    /// The version these changes lead to.
    pub version: Version,
    /// The records, in order.
    pub records: Vec<Record>,
}

/// What a step led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// More is to come.
    Pending,
    /// A batch is whole.
    Ready(Box<Batch>),
    /// Changes were counted by the library but never raised (its sync failed
    /// half way). Nothing is committed until a snapshot has replayed all.
    Lost,
}

/// Cuts the stream of steps into batches.
#[derive(Debug, Default)]
pub struct Batcher {
    committed: u64,
    pending: Option<Pending>,
    /// What was read of the version whose write is next.
    raw: Option<(u64, Raw)>,
    /// Nothing can be committed before a replay, which a [`Step::Clear`] begins:
    /// changes were lost, or the collection was stood down (then a sync that was
    /// under way must not pass for the replay).
    poisoned: bool,
}

#[derive(Debug, Default)]
struct Pending {
    complete: bool,
    removed: bool,
    macs: Vec<MacOp>,
    version: Option<Version>,
    /// What the library raised.
    events: Vec<Record>,
    /// What patches hold, in order.
    patches: Vec<Record>,
    /// What the snapshot holds that is not raised.
    snapshot: Option<Vec<Record>>,
    /// Some version was read from its stanza, and some was not.
    read: bool,
    not_read: bool,
    /// Some patch could not be read, though it was tried.
    unread: bool,
    /// The task that wrote a version whose events are not seen yet.
    unraised_by: Option<u64>,
    /// The step before was a version write.
    after_version: bool,
    /// The snapshot's doubled version write was seen.
    doubled: bool,
}

impl Pending {
    fn take_raw(&mut self, raw: Option<Raw>) {
        match raw {
            Some(Raw::Patch(records)) => self.patches.extend(records),
            Some(Raw::Snapshot(records)) => self.snapshot = Some(records),
            Some(Raw::Unread) => self.unread = true,
            None => {
                self.not_read = true;
                return;
            }
        }
        self.read = true;
        self.not_read |= self.unread;
    }

    fn into_batch(self, through: u64, version: Version) -> Batch {
        let whole = self.read && !self.not_read;
        let mut records = self.events;
        match self.snapshot {
            // Of a snapshot the events tell the rest. Those of patches behind it are
            // among them and come again, in full and in order.
            Some(snapshot) => {
                records.extend(snapshot);
                if whole {
                    records.extend(self.patches);
                }
            }
            None if whole => records = self.patches,
            None => {}
        }
        Batch {
            through,
            complete: self.complete,
            whole,
            removed: self.unread || (self.removed && !whole),
            macs: self.macs,
            version,
            records,
        }
    }
}

impl Batcher {
    /// A batcher over a collection whose committed version is `committed`.
    #[must_use]
    pub const fn new(committed: u64) -> Self {
        Self {
            committed,
            pending: None,
            raw: None,
            poisoned: false,
        }
    }

    /// Whether anything waits for its end.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.pending.is_some() || self.poisoned
    }

    /// Takes step number `seq`, made by `task`.
    ///
    /// A library sync runs in one task from its first read to its last write.
    /// So a write by another task, or a new read by the same one, while changes
    /// were counted and not raised, means the first sync died in between.
    pub fn step(&mut self, seq: u64, task: u64, step: Step) -> Outcome {
        if matches!(step, Step::Reset) {
            self.poisoned = true;
            self.pending = None;
            self.raw = None;
            return Outcome::Pending;
        }
        if matches!(step, Step::Clear) {
            self.poisoned = false;
            self.raw = None;
            self.pending = Some(Pending {
                complete: true,
                ..Pending::default()
            });
            return Outcome::Pending;
        }
        if self.poisoned {
            return Outcome::Pending;
        }
        if self.lost_by(task, &step) {
            self.poisoned = true;
            self.pending = None;
            return Outcome::Lost;
        }
        match step {
            Step::Read | Step::Lookup | Step::Reset | Step::Clear => Outcome::Pending,
            Step::Raw { version, read } => {
                self.raw = Some((version, read));
                Outcome::Pending
            }
            Step::Macs(op) => {
                let pending = self.pending.get_or_insert_default();
                pending.after_version = false;
                pending.removed |= matches!(op, MacOp::Delete(_));
                pending.macs.push(op);
                Outcome::Pending
            }
            Step::Record(record) => {
                let pending = self.pending.get_or_insert_default();
                pending.after_version = false;
                pending.unraised_by = None;
                pending.events.push(record);
                Outcome::Pending
            }
            Step::Version(version) => self.version(seq, task, version),
        }
    }

    fn lost_by(&self, task: u64, step: &Step) -> bool {
        let Some(writer) = self.pending.as_ref().and_then(|p| p.unraised_by) else {
            return false;
        };
        match step {
            Step::Read => writer == task,
            Step::Lookup | Step::Macs(_) | Step::Version(_) => writer != task,
            Step::Reset | Step::Clear | Step::Raw { .. } | Step::Record(_) => false,
        }
    }

    fn version(&mut self, seq: u64, task: u64, version: Version) -> Outcome {
        let raw = self.raw.take();
        if version.number == 0 {
            // The end of a sync of a collection that holds nothing.
            self.pending = None;
            // Where there was something, it is never a reason to empty the mirror.
            self.poisoned = self.committed > 0;
            return if self.poisoned {
                Outcome::Lost
            } else {
                Outcome::Pending
            };
        }
        let current = self
            .pending
            .as_ref()
            .and_then(|p| p.version.as_ref())
            .map_or_else(
                || {
                    if self.pending.as_ref().is_some_and(|p| p.complete) {
                        None
                    } else {
                        Some(self.committed)
                    }
                },
                |v| Some(v.number),
            );
        if current != Some(version.number) {
            let pending = self.pending.get_or_insert_default();
            pending.unraised_by = Some(task);
            pending.after_version = true;
            let raw = raw.filter(|(number, _)| *number == version.number);
            pending.take_raw(raw.map(|(_, read)| read));
            pending.version = Some(version);
            return Outcome::Pending;
        }
        let Some(pending) = &mut self.pending else {
            // Nothing was fetched; but the flag may be new.
            return if version.mismatch {
                Outcome::Lost
            } else {
                Outcome::Pending
            };
        };
        if pending.complete && pending.after_version && !pending.doubled {
            pending.doubled = true;
            pending.version = Some(version);
            return Outcome::Pending;
        }
        let Some(pending) = self.pending.take() else {
            return Outcome::Pending;
        };
        self.committed = version.number;
        Outcome::Ready(Box::new(pending.into_batch(seq, version)))
    }
}

#[cfg(test)]
mod tests;
