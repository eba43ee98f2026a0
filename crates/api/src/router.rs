//! All routes under one roof, and who answers where there is none.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, OriginalUri};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use labelwire_app::App;
use labelwire_domain::clock::Entropy;

use crate::layers::{self, RequestId, RequestIds};
use crate::refusal::Refusal;
use crate::wawp::{self, ListShape};
use crate::{native, ryze};

/// What the API takes from outside.
pub struct Config {
    /// Where clients reach this gateway (`https://labels.example.org`), for the
    /// OpenAPI documents; they are relative to their own place without it.
    pub base_url: Option<String>,
    /// Randomness for request ids.
    pub entropy: Arc<dyn Entropy>,
    /// How the Wawp dialect writes lists.
    pub wawp_list_shape: ListShape,
}

/// The whole HTTP API over an application.
pub fn router(app: App, config: Config) -> Router {
    let ids = Arc::new(RequestIds::new(&*config.entropy));
    let base_url = config.base_url.as_deref();
    native::router(base_url)
        .merge(ryze::router(base_url))
        .merge(wawp::router(base_url, config.wawp_list_shape))
        .with_state(app)
        .fallback(no_route)
        .layer(middleware::from_fn_with_state(ids, layers::around))
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
    } else if wawp::has(path) {
        wawp::refuse(refusal)
    } else {
        ryze::refuse(refusal)
    }
}

/// The same where nothing is known of the path, for who writes to the socket itself.
pub(crate) fn refuse_raw(refusal: Refusal) -> (StatusCode, Bytes) {
    ryze::raw(refusal)
}
