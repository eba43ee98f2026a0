//! All routes under one roof, and who answers where there is none.

use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Extension, OriginalUri};
use axum::http::response::Parts;
use axum::middleware;
use axum::response::Response;
use futures_util::FutureExt as _;
use labelwire_app::App;
use labelwire_domain::clock::{Clock, Entropy};

use crate::cors::{self, Origins};
use crate::layers::{self, Around, RequestId, RequestIds};
use crate::limit::{Limiter, Rate};
use crate::line::Timeouts;
use crate::refusal::Refusal;
use crate::wawp::{self, ListShape};
use crate::{docs, evolution, native, ryze, waha};

/// The usual bound of connections.
pub const CONNECTIONS: usize = 4096;

/// What the API takes from outside.
#[derive(Clone)]
pub struct Config {
    /// Where clients reach this gateway (`https://labels.example.org`), for the
    /// OpenAPI documents; they are relative to their own place without it.
    pub base_url: Option<String>,
    /// Randomness for request ids.
    pub entropy: Arc<dyn Entropy>,
    /// The clock, for the moments said in headers.
    pub clock: Arc<dyn Clock>,
    /// How often a token may ask.
    pub rate: Rate,
    /// Where pages may come from that call this gateway.
    pub cors: Origins,
    /// How long who is at the other end may take.
    pub timeouts: Timeouts,
    /// Connections at a time; who comes above it waits.
    pub connections: usize,
    /// How the Wawp dialect writes lists.
    pub wawp_list_shape: ListShape,
}

/// The whole HTTP API over an application.
pub fn router(app: App, config: Config) -> Router {
    let around = Arc::new(Around {
        ids: RequestIds::new(&*config.entropy),
        limiter: Arc::new(Limiter::new(config.rate, config.clock)),
        patience: config.timeouts.body,
    });
    let cors = cors::layer(&config.cors);
    let base_url = config.base_url.as_deref();
    let router = native::router(app.clone(), base_url, around.ids.run())
        .merge(ryze::router(base_url))
        .merge(waha::router(base_url))
        .merge(evolution::router(base_url))
        .merge(docs::router())
        .merge(wawp::router(base_url, config.wawp_list_shape))
        .with_state(app)
        .fallback(no_route)
        .layer(middleware::from_fn_with_state(around, layers::around));
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

async fn no_route(OriginalUri(uri): OriginalUri, Extension(id): Extension<RequestId>) -> Response {
    let refusal = if uri.path().starts_with("/v1/instances//") {
        Refusal::InstanceRequired
    } else {
        Refusal::NoRoute
    };
    refuse(uri.path(), refusal, &id)
}

/// A refusal in the words of the dialect that a path belongs to.
pub(crate) fn refuse(path: &str, refusal: Refusal, id: &RequestId) -> Response {
    if path == "/v1" || path.starts_with("/v1/") {
        native::refuse(refusal, id)
    } else if waha::owns(path) {
        waha::refuse(refusal)
    } else if evolution::owns(path) {
        evolution::refuse(refusal)
    } else if wawp::owns(path) {
        wawp::refuse(refusal)
    } else {
        ryze::refuse(refusal)
    }
}

/// The same for who writes to the socket itself.
pub(crate) fn refuse_raw(path: &str, refusal: Refusal, id: &RequestId) -> Option<(Parts, Bytes)> {
    let (mut parts, body) = refuse(path, refusal, id).into_parts();
    id.write(&mut parts.headers);
    // A refusal is there whole: nothing is waited for.
    let body = to_bytes(body, usize::MAX).now_or_never()?.ok()?;
    Some((parts, body))
}
