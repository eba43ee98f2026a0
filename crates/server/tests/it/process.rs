//! The real binary as a process of its own, beside a simulated WhatsApp in the
//! test's.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use labelwire_sim::{Kind, NewAccount, Options, Server, World};
use labelwire_store::testing::TestDb;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

const PHONE: &str = "5511900000001";
pub(crate) const INSTANCE: &str = "shop";
const PATIENCE: Duration = Duration::from_secs(60);

/// A simulated WhatsApp with one account.
pub(crate) struct Town(Server);

impl Town {
    pub(crate) async fn new(chats: u32, labels: u32, associations: u32) -> Self {
        let sim = Server::start(Options::default()).await.unwrap();
        sim.world()
            .create_account(NewAccount {
                phone: PHONE.into(),
                kind: Kind::Business,
                name: "Corner Shop".into(),
                seed: Some(3),
                chats,
                labels,
                associations,
            })
            .unwrap();
        Self(sim)
    }

    pub(crate) fn world(&self) -> &World {
        self.0.world()
    }

    pub(crate) const fn phone(&self) -> &'static str {
        PHONE
    }

    pub(crate) async fn scan(&self, qr: &str) {
        self.world().scan(PHONE, qr, true).await.unwrap();
    }

    pub(crate) fn ws_url(&self) -> String {
        self.0.ws_url()
    }

    pub(crate) async fn stop(self) {
        self.0.stop().await;
    }

    /// A person's number for either of their ids: which one a gateway shows
    /// depends on what it was told of the person before it was killed.
    pub(crate) fn numbers(&self) -> BTreeMap<String, String> {
        let truth = self.world().with_account(PHONE, |a| a.truth()).unwrap();
        truth
            .chats
            .into_iter()
            .filter_map(|c| Some((c.lid?, c.jid)))
            .collect()
    }

    /// Chat and label of every live association, chats by number where there is one.
    pub(crate) fn truth(&self) -> BTreeSet<(String, String)> {
        let numbers = self.numbers();
        let truth = self.world().with_account(PHONE, |a| a.truth()).unwrap();
        let number = |jid: String| numbers.get(&jid).cloned().unwrap_or(jid);
        truth
            .associations
            .into_iter()
            .map(|a| (number(a.chat_jid), a.label_id))
            .collect()
    }

    /// Waits until the gateway answers what the phone holds.
    pub(crate) async fn agrees(&self, gateway: &Gateway, when: &str) {
        let deadline = Instant::now() + PATIENCE;
        let numbers = self.numbers();
        loop {
            let number = |(jid, label)| (numbers.get(&jid).cloned().unwrap_or(jid), label);
            let mirror: BTreeSet<_> = gateway.pairs().await.into_iter().map(number).collect();
            let truth = self.truth();
            if truth == mirror {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{when}: missing {:?}, too many {:?}",
                truth.difference(&mirror).take(5).collect::<Vec<_>>(),
                mirror.difference(&truth).take(5).collect::<Vec<_>>(),
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The gateway labels a chat, and it is on the phone when the answer arrives.
    pub(crate) async fn takes_a_write_of(&self, gateway: &Gateway, n: u32) {
        let number = format!("5511600000{n:03}");
        let (status, answer) = gateway
            .send(
                reqwest::Method::POST,
                "/api/chat/assignTag/shop",
                Some(json!({ "number": number, "tagId": "1" })),
            )
            .await;
        assert_eq!(status, 200, "{answer}");
        let pair = (format!("{number}@s.whatsapp.net"), "1".to_owned());
        assert!(self.truth().contains(&pair));
        assert!(gateway.pairs().await.contains(&pair));
    }
}

/// The gateway's process.
pub(crate) struct Gateway {
    child: Mutex<Child>,
    client: reqwest::Client,
    base: String,
    token: String,
    _data: tempfile::TempDir,
}

impl Gateway {
    /// Starts it on a database; the account of the first start is found again by
    /// a new one beside it, for tokens are shown once only.
    pub(crate) async fn start(town: &Town, db: &TestDb) -> Self {
        // Receivers are in the test's process.
        Self::start_with(town, db, &["--webhooks-allow-private"]).await
    }

    /// The same with these options.
    pub(crate) async fn start_with(town: &Town, db: &TestDb, options: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_labelwire"))
            .args(["serve-sim", "--listen", "127.0.0.1:0", "--pre-keys", "30"])
            .args(["--rate-limit", "0", "--rate-limit-create", "0"])
            .args(["--data", data.path().to_str().unwrap()])
            .args(["--database-url", db.url()])
            .args(options)
            .args(["--sim-ws-url", &town.0.ws_url()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut base, mut token) = (None, TOKENS.lock().unwrap().get(db.url()).cloned());
        while base.is_none() || token.is_none() {
            let line = tokio::time::timeout(PATIENCE, lines.next_line())
                .await
                .unwrap()
                .unwrap()
                .expect("the gateway ended");
            if let Some(at) = line.find("http://127.0.0.1:") {
                let url = line[at..]
                    .split(|c: char| c.is_whitespace() || "\"`,)".contains(c))
                    .next();
                base = url.map(|u| u.trim_end_matches('/').to_owned());
            }
            if let Some(word) = line
                .split_whitespace()
                .find(|w| w.len() == 36 && w.matches('-').count() == 4)
            {
                token = Some(word.to_owned());
            }
        }
        let token = token.unwrap();
        TOKENS
            .lock()
            .unwrap()
            .insert(db.url().to_owned(), token.clone());
        // What else it says must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            child: Mutex::new(child),
            client: reqwest::Client::new(),
            base: base.unwrap(),
            token,
            _data: data,
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(self) {
        let mut child = self.child.into_inner().unwrap();
        child.kill().await.unwrap();
    }

    /// The same while others still talk to it.
    pub(crate) fn kill_now(&self) {
        self.child.lock().unwrap().start_kill().unwrap();
    }

    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let headers = [("token", self.token.as_str())];
        self.call(method, path, &headers, body).await.unwrap()
    }

    /// A call with these headers; an error where the connection broke before the
    /// answer was whole.
    pub(crate) async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// The account's token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(reqwest::Method::GET, path, None).await
    }

    /// Makes the instance, pairs it and waits for its labels.
    pub(crate) async fn pair(&self, town: &Town) {
        let qr = self.offer().await;
        town.scan(&qr).await;
        self.connected().await;
        self.synced().await;
    }

    /// Makes the instance; its QR code.
    pub(crate) async fn offer(&self) -> String {
        let body = json!({ "name": INSTANCE });
        let (status, answer) = self
            .send(reqwest::Method::POST, "/api/instance/new", Some(body))
            .await;
        assert_eq!(status, 201, "{answer}");
        let (_, answer) = self.get("/api/instance/connect/shop").await;
        answer["qrCode"].as_str().expect("a QR code").to_owned()
    }

    async fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, answer) = self.get("/api/instance/list?instanceName=shop").await;
            if condition(&answer["instances"][0]) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {answer}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the pairing is stored.
    pub(crate) async fn paired(&self) {
        self.until("paired", |i| i["connection"]["numberJid"].is_string())
            .await;
    }

    pub(crate) async fn connected(&self) {
        self.until("connected", |i| i["connection"]["state"] == "connected")
            .await;
    }

    /// Waits until the labels can be read.
    pub(crate) async fn synced(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.get("/api/chat/tag/shop").await.0 != 200 {
            assert!(Instant::now() < deadline, "the labels were never synced");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn pairs(&self) -> BTreeSet<(String, String)> {
        let (status, answer) = self.get("/api/chat/contactsByLabel/shop").await;
        assert_eq!(status, 200, "{answer}");
        answer["chats"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|chat| {
                let jid = chat["chat_jid"].as_str().unwrap();
                let labels = chat["labels"].as_array().unwrap();
                labels
                    .iter()
                    .map(move |l| (jid.to_owned(), l["id"].as_str().unwrap().to_owned()))
            })
            .collect()
    }
}

/// Tokens by database: shown at the first start only.
static TOKENS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
