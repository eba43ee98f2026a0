//! A receiver of webhooks on a port of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::IntoResponse as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a receiver does with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// Answers this status.
    Status(u16),
    /// The same, and when to come again.
    Later(u16, u64),
    /// Never answers.
    Hang,
}

/// A call that was received.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) headers: HeaderMap,
    pub(crate) raw: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
    /// What it was answered; 0 for nothing.
    pub(crate) status: u16,
}

impl Hit {
    pub(crate) fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    /// The chat, the label and whether it was put on.
    pub(crate) fn change(&self) -> Option<(String, String, bool)> {
        let data = &self.body["data"];
        Some((
            data["chat"]["jid"].as_str()?.to_owned(),
            data["label"]["id"].as_str()?.to_owned(),
            self.kind() == "chat.labeled",
        ))
    }
}

type Behaviour = Box<dyn FnMut(&Value) -> Reply + Send>;

struct State {
    hits: Mutex<Vec<Hit>>,
    behaviour: Mutex<Behaviour>,
    news: Notify,
}

/// A running receiver; ends with the test.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    state: Arc<State>,
}

impl Receiver {
    /// One that does this with each call, by its body.
    pub(crate) async fn start(behaviour: impl FnMut(&Value) -> Reply + Send + 'static) -> Self {
        let state = Arc::new(State {
            hits: Mutex::default(),
            behaviour: Mutex::new(Box::new(behaviour)),
            news: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let shared = Arc::clone(&state);
        let router = Router::new().fallback(move |_: Uri, headers: HeaderMap, body: Bytes| {
            let state = Arc::clone(&shared);
            async move { state.receive(headers, &body).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// Does this with each call from now on.
    pub(crate) fn behaves(&self, behaviour: impl FnMut(&Value) -> Reply + Send + 'static) {
        *self.state.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    /// All calls so far.
    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.state.hits.lock().unwrap().clone()
    }

    /// Those that were answered with success.
    pub(crate) fn accepted(&self) -> Vec<Hit> {
        let mut hits = self.hits();
        hits.retain(|hit| (200..300).contains(&hit.status));
        hits
    }

    /// Waits until the calls are such.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&[Hit]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let news = self.state.news.notified();
            let hits = self.hits();
            if is(&hits) {
                return;
            }
            let timeout = tokio::time::timeout_at(deadline, news).await;
            assert!(timeout.is_ok(), "{what}: {} calls", hits.len());
        }
    }

    /// Waits until so many different events were accepted.
    pub(crate) async fn accepts(&self, events: usize) {
        self.until(&format!("{events} events"), |hits| {
            let ok = hits.iter().filter(|hit| (200..300).contains(&hit.status));
            let ids: std::collections::BTreeSet<&str> = ok.map(Hit::id).collect();
            ids.len() >= events
        })
        .await;
    }
}

impl State {
    async fn receive(&self, headers: HeaderMap, body: &Bytes) -> axum::response::Response {
        let raw = String::from_utf8(body.to_vec()).unwrap();
        let body: Value = serde_json::from_str(&raw).unwrap();
        let reply = (self.behaviour.lock().unwrap())(&body);
        let status = match reply {
            Reply::Status(status) | Reply::Later(status, _) => status,
            Reply::Hang => 0,
        };
        self.hits.lock().unwrap().push(Hit {
            headers,
            raw,
            body,
            at: Instant::now(),
            status,
        });
        self.news.notify_waiters();
        let answer = (StatusCode::from_u16(status.max(200)).unwrap(), "heard");
        match reply {
            Reply::Status(_) => answer.into_response(),
            Reply::Later(_, seconds) => {
                let later = (HeaderName::from_static("retry-after"), seconds.to_string());
                ([later], answer).into_response()
            }
            Reply::Hang => std::future::pending().await,
        }
    }
}
