//! One router of a few made-up writes, and the layer around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::middleware;
use axum::routing::{get, post};
use axum::{Extension, Router};
use labelwire_app::phone::{Connector, EventSink, Phone, PhoneError};
use labelwire_app::tasks::Tasks;
use labelwire_app::{Caller, Outside};
use labelwire_domain::clock::{Clock, SystemEntropy, Timestamp};
use labelwire_domain::ids::InstanceKey;
use labelwire_store::Db;
use labelwire_store::testing::TestDb;
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt as _;

use super::*;

struct NoPhones;

#[async_trait]
impl Connector for NoPhones {
    async fn is_paired(&self, _: InstanceKey) -> bool {
        false
    }

    async fn start(&self, _: InstanceKey, _: EventSink) -> Result<Arc<dyn Phone>, PhoneError> {
        Err(PhoneError::Refused("there are none".into()))
    }
}

#[derive(Default)]
struct Hours(AtomicU32);

impl Clock for Hours {
    fn now(&self) -> Timestamp {
        Timestamp::default().after(Duration::from_hours(self.0.load(Ordering::Relaxed).into()))
    }
}

/// Who asks, as a dialect's handlers learn it.
struct Asking(Caller);

impl FromRequestParts<App> for Asking {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, StatusCode> {
        let query = Query::of(parts.uri.query());
        let found = caller(app, parts, &query).await;
        found.map(Self).map_err(|_| StatusCode::UNAUTHORIZED)
    }
}

/// How often writes were done, and the leave that `/v1/waits` waits for.
struct Done {
    writes: AtomicU32,
    begun: Notify,
    leave: Semaphore,
}

struct Shelf {
    app: App,
    router: Router,
    done: Arc<Done>,
    token: String,
    tasks: Tasks,
}

impl Shelf {
    async fn on(db: Db, clock: Arc<Hours>) -> Self {
        let tasks = Tasks::new();
        let app = App::new(Outside {
            db,
            clock,
            entropy: Arc::new(SystemEntropy),
            connector: Arc::new(NoPhones),
            tasks: tasks.clone(),
            list_budget: 0,
            rules: labelwire_domain::intent::LabelRules::default(),
            bell: std::sync::Arc::default(),
        });
        let app = app.await.expect("an app");
        let done = Arc::new(Done {
            writes: AtomicU32::new(0),
            begun: Notify::new(),
            leave: Semaphore::new(0),
        });
        let write = |done: &Done| done.writes.fetch_add(1, Ordering::Relaxed) + 1;
        let router = Router::new()
            .route(
                "/v1/writes",
                post(
                    async move |Asking(caller): Asking,
                                Extension(done): Extension<Arc<Done>>,
                                body: String| {
                        let key = caller.idempotency_key.unwrap_or_default();
                        let said = format!("{} {key} {body}", write(&done));
                        (StatusCode::CREATED, [(header::ETAG, "\"7\"")], said)
                    },
                )
                .put(async move |Extension(done): Extension<Arc<Done>>| write(&done).to_string()),
            )
            .route(
                "/v1/fails",
                post(async move |Extension(done): Extension<Arc<Done>>| {
                    (StatusCode::BAD_GATEWAY, write(&done).to_string())
                }),
            )
            .route(
                "/v1/breaks",
                post(async move |Extension(done): Extension<Arc<Done>>| {
                    assert!(write(&done) > 1, "a bug");
                    "mended"
                }),
            )
            .route(
                "/v1/waits",
                post(async move |Extension(done): Extension<Arc<Done>>| {
                    done.begun.notify_one();
                    let _leave = done.leave.acquire().await;
                    write(&done).to_string()
                }),
            )
            .route("/v1/reads", get(async || "read"))
            .layer(middleware::from_fn_with_state(app.clone(), once))
            .layer(Extension(Arc::clone(&done)))
            .with_state(app.clone());
        // Two runs on one database have an account each.
        let name = format!("account {}", app.accounts().await.expect("a list").len());
        let (_, token) = app.create_account(&name).await.expect("an account");
        Self {
            app,
            router,
            done,
            token,
            tasks,
        }
    }

