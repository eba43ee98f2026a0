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
    /// The version was written.
    Version(Version),
    /// A record was raised as an event.
    Record(Record),
}

/// What is committed in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Number of the last step inside; the overlay up to it may be dropped.
    pub through: u64,
    /// The collection was replayed whole: what it did not hold is gone.
    pub complete: bool,
    /// A REMOVE was among the changes; the library raises no event for it.
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
    records: Vec<Record>,
    /// The task that wrote a version whose events are not seen yet.
    unraised_by: Option<u64>,
    /// The step before was a version write.
    after_version: bool,
    /// The snapshot's doubled version write was seen.
    doubled: bool,
}

impl Batcher {
    /// A batcher over a collection whose committed version is `committed`.
    #[must_use]
    pub const fn new(committed: u64) -> Self {
        Self {
            committed,
            pending: None,
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
            return Outcome::Pending;
        }
        if matches!(step, Step::Clear) {
            self.poisoned = false;
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
                pending.records.push(record);
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
            Step::Reset | Step::Clear | Step::Record(_) => false,
        }
    }

    fn version(&mut self, seq: u64, task: u64, version: Version) -> Outcome {
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
        Outcome::Ready(Box::new(Batch {
            through: seq,
            complete: pending.complete,
            removed: pending.removed,
            macs: pending.macs,
            version,
            records: pending.records,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Association;
    use crate::chat::ChatJid;
    use crate::clock::Timestamp;

    fn v(number: u64) -> Step {
        Step::Version(Version {
            number,
            state: Arc::from([]),
            mismatch: false,
        })
    }
    fn m() -> Step {
        Step::Macs(MacOp::Put(Arc::from([([1; 32], [2; 32])])))
    }
    fn e() -> Step {
        Step::Record(Record::Association(Association {
            label_id: "1".into(),
            chat_jid: ChatJid::from_app_state("1@lid"),
            labeled: true,
            changed_at: Timestamp(0),
        }))
    }

    /// Feeds steps of `(task, step)`, returns what is not `Pending`.
    fn feed(batcher: &mut Batcher, steps: Vec<(u64, Step)>) -> Vec<Outcome> {
        steps
            .into_iter()
            .enumerate()
            .map(|(i, (task, step))| batcher.step(i as u64, task, step))
            .filter(|o| *o != Outcome::Pending)
            .collect()
    }

    fn ready(outcomes: &[Outcome]) -> Vec<(u64, usize, bool)> {
        outcomes
            .iter()
            .map(|o| match o {
                Outcome::Ready(b) => (b.version.number, b.records.len(), b.complete),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn patches_end_at_the_repeated_version() {
        let mut batcher = Batcher::new(0);
        let steps = vec![
            (1, Step::Read),
            (1, Step::Read),
            (1, Step::Lookup),
            (1, v(1)),
            (1, m()),
            (1, Step::Lookup),
            (1, v(2)),
            (1, m()),
            (1, e()),
            (1, e()),
            (1, v(2)),
        ];
        assert_eq!(ready(&feed(&mut batcher, steps)), [(2, 2, false)]);
        assert!(!batcher.is_pending());
    }

    #[test]
    fn a_snapshots_doubled_version_is_not_its_end() {
        let mut batcher = Batcher::new(0);
        let steps = vec![
            (1, Step::Clear),
            (1, m()),
            (1, v(9)),
            (1, v(9)),
            (1, e()),
            (1, v(9)),
        ];
        assert_eq!(ready(&feed(&mut batcher, steps)), [(9, 1, true)]);
    }

    #[test]
    fn a_snapshot_with_patches_behind_it_is_one_batch() {
        let mut batcher = Batcher::new(0);
        let steps = vec![
            (1, Step::Clear),
            (1, m()),
            (1, v(9)),
            (1, Step::Lookup),
            (1, v(10)),
            (1, m()),
            (1, e()),
            (1, e()),
            (1, v(10)),
        ];
        assert_eq!(ready(&feed(&mut batcher, steps)), [(10, 2, true)]);
    }

    #[test]
    fn an_empty_snapshot_and_an_empty_account_end_too() {
        let mut batcher = Batcher::new(0);
        let steps = vec![(1, Step::Clear), (1, v(3)), (1, v(3)), (1, v(3))];
        assert_eq!(ready(&feed(&mut batcher, steps)), [(3, 0, true)]);
    }

    #[test]
    fn a_sync_that_died_between_counting_and_raising_is_lost_until_a_snapshot() {
        // The second patch fails; the same task tries again.
        let mut batcher = Batcher::new(0);
        let steps = vec![
            (1, Step::Read),
            (1, Step::Lookup),
            (1, v(1)),
            (1, m()),
            (1, Step::Lookup),
            (1, Step::Read),
            (1, Step::Lookup),
            (1, v(2)),
            (1, m()),
            (1, e()),
            (1, v(2)),
        ];
        assert_eq!(feed(&mut batcher, steps), [Outcome::Lost]);
        assert!(batcher.is_pending());
        let replay = vec![
            (1, Step::Clear),
            (1, m()),
            (1, v(2)),
            (1, v(2)),
            (1, e()),
            (1, v(2)),
        ];
        assert_eq!(ready(&feed(&mut batcher, replay)), [(2, 1, true)]);

        // Another task goes on where the first died.
        let mut batcher = Batcher::new(0);
        let steps = vec![
            (1, Step::Read),
            (1, v(1)),
            (1, m()),
            (2, Step::Read),
            (2, v(1)),
        ];
        assert_eq!(feed(&mut batcher, steps), [Outcome::Lost]);
    }

    #[test]
    fn a_read_by_a_bystander_is_no_loss() {
        let mut batcher = Batcher::new(4);
        let steps = vec![
            (1, Step::Read),
            (1, Step::Lookup),
            (1, v(5)),
            (7, Step::Read),
            (1, m()),
            (1, e()),
            (1, v(5)),
        ];
        assert_eq!(ready(&feed(&mut batcher, steps)), [(5, 1, false)]);
    }

    #[test]
    fn a_page_without_label_events_still_advances() {
        let mut batcher = Batcher::new(4);
        assert_eq!(
            ready(&feed(&mut batcher, vec![(1, v(5)), (1, m()), (1, v(5))])),
            [(5, 0, false)]
        );
    }

    #[test]
    fn a_conflict_leaves_changes_that_the_next_end_takes() {
        let mut batcher = Batcher::new(4);
        let steps = vec![
            (1, Step::Read),
            (1, Step::Lookup), // built a patch on 4
            (1, Step::Read),
            (1, Step::Lookup),
            (1, v(5)),
            (1, m()),
            (1, e()), // absorbed another's
            (1, Step::Read),
            (1, Step::Lookup), // rebuilt
            (1, Step::Read),
            (1, Step::Read),
            (1, Step::Lookup),
            (1, v(6)),
            (1, m()),
            (1, e()),
            (1, v(6)),
        ];
        assert_eq!(ready(&feed(&mut batcher, steps)), [(6, 2, false)]);
    }

    #[test]
    fn an_empty_answer_to_a_reset_empties_nothing() {
        let mut batcher = Batcher::new(4);
        let steps = vec![
            (1, Step::Reset),
            (1, Step::Read),
            (1, Step::Clear),
            (1, v(0)),
        ];
        assert_eq!(feed(&mut batcher, steps), [Outcome::Lost]);

        let mut batcher = Batcher::new(0);
        assert_eq!(
            feed(
                &mut batcher,
                vec![(1, Step::Read), (1, Step::Clear), (1, v(0))]
            ),
            []
        );
        assert!(!batcher.is_pending());
    }

    #[test]
    fn a_sync_under_way_during_a_reset_does_not_pass_for_the_replay() {
        let mut batcher = Batcher::new(4);
        let steps = vec![
            (7, Step::Read),
            (1, Step::Reset),
            (7, Step::Lookup),
            (7, v(5)),
            (7, m()),
            (7, e()),
            (7, v(5)),
        ];
        assert_eq!(feed(&mut batcher, steps), []);
        let replay = vec![
            (1, Step::Reset),
            (1, Step::Read),
            (1, Step::Clear),
            (1, m()),
            (1, v(5)),
            (1, v(5)),
            (1, e()),
            (1, e()),
            (1, v(5)),
        ];
        assert_eq!(ready(&feed(&mut batcher, replay)), [(5, 2, true)]);
    }
}
