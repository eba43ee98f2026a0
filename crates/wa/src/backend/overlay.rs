//! What the library wrote to `regular` and the instance's actor has not yet
//! committed.
//!
//! The library must read its own writes at once, while the database may see them
//! only together with the mirror. So writes stay here, numbered, and are handed
//! on as steps; the actor says up to which number it has committed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use labelwire_domain::change::Record;
use labelwire_domain::collection::{MacOp, MacPair, Raw, Step, Version};

use crate::raw::RawSyncs;

/// Puts of this many pairs are kept as one sorted layer, not as map entries: a
/// snapshot's 100,000 then cost what the step itself holds, and nothing more.
/// Tests make layers of puts they can afford.
const LAYER_PAIRS: usize = if cfg!(test) { 4 } else { 1_024 };

/// Where steps go.
pub trait StepSink: Send + Sync {
    /// Takes step number `seq`, made by `task`. Called under the overlay's lock,
    /// so that the order of calls is the order of numbers: must neither wait nor
    /// call the overlay.
    fn step(&self, seq: u64, task: u64, step: Step);

    /// The library learned these pairs of LID and phone number, digits only. They
    /// are committed already.
    fn lids_learned(&self, pairs: Vec<(String, String)>);
}

/// The uncommitted part of an instance's `regular` collection.
pub struct RegularOverlay {
    sink: Arc<dyn StepSink>,
    held: Mutex<Held>,
    raw: RawSyncs,
}

#[derive(Default)]
struct Held {
    /// Number of the last step.
    last: u64,
    /// How often anything was written.
    writes: u64,
    /// The version number last read or written.
    number: Option<u64>,
    /// How often a sync came to its end.
    ends: u64,
    /// A sync is between its first write and its last: version and MACs may belong
    /// to different patches.
    open: bool,
    version: Option<(u64, Arc<[u8]>)>,
    /// Everything before this step is gone, also what the database holds.
    cleared: Option<u64>,
    /// No version was written since all was dropped: a snapshot's may be next.
    fresh: bool,
    /// Large puts, oldest first.
    layers: Vec<(u64, Arc<[MacPair]>)>,
    /// Small puts and deletions (`None`), each with its step.
    recent: HashMap<[u8; 32], (u64, Option<[u8; 32]>)>,
}

/// Value MACs by index MAC, as the library asks for them.
pub(super) type Found = HashMap<[u8; 32], Vec<u8>>;

/// The collection at one moment, as far as it is not in the database: what a
/// patch is built on.
pub(super) struct Base {
    /// Tells this moment from later ones.
    pub(super) stamp: u64,
    /// The version; `None`: the database's.
    pub(super) version: Option<Arc<[u8]>>,
    /// Values known here.
    pub(super) found: Found,
    /// What the database must be asked for.
    pub(super) unknown: Vec<[u8; 32]>,
}

/// What the overlay knows of a MAC.
enum Known {
    Value([u8; 32]),
    Absent,
    /// The database knows.
    Nothing,
}

impl Held {
    fn find(&self, index: &[u8; 32]) -> Known {
        let recent = self.recent.get(index);
        let newer_than = recent.map_or(0, |(seq, _)| *seq);
        let layered = self
            .layers
            .iter()
            .rev()
            .take_while(|(seq, _)| *seq > newer_than)
            .find_map(|(_, pairs)| {
                pairs
                    .binary_search_by(|pair| pair.0.cmp(index))
                    .ok()
                    .map(|at| pairs[at].1)
            });
        match (layered, recent) {
            (Some(value), _) => Known::Value(value),
            (None, Some((_, Some(value)))) => Known::Value(*value),
            (None, Some((_, None))) => Known::Absent,
            (None, None) if self.cleared.is_some() => Known::Absent,
            (None, None) => Known::Nothing,
        }
    }

