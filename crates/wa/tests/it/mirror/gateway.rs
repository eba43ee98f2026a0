//! A simulated WhatsApp, and a gateway in front of it that can be stopped and
//! started anew on the same database.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use labelwire_app::instances::Connecting;
use labelwire_app::lists::{Answer, Render};
use labelwire_app::tasks::Tasks;
use labelwire_app::{App, Caller, Outside};
use labelwire_domain::clock::{SystemClock, SystemEntropy};
use labelwire_domain::instance::State;
use labelwire_domain::label::{Label, LabelFilter};
use labelwire_domain::token::Scope;
use labelwire_sim::collection::Change;
use labelwire_sim::{Kind, NewAccount, Options, Server, World};
use labelwire_store::Db;
use labelwire_store::testing::TestDb;
use labelwire_wa::{Endpoint, WaConnector};
use tokio::time::Instant;

/// The simulated account's number.
pub(super) const PHONE: &str = "5511900000001";
/// The gateway's instance.
pub(super) const INSTANCE: &str = "shop";

/// A simulated WhatsApp with one account, and a database for gateways.
pub(super) struct Town {
    pub(super) sim: Server,
    pub(super) db: TestDb,
}

/// A running gateway.
pub(super) struct Gateway {
    pub(super) app: App,
    pub(super) db: Db,
    pub(super) caller: Caller,
    tasks: Tasks,
}

/// Chat and label id.
pub(super) type Pairs = BTreeSet<(String, String)>;

impl Town {
    pub(super) async fn new(db: TestDb, chats: u32, labels: u32, associations: u32) -> Self {
        let sim = Server::start(Options::default()).await.unwrap();
        sim.world()
            .create_account(NewAccount {
                phone: PHONE.into(),
                kind: Kind::Business,
                name: "Corner Shop".into(),
                seed: Some(7),
                chats,
                labels,
                associations,
            })
            .unwrap();
        Self { sim, db }
    }

    pub(super) fn world(&self) -> &World {
        self.sim.world()
    }

    /// Stops everything and removes the database.
    pub(super) async fn close(self, gateway: Gateway) {
        gateway.stop().await;
        self.sim.stop().await;
        self.db.remove().await.unwrap();
    }

    /// The phone changes something.
    pub(super) fn change(&self, changes: Vec<Change>) {
        self.world().change(PHONE, changes).unwrap();
    }

    /// Starts a gateway on the database; what is paired comes back by itself.
    pub(super) async fn gateway(&self) -> Gateway {
        let db = self.db.open().await.unwrap();
        let tasks = Tasks::new();
        let connector = WaConnector::new(labelwire_wa::Options {
            db: db.clone(),
            clock: Arc::new(SystemClock),
            tasks: tasks.clone(),
            endpoint: Endpoint::Simulator {
                ws_url: self.sim.ws_url(),
                http_url: self.sim.control_url(),
            },
            pre_keys: Some(30),
        });
        let app = App::new(Outside {
            db: db.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            connector: Arc::new(connector),
            tasks: tasks.clone(),
            list_budget: labelwire_app::app::LIST_BUDGET,
            rules: labelwire_domain::intent::LabelRules::default(),
            bell: std::sync::Arc::default(),
        })
        .await
        .unwrap();
        let account = match app.accounts().await.unwrap().into_iter().next() {
            Some((id, _)) => id,
            None => app.create_account("main").await.unwrap().0,
        };
        app.resume_all().await.unwrap();
        Gateway {
            app,
            db,
            caller: Caller::owner(account),
            tasks,
        }
    }

    /// Starts a gateway, makes the instance, scans its QR code and waits for the labels.
    pub(super) async fn paired(&self, snapshot: bool) -> Gateway {
        let gateway = self.connecting(snapshot).await;
        gateway.connected().await;
        gateway.synced().await;
        gateway
    }

    /// A gateway whose code was scanned; it may not be logged in.
    pub(super) async fn connecting(&self, snapshot: bool) -> Gateway {
        let gateway = self.gateway().await;
        gateway
            .app
            .create_instance(&gateway.caller, INSTANCE, None)
            .await
            .unwrap();
        self.scan(&gateway, snapshot).await;
        gateway
    }

    pub(super) async fn pair(&self, gateway: &Gateway, snapshot: bool) {
        self.scan(gateway, snapshot).await;
        gateway.connected().await;
        gateway.synced().await;
    }