    /// Status, whether it was replayed, and the body.
    async fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, bool, String) {
        self.ask_as(&self.token, method, path, key, body).await
    }

    async fn ask_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> (u16, bool, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("token", token)
            .header(&KEY, key)
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let answer = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let is_replayed = answer.headers().contains_key(&REPLAYED);
        if is_replayed && answer.status() == 201 {
            assert_eq!(answer.headers()[header::ETAG], "\"7\"");
            assert_eq!(
                answer.headers()[header::CONTENT_TYPE],
                "text/plain; charset=utf-8"
            );
        }
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), usize::MAX)
            .await
            .expect("whole");
        (
            status,
            is_replayed,
            String::from_utf8(body.to_vec()).expect("UTF-8"),
        )
    }
}

async fn shelf() -> (TestDb, Shelf, Arc<Hours>) {
    let db = TestDb::sqlite().expect("a folder");
    let clock = Arc::<Hours>::default();
    let opened = db.open().await.expect("a database");
    let shelf = Shelf::on(opened, Arc::clone(&clock)).await;
    (db, shelf, clock)
}

fn code(body: &str) -> String {
    let problem: serde_json::Value = serde_json::from_str(body).expect("a problem");
    problem["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_write_asked_for_twice_is_done_once_and_answered_alike() {
    let (_db, shelf, _) = shelf().await;
    let first = shelf.ask("POST", "/v1/writes", "k", "a").await;
    assert_eq!(first, (201, false, "1 k a".to_owned()));
    let again = shelf.ask("POST", "/v1/writes", "k", "a").await;
    assert_eq!(again, (201, true, "1 k a".to_owned()));
    for (method, path, body) in [
        ("POST", "/v1/writes", "b"),
        ("PUT", "/v1/writes", "a"),
        ("POST", "/v1/writes?x=1", "a"),
        ("POST", "/v1/fails", "a"),
    ] {
        let (status, _, said) = shelf.ask(method, path, "k", body).await;
        assert_eq!(
            (status, code(&said).as_str()),
            (422, "idempotency_key_reused"),
            "{path}"
        );
    }
    let other_key = shelf.ask("POST", "/v1/writes", "l", "a").await;
    assert_eq!(other_key.2, "2 l a");
    let (_, other_token) = shelf.app.create_account("other").await.expect("an account");
    let other = shelf
        .ask_as(&other_token, "POST", "/v1/writes", "k", "a")
        .await;
    assert_eq!(
        other,
        (201, false, "3 k a".to_owned()),
        "a key is a token's own"
    );
    assert_eq!(
        shelf.ask("GET", "/v1/reads", "k", "").await,
        (200, false, "read".to_owned())
    );
    shelf.tasks.stop().await;
}

#[tokio::test]
async fn what_failed_on_our_side_may_be_tried_again() {
    let (_db, shelf, _) = shelf().await;
    for n in ["1", "2"] {
        let said = shelf.ask("POST", "/v1/fails", "k", "").await;
        assert_eq!(said, (502, false, n.to_owned()));
    }
    shelf.done.writes.store(0, Ordering::Relaxed);
    let (status, _, said) = shelf.ask("POST", "/v1/breaks", "b", "").await;
    assert_eq!((status, code(&said).as_str()), (500, "internal"));
    let mended = shelf.ask("POST", "/v1/breaks", "b", "").await;
    assert_eq!(mended, (200, false, "mended".to_owned()));
    shelf.tasks.stop().await;
}

#[tokio::test]
async fn who_asks_meanwhile_is_told_so_and_who_hung_up_gets_the_answer_later() {
    let (_db, shelf, _) = shelf().await;
    {
        let mut first = std::pin::pin!(shelf.ask("POST", "/v1/waits", "k", ""));
        tokio::select! {
            _ = &mut first => panic!("it waits"),
            () = shelf.done.begun.notified() => {}
        }
        let (status, _, said) = shelf.ask("POST", "/v1/waits", "k", "").await;
        assert_eq!(
            (status, code(&said).as_str()),
            (409, "idempotency_in_progress")
        );
        // Here the first caller hangs up.
    }
    shelf.done.leave.add_permits(1);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let said = loop {
        let said = shelf.ask("POST", "/v1/waits", "k", "").await;
        if said.0 != 409 {
            break said;
        }
        assert!(tokio::time::Instant::now() < deadline, "in time");
    };
    assert_eq!(said, (200, true, "1".to_owned()));
    shelf.tasks.stop().await;
}

#[tokio::test]
async fn a_crash_frees_a_key_and_keeps_the_answers_given() {
    let (db, shelf, clock) = shelf().await;
    shelf.ask("POST", "/v1/writes", "done", "a").await;
    let caller = shelf.app.authenticate(&shelf.token).await.expect("known");
    let token = caller.token.expect("a token");
    let asked = fingerprint(
        &Method::POST,
        &Uri::from_static("/v1/writes"),
        &Bytes::from("a"),
    );
    let begun = shelf
        .app
        .begin_keyed(&token, "dead", &asked)
        .await
        .expect("begun");
    assert!(matches!(begun, Begun::New(_)));
    // The next run of the program knows neither task nor answer.
    let mut next = Shelf::on(db.open().await.expect("a database"), clock).await;
    next.token.clone_from(&shelf.token);
    let fresh = next.ask("POST", "/v1/writes", "dead", "a").await;
    assert_eq!(fresh, (201, false, "1 dead a".to_owned()));
    let kept = next.ask("POST", "/v1/writes", "done", "a").await;
    assert_eq!(kept, (201, true, "1 done a".to_owned()));
    shelf.tasks.stop().await;
    next.tasks.stop().await;
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let (_db, shelf, clock) = shelf().await;
    shelf.ask("POST", "/v1/writes", "k", "a").await;
    clock.0.store(24, Ordering::Relaxed);
    shelf.app.prune_keyed().await.expect("pruned");
    assert!(shelf.ask("POST", "/v1/writes", "k", "a").await.1);
    clock.0.store(25, Ordering::Relaxed);
    let (_, is_replayed, said) = shelf.ask("POST", "/v1/writes", "k", "b").await;
    assert_eq!((is_replayed, said.as_str()), (false, "2 k b"));
    shelf.tasks.stop().await;
}

#[tokio::test]
async fn a_key_or_a_body_that_makes_no_sense_is_refused() {
    let (_db, shelf, _) = shelf().await;
    let (status, _, said) = shelf.ask("POST", "/v1/writes", "a b", "").await;
    assert_eq!(
        (status, code(&said).as_str()),
        (400, "idempotency_key_invalid")
    );
    let large = "x".repeat(body::LIMIT + 1);
    let (status, _, said) = shelf.ask("POST", "/v1/writes", "k", &large).await;
    assert_eq!((status, code(&said).as_str()), (413, "body_too_large"));
    let (status, _, said) = shelf.ask_as("nobody", "POST", "/v1/writes", "k", "").await;
    assert_eq!((status, code(&said).as_str()), (401, "invalid_token"));
    assert_eq!(shelf.done.writes.load(Ordering::Relaxed), 0);
    shelf.tasks.stop().await;
}

#[test]
fn a_key_is_visible_ascii_said_once() {
    let of = |keys: &[&str]| {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(&KEY, key.parse().expect("a value"));
        }
        key(&headers).map(|k| k.map(|k| k.to_string()))
    };
    assert!(matches!(of(&[]), Ok(None)));
    assert!(matches!(of(&["a-1"]), Ok(Some(key)) if key == "a-1"));
    assert!(of(&[&"x".repeat(255)]).is_ok());
    for bad in [
        &["a", "a"][..],
        &[""],
        &["a b"],
        &["é"],
        &[&"x".repeat(256)],
    ] {
        assert!(of(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn requests_are_told_apart_by_what_they_ask_and_not_by_who_asks() {
    let of = |method, uri: &'static str, body: &'static str| {
        fingerprint(&method, &Uri::from_static(uri), &Bytes::from(body))
    };
    let first = of(Method::POST, "/v1/a?x=1", "{}");
    assert_eq!(first, of(Method::POST, "/v1/a?token=t&x=1", "{}"));
    assert_ne!(first, of(Method::PUT, "/v1/a?x=1", "{}"));
    assert_ne!(first, of(Method::POST, "/v1/b?x=1", "{}"));
    assert_ne!(first, of(Method::POST, "/v1/a?x=2", "{}"));
    assert_ne!(first, of(Method::POST, "/v1/a?x=1", "{ }"));
}
