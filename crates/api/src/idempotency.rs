//! `Idempotency-Key`: a write that is asked for twice is done once, and answered
//! the same way both times.

use std::panic::AssertUnwindSafe;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use labelwire_app::App;
use labelwire_app::idempotency::{Answered, Begun, Keyed};
use sha2::{Digest as _, Sha256};

use crate::body;
use crate::caller::caller;
use crate::layers::RequestId;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::router::refuse;

/// Bytes of an answer that is kept; no write has a longer one.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;
/// The headers that belong to an answer itself.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];
/// Parameters that say who asks, not what.
const CREDENTIALS: [&str; 4] = ["token", "access_token", "apikey", "instance_token"];

static KEY: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The request's key, where it has one.
///
/// # Errors
/// [`Refusal::IdempotencyKeyInvalid`]: said twice, empty, too long, or not
/// visible ASCII.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<std::sync::Arc<str>>, Refusal> {
    let mut keys = headers.get_all(&KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let is_key = |key: &&str| {
        (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match (key.to_str().ok().filter(is_key), keys.next()) {
        (Some(key), None) => Ok(Some(key.into())),
        _ => Err(Refusal::IdempotencyKeyInvalid),
    }
}

/// Answers writes with a key once. Goes around a router whose callers are found
/// by [`caller`]; what it lets in is not counted or looked up again inside.
pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_write = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    if !is_write || !request.headers().contains_key(&KEY) {
        return next.run(request).await;
    }
    let id = request.extensions().get::<RequestId>().cloned();
    let path = request
        .extensions()
        .get::<OriginalUri>()
        .map_or_else(|| request.uri().clone(), |OriginalUri(uri)| uri.clone());
    let id = id.unwrap_or(RequestId("".into()));
    match answer(&app, request, next).await {
        Ok(response) => response,
        Err(refusal) => refuse(path.path(), refusal, &id),
    }
}

async fn answer(app: &App, request: Request, next: Next) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let query = Query::of(parts.uri.query());
    let caller = caller(app, &mut parts, &query).await?;
    let key = key(&parts.headers)?;
    let (Some(token), Some(key)) = (&caller.token, key) else {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let bytes = body::bytes(body).await?;
    let asked = fingerprint(&parts.method, &parts.uri, &bytes);
    match app.begin_keyed(token, &key, &asked).await? {
        Begun::Answered(answered) => Ok(replay(answered)),
        Begun::InProgress => Err(Refusal::IdempotencyInProgress),
        Begun::Reused => Err(Refusal::IdempotencyKeyReused),
        Begun::New(keyed) => {
            let request = Request::from_parts(parts, Body::from(bytes));
            let whole = finish(app.clone(), keyed, request, next);
            // To the end though the caller hangs up: it is about to ask again.
            app.to_the_end(async move { Ok(whole.await) }).await?
        }
    }
}

/// Runs the call and keeps its answer, or forgets the key where it failed.
async fn finish(app: App, keyed: Keyed, request: Request, next: Next) -> Result<Response, Refusal> {
    let Ok(response) = AssertUnwindSafe(next.run(request)).catch_unwind().await else {
        forget(&app, keyed).await;
        return Err(Refusal::Panic);
    };
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        forget(&app, keyed).await;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_LIMIT).await else {
        forget(&app, keyed).await;
        return Err(Refusal::Panic);
    };
    let headers = KEPT.iter().filter_map(|name| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    });
    let answered = Answered {
        status: status.as_u16(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    // The write is done: that its answer could not be kept does not undo it.
    if let Err(error) = app.finish_keyed(keyed, &answered).await {
        tracing::error!(%error, "the answer to a request with an Idempotency-Key could not be kept");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

async fn forget(app: &App, keyed: Keyed) {
    if let Err(error) = app.forget_keyed(keyed).await {
        tracing::error!(%error, "an Idempotency-Key could not be freed; it is in use until a restart");
    }
}

fn replay(answered: Answered) -> Response {
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() =
        StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in answered.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            headers.insert(name, value);
        }
    }
    headers.insert(&REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Tells requests apart: method, path, query without credentials, body. Each
/// piece goes in with its length, so that none can pass for another.
fn fingerprint(method: &Method, uri: &Uri, body: &Bytes) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |piece: &[u8]| {
        hash.update((piece.len() as u64).to_be_bytes());
        hash.update(piece);
    };
    add(method.as_str().as_bytes());
    add(uri.path().as_bytes());
    add(body);
    let query = uri.query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !CREDENTIALS.contains(&&*name) {
            add(name.as_bytes());
            add(value.as_bytes());
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
#[path = "idempotency_tests.rs"]
mod tests;
