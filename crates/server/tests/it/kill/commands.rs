//! `kill -9` while the API writes: afterwards each command is done or failed, done
//! exactly where the phone holds it, and asking again with the same key makes
//! nothing a second time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::ids::InstanceKey;
use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_sim::labels;
use labelwire_sim::truth::Truth;
use labelwire_store::commands::{self, Command};
use labelwire_store::testing::TestDb;
use labelwire_store::{Db, instances};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::KILLS;
use crate::process::{Gateway, Town};

/// How long after its connection a command may lack an end.
const SETTLED: Duration = Duration::from_secs(20);
/// Clients that write at a time.
const CLIENTS: u32 = 6;
/// Chats that each client has to unlabel in a round.
const UNLABELS: u32 = 12;
/// Labels of the fixture; an account may have 20.
const LABELS: u32 = 6;

/// A write no other is like.
#[derive(Clone, Debug)]
enum Wish {
    Link { chat: String },
    Unlink { chat: String },
    Create { name: String },
    Delete { id: String },
}

/// A write that was asked for.
#[derive(Debug)]
struct Asked {
    wish: Wish,
    key: String,
    /// What was answered; nothing where the gateway was killed before.
    answer: Option<(u16, Value)>,
}

impl Wish {
    fn call(&self) -> (Method, String, Option<Value>) {
        let base = "/v1/instances/shop";
        match self {
            Self::Link { chat } => (Method::PUT, format!("{base}/chats/{chat}/labels/1"), None),
            Self::Unlink { chat } => (
                Method::DELETE,
                format!("{base}/chats/{chat}/labels/2"),
                None,
            ),
            Self::Create { name } => (
                Method::POST,
                format!("{base}/labels"),
                Some(json!({ "name": name, "color": 3 })),
            ),
            Self::Delete { id } => (Method::DELETE, format!("{base}/labels/{id}"), None),
        }
    }

    async fn ask(self, gateway: &Gateway, key: String) -> Asked {
        let (method, path, body) = self.call();
        let headers = [("token", gateway.token()), ("idempotency-key", &key)];
        let answer = gateway.call(method, &path, &headers, body).await.ok();
        Asked {
            wish: self,
            key,
            answer,
        }
    }

    /// Whether the phone has it so.
    fn is_so(&self, truth: &Truth) -> bool {
        let on = |label: &str, chat: &str| {
            let mut on = truth.associations.iter();
            on.any(|a| a.label_id == label && a.chat_jid == chat)
        };
        match self {
            Self::Link { chat } => on("1", chat),
            Self::Unlink { chat } => !on("2", chat),
            Self::Create { name } => named(truth, name) > 0,
            Self::Delete { id } => truth.labels.iter().any(|l| l.id == *id && l.deleted),
        }
    }
}

fn named(truth: &Truth, name: &str) -> usize {
    let live = truth.labels.iter().filter(|l| !l.deleted);
    live.filter(|l| l.name == name).count()
}

fn truth_of(town: &Town) -> Truth {
    town.world()
        .with_account(town.phone(), |a| a.truth())
        .unwrap()
}

fn labelled(round: u32, client: u32, n: u32) -> String {
    format!("55116{round:02}{client:02}{n:04}@s.whatsapp.net")
}

/// A client that writes until the gateway is gone.
async fn client(
    gateway: Arc<Gateway>,
    round: u32,
    client: u32,
    mut gone: Vec<String>,
) -> Vec<Asked> {
    let mut asked = Vec::new();
    for n in 0.. {
        let name = format!("{round} {client} {n}");
        let wish = match n % 4 {
            1 if n / 4 < UNLABELS => Wish::Unlink {
                chat: labelled(round, client, n / 4),
            },
            // At most twice each: an account has no room for more labels.
            2 if n / 4 < 2 => Wish::Create { name },
            3 if let Some(id) = gone.pop() => Wish::Delete { id },
            _ => Wish::Link {
                chat: format!("55117{round:02}{client:02}{n:04}@s.whatsapp.net"),
            },
        };
        let one = wish.ask(&gateway, format!("{round}-{client}-{n}")).await;
        let is_cut_off = one.answer.is_none();
        asked.push(one);
        if is_cut_off {
            break;
        }
    }
    asked
}

/// The database beside the gateway.
struct Rows {
    db: Db,
    instance: InstanceKey,
    actor: String,
}

impl Rows {
    async fn open(db: &TestDb, gateway: &Gateway) -> Self {
        let db = db.open().await.unwrap();
        let mut reader = db.reader().await.unwrap();
        let rows = instances::all(reader.conn()).await.unwrap();
        let instance = rows[0].key();
        drop(reader);
        let (_, token) = gateway.send(Method::GET, "/v1/tokens/self", None).await;
        let actor = format!("token:{}", token["id"].as_str().unwrap());
        Self {
            db,
            instance,
            actor,
        }
    }

