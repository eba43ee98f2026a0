//! A thousand writes in the words of all dialects, while the phone and another
//! linked device change labels too: whatever was answered with success is on the
//! phone at that moment, and in the end every reader sees what the phone holds.

mod lane;
mod others;
mod truth;

use std::collections::BTreeMap;
use std::sync::Arc;

use labelwire_store::testing::TestDb;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use tokio::sync::watch;

use crate::process::{Gateway, Town};
use crate::witness::Witness;
use lane::Lane;
use others::Others;
use truth::{Chat, agrees, truth_of, witnessed};

/// Labels that are never deleted: chats of other lanes may carry them.
const KEPT: [&str; 4] = ["1", "2", "3", "4"];
/// The phone itself renames and recolours this one.
const PHONES_OWN: &str = "5";

async fn thousand_writes(db: TestDb, with_baileys: bool) {
    const WRITES: u32 = 1_000;
    let town = Arc::new(Town::new(60, 8, 100).await);
    let gateway = Arc::new(Gateway::start(&town, &db).await);
    gateway.pair(&town).await;
    let other_db = TestDb::sqlite().unwrap();
    let second = Arc::new(Gateway::start(&town, &other_db).await);
    second.pair(&town).await;
    let baileys = match with_baileys {
        true => Some(Witness::start(&town).await),
        false => None,
    };
    agrees(&town, &gateway, "before").await;

    let known = truth_of(&town).chats;
    let mut chats: Vec<Chat> = known
        .iter()
        .map(|c| Chat::new(&c.jid, c.lid.as_deref()))
        .collect();
    // Nobody has written with these yet.
    chats.extend((0..12).map(|n| Chat::new(&format!("5511700000{n:03}@s.whatsapp.net"), None)));
    let mut rng = StdRng::seed_from_u64(11);
    chats.shuffle(&mut rng);
    let mut hands = chats.chunks(12).map(<[Chat]>::to_vec);
    let done = Arc::new(watch::Sender::new(0));
    let others = Others {
        town: Arc::clone(&town),
        second: Arc::clone(&second),
        rng: StdRng::seed_from_u64(12),
        phones: hands.next().unwrap(),
        seconds: hands.next().unwrap(),
    };
    let of_baileys = hands.next().unwrap();
    let others = tokio::spawn(others.run(done.subscribe(), WRITES));
    let mut lanes = tokio::task::JoinSet::new();
    for (n, writes) in [WRITES / 2, WRITES / 4, WRITES / 4].into_iter().enumerate() {
        let lane = Lane {
            town: Arc::clone(&town),
            gateway: Arc::clone(&gateway),
            rng: StdRng::seed_from_u64(20 + n as u64),
            chats: hands.next().unwrap(),
            labels_too: n == 0,
            made: 0,
            done: Arc::clone(&done),
            calls: BTreeMap::new(),
        };
        lanes.spawn(lane.run(writes));
    }
    let mut calls: BTreeMap<String, u32> = BTreeMap::new();
    while let Some(lane) = lanes.join_next().await {
        for (call, times) in lane.unwrap() {
            *calls.entry(call).or_default() += times;
        }
    }
    assert_eq!(calls.values().sum::<u32>(), WRITES);
    // Every write that each dialect has was among them: native, RyzeAPI, Wawp, WAHA, Evolution.
    assert_eq!(calls.len(), 8 + 3 + 5 + 4 + 1, "{calls:?}");
    others.await.unwrap();

    agrees(&town, &gateway, "after").await;
    agrees(&town, &second, "the second device").await;
    if let Some(mut baileys) = baileys {
        witnessed(&town, &baileys).await;
        // It takes a conflict for success and reads nothing right afterwards, so it
        // writes when nobody else does.
        for chat in &of_baileys {
            let key = chat.keys.choose(&mut rng).unwrap();
            let label = *KEPT.choose(&mut rng).unwrap();
            let on = !chat.held(&truth_of(&town)).contains(label);
            baileys.link(key, label, on).await;
        }
        agrees(&town, &gateway, "after Baileys").await;
        witnessed(&town, &baileys).await;
    }
    for gateway in [gateway, second] {
        Arc::into_inner(gateway).unwrap().kill().await;
    }
    Arc::into_inner(town).unwrap().stop().await;
    db.remove().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mixed_writes_are_true_on_sqlite() {
    thousand_writes(TestDb::sqlite().unwrap(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn a_thousand_mixed_writes_are_true_on_postgres() {
    thousand_writes(TestDb::postgres().await.unwrap(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm ci in crates/sim/tests/baileys; run by make test"]
async fn a_thousand_mixed_writes_are_seen_by_baileys() {
    thousand_writes(TestDb::sqlite().unwrap(), true).await;
}
