//! Random histories, read by clients and compared with a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use waproto::whatsapp as wa;

use super::{Change, Client, Collection, Op, encrypt, index_json, key, labels, rng};

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<(u8, u8, bool)>),
    Remove(u8, u8),
    ClientSet(Vec<(u8, u8, bool)>),
    Rotate,
    Snapshot,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pairs = || proptest::collection::vec((0u8..4, 0u8..6, any::<bool>()), 1..5);
    let step = prop_oneof![
        4 => pairs().prop_map(Step::Set),
        2 => (0u8..4, 0u8..6).prop_map(|(label, chat)| Step::Remove(label, chat)),
        3 => pairs().prop_map(Step::ClientSet),
        1 => Just(Step::Rotate),
        1 => Just(Step::Snapshot),
    ];
    proptest::collection::vec(step, 1..25)
}

fn pair((label, chat, labeled): (u8, u8, bool)) -> Change {
    labels::chat(
        &label.to_string(),
        &format!("{chat}@lid"),
        labeled,
        i64::from(chat),
    )
}

async fn run(steps: Vec<Step>) {
    let keys: Vec<_> = (1..=30).map(key).collect();
    let mut newest = 0;
    let mut rng = rng();
    let mut regular = Collection::new("regular");
    let mut model: BTreeMap<Vec<String>, wa::SyncActionValue> = BTreeMap::new();
    let follower = Client::new(&keys).await;
    for step in steps {
        // A client writes with the newest key it has; like the phone, it has them one by one.
        let writer = Client::new(&keys[..=newest]).await;
        match step {
            Step::Set(pairs) => {
                let changes: Vec<_> = pairs.into_iter().map(pair).collect();
                regular.commit(&keys[newest], &changes, &mut rng).unwrap();
                model.extend(
                    changes
                        .into_iter()
                        .map(|change| (change.index, change.action)),
                );
            }
            Step::Remove(label, chat) => {
                let change = Change {
                    op: Op::Remove,
                    ..pair((label, chat, false))
                };
                let done = regular.commit(&keys[newest], std::slice::from_ref(&change), &mut rng);
                assert_eq!(done.is_ok(), model.remove(&change.index).is_some());
            }
            Step::ClientSet(pairs) => {
                writer.catch_up(&regular).await;
                let unique: BTreeMap<_, _> = pairs
                    .into_iter()
                    .map(pair)
                    .map(|change| (change.index.clone(), change))
                    .collect();
                // A client that finds a record under an older key moves it as the phone does.
                let mut mutations = Vec::new();
                for change in unique.values() {
                    let json = index_json(&change.index);
                    let old = regular
                        .get(&change.index)
                        .map(|record| record.key_id().to_vec());
                    if let Some(old) = old.filter(|old| *old != keys[newest].id) {
                        let old = keys.iter().find(|key| key.id == old).unwrap();
                        mutations.push(encrypt(Op::Remove, change, &json, old, &mut rng).0);
                    }
                    mutations.push(encrypt(Op::Set, change, &json, &keys[newest], &mut rng).0);
                }
                let (patch, base) = writer
                    .processor
                    .build_patch("regular", mutations)
                    .await
                    .unwrap();
                regular.accept(&keys, base, &patch).unwrap();
                model.extend(
                    unique
                        .into_values()
                        .map(|change| (change.index, change.action)),
                );
            }
            Step::Rotate => newest = (newest + 1).min(keys.len() - 1),
            Step::Snapshot => {
                let fresh = Client::new(&keys).await;
                let snapshot = regular.snapshot(&keys[newest]).unwrap();
                if regular.version() > 0 {
                    let read = fresh.process(Some(snapshot), &[]).await.unwrap();
                    fresh.agrees(&regular).await;
                    let read: BTreeMap<_, _> = read
                        .into_iter()
                        .map(|(_, index, action)| (index, action))
                        .collect();
                    assert_eq!(read, model);
                }
            }
        }
        follower.catch_up(&regular).await;
        let kept: BTreeMap<_, _> = regular
            .records()
            .map(|record| (record.index(), record.action()))
            .collect();
        assert_eq!(kept, model);
    }
    // A restart replays the patches through the same verification.
    let mut restored = Collection::new("regular");
    for patch in regular.patches_after(0, usize::MAX).patches {
        restored.accept(&keys, restored.version(), &patch).unwrap();
    }
    assert_eq!(restored.hash(), regular.hash());
    assert_eq!(restored.snapshot(&keys[0]), regular.snapshot(&keys[0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_reads_the_same_for_every_client(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}
