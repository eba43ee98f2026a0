//! What surrounds every call: its id, its deadline, its log line, and the
//! promise that a bug still gets an answer.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use labelwire_domain::clock::Entropy;

use crate::body::Patient;
use crate::limit::{Gate, Limiter};
use crate::refusal::Refusal;
use crate::router::refuse;

/// Bytes of path and query; above it, 414. The guard in front of the HTTP parser
/// answers in the same words where the parser gives up by itself.
const URL_LIMIT: usize = 64_000;
/// The longest a call may take to begin its answer. Waiting for a code or for a
/// refresh has a shorter end of its own.
const DEADLINE: Duration = Duration::from_secs(90);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, in its answer and in the log.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

impl RequestId {
    /// Writes it on an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(&REQUEST_ID, value);
        }
    }
}

/// The error behind an answer that only says "our fault"; put into the answer's
/// extensions, logged here once, never sent.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) Arc<labelwire_app::Error>);

/// Makes request ids: a random start for each run, then a count.
#[derive(Debug)]
pub(crate) struct RequestIds {
    run: String,
    count: AtomicU64,
}

impl RequestIds {
    /// Ids of a new run.
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut random = [0; 5];
        entropy.fill(&mut random);
        let run = random.iter().fold(String::from("req_"), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self {
            run,
            count: AtomicU64::new(1),
        }
    }

    /// What all ids of this run begin with.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// The caller's own id where it is a plain word, so that one id can be
    /// followed through several programs; else a new one.
    fn id(&self, headers: &HeaderMap) -> RequestId {
        let own = headers
            .get(&REQUEST_ID)
            .and_then(|v| v.to_str().ok())
            .filter(|id| {
                (1..=64).contains(&id.len())
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            });
        own.map_or_else(|| self.fresh(), |id| RequestId(id.into()))
    }

    /// A new id.
    pub(crate) fn fresh(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{}-{count}", self.run).into())
    }
}

/// What all calls share.
pub(crate) struct Around {
    pub(crate) ids: RequestIds,
    pub(crate) limiter: Arc<Limiter>,
    /// How long a body may pause.
    pub(crate) patience: Duration,
}

/// Runs a call with all that surrounds it. Neither query strings nor tokens,
/// chats or bodies are logged.
pub(crate) async fn around(
    State(around): State<Arc<Around>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = around.ids.id(request.headers());
    let gate = Gate::new(&around.limiter);
    let method = request.method().clone();
    let uri = request.uri().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(gate.clone());
    if !request.body().is_end_stream() {
        request = request.map(|body| Body::new(Patient::new(body, around.patience)));
    }
    let refused = |refusal| refuse(uri.path(), refusal, &id);

    let mut response = if uri
        .path_and_query()
        .is_some_and(|p| p.as_str().len() > URL_LIMIT)
    {
        refused(Refusal::UrlTooLong)
    } else {
        let call = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => refused(Refusal::Panic),
            Err(_) => refused(Refusal::Deadline),
        }
    };

    let route = route.as_ref().map_or("no route", MatchedPath::as_str);
    let (status, ms) = (response.status().as_u16(), started.elapsed().as_millis());
    let request_id = &*id.0;
    if let Some(Cause(error)) = response.extensions_mut().remove::<Cause>() {
        let error: &dyn std::error::Error = &*error;
        tracing::error!(%method, route, status, ms, request_id, error, "`{method} {route}` failed");
    } else if status == 500 {
        tracing::error!(%method, route, status, ms, request_id, "`{method} {route}` failed");
    } else {
        tracing::debug!(%method, route, status, ms, request_id, "`{method} {route}` answered {status}");
    }
    id.write(response.headers_mut());
    if let Some(standing) = gate.standing.get() {
        standing.write(response.headers_mut());
    }
    response
}
