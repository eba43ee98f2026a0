//! Ten thousand changes by the phone, another linked device and every dialect, ten
//! kills in between: history tells how it was at any moment, and every webhook was
//! told of everything once, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use labelwire_sim::labels;
use labelwire_store::testing::TestDb;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::dialect::{Dialect, Pair, Write};
use crate::process::{Gateway, Town};
use crate::receiver::{Hit, Receiver, Reply};

const PATIENCE: Duration = Duration::from_secs(120);
const STEPS: u32 = 100;
const CHANGES: u32 = 100;
const KILLS: u32 = 10;
const LABELS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

/// What was so at a place in the log.
struct Moment {
    seq: i64,
    pairs: BTreeSet<Pair>,
    labels: BTreeSet<crate::dialect::Label>,
}

async fn ask(gateway: &Gateway, path: &str) -> Value {
    let (status, answer) = gateway.send(Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// The place of the last row.
async fn end(gateway: &Gateway) -> i64 {
    let path = "/v1/instances/shop/events?order=desc&limit=1";
    ask(gateway, path).await["events"][0]["seq"]
        .as_i64()
        .unwrap()
}

/// Chats and labels as they were at a place in the log.
async fn as_of(gateway: &Gateway, seq: i64) -> BTreeSet<Pair> {
    let path = format!("/v1/instances/shop/chats?as_of={seq}&names=false");
    let answer = ask(gateway, &path).await;
    let chats = answer["chats"].as_array().unwrap();
    chats
        .iter()
        .flat_map(|chat| {
            let jid = chat["chat"].as_str().unwrap();
            let labels = chat["labels"].as_array().unwrap();
            labels
                .iter()
                .map(move |l| (jid.to_owned(), l["id"].as_str().unwrap().to_owned()))
        })
        .collect()
}

/// One change through the API, in the words of a dialect that has it.
async fn write(gateway: &Gateway, rng: &mut StdRng, chats: &[String]) {
    let label = (*LABELS.choose(rng).unwrap()).to_owned();
    let chat = chats.choose(rng).unwrap().clone();
    let write = match rng.random_range(0..10) {
        0..7 => Write::Link {
            label,
            chat,
            on: rng.random_bool(0.55),
        },
        7..9 => {
            let count = rng.random_range(0..=3);
            let labels = LABELS.sample(rng, count).map(|l| (*l).to_owned());
            Write::Set {
                chat,
                labels: labels.collect(),
            }
        }
        _ => Write::Edit {
            id: label.clone(),
            name: Some(format!("Nome {label} {}", rng.random_range(0..1_000_000))),
            color: Some(rng.random_range(0..20)),
            known: String::new(),
        },
    };
    let can: Vec<Dialect> = Dialect::ALL
        .into_iter()
        .filter(|d| d.knows(&write))
        .collect();
    can.choose(rng).unwrap().write(gateway, &write).await;
}

/// What was accepted, each event once, in the order of its first arrival.
fn first_of_each(receiver: &Receiver) -> Vec<Hit> {
    let mut seen = BTreeSet::new();
    let mut hits = receiver.accepted();
    hits.retain(|hit| seen.insert(hit.id().to_owned()));
    hits
}

async fn ten_thousand_changes(db: TestDb) {
    let town = Town::new(120, 6, 150).await;
    let mut gateway = Gateway::start(&town, &db).await;
    gateway.pair(&town).await;
    let second_db = TestDb::sqlite().unwrap();
    let second = Gateway::start(&town, &second_db).await;
    second.pair(&town).await;
    town.agrees(&gateway, "before").await;

    let fails = |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        move |_: &Value| Reply::Status(if rng.random_bool(0.2) { 500 } else { 204 })
    };
    let receivers = [
        Receiver::start(fails(1)).await,
        Receiver::start(fails(2)).await,
        Receiver::start(|_| Reply::Status(200)).await,
    ];
    let filters = [
        json!([]),
        json!(["chat.labeled", "chat.unlabeled"]),
        json!([]),
    ];
    for (n, (receiver, events)) in receivers.iter().zip(&filters).enumerate() {
        let body = json!({
            "name": format!("receiver {n}"), "url": receiver.url, "events": events,
            "retries": { "policy": "constant", "delay_s": 1, "attempts": 100 },
        });
        let path = "/v1/instances/shop/webhooks";
        let (status, answer) = gateway.send(Method::POST, path, Some(body)).await;
        assert_eq!(status, 201, "{answer}");
    }
    let from = end(&gateway).await;

    let chats: Vec<String> = town
        .world()
        .with_account(town.phone(), |a| a.truth())
        .unwrap()
        .chats
        .into_iter()
        .map(|c| c.jid)
        .collect();
    let (ours, others) = chats.split_at(chats.len() / 2);
    let mut rng = StdRng::seed_from_u64(41);
    let mut moments = Vec::new();
    let mut kills = 0;
    let mut at = 1_770_000_000_000;
    for step in 0..STEPS {
        // Of a hundred: sixty by the phone, thirty by calls, ten by another device.
        let phone = async {
            let mut rng = StdRng::seed_from_u64(u64::from(step) + 500);
            for _ in 0..CHANGES * 6 / 10 {
                at += 1;
                let chat = others.choose(&mut rng).unwrap();
                let label = *LABELS.choose(&mut rng).unwrap();
                let change = labels::chat(label, chat, rng.random_bool(0.55), at);
                town.world().change(town.phone(), vec![change]).unwrap();
                tokio::task::yield_now().await;
            }
        };
        let calls = async {
            let mut rng = StdRng::seed_from_u64(u64::from(step) + 1_500);
            for _ in 0..CHANGES * 3 / 10 {
                write(&gateway, &mut rng, ours).await;
            }
        };
        let device = async {
            let mut rng = StdRng::seed_from_u64(u64::from(step) + 2_500);
            for _ in 0..CHANGES / 10 {
                let link = Write::Link {
                    label: (*LABELS.choose(&mut rng).unwrap()).to_owned(),
                    chat: others.choose(&mut rng).unwrap().clone(),
                    on: rng.random_bool(0.55),
                };
                Dialect::Native.write(&second, &link).await;
            }
        };
        tokio::join!(phone, calls, device);
        town.agrees(&gateway, &format!("step {step}")).await;
        moments.push(Moment {
            seq: end(&gateway).await,
            pairs: town.truth(),
            labels: Dialect::Native.labels(&gateway).await,
        });
        if step % (STEPS / KILLS) == STEPS / KILLS / 2 {
            kills += 1;
            // In the middle of changes, and of deliveries.
            let chat = others.choose(&mut rng).unwrap();
            at += 1;
            let change = labels::chat("1", chat, rng.random_bool(0.5), at);
            town.world().change(town.phone(), vec![change]).unwrap();
            gateway.kill().await;
            gateway = Gateway::start(&town, &db).await;
            gateway.connected().await;
            town.agrees(&gateway, &format!("killed at step {step}"))
                .await;
        }
    }
    assert_eq!(kills, KILLS);

    // How it was at every hundredth change, asked for now.
    let numbers = town.numbers();
    for moment in &moments {
        let number = |(jid, label)| (numbers.get(&jid).cloned().unwrap_or(jid), label);
        let then: BTreeSet<Pair> = as_of(&gateway, moment.seq)
            .await
            .into_iter()
            .map(number)
            .collect();
        assert_eq!(then, moment.pairs, "as of {}", moment.seq);
        let path = format!("/v1/instances/shop/labels?as_of={}", moment.seq);
        let answer = ask(&gateway, &path).await;
        let labels: BTreeSet<crate::dialect::Label> = answer["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| {
                let text = |key: &str| l[key].as_str().unwrap().to_owned();
                let color = i32::try_from(l["color"].as_i64().unwrap()).unwrap();
                (text("id"), text("name"), color)
            })
            .collect();
        assert_eq!(labels, moment.labels, "as of {}", moment.seq);
    }

    // What history holds is what each receiver was told.
    let history = ask(&gateway, "/v1/instances/shop/events").await;
    let mut expected: BTreeMap<i64, Value> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["seq"].as_i64().unwrap(), e.clone()))
        .collect();
    let expected = expected.split_off(&(from + 1));
    assert!(expected.len() > 5_000, "{} rows", expected.len());
    for (receiver, events) in receivers.iter().zip(&filters) {
        let events: BTreeSet<&str> = events
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let wanted: BTreeMap<&str, &Value> = expected
            .values()
            .filter(|e| events.is_empty() || events.contains(e["type"].as_str().unwrap()))
            .map(|e| (e["id"].as_str().unwrap(), e))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        let first = loop {
            let first = first_of_each(receiver);
            if first.len() >= wanted.len() {
                break first;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {} arrived",
                first.len(),
                wanted.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        // Told twice is only what had arrived when the gateway was killed before it
        // could write that down: what was in flight then.
        let twice = receiver.accepted().len() - first.len();
        assert!(
            twice <= usize::try_from(KILLS * 8).unwrap(),
            "{twice} twice"
        );
        let ids: BTreeSet<&str> = first.iter().map(Hit::id).collect();
        assert_eq!(ids, wanted.keys().copied().collect());
        let mut last: BTreeMap<String, i64> = BTreeMap::new();
        for hit in &first {
            let event = wanted[hit.id()];
            assert_eq!(&hit.body["data"], event);
            let Some(chat) = event["chat"]["jid"].as_str() else {
                continue;
            };
            let seq = event["seq"].as_i64();
            let before = last.insert(chat.to_owned(), seq.unwrap());
            assert!(before < seq, "{chat}: {before:?} before {seq:?}");
        }
    }
    for gateway in [gateway, second] {
        gateway.kill().await;
    }
    town.stop().await;
    db.remove().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_changes_are_told_once_and_remembered_on_sqlite() {
    ten_thousand_changes(TestDb::sqlite().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn ten_thousand_changes_are_told_once_and_remembered_on_postgres() {
    ten_thousand_changes(TestDb::postgres().await.unwrap()).await;
}