    async fn of_key(&self, key: &str) -> Option<Command> {
        let mut reader = self.db.reader().await.unwrap();
        commands::find_by_key(reader.conn(), self.instance, &self.actor, key)
            .await
            .unwrap()
    }

    /// Waits until no command is without an end.
    async fn settled(&self, when: &str) {
        let deadline = Instant::now() + SETTLED;
        loop {
            let mut reader = self.db.reader().await.unwrap();
            let pending = commands::pending(reader.conn(), self.instance)
                .await
                .unwrap();
            if pending.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{when}: {pending:?}");
            drop(reader);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Every command's end is what the phone says.
async fn is_told_truly(rows: &Rows, town: &Town, asked: &[Asked], when: &str) {
    let truth = truth_of(town);
    for one in asked {
        let is_so = one.wish.is_so(&truth);
        let row = rows.of_key(&one.key).await;
        let state = row.as_ref().map(|row| row.state.as_str());
        match state {
            Some("done") => assert!(is_so, "{when}: done and not so: {one:?}"),
            Some("failed") | None => assert!(!is_so, "{when}: {state:?} and so: {one:?}"),
            Some(other) => panic!("{when}: {other}: {one:?}"),
        }
        if let Some((status, answer)) = &one.answer {
            let success = (200..300).contains(status);
            assert_eq!(success, state == Some("done"), "{when}: {one:?}");
            // The only refusals there is reason for.
            let reasons = ["label_limit_reached", "instance_not_connected"];
            let code = answer["code"].as_str().unwrap_or_default();
            assert!(success || reasons.contains(&code), "{when}: {one:?}");
        }
    }
}

/// What was cut off is asked for again, twice, and is there once.
async fn is_asked_again(gateway: &Gateway, town: &Town, asked: &[Asked], when: &str) {
    for one in asked.iter().filter(|one| one.answer.is_none()) {
        let first = one.wish.clone().ask(gateway, one.key.clone()).await;
        let (status, answer) = first.answer.unwrap();
        if answer["code"] == "label_limit_reached" {
            continue;
        }
        assert!(
            (200..300).contains(&status),
            "{when}: {one:?}: {status} {answer}"
        );
        let again = one.wish.clone().ask(gateway, one.key.clone()).await;
        assert_eq!(again.answer, Some((status, answer.clone())), "{when}");
        let truth = truth_of(town);
        assert!(one.wish.is_so(&truth), "{when}: {one:?}");
        if let Wish::Create { name } = &one.wish {
            assert_eq!(named(&truth, name), 1, "{when}: {one:?}");
            assert_eq!(answer["name"], **name, "{when}");
        }
    }
}

async fn killed_while_writing(test_db: TestDb) {
    let town = Town::new(30, LABELS, 40).await;
    let mut rng = StdRng::seed_from_u64(3);
    let mut gateway = Gateway::start(&town, &test_db).await;
    gateway.pair(&town).await;
    let rows = Rows::open(&test_db, &gateway).await;
    let mut cut_off = 0;
    for round in 0..KILLS {
        let on = (0..CLIENTS)
            .flat_map(|client| (0..UNLABELS).map(move |n| labelled(round, client, n)))
            .map(|chat| labels::chat("2", &chat, true, 1_760_000_000_000));
        let mut gone: Vec<String> = (0..2)
            .map(|n| (1_000 * (round + 1) + n).to_string())
            .collect();
        let named = gone.iter().map(|id| {
            let label = labels::PatchLabel {
                name: Some(format!("to go {id}")),
                ..Default::default()
            };
            (id.clone(), label)
        });
        let named: Vec<_> = named.collect();
        town.world()
            .change_with(town.phone(), |account| {
                let regular = account.regular();
                let made = named.iter().map(|(id, l)| labels::edit(regular, id, l, 1));
                Ok(on.chain(made).collect())
            })
            .unwrap();
        town.agrees(&gateway, "before the kill").await;

        let shared = Arc::new(gateway);
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            let gone = gone.pop().into_iter().collect();
            clients.spawn(client(Arc::clone(&shared), round, n, gone));
        }
        let moment = rng.random_range(0..600);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        if trouble(&town, round).await {
            // While it comes back and tries again.
            let later = rng.random_range(0..40);
            tokio::time::sleep(Duration::from_millis(later)).await;
        }
        shared.kill_now();
        no_trouble(&town);
        let mut asked = Vec::new();
        while let Some(client) = clients.join_next().await {
            asked.extend(client.unwrap());
        }
        Arc::into_inner(shared).unwrap().kill().await;
        cut_off += asked.iter().filter(|one| one.answer.is_none()).count();

        let when = format!("round {round}, killed after {moment} ms");
        gateway = Gateway::start(&town, &test_db).await;
        gateway.connected().await;
        rows.settled(&when).await;
        is_told_truly(&rows, &town, &asked, &when).await;
        is_asked_again(&gateway, &town, &asked, &when).await;
        town.agrees(&gateway, &when).await;
        make_room(&town);
    }
    assert!(cut_off > 0, "no write was ever cut off");
    rows.db.close().await;
    gateway.kill().await;
    town.stop().await;
    test_db.remove().await.unwrap();
}

/// WhatsApp takes a write, and the gateway is killed before it hears of that: who
/// asks again with the same key is told that it is done.
async fn killed_before_the_verdict(test_db: TestDb) {
    let town = Town::new(30, LABELS, 40).await;
    let mut gateway = Gateway::start(&town, &test_db).await;
    gateway.pair(&town).await;
    let rows = Rows::open(&test_db, &gateway).await;
    let wishes = [
        Wish::Create {
            name: "Só uma vez".into(),
        },
        Wish::Delete { id: "6".into() },
        Wish::Link {
            chat: labelled(0, 0, 0),
        },
    ];
    for (n, wish) in wishes.into_iter().enumerate() {
        let key = format!("verdict-{n}");
        let late = Fault::new(FaultKind::Delay).ms(60_000);
        town.world()
            .with_account(town.phone(), |a| a.faults.add(late))
            .unwrap();
        let shared = Arc::new(gateway);
        let asker = Arc::clone(&shared);
        let (one, its_key) = (wish.clone(), key.clone());
        let asking = tokio::spawn(async move { one.ask(&asker, its_key).await });
        let deadline = Instant::now() + SETTLED;
        while !wish.is_so(&truth_of(&town)) {
            assert!(Instant::now() < deadline, "never taken: {wish:?}");
            tokio::task::yield_now().await;
        }
        shared.kill_now();
        let asked = [asking.await.unwrap()];
        assert_eq!(asked[0].answer, None, "{wish:?}");
        Arc::into_inner(shared).unwrap().kill().await;
        no_trouble(&town);

        gateway = Gateway::start(&town, &test_db).await;
        gateway.connected().await;
        let when = format!("{wish:?}");
        is_asked_again(&gateway, &town, &asked, &when).await;
        rows.settled(&when).await;
        assert_eq!(rows.of_key(&key).await.unwrap().state, "done", "{when}");
    }
    rows.db.close().await;
    gateway.kill().await;
    town.stop().await;
    test_db.remove().await.unwrap();
}

/// In some rounds a write loses its connection first, before WhatsApp took it or
/// behind that; true where one did.
async fn trouble(town: &Town, round: u32) -> bool {
    let kind = match round % 4 {
        1 | 3 => FaultKind::DropBeforeApply,
        2 => FaultKind::DropAfterApply,
        _ => return false,
    };
    let world = town.world();
    world
        .with_account(town.phone(), |a| a.faults.add(Fault::new(kind).times(1)))
        .unwrap();
    let deadline = Instant::now() + SETTLED;
    let waits = || {
        let waits = world.with_account(town.phone(), |a| !a.faults.list().is_empty());
        waits.unwrap()
    };
    while waits() {
        assert!(Instant::now() < deadline, "nobody writes");
        tokio::task::yield_now().await;
    }
    true
}

fn no_trouble(town: &Town) {
    town.world()
        .with_account(town.phone(), |a| a.faults.remove(None))
        .unwrap();
}

/// The phone deletes what the clients made.
fn make_room(town: &Town) {
    let made: BTreeSet<String> = truth_of(town)
        .labels
        .into_iter()
        .filter(|l| !l.deleted && l.id.parse::<u32>().unwrap() > LABELS)
        .map(|l| l.id)
        .collect();
    let gone = labels::PatchLabel {
        deleted: Some(true),
        ..Default::default()
    };
    town.world()
        .change_with(town.phone(), |account| {
            let regular = account.regular();
            let changes = made.iter().map(|id| labels::edit(regular, id, &gone, 1));
            Ok(changes.collect())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_killed_twenty_times_on_sqlite() {
    killed_while_writing(TestDb::sqlite().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn writes_are_killed_twenty_times_on_postgres() {
    killed_while_writing(TestDb::postgres().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_taken_before_a_kill_is_done_once_on_sqlite() {
    killed_before_the_verdict(TestDb::sqlite().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn a_write_taken_before_a_kill_is_done_once_on_postgres() {
    killed_before_the_verdict(TestDb::postgres().await.unwrap()).await;
}
