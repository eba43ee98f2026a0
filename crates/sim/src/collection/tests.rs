//! The library's own client-side processor reads what the phone wrote, and writes what it must accept.

mod history;

use std::cell::Cell;
use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wacore::appstate::patch_decode::{PatchList, WAPatchName};
use wacore::appstate_sync::AppStateProcessor;
use wacore::store::InMemoryBackend;
use wacore::store::traits::{AppStateSyncKey, AppSyncStore as _};
use whatsapp_rust::TokioRuntime;

use super::*;
use crate::labels;

thread_local! { static STEPS: Cell<u64> = const { Cell::new(0) }; }

/// Called for every comparison of index MACs and every record visited.
pub(super) fn count_step() {
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

fn steps_of(work: impl FnOnce()) -> u64 {
    let before = STEPS.with(Cell::get);
    work();
    STEPS.with(Cell::get) - before
}

fn key(epoch: u8) -> SyncKey {
    SyncKey::new(vec![0, 0, 0, 0, 0, epoch], [epoch; 32], i64::from(epoch))
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(11)
}

/// A companion device reading and writing with the library's own code.
struct Client {
    backend: Arc<InMemoryBackend>,
    processor: AppStateProcessor,
}

type Read = Vec<(Op, Vec<String>, wa::SyncActionValue)>;

impl Client {
    async fn new(keys: &[SyncKey]) -> Self {
        let backend = Arc::new(InMemoryBackend::new());
        for key in keys {
            let shared = AppStateSyncKey {
                key_data: key.data.to_vec(),
                fingerprint: Vec::new(),
                timestamp: key.timestamp,
            };
            backend.set_sync_key(&key.id, shared).await.unwrap();
        }
        let processor = AppStateProcessor::new(backend.clone(), Arc::new(TokioRuntime));
        Self { backend, processor }
    }

    async fn process(&self, snapshot: Option<Bytes>, patches: &[Bytes]) -> anyhow::Result<Read> {
        let list = PatchList {
            name: WAPatchName::Regular,
            has_more_patches: false,
            patches: patches
                .iter()
                .map(|patch| wa::SyncdPatch::decode_from_slice(patch).unwrap())
                .collect(),
            snapshot: snapshot.map(|bytes| wa::SyncdSnapshot::decode_from_slice(&bytes).unwrap()),
            snapshot_ref: None,
            error: None,
        };
        let (mutations, ..) = self.processor.process_patch_list(list, true).await?;
        let read = mutations.into_iter().map(|one| {
            let op = if one.operation == Op::Set.wire() {
                Op::Set
            } else {
                Op::Remove
            };
            (op, one.index, one.action_value.unwrap_or_default())
        });
        Ok(read.collect())
    }

    /// Catches up from patches; every MAC and hash is checked by the library.
    async fn catch_up(&self, collection: &Collection) -> Read {
        let version = self.state().await.version;
        let page = collection.patches_after(version, usize::MAX);
        let read = self.process(None, &page.patches).await.unwrap();
        self.agrees(collection).await;
        read
    }

    async fn state(&self) -> HashState {
        self.backend.get_version("regular").await.unwrap()
    }

    async fn agrees(&self, collection: &Collection) {
        let state = self.state().await;
        assert_eq!(state.version, collection.version());
        assert_eq!(&state.hash, collection.hash());
        assert!(!state.mac_mismatch_fatal, "a snapshot MAC did not match");
    }

    async fn write(&self, key: &SyncKey, changes: &[Change]) -> (Vec<u8>, u64) {
        let mut rng = rng();
        let mutations = changes
            .iter()
            .map(|change| encrypt(change.op, change, &index_json(&change.index), key, &mut rng).0)
            .collect();
        self.processor
            .build_patch("regular", mutations)
            .await
            .unwrap()
    }
}

fn shop(count: usize) -> Collection {
    let mut regular = Collection::new("regular");
    let changes: Vec<_> = (0..count)
        .map(|chat| labels::chat("1", &format!("{chat}@lid"), true, chat as i64))
        .collect();
    for changes in changes.chunks(1_000) {
        regular.commit(&key(1), changes, &mut rng()).unwrap();
    }
    regular
}

#[tokio::test]
async fn a_client_reads_the_snapshot_and_then_the_patches() {
    let mut regular = shop(50);
    let off = labels::chat("1", "7@lid", false, 99);
    regular
        .commit(&key(1), std::slice::from_ref(&off), &mut rng())
        .unwrap();
    let client = Client::new(&[key(1)]).await;
    let read = client
        .process(Some(regular.snapshot(&key(1)).unwrap()), &[])
        .await
        .unwrap();
    client.agrees(&regular).await;
    assert_eq!(read.len(), 50);
    assert!(read.contains(&(Op::Set, off.index, off.action)));

    let gone = Change {
        op: Op::Remove,
        ..labels::chat("1", "8@lid", false, 100)
    };
    let new = labels::chat("2", "8@lid", true, 101);
    regular
        .commit(&key(1), &[gone.clone(), new.clone()], &mut rng())
        .unwrap();
    let read = client.catch_up(&regular).await;
    assert_eq!(
        read,
        [
            (Op::Remove, gone.index.clone(), gone.action),
            (Op::Set, new.index, new.action)
        ]
    );
    assert!(regular.get(&gone.index).is_none());
    assert_eq!(regular.len(), 50);
}

#[tokio::test]
async fn a_client_reads_all_patches_from_the_first_in_pages() {
    let mut regular = shop(2_500);
    regular
        .commit(&key(1), &[labels::order(&[1], 1)], &mut rng())
        .unwrap();
    let client = Client::new(&[key(1)]).await;
    let mut version = 0;
    loop {
        let page = regular.patches_after(version, 2);
        client.process(None, &page.patches).await.unwrap();
        version += page.patches.len() as u64;
        if !page.has_more {
            break;
        }
    }
    assert_eq!(version, 4);
    client.agrees(&regular).await;
    let beyond = regular.patches_after(9, 2);
    assert_eq!(
        beyond,
        PatchPage {
            patches: Vec::new(),
            has_more: false
        }
    );
}

#[tokio::test]
async fn a_clients_patch_is_accepted_and_read_by_another() {
    let mut regular = shop(20);
    let (writer, reader) = (Client::new(&[key(1)]).await, Client::new(&[key(1)]).await);
    writer.catch_up(&regular).await;
    let changes = [
        labels::chat("1", "3@lid", false, 1),
        Change {
            op: Op::Remove,
            ..labels::chat("1", "4@lid", false, 1)
        },
        labels::message("9", "5@lid", "3EB0", true, 1),
    ];
    let (patch, base) = writer.write(&key(1), &changes).await;
    let accepted = regular.accept(&[key(1)], base, &patch).unwrap();
    assert_eq!(accepted.version, base + 1);
    assert_eq!(accepted.changes, changes);
    assert_eq!(regular.highest("label_message"), Some(9));
    // The sender fetches its own patch too.
    assert_eq!(writer.catch_up(&regular).await.len(), 3);
    assert_eq!(reader.catch_up(&regular).await.len(), 23);
    let fresh = Client::new(&[key(1)]).await;
    fresh
        .process(Some(regular.snapshot(&key(1)).unwrap()), &[])
        .await
        .unwrap();
    fresh.agrees(&regular).await;
}

#[tokio::test]
async fn a_patch_on_an_old_version_conflicts_and_succeeds_when_rebuilt() {
    let mut regular = shop(5);
    let client = Client::new(&[key(1)]).await;
    client.catch_up(&regular).await;
    let change = [labels::chat("1", "0@lid", false, 1)];
    let (patch, base) = client.write(&key(1), &change).await;
    regular
        .commit(&key(1), &[labels::chat("1", "1@lid", false, 1)], &mut rng())
        .unwrap();
    let before = *regular.hash();
    assert_eq!(
        regular.accept(&[key(1)], base, &patch).unwrap_err(),
        Rejected::Conflict
    );
    assert_eq!(
        regular.accept(&[key(1)], base + 9, &patch).unwrap_err(),
        Rejected::Conflict
    );
    assert_eq!(regular.hash(), &before);
    client.catch_up(&regular).await;
    let (patch, base) = client.write(&key(1), &change).await;
    regular.accept(&[key(1)], base, &patch).unwrap();
    client.catch_up(&regular).await;
}

#[tokio::test]
async fn nothing_forged_is_accepted_and_nothing_changes() {
    let mut regular = shop(5);
    let client = Client::new(&[key(1)]).await;
    client.catch_up(&regular).await;
    let change = [labels::chat("1", "0@lid", false, 1)];
    let (good, base) = client.write(&key(1), &change).await;
    let good = wa::SyncdPatch::decode_from_slice(&good).unwrap();
    type Forge = fn(&mut wa::SyncdPatch);
    let forgeries: [(&str, Forge); 9] = [
        (
            "the snapshot MAC is wrong: the sender's LT-hash is not ours",
            |patch| flip(&mut patch.snapshot_mac),
        ),
        (
            "the snapshot MAC is wrong: the sender's LT-hash is not ours",
            |patch| patch.snapshot_mac = None,
        ),
        ("the patch MAC is wrong", |patch| flip(&mut patch.patch_mac)),
        ("the patch MAC is wrong", |patch| patch.patch_mac = None),
        ("mutation 0: the value MAC is wrong", |patch| {
            patch.mutations[0]
                .record
                .modify(|record| record.value.modify(|value| flip(&mut value.blob)));
        }),
        ("mutation 0: the value MAC is wrong", |patch| {
            patch.mutations[0].operation = Some(Op::Remove.wire().into());
        }),
        ("mutation 0: the index MAC is wrong", |patch| {
            patch.mutations[0]
                .record
                .modify(|record| record.index.modify(|index| flip(&mut index.blob)));
        }),
        ("mutation 1: its index occurs twice in the patch", |patch| {
            patch.mutations.push(patch.mutations[0].clone());
        }),
        ("it names a key the account does not have", |patch| {
            patch.key_id = key_id_field(&[1])
        }),
    ];
    let (version, hash) = (regular.version(), *regular.hash());
    for (why, forge) in forgeries {
        let mut forged = good.clone();
        forge(&mut forged);
        let rejected = regular
            .accept(&[key(1)], base, &forged.encode_to_vec())
            .unwrap_err();
        assert_eq!(rejected, Rejected::Invalid(why.to_owned()));
        assert_eq!((regular.version(), *regular.hash()), (version, hash));
    }
    assert!(matches!(
        regular.accept(&[key(1)], base, b"\x0a\xff"),
        Err(Rejected::Invalid(_))
    ));
    assert!(matches!(
        regular.accept(&[key(1)], base, b""),
        Err(Rejected::Invalid(_))
    ));
    // A client whose store lost a record computes another hash.
    let mac = encrypt(
        Op::Set,
        &change[0],
        &index_json(&change[0].index),
        &key(1),
        &mut rng(),
    )
    .1
    .mac;
    client
        .backend
        .delete_mutation_macs("regular", &[mac.0.to_vec()])
        .await
        .unwrap();
    let (lost, base) = client.write(&key(1), &change).await;
    assert!(matches!(
        regular.accept(&[key(1)], base, &lost),
        Err(Rejected::Invalid(_))
    ));
    regular
        .accept(&[key(1)], base, &good.encode_to_vec())
        .unwrap();
}

#[tokio::test]
async fn the_two_mac_faults_do_what_they_say() {
    let regular = shop(5);
    let patch = regular.patch(1).unwrap().clone();
    let client = Client::new(&[key(1)]).await;
    client
        .process(None, &[regular.with_wrong_snapshot_mac(&patch)])
        .await
        .unwrap();
    assert!(
        client.state().await.mac_mismatch_fatal,
        "authentic, but of another state"
    );
    assert_eq!(client.state().await.version, 1);
    let client = Client::new(&[key(1)]).await;
    assert!(
        client
            .process(None, &[regular.with_wrong_patch_mac(&patch)])
            .await
            .is_err()
    );
    assert_eq!(client.state().await.version, 0);
    client.catch_up(&regular).await;
    assert_eq!(regular.patch(1), Some(&patch));
    assert_eq!((regular.patch(0), regular.patch(2)), (None, None));
}

#[tokio::test]
async fn a_rotated_key_moves_a_record_when_it_is_next_written() {
    let mut regular = shop(3);
    let client = Client::new(&[key(1), key(2)]).await;
    client.catch_up(&regular).await;
    let change = labels::chat("1", "1@lid", false, 1);
    regular
        .commit(&key(2), std::slice::from_ref(&change), &mut rng())
        .unwrap();
    assert_eq!(client.catch_up(&regular).await.len(), 2);
    assert_eq!(regular.len(), 3);
    assert_eq!(
        regular.get(&change.index).map(Record::key_id),
        Some(&*key(2).id)
    );
    let gone = Change {
        op: Op::Remove,
        ..labels::chat("1", "2@lid", false, 1)
    };
    regular.commit(&key(2), &[gone], &mut rng()).unwrap();
    client.catch_up(&regular).await;
    let fresh = Client::new(&[key(1), key(2)]).await;
    let read = fresh
        .process(Some(regular.snapshot(&key(2)).unwrap()), &[])
        .await
        .unwrap();
    assert_eq!(read.len(), 2);
    fresh.agrees(&regular).await;
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut regular = shop(1);
    let commit =
        |regular: &mut Collection, changes: &[Change]| regular.commit(&key(1), changes, &mut rng());
    assert_eq!(commit(&mut regular, &[]), Err(Error::Empty));
    let none = Change {
        index: Vec::new(),
        ..labels::order(&[1], 1)
    };
    assert_eq!(commit(&mut regular, &[none]), Err(Error::NoIndex));
    let gone = Change {
        op: Op::Remove,
        ..labels::chat("1", "x@lid", false, 1)
    };
    assert!(matches!(
        commit(&mut regular, &[gone]),
        Err(Error::NotFound(_))
    ));
    assert_eq!(regular.version(), 1);
    let twice = [
        labels::chat("1", "x@lid", true, 1),
        labels::chat("1", "x@lid", false, 2),
    ];
    assert_eq!(commit(&mut regular, &twice), Ok(2));
    let last = regular.get(&twice[1].index).map(Record::action);
    assert_eq!(last.as_ref(), Some(&twice[1].action));
}

#[test]
fn records_of_a_kind_are_not_those_of_a_longer_named_one() {
    let mut regular = shop(2);
    let other = Change {
        index: vec!["label_jid_x".into(), "1".into()],
        ..labels::order(&[1], 1)
    };
    let alone = Change {
        index: vec!["label_jid".into()],
        ..labels::order(&[1], 1)
    };
    regular
        .commit(&key(1), &[other, alone, labels::order(&[1], 1)], &mut rng())
        .unwrap();
    assert_eq!(regular.records_of("label_jid").count(), 3);
    assert_eq!(regular.records_of("label_reordering").count(), 1);
    assert_eq!(regular.records_of("label").count(), 0);
    assert_eq!(regular.records().count(), 5);
}

#[test]
fn a_change_costs_the_logarithm_of_the_number_of_records() {
    let cost = |count: usize| {
        let mut regular = shop(count);
        let _ = regular.snapshot(&key(1)).unwrap();
        let steps = |regular: &mut Collection, change: Change| {
            steps_of(|| {
                regular.commit(&key(1), &[change], &mut rng()).unwrap();
            })
        };
        steps(&mut regular, labels::chat("1", "new@lid", true, 1))
            + steps(&mut regular, labels::chat("1", "0@lid", false, 1))
            + steps(
                &mut regular,
                Change {
                    op: Op::Remove,
                    ..labels::chat("1", "0@lid", false, 1)
                },
            )
    };
    let (small, large) = (cost(100), cost(20_000));
    assert!(small >= 3, "the counter works");
    // 200 times the records; a B-tree gets two or three levels deeper, at most 11 comparisons each.
    assert!(
        large < small + 3 * 11 * 9,
        "{small} steps with 100 records, {large} with 20,000"
    );
}
