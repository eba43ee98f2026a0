use proptest::prelude::*;

use super::*;

type Mac = [u8; 32];

/// A sink that keeps what it is given.
#[derive(Default)]
struct Steps(Mutex<Vec<(u64, Step)>>);

impl StepSink for Steps {
    fn step(&self, seq: u64, _task: u64, step: Step) {
        self.0.lock().expect("nobody panicked").push((seq, step));
    }
    fn lids_learned(&self, _pairs: Vec<(String, String)>) {}
}

#[derive(Debug, Clone)]
enum Act {
    Put(Vec<(u8, u8)>),
    Delete(Vec<u8>),
    Clear,
    /// The actor commits this share of what it was handed, in percent.
    Commit(u64),
    Reset,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => proptest::collection::vec((0u8..12, any::<u8>()), 1..8).prop_map(Act::Put),
        3 => proptest::collection::vec(0u8..12, 1..4).prop_map(Act::Delete),
        1 => Just(Act::Clear),
        2 => (0u64..=100).prop_map(Act::Commit),
        1 => Just(Act::Reset),
    ];
    proptest::collection::vec(act, 0..30)
}

fn apply(step: &Step, macs: &mut HashMap<Mac, Mac>) {
    match step {
        Step::Clear => macs.clear(),
        Step::Macs(MacOp::Put(pairs)) => macs.extend(pairs.iter().copied()),
        Step::Macs(MacOp::Delete(gone)) => {
            for mac in gone.iter() {
                macs.remove(mac);
            }
        }
        _ => {}
    }
}

fn read(overlay: &RegularOverlay, database: &HashMap<Mac, Mac>) -> HashMap<Mac, Vec<u8>> {
    let every: Vec<Mac> = (0..12).map(|i| [i; 32]).collect();
    let (mut found, unknown) = overlay.lookup(&every);
    for mac in unknown {
        if let Some(value) = database.get(&mac) {
            found.insert(mac, value.to_vec());
        }
    }
    found
}

proptest! {
    #[test]
    fn the_overlay_over_the_database_reads_like_one_map(acts in acts()) {
        let steps = Arc::new(Steps::default());
        let overlay = RegularOverlay::new(steps.clone());
        let mut expected: HashMap<Mac, Mac> = HashMap::new();
        let mut database: HashMap<Mac, Mac> = HashMap::new();
        let mut done = 0;
        for act in acts {
            match act {
                Act::Put(pairs) => {
                    let pairs: Vec<MacPair> =
                        pairs.into_iter().map(|(i, v)| ([i; 32], [v; 32])).collect();
                    expected.extend(pairs.iter().copied());
                    overlay.put(pairs.into());
                }
                Act::Delete(macs) => {
                    for mac in &macs {
                        expected.remove(&[*mac; 32]);
                    }
                    overlay.delete(macs.into_iter().map(|m| [m; 32]).collect());
                }
                Act::Clear => {
                    expected.clear();
                    overlay.clear();
                }
                Act::Commit(percent) => {
                    let through = done + (overlay.last_step() - done) * percent / 100;
                    for (seq, step) in steps.0.lock().expect("nobody panicked").iter() {
                        if *seq > done && *seq <= through {
                            apply(step, &mut database);
                        }
                    }
                    done = through;
                    overlay.committed(done);
                }
                Act::Reset => {
                    overlay.reset();
                    done = overlay.last_step();
                    expected = database.clone();
                }
            }
            let expected: HashMap<Mac, Vec<u8>> =
                expected.iter().map(|(i, v)| (*i, v.to_vec())).collect();
            prop_assert_eq!(read(&overlay, &database), expected);
        }
        let numbers: Vec<u64> = steps.0.lock().expect("nobody panicked").iter().map(|(seq, _)| *seq).collect();
        prop_assert_eq!(numbers, (1..=overlay.last_step()).collect::<Vec<_>>());
    }
}

#[test]
fn of_equal_index_macs_the_last_is_put() {
    let pair = |i: u8, v: u8| ([i; 32], [v; 32]);
    let put = sorted(Arc::from([pair(2, 1), pair(1, 1), pair(2, 2), pair(2, 3)]));
    assert_eq!(*put, [pair(1, 1), pair(2, 3)]);
}

#[test]
fn everything_committed_leaves_nothing_behind() {
    let overlay = RegularOverlay::new(Arc::new(Steps::default()));
    overlay.clear();
    overlay.put((0..100).map(|i| ([i; 32], [i; 32])).collect());
    overlay.delete(Arc::from([[7; 32]]));
    overlay.set_version(Version {
        number: 1,
        state: Arc::from([1]),
        mismatch: false,
    });
    assert!(overlay.heap_bytes() > 0);
    overlay.committed(overlay.last_step());
    assert_eq!(overlay.heap_bytes(), 0);
    assert_eq!(overlay.version(), None);
}

#[test]
fn a_version_written_after_the_commit_stays() {
    let overlay = RegularOverlay::new(Arc::new(Steps::default()));
    overlay.set_version(Version {
        number: 1,
        state: Arc::from([1]),
        mismatch: false,
    });
    let through = overlay.last_step();
    overlay.set_version(Version {
        number: 2,
        state: Arc::from([2]),
        mismatch: false,
    });
    overlay.committed(through);
    assert_eq!(overlay.version().as_deref(), Some(&[2][..]));
}

#[tokio::test]
async fn a_task_has_one_number_and_another_task_another() {
    let here = tokio::task::spawn(async { (current_task(), current_task()) })
        .await
        .expect("a task ends");
    let there = tokio::task::spawn(async { current_task() })
        .await
        .expect("a task ends");
    assert_eq!(here.0, here.1);
    assert_ne!(here.0, there);
    assert_ne!(here.0, 0);
}
