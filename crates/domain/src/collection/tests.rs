//! What the library calls, and the batches that come of it.

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

fn raw(version: u64, read: Raw) -> Step {
    Step::Raw { version, read }
}
fn record(chat: u8) -> Record {
    Record::Association(Association {
        label_id: "1".into(),
        chat_jid: ChatJid::from_app_state(format!("{chat}@lid")),
        labeled: true,
        changed_at: Timestamp(0),
    })
}
fn d() -> Step {
    Step::Macs(MacOp::Delete(Arc::from([[1; 32]])))
}

/// Feeds steps of one task that end one batch.
fn batch(committed: u64, steps: Vec<Step>) -> Batch {
    let mut batcher = Batcher::new(committed);
    let steps = steps.into_iter().map(|step| (1, step)).collect();
    match feed(&mut batcher, steps).as_slice() {
        [Outcome::Ready(batch)] => (**batch).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_read_from_its_stanzas_holds_what_they_hold() {
    let removed = Record::Removed(record(3).key());
    let batch = batch(
        4,
        vec![
            raw(5, Raw::Patch(vec![record(1), record(2)])),
            v(5),
            m(),
            raw(6, Raw::Patch(vec![removed.clone()])),
            v(6),
            d(),
            e(),
            e(),
            // The library writes the version once more; nothing is held for it.
            raw(6, Raw::Unread),
            v(6),
        ],
    );
    assert_eq!(batch.records, [record(1), record(2), removed]);
    assert!(batch.whole && !batch.removed);
}

#[test]
fn where_one_patch_was_not_read_the_events_count() {
    let mut steps = vec![raw(5, Raw::Patch(vec![record(9)])), v(5), m()];
    steps.extend([v(6), d(), e(), v(6)]);
    let one = batch(4, steps.clone());
    assert_eq!(one.records, [record(1)]);
    assert!(!one.whole && one.removed, "a REMOVE no record tells of");

    // A patch that could not be read may hold what no event tells of.
    steps.splice(3..5, [raw(6, Raw::Unread), v(6)]);
    let one = batch(4, steps);
    assert_eq!(one.records, [record(1)]);
    assert!(!one.whole && one.removed);
}

#[test]
fn a_raw_step_of_another_version_does_not_count() {
    let steps = vec![raw(4, Raw::Patch(vec![record(9)])), v(5), m(), e(), v(5)];
    let batch = batch(4, steps);
    assert_eq!(batch.records, [record(1)]);
    assert!(!batch.whole && !batch.removed);
}

#[test]
fn a_snapshot_is_its_events_and_what_was_read_besides() {
    let steps = vec![
        Step::Clear,
        m(),
        raw(9, Raw::Snapshot(vec![record(7)])),
        v(9),
        raw(9, Raw::Unread),
        v(9),
        raw(10, Raw::Patch(vec![record(8)])),
        v(10),
        m(),
        e(),
        v(10),
    ];
    let batch = batch(0, steps);
    assert_eq!(batch.records, [record(1), record(7), record(8)]);
    assert!(batch.complete && batch.whole && !batch.removed);
}

#[test]
fn a_snapshot_not_read_is_not_whole_and_asks_for_no_other() {
    let batch = batch(0, vec![Step::Clear, m(), v(9), v(9), e(), v(9)]);
    assert!(batch.complete && !batch.whole && !batch.removed);
}
