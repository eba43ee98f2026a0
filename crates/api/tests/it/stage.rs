//! An application with its router, and transcripts of what is said to it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, header};
use http_body_util::BodyExt as _;
use labelwire_api::{CONNECTIONS, Config, ListShape, Origins, Rate, Timeouts};
use labelwire_app::instance::Status;
use labelwire_app::instances::Standing;
use labelwire_app::phone::PhoneEvent;
use labelwire_app::tasks::Tasks;
use labelwire_app::{App, Caller, Outside};
use labelwire_domain::change::Record;
use labelwire_domain::clock::{Clock, Entropy, Timestamp};
use labelwire_domain::instance::State;
use labelwire_domain::token::Scope;
use labelwire_store::Db;
use labelwire_store::testing::TestDb;
use tower::ServiceExt as _;

use crate::fake::{Fake, FakeConnector, label, on};

/// Always the same moment, until a test moves it.
pub(crate) struct Noon(AtomicI64);

impl Default for Noon {
    fn default() -> Self {
        Self(AtomicI64::new(1_750_000_000_000_000))
    }
}

impl Noon {
    pub(crate) fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).expect("a short time");
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// Draws 1, 1, 1…, then 2, 2, 2…
#[derive(Default)]
pub(crate) struct Counted(AtomicU8);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed) + 1);
    }
}

/// Everything a test needs.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) config: Config,
    pub(crate) clock: Arc<Noon>,
    pub(crate) fake: Arc<Fake>,
    /// Token of account `main`.
    pub(crate) account: String,
    pub(crate) tasks: Tasks,
    /// The application's database.
    pub(crate) db: Db,
    test_db: TestDb,
}

impl Stage {
    /// An application with account `main` and no instance.
    pub(crate) async fn empty() -> Self {
        Self::with_list_budget(labelwire_app::app::LIST_BUDGET).await
    }

    /// The same that keeps no more rendered answers than this many bytes.
    pub(crate) async fn with_list_budget(list_budget: usize) -> Self {
        Self::with(list_budget, |_| ()).await
    }

    /// The same with settings of the API.
    pub(crate) async fn with_config(set: impl FnOnce(&mut Config)) -> Self {
        Self::with(labelwire_app::app::LIST_BUDGET, set).await
    }

    async fn with(list_budget: usize, set: impl FnOnce(&mut Config)) -> Self {
        let db = TestDb::sqlite().expect("a folder");
        let mut stage = Self::open(db, Arc::default(), list_budget, set).await;
        let (_, account) = stage.app.create_account("main").await.expect("an account");
        stage.account = account;
        stage
    }

    /// The same database and WhatsApp under another start of the program.
    pub(crate) async fn reopened(self) -> Self {
        self.tasks.stop().await;
        self.db.close().await;
        let budget = labelwire_app::app::LIST_BUDGET;
        let mut stage = Self::open(self.test_db, self.fake, budget, |_| ()).await;
        stage.account = self.account;
        stage.app.resume_all().await.expect("resumed");
        stage
    }

    async fn open(
        test_db: TestDb,
        fake: Arc<Fake>,
        list_budget: usize,
        set: impl FnOnce(&mut Config),
    ) -> Self {
        let db = test_db.open().await.expect("a database");
        let clock = Arc::new(Noon::default());
        let tasks = Tasks::new();
        let app = App::new(Outside {
            db: db.clone(),
            clock: clock.clone(),
            entropy: Arc::new(Counted::default()),
            connector: Arc::new(FakeConnector(Arc::clone(&fake))),
            tasks: tasks.clone(),
            list_budget,
            rules: labelwire_domain::intent::LabelRules::default(),
            bell: std::sync::Arc::default(),
        })
        .await
        .expect("an app");
        let mut config = Config {
            base_url: None,
            entropy: Arc::new(Counted::default()),
            clock: clock.clone(),
            rate: Rate::OFF,
            cors: Origins::default(),
            timeouts: Timeouts::default(),
            connections: CONNECTIONS,
            wawp_list_shape: ListShape::default(),
        };
        set(&mut config);
        let router = labelwire_api::router(app.clone(), config.clone());
        Self {
            app,
            router,
            config,
            clock,
            fake,
            account: String::new(),
            tasks,
            db,
            test_db,
        }
    }

    /// The same with instance `shop`, paired with an account of three labels.
    pub(crate) async fn shop() -> (Self, String) {
        Self::shop_with(|_| ()).await
    }

