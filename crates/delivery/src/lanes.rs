//! What is next for one webhook: deliveries in lanes, one of a lane after the other.
//!
//! Only what can be sent now lies in memory. A lane whose first delivery waits for
//! its next try is known by name alone and read again when it is due, so that what
//! waits does not keep out what could go.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::Event;
use labelwire_store::deliveries::Delivery;

/// The lane of tests, which nothing holds up.
pub(crate) const TEST_LANE: &str = "test";

/// A delivery and the event it tells; `None` for one that is no more in history.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) delivery: Delivery,
    pub(crate) event: Option<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Item>,
    busy: bool,
}

/// A lane that waits.
#[derive(Debug)]
struct Blocked {
    due: Timestamp,
    /// The delivery whose failure is not written down yet: until then the database
    /// has it as it was.
    unrecorded: Option<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: HashMap<String, Lane>,
    /// Lanes of which the next may go, by its number.
    ready: BTreeMap<i64, String>,
    blocked: HashMap<String, Blocked>,
    /// Numbers that are in memory, or whose end is not written down yet.
    known: HashSet<i64>,
}

impl Lanes {
    /// Deliveries in memory.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether this delivery is in memory, or its end is not written down yet.
    pub(crate) fn knows(&self, number: i64) -> bool {
        self.known.contains(&number)
    }

    /// Whether a stored delivery is worth its event being read.
    pub(crate) fn wants(&self, delivery: &Delivery) -> bool {
        !self.known.contains(&delivery.delivery) && !self.blocked.contains_key(&delivery.lane)
    }

    /// Takes a pending delivery in. Deliveries come in the order of their numbers;
    /// one that came before is left as it is.
    pub(crate) fn offer(&mut self, item: Item, now: Timestamp) {
        let number = item.delivery.delivery;
        if !self.wants(&item.delivery) {
            return;
        }
        let name = item.delivery.lane.clone();
        let due = Timestamp(item.delivery.due_at);
        if due > now && !self.lanes.contains_key(&name) {
            let unrecorded = None;
            self.blocked.insert(name, Blocked { due, unrecorded });
            return;
        }
        self.known.insert(number);
        let lane = self.lanes.entry(name.clone()).or_default();
        let first = lane.queue.front().map(|item| item.delivery.delivery);
        // What was replayed goes before what came since.
        let at = lane
            .queue
            .partition_point(|other| other.delivery.delivery < number);
        lane.queue.insert(at, item);
        if !lane.busy && at == 0 {
            if let Some(first) = first {
                self.ready.remove(&first);
            }
            self.ready.insert(number, name);
        }
    }

    /// The oldest delivery that may go; its lane is busy until [`Lanes::done`] or
    /// [`Lanes::again`].
    pub(crate) fn next(&mut self) -> Option<Item> {
        let (_, name) = self.ready.pop_first()?;
        let lane = self.lanes.get_mut(&name)?;
        lane.busy = true;
        lane.queue.pop_front()
    }

    /// The next test.
    pub(crate) fn next_test(&mut self) -> Option<Item> {
        let lane = self.lanes.get_mut(TEST_LANE).filter(|lane| !lane.busy)?;
        let item = lane.queue.pop_front()?;
        lane.busy = true;
        self.ready.remove(&item.delivery.delivery);
        Some(item)
    }

    /// Whether something may go.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A lane's delivery has ended: its next may go.
    pub(crate) fn done(&mut self, name: &str) {
        let Some(lane) = self.lanes.get_mut(name) else {
            return;
        };
        lane.busy = false;
        match lane.queue.front() {
            Some(item) => {
                self.ready.insert(item.delivery.delivery, name.to_owned());
            }
            None => {
                self.lanes.remove(name);
            }
        }
    }

    /// A lane's delivery is to be tried again then: the lane waits, outside of memory.
    pub(crate) fn again(&mut self, name: &str, number: i64, due: Timestamp) {
        if let Some(lane) = self.lanes.remove(name) {
            for item in lane.queue {
                self.known.remove(&item.delivery.delivery);
            }
        }
        let unrecorded = Some(number);
        let blocked = Blocked { due, unrecorded };
        self.blocked.insert(name.to_owned(), blocked);
    }

    /// What became of a delivery is written down.
    pub(crate) fn recorded(&mut self, number: i64, lane: &str) {
        self.known.remove(&number);
        if let Some(blocked) = self.blocked.get_mut(lane)
            && blocked.unrecorded == Some(number)
        {
            blocked.unrecorded = None;
        }
    }

