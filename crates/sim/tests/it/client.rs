//! A whatsapp-rust client linked to the simulated server, and what it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use labelwire_sim::faults::Fault;
use labelwire_sim::{Kind, MEDIA_HOST, NewAccount, Options, Server, World};
use tokio::sync::watch;
use whatsapp_rust::anyhow;
use whatsapp_rust::async_trait;
use whatsapp_rust::bot::{Bot, BotHandle};
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::sync_task::MajorSyncTask;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::wacore::appstate::patch_decode::WAPatchName;
use whatsapp_rust::wacore::net::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::wacore::store::InMemoryBackend;
use whatsapp_rust::wacore::types::events::{Event, EventHandler};
use whatsapp_rust::{Client, TokioRuntime};

/// Nothing here takes this long unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// The account most tests use.
pub(crate) const PHONE: &str = "491700000001";

/// A server without accounts.
pub(crate) async fn server() -> Server {
    Server::start(Options::default()).await.unwrap()
}

/// A server with one account.
pub(crate) async fn server_with(chats: u32, labels: u32, associations: u32) -> Server {
    let server = server().await;
    server
        .world()
        .create_account(account(PHONE, chats, labels, associations))
        .unwrap();
    server
}

/// A shop made from seed 7.
pub(crate) fn account(phone: &str, chats: u32, labels: u32, associations: u32) -> NewAccount {
    NewAccount {
        phone: phone.to_owned(),
        kind: Kind::Business,
        name: "Corner Shop".to_owned(),
        seed: Some(7),
        chats,
        labels,
        associations,
    }
}

/// Puts a fault in force on the account most tests use.
pub(crate) fn fault(server: &Server, fault: Fault) -> u64 {
    fault.check().unwrap();
    server
        .world()
        .with_account(PHONE, |account| account.faults.add(fault))
        .unwrap()
}

/// Labels and live chat associations, keyed as the records are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// Name by id, deleted ones left out.
    pub(crate) labels: BTreeMap<String, String>,
    /// `(label, chat)`, whether the label lives or not.
    pub(crate) associations: BTreeMap<(String, String), ()>,
}

impl Mirror {
    /// What the phone holds to be true.
    pub(crate) fn of(world: &World, phone: &str) -> Self {
        let truth = world
            .with_account(phone, |account| account.truth())
            .unwrap();
        let labels = truth.labels.into_iter().filter(|label| !label.deleted);
        let associations = truth.associations.into_iter();
        Self {
            labels: labels.map(|label| (label.id, label.name)).collect(),
            associations: associations
                .map(|a| ((a.label_id, a.chat_jid), ()))
                .collect(),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::LabelEditUpdate(edit) if edit.action.deleted == Some(true) => {
                self.labels.remove(&edit.label_id);
            }
            Event::LabelEditUpdate(edit) => {
                let name = edit.action.name.clone().unwrap_or_default();
                self.labels.insert(edit.label_id.clone(), name);
            }
            Event::LabelAssociationUpdate(association) => {
                let key = (
                    association.label_id.clone(),
                    association.chat_jid.to_string(),
                );
                if association.action.labeled == Some(true) {
                    self.associations.insert(key, ());
                } else {
                    self.associations.remove(&key);
                }
            }
            _ => {}
        }
    }

    /// Only associations of live labels, as the truth has them.
    fn live(mut self) -> Self {
        self.associations
            .retain(|(label, _), ()| self.labels.contains_key(label));
        self
    }
}

struct Collector {
    events: Arc<Mutex<Vec<Arc<Event>>>>,
    seen: watch::Sender<usize>,
}

impl EventHandler for Collector {
    fn handle_event(&self, event: Arc<Event>) {
        let mut events = self.events.lock().unwrap();
        events.push(event);
        self.seen.send_replace(events.len());
    }
}

/// Sends requests for the simulated media host to the simulator.
struct SimHttp {
    origin: String,
    client: reqwest::Client,
}

