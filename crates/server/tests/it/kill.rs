//! `kill -9` at random moments: whatever was going on, the next start makes the
//! mirror equal to WhatsApp, and a write is still accepted, which proves that the
//! LT-hash base survived.

mod commands;

use std::time::Duration;

use labelwire_sim::labels;
use labelwire_store::testing::TestDb;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::process::{Gateway, Town};

const KILLS: u32 = 20;

async fn killed_during_first_syncs(db: impl AsyncFn() -> TestDb) {
    let town = Town::new(4_000, 12, 10_000).await;
    let mut rng = StdRng::seed_from_u64(1);
    // One without a kill, to know how long there is to kill in.
    let test_db = db().await;
    let gateway = Gateway::start(&town, &test_db).await;
    let qr = gateway.offer().await;
    town.scan(&qr).await;
    gateway.paired().await;
    let began = std::time::Instant::now();
    gateway.synced().await;
    let lasts = u64::try_from(began.elapsed().as_millis()).unwrap().max(50);
    gateway.kill().await;
    test_db.remove().await.unwrap();

    for round in 0..KILLS {
        let test_db = db().await;
        let gateway = Gateway::start(&town, &test_db).await;
        let qr = gateway.offer().await;
        town.scan(&qr).await;
        gateway.paired().await;
        let moment = rng.random_range(0..=lasts * 12 / 10);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        gateway.kill().await;

        let gateway = Gateway::start(&town, &test_db).await;
        gateway.connected().await;
        gateway.synced().await;
        town.agrees(
            &gateway,
            &format!("round {round}, killed after {moment} of {lasts} ms"),
        )
        .await;
        town.takes_a_write_of(&gateway, round).await;
        gateway.kill().await;
        test_db.remove().await.unwrap();
    }
    town.stop().await;
}

async fn killed_during_a_storm(test_db: TestDb) {
    const CHANGES: u32 = 2_000;
    let town = Town::new(300, 8, 500).await;
    let mut rng = StdRng::seed_from_u64(2);
    let mut gateway = Gateway::start(&town, &test_db).await;
    let qr = gateway.offer().await;
    town.scan(&qr).await;
    gateway.connected().await;
    gateway.synced().await;
    for round in 0..KILLS {
        let storm = {
            let world = town.world().clone();
            let phone = town.phone();
            let changes: Vec<_> = (0..CHANGES / KILLS)
                .map(|_| {
                    let label = rng.random_range(1..=8u32).to_string();
                    let chat = format!("55117{:08}@s.whatsapp.net", rng.random_range(0..200u32));
                    labels::chat(&label, &chat, rng.random_bool(0.6), 1_700_000_000_000)
                })
                .collect();
            tokio::spawn(async move {
                for change in changes {
                    world.change(phone, vec![change]).unwrap();
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            })
        };
        let moment = rng.random_range(0..400);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        gateway.kill().await;
        storm.await.unwrap();
        gateway = Gateway::start(&town, &test_db).await;
        gateway.connected().await;
        town.agrees(
            &gateway,
            &format!("round {round}, killed after {moment} ms"),
        )
        .await;
        town.takes_a_write_of(&gateway, round).await;
    }
    gateway.kill().await;
    town.stop().await;
    test_db.remove().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_first_syncs_are_killed_on_sqlite() {
    killed_during_first_syncs(async || TestDb::sqlite().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn twenty_first_syncs_are_killed_on_postgres() {
    killed_during_first_syncs(async || TestDb::postgres().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_is_killed_twenty_times_on_sqlite() {
    killed_during_a_storm(TestDb::sqlite().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn a_storm_is_killed_twenty_times_on_postgres() {
    killed_during_a_storm(TestDb::postgres().await.unwrap()).await;
}
