//! Writes in bad weather: whatever is answered is true.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use labelwire_app::Error;
use labelwire_domain::token::Scope;
use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_store::commands;
use labelwire_store::testing::TestDb;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::both;
use super::gateway::{INSTANCE, PHONE, Town, eventually};

const WRITERS: usize = 16;
const WRITES: usize = 2_000;
/// Each costs the library a pause that grows (1, 1, 2, 3, 5 s…).
const DROPS: usize = 5;

/// What the answers said.
#[derive(Debug, Default)]
struct Tally {
    done: AtomicUsize,
    failed: AtomicUsize,
    pending: AtomicUsize,
}

fn holds(town: &Town, chat: &str, label: &str) -> bool {
    town.world()
        .with_account(PHONE, |a| {
            a.truth()
                .associations
                .iter()
                .any(|t| t.label_id == label && t.chat_jid == chat)
        })
        .unwrap()
}

/// Puts a fault in force now and then, until told to stop; the last one away.
async fn weather(town: &Town, stop: &AtomicBool) {
    let mut rng = StdRng::seed_from_u64(11);
    let mut drops = 0;
    let add = |fault| {
        town.world()
            .with_account(PHONE, |a| a.faults.add(fault))
            .unwrap();
    };
    let mut turn = tokio::time::interval(Duration::from_millis(150));
    while !stop.load(Ordering::Relaxed) {
        turn.tick().await;
        match rng.random_range(0..8) {
            0 | 1 => add(Fault::new(FaultKind::Status).code(409).times(8)),
            2 => add(Fault::new(FaultKind::Status).code(503).times(2)),
            3 => add(Fault::new(FaultKind::Status).code(400).times(1)),
            4 => add(Fault::new(FaultKind::Delay).ms(120).times(3)),
            5 if drops < DROPS => {
                drops += 1;
                add(Fault::new(FaultKind::DropBeforeApply).times(1));
            }
            6 if drops < DROPS => {
                drops += 1;
                add(Fault::new(FaultKind::DropAfterApply).times(1));
            }
            _ => {
                // The phone itself is busy too: true conflicts.
                let chat = format!("55119777{:05}@s.whatsapp.net", rng.random_range(0..50));
                let on = rng.random_bool(0.5);
                town.change(vec![labelwire_sim::labels::chat("3", &chat, on, 1)]);
            }
        }
    }
    town.world()
        .with_account(PHONE, |a| a.faults.remove(None))
        .unwrap();
}

both!(every_answer_in_a_storm_is_true, async |db: TestDb| {
    let town = Arc::new(Town::new(db, 40, 4, 60).await);
    let gateway = Arc::new(town.paired(true).await);
    let tally = Arc::new(Tally::default());
    let stop = AtomicBool::new(false);
    let writers = async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (town, gateway, tally) =
                (Arc::clone(&town), Arc::clone(&gateway), Arc::clone(&tally));
            writers.spawn(async move {
                let mut rng = StdRng::seed_from_u64(writer as u64);
                for _ in 0..WRITES / WRITERS {
                    // Chats of its own: nobody else changes what it looks at.
                    let chat = format!(
                        "5511{writer:02}6666{:03}@s.whatsapp.net",
                        rng.random_range(0..6)
                    );
                    let label = ["1", "2"][rng.random_range(0..2)];
                    let on = rng.random_bool(0.6);
                    let before = holds(&town, &chat, label);
                    let answer = gateway
                        .app
                        .set_chat_label(&gateway.caller, INSTANCE, label, &chat, on)
                        .await;
                    let now = holds(&town, &chat, label);
                    match answer {
                        Ok(_) => {
                            tally.done.fetch_add(1, Ordering::Relaxed);
                            assert_eq!(now, on, "success is in the truth");
                        }
                        Err(Error::Pending(id)) => {
                            tally.pending.fetch_add(1, Ordering::Relaxed);
                            let found = async || {
                                gateway
                                    .app
                                    .command(&gateway.caller, INSTANCE, &id)
                                    .await
                                    .unwrap()
                                    .state
                            };
                            eventually("settled", Duration::from_secs(120), async || {
                                found().await != "pending"
                            })
                            .await;
                            let settled = holds(&town, &chat, label);
                            let expected = if found().await == "done" { on } else { before };
                            assert_eq!(settled, expected, "a settled command tells the truth");
                        }
                        Err(error) => {
                            tally.failed.fetch_add(1, Ordering::Relaxed);
                            assert_eq!(now, before, "failure changed nothing: {error}");
                            if matches!(error, Error::NotConnected(_)) {
                                gateway.connected().await;
                            }
                        }
                    }
                }
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(writers, weather(&town, &stop));
    gateway.connected().await;
    town.agrees(&gateway, Duration::from_secs(30)).await;
    let handle = gateway
        .app
        .instance(&gateway.caller, Scope::Read, INSTANCE)
        .unwrap();
    let mut reader = gateway.db.reader().await.unwrap();
    let open = commands::pending(reader.conn(), handle.key).await.unwrap();
    assert!(open.is_empty(), "{open:?}");
    drop(reader);
    drop(handle);
    assert!(tally.done.load(Ordering::Relaxed) > WRITES / 2, "{tally:?}");
    let gateway = Arc::into_inner(gateway).unwrap();
    Arc::into_inner(town).unwrap().close(gateway).await;
});
