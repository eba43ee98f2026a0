//! Webhooks of a gateway in a process of its own: what receivers get, whatever they
//! answer and whatever happens to the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use labelwire_sim::labels;
use labelwire_store::testing::TestDb;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::process::{Gateway, Town};
use crate::receiver::{Hit, Receiver, Reply};

const PATIENCE: Duration = Duration::from_secs(60);
const HOOKS: &str = "/v1/instances/shop/webhooks";

/// A webhook on label changes of chats.
struct Hook {
    id: String,
    secret: String,
}

impl Hook {
    async fn make(gateway: &Gateway, name: &str, url: &str, retries: Value) -> Self {
        let body = json!({
            "name": name, "url": url, "retries": retries,
            "events": ["chat.labeled", "chat.unlabeled"],
        });
        let (status, answer) = gateway.send(Method::POST, HOOKS, Some(body)).await;
        assert_eq!(status, 201, "{answer}");
        Self {
            id: answer["webhook"]["id"].as_str().unwrap().to_owned(),
            secret: answer["secret"].as_str().unwrap().to_owned(),
        }
    }

    fn path(&self) -> String {
        format!("{HOOKS}/{}", self.id)
    }

    async fn call(
        &self,
        gateway: &Gateway,
        method: Method,
        rest: &str,
        body: Option<Value>,
    ) -> Value {
        let path = format!("{}{rest}", self.path());
        let (status, answer) = gateway.send(method, &path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    async fn get(&self, gateway: &Gateway, rest: &str) -> Value {
        self.call(gateway, Method::GET, rest, None).await
    }

    /// Waits until the webhook stands so.
    async fn until(&self, gateway: &Gateway, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(gateway, "").await;
            if is(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{what}: {answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn every(delay_s: u32, attempts: u32) -> Value {
    json!({ "policy": "constant", "delay_s": delay_s, "attempts": attempts })
}

type Stories = BTreeMap<String, Vec<(String, bool)>>;

/// Labels put on chats and taken off, each of them a change.
struct Changes {
    rng: StdRng,
    chats: u32,
    on: BTreeSet<(String, String)>,
    /// What happened to each chat.
    stories: Stories,
    count: usize,
}

impl Changes {
    fn new(seed: u64, chats: u32) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            chats,
            on: BTreeSet::new(),
            stories: BTreeMap::new(),
            count: 0,
        }
    }

    fn make(&mut self, town: &Town, count: usize) {
        for _ in 0..count {
            let label = self.rng.random_range(1..=4u32).to_string();
            let n = self.rng.random_range(0..self.chats);
            let chat = format!("55118{n:08}@s.whatsapp.net");
            let pair = (chat.clone(), label.clone());
            let on = !self.on.remove(&pair);
            if on {
                self.on.insert(pair);
            }
            let change = labels::chat(&label, &chat, on, 1_700_000_000_000);
            town.world().change(town.phone(), vec![change]).unwrap();
            self.stories.entry(chat).or_default().push((label, on));
            self.count += 1;
        }
    }

    /// That a receiver accepted every change once, a chat's in their order.
    fn are_told_by(&self, receiver: &Receiver) {
        let mut told = Stories::new();
        let mut ids = BTreeSet::new();
        for hit in receiver.accepted() {
            if ids.insert(hit.id().to_owned()) {
                let (chat, label, on) = hit.change().unwrap();
                told.entry(chat).or_default().push((label, on));
            }
        }
        assert_eq!(ids.len(), self.count);
        assert_eq!(told, self.stories);
    }
}

async fn paired(db: &TestDb) -> (Town, Gateway) {
    let town = Town::new(30, 6, 10).await;
    let gateway = Gateway::start(&town, db).await;
    gateway.pair(&town).await;
    (town, gateway)
}

#[tokio::test]
async fn a_receiver_that_fails_at_random_gets_every_change_once_and_a_chats_in_order() {
    let db = TestDb::sqlite().unwrap();
    let (town, gateway) = paired(&db).await;
    let mut dice = StdRng::seed_from_u64(5);
    let receiver =
        Receiver::start(move |_| Reply::Status(if dice.random_bool(0.2) { 500 } else { 204 }))
            .await;
    let hook = Hook::make(&gateway, "crm", &receiver.url, every(1, 30)).await;
    let mut changes = Changes::new(1, 40);
    changes.make(&town, 400);
    receiver.accepts(400).await;
    changes.are_told_by(&receiver);
    // Nothing is sent again that was accepted.
    assert_eq!(receiver.accepted().len(), 400);
    assert!(receiver.hits().len() > 420);
    // What failed comes again when it is due.
    let hits = receiver.hits();
    for (n, failed) in hits.iter().enumerate().filter(|(_, hit)| hit.status == 500) {
        let next = hits[n + 1..].iter().find(|hit| hit.id() == failed.id());
        let pause = next.unwrap().at - failed.at;
        assert!((1..4).contains(&pause.as_secs()), "{pause:?}");
    }
    let key = standardwebhooks::Webhook::new(&hook.secret).unwrap();
    for Hit { raw, headers, .. } in receiver.hits() {
        key.verify(raw.as_bytes(), &headers).unwrap();
    }
    hook.until(&gateway, "all arrived", |hook| {
        hook["deliveries"]["done"] == 400 && hook["deliveries"]["pending"] == 0
    })
    .await;
    let failed = receiver
        .hits()
        .iter()
        .find(|h| h.status == 500)
        .unwrap()
        .id()
        .to_owned();
    let listed = hook.get(&gateway, "/deliveries?limit=1000").await;
    let listed = listed["deliveries"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 400);
    let failed = listed
        .iter()
        .find(|d| d["event_id"] == failed.as_str())
        .unwrap();
    let story = hook
        .get(&gateway, &format!("/deliveries/{}", failed["id"]))
        .await;
    assert_eq!(story["attempts"][0]["status"], 500, "{story}");
    assert_eq!(story["attempts"][0]["answer"], "heard", "{story}");
    assert_eq!(story["delivery"]["state"], "done", "{story}");
    gateway.kill().await;
    town.stop().await;
}

async fn what_waits_survives_a_kill(db: TestDb) {
    let (town, mut gateway) = paired(&db).await;
    let receiver = Receiver::start(|_| Reply::Status(503)).await;
    Hook::make(&gateway, "crm", &receiver.url, every(1, 60)).await;
    let mut changes = Changes::new(2, 20);
    let mut dice = StdRng::seed_from_u64(6);
    for _ in 0..4 {
        changes.make(&town, 40);
        town.agrees(&gateway, "before the kill").await;
        gateway.kill().await;
        gateway = Gateway::start(&town, &db).await;
        gateway.connected().await;
        let mut dice = StdRng::seed_from_u64(dice.random());
        receiver.behaves(move |_| Reply::Status(if dice.random_bool(0.3) { 500 } else { 200 }));
    }
    receiver.accepts(changes.count).await;
    changes.are_told_by(&receiver);
    gateway.kill().await;
    town.stop().await;
    db.remove().await.unwrap();
}

#[tokio::test]
async fn what_waits_survives_kills_on_sqlite() {
    what_waits_survives_a_kill(TestDb::sqlite().unwrap()).await;
}

#[tokio::test]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn what_waits_survives_kills_on_postgres() {
    what_waits_survives_a_kill(TestDb::postgres().await.unwrap()).await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_switches_its_webhook_off() {
    let db = TestDb::sqlite().unwrap();
    let (town, gateway) = paired(&db).await;
    let receiver = Receiver::start(|_| Reply::Status(410)).await;
    let hook = Hook::make(&gateway, "crm", &receiver.url, every(1, 5)).await;
    let mut changes = Changes::new(3, 1);
    changes.make(&town, 1);
    let off = hook
        .until(&gateway, "off", |hook| hook["webhook"]["enabled"] == false)
        .await;
    assert_eq!(
        off["webhook"]["reason"], "the receiver answered 410 Gone",
        "{off}"
    );
    // What comes meanwhile is not for it.
    changes.make(&town, 2);
    town.agrees(&gateway, "while it is off").await;
    assert_eq!(receiver.hits().len(), 1);
    receiver.behaves(|_| Reply::Status(200));
    let on = hook
        .call(
            &gateway,
            Method::PATCH,
            "",
            Some(json!({ "enabled": true })),
        )
        .await;
    assert_eq!(on["reason"], Value::Null);
    let replayed = hook
        .call(&gateway, Method::POST, "/replay", Some(json!({})))
        .await;
    assert_eq!(replayed["replayed"], 1);
    receiver.accepts(1).await;
    let ids: BTreeSet<String> = receiver.hits().iter().map(|h| h.id().to_owned()).collect();
    assert_eq!(ids.len(), 1, "the same event");
    gateway.kill().await;
    town.stop().await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let db = TestDb::sqlite().unwrap();
    let (town, gateway) = paired(&db).await;
    let mut first = true;
    let receiver = Receiver::start(move |_| {
        if std::mem::take(&mut first) {
            Reply::Later(429, 3)
        } else {
            Reply::Status(200)
        }
    })
    .await;
    Hook::make(&gateway, "crm", &receiver.url, every(1, 5)).await;
    let mut changes = Changes::new(4, 1);
    changes.make(&town, 3);
    receiver.accepts(3).await;
    changes.are_told_by(&receiver);
    let hits = receiver.hits();
    let (refused, next) = (&hits[0], &hits[1]);
    assert_eq!((refused.status, hits.len()), (429, 4));
    assert_eq!(refused.id(), next.id());
    assert!(next.at - refused.at >= Duration::from_secs(3));
    gateway.kill().await;
    town.stop().await;
}

#[tokio::test]
async fn what_was_given_up_can_be_replayed_one_or_all() {
    let db = TestDb::sqlite().unwrap();
    let (town, gateway) = paired(&db).await;
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let hook = Hook::make(&gateway, "crm", &receiver.url, every(1, 1)).await;
    let mut changes = Changes::new(5, 3);
    changes.make(&town, 3);
    hook.until(&gateway, "given up", |h| h["deliveries"]["dead"] == 3)
        .await;
    let dead = hook.get(&gateway, "/deliveries?state=dead").await;
    let id = dead["deliveries"][2]["id"].as_i64().unwrap();
    let story = hook.get(&gateway, &format!("/deliveries/{id}")).await;
    let tries = story["attempts"].as_array().unwrap();
    assert_eq!(tries.len(), 2, "{story}");
    assert!(tries.iter().all(|t| t["status"] == 500), "{story}");
    receiver.behaves(|_| Reply::Status(200));
    let began = Instant::now();
    let one = format!("/deliveries/{id}/replay");
    let replayed = hook.call(&gateway, Method::POST, &one, None).await;
    assert_eq!(replayed["replayed"], 1);
    receiver.accepts(1).await;
    let all = Some(json!({ "state": "dead" }));
    let replayed = hook.call(&gateway, Method::POST, "/replay", all).await;
    assert_eq!(replayed["replayed"], 2);
    receiver.accepts(3).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    hook.until(&gateway, "all arrived", |h| h["deliveries"]["done"] == 3)
        .await;
    let story = hook.get(&gateway, &format!("/deliveries/{id}")).await;
    let tries = story["attempts"].as_array().unwrap();
    assert_eq!(tries.len(), 3, "{story}");
    assert_eq!(tries[2]["status"], 200, "{story}");
    changes.are_told_by(&receiver);
    gateway.kill().await;
    town.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_hangs_and_one_that_is_dead_delay_no_other() {
    let db = TestDb::sqlite().unwrap();
    let (town, gateway) = paired(&db).await;
    let hangs = Receiver::start(|body| {
        if body["type"] == "webhook.test" {
            Reply::Status(200)
        } else {
            Reply::Hang
        }
    })
    .await;
    let healthy = Receiver::start(|_| Reply::Status(200)).await;
    let hanging = Hook::make(&gateway, "hanging", &hangs.url, every(5, 9)).await;
    // Nobody listens on the discard port.
    let dead = Hook::make(&gateway, "dead", "http://127.0.0.1:9/", every(5, 9)).await;
    Hook::make(&gateway, "healthy", &healthy.url, every(5, 9)).await;
    let mut changes = Changes::new(6, 60);
    let began = Instant::now();
    changes.make(&town, 600);
    healthy.accepts(600).await;
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    changes.are_told_by(&healthy);
    // A test goes past what waits.
    hanging.call(&gateway, Method::POST, "/test", None).await;
    hangs.accepts(1).await;
    assert!(hangs.hits().len() <= 2 * 8 + 1);
    let stands = dead.get(&gateway, "").await;
    assert_eq!(stands["deliveries"]["pending"], 600, "{stands}");
    let tried = dead.get(&gateway, "/deliveries?limit=1000").await;
    let tried: i64 = tried["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["attempts"].as_i64().unwrap())
        .sum();
    assert!(
        (10..60).contains(&tried),
        "{tried} tries of a dead endpoint"
    );
    gateway.kill().await;
    town.stop().await;
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused() {
    let db = TestDb::sqlite().unwrap();
    let town = Town::new(30, 6, 10).await;
    let gateway = Gateway::start_with(&town, &db, &[]).await;
    gateway.pair(&town).await;
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let port = receiver.url.split(':').nth(2).unwrap().to_owned();
    for (n, host) in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"]
        .iter()
        .enumerate()
    {
        let url = format!("http://{host}:{port}");
        let hook = Hook::make(&gateway, &format!("hook {n}"), &url, every(1, 0)).await;
        hook.call(&gateway, Method::POST, "/test", None).await;
        hook.until(&gateway, "given up", |h| h["deliveries"]["dead"] == 1)
            .await;
        let listed = hook.get(&gateway, "/deliveries").await;
        let id = &listed["deliveries"][0]["id"];
        let story = hook.get(&gateway, &format!("/deliveries/{id}")).await;
        let error = story["attempts"][0]["error"].as_str().unwrap();
        assert!(error.starts_with("refused: "), "{story}");
    }
    assert!(receiver.hits().is_empty());
    gateway.kill().await;
    town.stop().await;
}