    fn lookup(&self, index_macs: &[[u8; 32]]) -> (Found, Vec<[u8; 32]>) {
        let mut found = HashMap::with_capacity(index_macs.len());
        let mut unknown = Vec::new();
        for index in index_macs {
            match self.find(index) {
                Known::Value(value) => {
                    found.insert(*index, value.to_vec());
                }
                Known::Absent => {}
                Known::Nothing => unknown.push(*index),
            }
        }
        (found, unknown)
    }

    fn forget(&mut self) {
        self.version = None;
        self.cleared = None;
        self.layers = Vec::new();
        self.recent = HashMap::new();
    }
}

impl RegularOverlay {
    /// An empty overlay whose steps go to `sink`, numbered from 1.
    #[must_use]
    pub fn new(sink: Arc<dyn StepSink>) -> Self {
        Self {
            sink,
            held: Mutex::default(),
            raw: RawSyncs::default(),
        }
    }

    /// What came of the collection and was not yet worked on.
    pub(crate) const fn raw(&self) -> &RawSyncs {
        &self.raw
    }

    /// What the stanza holds that leads to the version written next.
    pub(super) fn read_raw(&self, version: u64, read: Raw) {
        self.hand_on(Step::Raw { version, read }, |_, _| {});
    }

    /// Whether the version written next may be a snapshot's.
    pub(super) fn is_fresh(&self) -> bool {
        self.lock().fresh
    }

    /// Numbers an event the library raised among the writes around it.
    pub fn record(&self, record: Record) {
        self.hand_on(Step::Record(record), |_, _| {});
    }

    /// Drops what the steps up to `through` wrote: the database has it now.
    pub fn committed(&self, through: u64) {
        let mut held = self.lock();
        held.version.take_if(|(seq, _)| *seq <= through);
        held.cleared.take_if(|seq| *seq <= through);
        held.layers.retain(|(seq, _)| *seq > through);
        held.recent.retain(|_, (seq, _)| *seq > through);
        if held.recent.is_empty() {
            held.recent = HashMap::new();
        }
    }

    /// Forgets what is not committed, as if the process had died: for a client
    /// started anew, once the old one has stopped. Numbers go on.
    pub fn reset(&self) {
        self.lock().forget();
    }

    /// Stands the collection down to "never synced", so that the library's next
    /// sync replays it whole (`protocol.md` A4). The database keeps what it has
    /// until that replay is committed.
    pub fn stand_down(&self) {
        self.hand_on(Step::Reset, |held, seq| {
            held.forget();
            held.writes += 1;
            held.open = true;
            held.number = Some(0);
            held.cleared = Some(seq);
            held.version = Some((seq, Arc::from([])));
        });
    }

    /// Number of the last step handed on; 0 before the first.
    #[must_use]
    pub fn last_step(&self) -> u64 {
        self.lock().last
    }

    pub(super) fn version(&self) -> Option<Arc<[u8]>> {
        self.hand_on(Step::Read, |held, _| {
            held.version.as_ref().map(|(_, state)| state.clone())
        })
    }

    pub(super) fn set_version(&self, version: Version) {
        let (state, number) = (version.state.clone(), version.number);
        self.hand_on(Step::Version(version), |held, seq| {
            held.version = Some((seq, state));
            held.writes += 1;
            // Said twice, a sync is at its end; all of it is written then. One that
            // found nothing says 0, once.
            held.open = held.number.replace(number) != Some(number) && number > 0;
            held.ends += u64::from(!held.open);
            held.fresh = false;
        });
    }

    /// The values known here, and the index MACs the database must be asked for.
    pub(super) fn lookup(&self, index_macs: &[[u8; 32]]) -> (Found, Vec<[u8; 32]>) {
        self.hand_on(Step::Lookup, |held, _| held.lookup(index_macs))
    }

    /// What a patch may be built on, without being a step of the library's; `None`
    /// while a sync is writing.
    pub(super) fn base(&self, index_macs: &[[u8; 32]]) -> Option<Base> {
        let held = self.lock();
        if held.open {
            return None;
        }
        let (found, unknown) = held.lookup(index_macs);
        Some(Base {
            stamp: held.writes,
            version: held.version.as_ref().map(|(_, state)| state.clone()),
            found,
            unknown,
        })
    }