    /// The same with settings of the API.
    pub(crate) async fn shop_with(set: impl FnOnce(&mut Config)) -> (Self, String) {
        let stage = Self::with_config(set).await;
        let token = stage.instance("shop").await;
        stage
            .pair(
                "shop",
                vec![
                    // An association may come before its label.
                    on("2", "5511988887777@s.whatsapp.net"),
                    label("10", "Café \"à deux\"", 19),
                    label("1", "Important", 0),
                    label("2", "VIP", 5),
                    on("1", "5511999999999@s.whatsapp.net"),
                    on("1", "5511988887777@s.whatsapp.net"),
                    on("10", "120363021033254949@g.us"),
                    on("10", "77777777777777@lid"),
                    on("99", "5511966665555@s.whatsapp.net"),
                ],
            )
            .await;
        (stage, token)
    }

    /// Makes an instance; its token.
    pub(crate) async fn instance(&self, name: &str) -> String {
        let caller = self.caller().await;
        self.app
            .create_instance(&caller, name, None)
            .await
            .expect("an instance")
            .1
    }

    pub(crate) async fn caller(&self) -> Caller {
        self.app.authenticate(&self.account).await.expect("known")
    }

    /// Pairs an instance with an account that holds this, and waits until it is read.
    pub(crate) async fn pair(&self, name: &str, records: Vec<Record>) {
        let caller = self.caller().await;
        let handle = self
            .app
            .instance(&caller, Scope::Admin, name)
            .expect("there");
        self.fake.hold(records);
        handle.connect().await.expect("a client");
        self.fake.pair(handle.key);
        self.reaches(name, |s| {
            s.status.state == State::Connected && s.status.synced
        })
        .await;
    }

    /// Breaks an instance's connection.
    pub(crate) async fn offline(&self, name: &str) {
        let caller = self.caller().await;
        let handle = self
            .app
            .instance(&caller, Scope::Admin, name)
            .expect("there");
        self.fake.tell(
            handle.key,
            PhoneEvent::Disconnected("the connection broke".into()),
        );
        self.reaches(name, |s| s.status.state == State::Connecting)
            .await;
    }

    /// Waits until an instance stands so.
    pub(crate) async fn stands(&self, name: &str, is: impl Fn(&Status) -> bool) {
        self.reaches(name, |standing| is(&standing.status)).await;
    }

    async fn reaches(&self, name: &str, is: impl Fn(&Standing) -> bool) {
        let caller = self.caller().await;
        let handle = self
            .app
            .instance(&caller, Scope::Admin, name)
            .expect("there");
        let mut watch = handle.watch();
        let reached = watch.wait_for(|status| {
            is(&Standing {
                handle: Arc::clone(&handle),
                status: status.clone(),
            })
        });
        tokio::time::timeout(Duration::from_secs(20), reached)
            .await
            .expect("in time")
            .expect("up");
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible")
    }

    /// The JSON answer to a `GET` with the account's token.
    pub(crate) async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let response = self.send(request("GET", path, &self.account, None)).await;
        let status = response.status().as_u16();
        let bytes = response
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes();
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    /// Says each line (`GET /path`, or `POST /path {json}`) with a token and
    /// writes down what came back.
    pub(crate) async fn talk(&self, token: &str, lines: &[&str]) -> String {
        let mut transcript = String::new();
        for line in lines {
            let (method, rest) = line.split_once(' ').expect("a method");
            let (path, body) = rest
                .split_once(' ')
                .map_or((rest, None), |(p, b)| (p, Some(b)));
            let response = self.send(request(method, path, token, body)).await;
            let kind = response.headers().get(header::CONTENT_TYPE);
            let kind = kind
                .and_then(|v| v.to_str().ok())
                .unwrap_or("no type")
                .to_owned();
            let status = response.status().as_u16();
            let bytes = response
                .into_body()
                .collect()
                .await
                .expect("whole")
                .to_bytes();
            let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
            let _ = writeln!(transcript, "{line}\n  {status} {kind}\n  {text}\n");
        }
        transcript
    }

    /// Ends everything.
    pub(crate) async fn close(self) {
        self.tasks.stop().await;
    }
}

/// The whole body as text.
pub(crate) async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.expect("whole");
    String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8")
}

/// A header as text; blank where there is none.
pub(crate) fn header_of<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |v| v.to_str().expect("ASCII"))
}

/// A request with a token in its header; none where the token is empty.
pub(crate) fn request(method: &str, path: &str, token: &str, body: Option<&str>) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        builder = builder.header("token", token);
    }
    let body = body.map_or_else(Body::empty, |b| Body::from(b.to_owned()));
    builder.body(body).expect("a request")
}