#[async_trait]
impl HttpClient for SimHttp {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        let host = format!("https://{MEDIA_HOST}");
        let path = request
            .url
            .strip_prefix(&host)
            .ok_or_else(|| anyhow::anyhow!("nothing but {host} can be reached from a test"))?;
        let answer = self
            .client
            .get(format!("{}{path}", self.origin))
            .send()
            .await?;
        Ok(HttpResponse {
            status_code: answer.status().as_u16(),
            body: answer.bytes().await?.to_vec(),
        })
    }
}

/// A running client.
pub(crate) struct Companion {
    pub(crate) backend: Arc<InMemoryBackend>,
    pub(crate) client: Arc<Client>,
    ws_url: String,
    control_url: String,
    handle: BotHandle,
    events: Arc<Mutex<Vec<Arc<Event>>>>,
    seen: watch::Receiver<usize>,
}

impl Companion {
    /// Starts a client with an empty store.
    pub(crate) async fn start(server: &Server) -> Self {
        Self::with_backend(server, Arc::new(InMemoryBackend::new()), None).await
    }

    /// Starts a client that asks for a pairing code.
    pub(crate) async fn start_with_code(server: &Server, phone: &str, code: &str) -> Self {
        let options = PairCodeOptions {
            phone_number: phone.to_owned(),
            custom_code: Some(code.to_owned()),
            ..Default::default()
        };
        Self::with_backend(server, Arc::new(InMemoryBackend::new()), Some(options)).await
    }

    /// Starts a client with a store that may be linked already.
    pub(crate) async fn with_backend(
        server: &Server,
        backend: Arc<InMemoryBackend>,
        code: Option<PairCodeOptions>,
    ) -> Self {
        Self::at(server.ws_url(), server.control_url(), backend, code).await
    }