    async fn scan(&self, gateway: &Gateway, snapshot: bool) {
        let connecting = gateway
            .app
            .connect_instance(&gateway.caller, INSTANCE, None)
            .await
            .unwrap();
        let Connecting::Qr(code) = connecting else {
            panic!("{connecting:?}")
        };
        self.world().scan(PHONE, &code, snapshot).await.unwrap();
    }

    /// What the phone holds, a chat named as the gateway shows it.
    pub(super) fn truth(&self) -> Pairs {
        let truth = self.world().with_account(PHONE, |a| a.truth()).unwrap();
        let numbers: BTreeMap<&str, &str> = truth
            .chats
            .iter()
            .filter_map(|c| Some((c.lid.as_deref()?, c.jid.as_str())))
            .collect();
        truth
            .associations
            .iter()
            .map(|a| {
                let chat = numbers
                    .get(a.chat_jid.as_str())
                    .copied()
                    .unwrap_or(&a.chat_jid);
                (chat.to_owned(), a.label_id.clone())
            })
            .collect()
    }

    /// Live labels as the phone holds them: id, name, colour.
    pub(super) fn true_labels(&self) -> BTreeSet<(String, String, i32)> {
        let truth = self.world().with_account(PHONE, |a| a.truth()).unwrap();
        truth
            .labels
            .into_iter()
            .filter(|l| !l.deleted)
            .map(|l| (l.id, l.name, l.color.unwrap_or_default()))
            .collect()
    }

    /// Waits until the gateway shows what the phone holds.
    pub(super) async fn agrees(&self, gateway: &Gateway, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            let (truth, mirror) = (self.truth(), gateway.mirror().await);
            let labels = gateway.labels().await == self.true_labels();
            if truth == mirror && labels {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "labels agree: {labels}; missing: {:?}; too many: {:?}",
                truth.difference(&mirror).take(5).collect::<Vec<_>>(),
                mirror.difference(&truth).take(5).collect::<Vec<_>>(),
            );
            tokio::task::yield_now().await;
        }
    }
}

/// `chat label,label\n`.
struct Lines;

impl Render for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn chat(&self, chat: &str, labels: &[&Label], out: &mut Vec<u8>) {
        out.extend_from_slice(chat.as_bytes());
        for label in labels {
            out.push(b' ');
            out.extend_from_slice(label.id.as_bytes());
        }
    }
}

impl Gateway {
    pub(super) async fn synced(&self) {
        let handle = self
            .app
            .instance(&self.caller, Scope::Admin, INSTANCE)
            .unwrap();
        handle.watch().wait_for(|s| s.synced).await.unwrap();
    }

    pub(super) async fn connected(&self) {
        let handle = self
            .app
            .instance(&self.caller, Scope::Admin, INSTANCE)
            .unwrap();
        let mut status = handle.watch();
        let connected = status.wait_for(|s| s.state == State::Connected);
        tokio::time::timeout(Duration::from_secs(30), connected)
            .await
            .unwrap()
            .unwrap();
    }

    pub(super) async fn mirror(&self) -> Pairs {
        self.chats(&LabelFilter::default(), false).await
    }

    pub(super) async fn chats(&self, filter: &LabelFilter, refresh: bool) -> Pairs {
        let answer = self
            .app
            .chats_by_label(&self.caller, INSTANCE, filter, refresh, &Lines)
            .await
            .unwrap();
        let Answer::Kept(list) = answer.list else {
            panic!("a small list is kept")
        };
        let text: Vec<u8> = list.pieces().flat_map(|p| p.to_vec()).collect();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.len() as u64, list.bytes);
        let pairs: Pairs = text
            .split(',')
            .filter(|line| !line.is_empty())
            .flat_map(|line| {
                let mut words = line.split(' ');
                let chat = words.next().unwrap().to_owned();
                words
                    .map(move |label| (chat.clone(), label.to_owned()))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(pairs.len() as u64, list.rows);
        pairs
    }

    pub(super) async fn labels(&self) -> BTreeSet<(String, String, i32)> {
        self.app
            .list_labels(&self.caller, INSTANCE)
            .await
            .unwrap()
            .into_iter()
            .map(|l| (l.id, l.name, l.color))
            .collect()
    }

    /// Stops the gateway as a signal would.
    pub(super) async fn stop(self) {
        self.tasks.stop().await;
        self.db.close().await;
    }

    /// What the instance does.
    pub(super) fn state(&self) -> State {
        self.app
            .instance(&self.caller, Scope::Admin, INSTANCE)
            .unwrap()
            .status()
            .state
    }
}

/// Waits for a condition.
pub(super) async fn eventually<F: Future<Output = bool>>(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> F,
) {
    let deadline = Instant::now() + within;
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}