    /// Whether nothing was written since that moment.
    pub(super) fn is_still(&self, stamp: u64) -> bool {
        let held = self.lock();
        !held.open && held.writes == stamp
    }

    /// How many syncs have ended well.
    pub(crate) fn ends(&self) -> u64 {
        self.lock().ends
    }

    /// Whether no version was ever read or written but 0.
    pub(crate) fn holds_nothing(&self) -> bool {
        let held = self.lock();
        !held.open && held.number.unwrap_or_default() == 0
    }

    /// Notes which version the database holds.
    pub(super) fn stored_version(&self, number: u64) {
        self.lock().number.get_or_insert(number);
    }

    pub(super) fn clear(&self) {
        self.hand_on(Step::Clear, |held, seq| {
            held.writes += 1;
            held.open = true;
            held.number = None;
            held.layers = Vec::new();
            held.recent = HashMap::new();
            held.cleared = Some(seq);
            held.fresh = true;
        });
    }

    pub(super) fn put(&self, pairs: Arc<[MacPair]>) {
        let pairs = sorted(pairs);
        self.hand_on(Step::Macs(MacOp::Put(pairs.clone())), |held, seq| {
            held.writes += 1;
            if pairs.len() >= LAYER_PAIRS {
                held.layers.push((seq, pairs));
            } else {
                held.recent.extend(
                    pairs
                        .iter()
                        .map(|(index, value)| (*index, (seq, Some(*value)))),
                );
            }
        });
    }

    pub(super) fn delete(&self, index_macs: Arc<[[u8; 32]]>) {
        self.hand_on(
            Step::Macs(MacOp::Delete(index_macs.clone())),
            |held, seq| {
                held.writes += 1;
                held.recent
                    .extend(index_macs.iter().map(|index| (*index, (seq, None))));
            },
        );
    }

    pub(super) fn lids_learned(&self, pairs: Vec<(String, String)>) {
        self.sink.lids_learned(pairs);
    }

    /// About how much memory the uncommitted part holds.
    pub(super) fn heap_bytes(&self) -> u64 {
        let held = self.lock();
        let layered: usize = held
            .layers
            .iter()
            .map(|(_, pairs)| size_of_val(&**pairs))
            .sum();
        let recent = held.recent.capacity() * size_of::<([u8; 32], (u64, Option<[u8; 32]>))>();
        u64::try_from(layered + recent).unwrap_or(u64::MAX)
    }

    /// Changes what is held and hands the step on, under one lock.
    fn hand_on<T>(&self, step: Step, change: impl FnOnce(&mut Held, u64) -> T) -> T {
        let task = current_task();
        let mut held = self.lock();
        held.last += 1;
        let seq = held.last;
        let answer = change(&mut held, seq);
        self.sink.step(seq, task, step);
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tokio task this runs in; 0 outside of one.
fn current_task() -> u64 {
    tokio::task::try_id().map_or(0, |id| {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        hasher.finish().max(1)
    })
}

/// The pairs sorted by index MAC, the last of equal ones kept.
fn sorted(mut pairs: Arc<[MacPair]>) -> Arc<[MacPair]> {
    match Arc::get_mut(&mut pairs) {
        // Stable, so that the last of equal ones stays last.
        Some(own) => own.sort_by_key(|pair| pair.0),
        None => {
            let mut copy = pairs.to_vec();
            copy.sort_by_key(|pair| pair.0);
            pairs = copy.into();
        }
    }
    if pairs.windows(2).all(|two| two[0].0 != two[1].0) {
        return pairs;
    }
    let mut distinct: Vec<MacPair> = Vec::with_capacity(pairs.len());
    for pair in pairs.iter() {
        match distinct.last_mut() {
            Some(last) if last.0 == pair.0 => last.1 = pair.1,
            _ => distinct.push(*pair),
        }
    }
    distinct.into()
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