    async fn at(
        ws_url: String,
        control_url: String,
        backend: Arc<InMemoryBackend>,
        code: Option<PairCodeOptions>,
    ) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (sender, seen) = watch::channel(0);
        let collector = Collector {
            events: events.clone(),
            seen: sender,
        };
        let http = SimHttp {
            origin: control_url.clone(),
            client: reqwest::Client::new(),
        };
        let mut builder = Bot::builder()
            .with_backend_arc(backend.clone())
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(ws_url.as_str()))
            .with_http_client(http)
            .with_runtime(TokioRuntime)
            .with_version((2, 3000, 1))
            .with_wanted_pre_key_count(30)
            .with_event_handler(collector);
        if let Some(code) = code {
            builder = builder.with_pair_code(code);
        }
        let handle = builder.build().await.unwrap().spawn();
        Self {
            backend,
            client: handle.client(),
            ws_url,
            control_url,
            handle,
            events,
            seen,
        }
    }

    /// Stops the client and starts it again with the same store.
    pub(crate) async fn restart(self) -> Self {
        self.handle.shutdown().await;
        Self::at(self.ws_url, self.control_url, self.backend, None).await
    }

    /// Stops the client; answers its store.
    pub(crate) async fn stop(self) -> Arc<InMemoryBackend> {
        self.handle.shutdown().await;
        self.backend
    }

    /// Waits until `find` makes something of the events so far.
    pub(crate) async fn wait<T>(
        &self,
        what: &str,
        mut find: impl FnMut(&[Arc<Event>]) -> Option<T>,
    ) -> T {
        let mut seen = self.seen.clone();
        let waiting = async {
            loop {
                seen.borrow_and_update();
                let found = find(&self.events.lock().unwrap());
                if let Some(found) = found {
                    return found;
                }
                seen.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("no {what}; seen: {:?}", self.kinds()),
        }
    }

    /// Names of the events so far, for failure messages.
    fn kinds(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let name = |event: &Arc<Event>| {
            let text = format!("{event:?}");
            text.split(['(', ' ', '{'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        events.iter().map(name).collect()
    }

    /// How many events there were.
    pub(crate) fn seen(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    /// The QR text it shows first.
    pub(crate) async fn qr(&self) -> String {
        self.wait("QR code", |events| {
            events.iter().find_map(|event| match &**event {
                Event::PairingQrCode(qr) => Some(qr.code.clone()),
                _ => None,
            })
        })
        .await
    }

    /// Waits until it is connected.
    pub(crate) async fn connected(&self) {
        self.connected_after(0).await;
    }

    /// Waits until it connected after so many events.
    pub(crate) async fn connected_after(&self, start: usize) {
        self.wait("Connected", |events| {
            let connected = |event: &Arc<Event>| matches!(&**event, Event::Connected(_));
            events.iter().skip(start).any(connected).then_some(())
        })
        .await;
    }

    /// Waits until it was told that it is not linked any more.
    pub(crate) async fn logged_out(&self) {
        self.wait("LoggedOut", |events| {
            let out = |event: &Arc<Event>| matches!(&**event, Event::LoggedOut(_));
            events.iter().any(out).then_some(())
        })
        .await;
    }

    /// Waits for a text; answers its sender.
    pub(crate) async fn text(&self, text: &str) -> String {
        self.wait("text", |events| {
            events.iter().find_map(|event| match &**event {
                Event::Messages(batch) => batch.iter().find_map(|inbound| {
                    let found = inbound.message.conversation.as_deref() == Some(text);
                    found.then(|| inbound.info.source.sender.to_non_ad_string())
                }),
                _ => None,
            })
        })
        .await
    }

    /// Waits until it was told that a chat carries a label.
    pub(crate) async fn associated(&self, label: &str, chat: &str) {
        self.wait("association", |events| {
            let told = |event: &Arc<Event>| match &**event {
                Event::LabelAssociationUpdate(update) => {
                    update.label_id == label && update.chat_jid.to_string() == chat
                }
                _ => false,
            };
            events.iter().any(told).then_some(())
        })
        .await;
    }

    /// Waits until what it was told equals the truth.
    ///
    /// The library skips a notification that comes while it still syncs and only
    /// says so; whoever uses it has to catch up then, and so does this.
    pub(crate) async fn mirrors(&self, world: &World, phone: &str) {
        let wanted = Mirror::of(world, phone);
        let (mut mirror, mut done) = (Mirror::default(), 0);
        loop {
            let equal = self
                .wait("mirror that equals the truth", |events| {
                    let mut skipped = false;
                    for event in &events[done..] {
                        mirror.apply(event);
                        skipped |= matches!(&**event, Event::AppStateSyncFailed(_));
                    }
                    done = events.len();
                    let equal = mirror.clone().live() == wanted;
                    (equal || skipped).then_some(equal)
                })
                .await;
            if equal {
                return;
            }
            self.catch_up().await;
        }
    }

    /// Catches up with the server.
    pub(crate) async fn catch_up(&self) {
        let task = MajorSyncTask::AppStateSync {
            name: WAPatchName::Regular,
            full_sync: false,
        };
        self.client.clone().process_sync_task(task).await;
    }

    /// Links it by QR and waits until it is connected; answers its device number.
    pub(crate) async fn link(&self, server: &Server, phone: &str, snapshot: bool) -> u16 {
        let qr = self.qr().await;
        let device = server.world().scan(phone, &qr, snapshot).await.unwrap();
        self.connected().await;
        device
    }
}

/// Waits until something about the server holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(
        tokio::time::timeout(DEADLINE, waiting).await.is_ok(),
        "no {what}"
    );
}

/// A linked client that has seen all labels.
pub(crate) async fn linked(server: &Server, phone: &str) -> (Companion, u16) {
    let companion = Companion::start(server).await;
    let device = companion.link(server, phone, true).await;
    companion.mirrors(server.world(), phone).await;
    // It waits for the first sync to be over, not only for its last event: a
    // notification before that would be skipped.
    companion.catch_up().await;
    (companion, device)
}