    /// When the first lane that waits is due.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let written = self.blocked.values().filter(|b| b.unrecorded.is_none());
        written.map(|blocked| blocked.due).min()
    }

    /// Forgets lanes that wait no longer; returns whether there were any. They are to
    /// be read from the beginning.
    pub(crate) fn release(&mut self, now: Timestamp) -> bool {
        let before = self.blocked.len();
        self.blocked
            .retain(|_, blocked| blocked.unrecorded.is_some() || blocked.due > now);
        self.blocked.len() < before
    }

    /// Whether lanes wait.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// Forgets what is in memory and not under way, so that it is read anew.
    pub(crate) fn forget(&mut self) {
        for lane in self.lanes.values_mut() {
            for item in lane.queue.drain(..) {
                self.known.remove(&item.delivery.delivery);
            }
        }
        self.lanes.retain(|_, lane| lane.busy);
        self.ready.clear();
        self.blocked
            .retain(|_, blocked| blocked.unrecorded.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn item(number: i64, lane: &str, due_at: i64) -> Item {
        Item {
            delivery: Delivery {
                delivery: number,
                webhook_id: "whk_1".into(),
                instance: 1,
                seq: Some(number),
                event_id: format!("evt_{number}"),
                kind: "chat.labeled".into(),
                lane: lane.into(),
                event: None,
                state: "pending".into(),
                attempts: 0,
                forgiven: 0,
                due_at,
                created_at: 0,
                ended_at: None,
            },
            event: None,
        }
    }

    fn next(lanes: &mut Lanes) -> Option<i64> {
        lanes.next().map(|item| item.delivery.delivery)
    }

    #[test]
    fn one_of_a_lane_goes_after_the_other_and_lanes_beside_each_other() {
        let mut lanes = Lanes::default();
        for (number, lane) in [(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "c")] {
            lanes.offer(item(number, lane, 0), NOW);
        }
        assert_eq!(next(&mut lanes), Some(1));
        assert_eq!(next(&mut lanes), Some(2));
        assert_eq!(next(&mut lanes), Some(5));
        assert_eq!(next(&mut lanes), None);
        lanes.done("b");
        assert_eq!(next(&mut lanes), Some(4));
        lanes.done("a");
        assert_eq!(next(&mut lanes), Some(3));
    }

    #[test]
    fn what_failed_holds_up_its_lane_and_no_other() {
        let mut lanes = Lanes::default();
        for (number, lane) in [(1, "a"), (2, "a"), (3, "b")] {
            lanes.offer(item(number, lane, 0), NOW);
        }
        assert_eq!(next(&mut lanes), Some(1));
        lanes.again("a", 1, Timestamp(2_000));
        assert_eq!(next(&mut lanes), Some(3));
        assert_eq!(lanes.due(), None, "not written down yet");
        assert!(!lanes.release(Timestamp(3_000)));
        // The database still has the first as it was: nothing of the lane is taken.
        lanes.offer(item(1, "a", 0), NOW);
        lanes.offer(item(2, "a", 0), NOW);
        assert_eq!(next(&mut lanes), None);
        lanes.recorded(1, "a");
        assert_eq!(lanes.due(), Some(Timestamp(2_000)));
        assert!(!lanes.release(NOW));
        assert!(lanes.release(Timestamp(2_000)));
        lanes.offer(item(1, "a", 2_000), Timestamp(2_000));
        lanes.offer(item(2, "a", 0), Timestamp(2_000));
        assert_eq!(next(&mut lanes), Some(1));
        assert_eq!(next(&mut lanes), None);
        lanes.done("a");
        assert_eq!(next(&mut lanes), Some(2));
    }

    #[test]
    fn a_lane_that_waits_in_the_database_is_not_overtaken_by_itself() {
        let mut lanes = Lanes::default();
        lanes.offer(item(1, "a", 5_000), NOW);
        lanes.offer(item(2, "a", 0), NOW);
        assert_eq!(next(&mut lanes), None);
        assert_eq!(lanes.due(), Some(Timestamp(5_000)));
        assert_eq!(lanes.len(), 0);
    }

    #[test]
    fn what_was_replayed_goes_first_and_nothing_goes_twice() {
        let mut lanes = Lanes::default();
        lanes.offer(item(5, "a", 0), NOW);
        lanes.offer(item(3, "a", 0), NOW);
        lanes.offer(item(5, "a", 0), NOW);
        assert_eq!(next(&mut lanes), Some(3));
        lanes.done("a");
        assert_eq!(next(&mut lanes), Some(5));
        lanes.done("a");
        // Both are still pending in the database.
        lanes.offer(item(3, "a", 0), NOW);
        assert_eq!(next(&mut lanes), None);
        lanes.recorded(3, "a");
        lanes.recorded(5, "a");
        assert_eq!(lanes.len(), 0);
    }

    #[test]
    fn a_test_goes_before_all_else() {
        let mut lanes = Lanes::default();
        lanes.offer(item(1, "a", 0), NOW);
        lanes.offer(item(9, TEST_LANE, 0), NOW);
        let test = lanes.next_test().map(|item| item.delivery.delivery);
        assert_eq!(test, Some(9));
        assert!(lanes.next_test().is_none());
        assert_eq!(next(&mut lanes), Some(1));
        assert_eq!(next(&mut lanes), None);
        lanes.done(TEST_LANE);
        assert!(!lanes.is_ready());
    }
}
