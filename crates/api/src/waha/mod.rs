//! The WAHA dialect, `/api/{session}/…`: a client written for it works after a
//! change of base URL. Paths, field names, statuses and texts are theirs; a
//! session is an instance.
//!
//! Another dialect has fixed paths under `/api` too. None of them continues
//! with `labels` or `auth`, so sessions may be called `chat` or `instance`. Only
//! a session called `sessions` cannot list or make labels here, as
//! `/api/sessions/labels` is a session called `labels`.

mod auth;
mod config;
mod error;
pub(crate) mod events;
mod labels;
mod server;
mod sessions;
mod socket;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use labelwire_app::App;
use labelwire_app::instance::Handle;
use labelwire_domain::token::Scope;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call;
use crate::document::{self, Where};
use crate::keyed::Places;
use crate::refusal::Refusal;
use error::{Error, ErrorView};

#[derive(OpenApi)]
#[openapi(
    components(schemas(ErrorView)),
    tags((name = "sessions", description = "Linked WhatsApp accounts"),
         (name = "auth", description = "Pairing"),
         (name = "labels", description = "Labels and the chats that carry them"),
         (name = "server", description = "The gateway itself")),
)]
struct Document;

const PLACES: Places = Places {
    header: "x-api-key",
    query: Some("x-api-key"),
};

/// All routes of this dialect.
pub(crate) fn router(base_url: Option<&str>) -> Router<App> {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(labels::list, labels::create))
        .routes(routes!(labels::update, labels::remove))
        .routes(routes!(labels::chats))
        .routes(routes!(labels::of_chat, labels::set_of_chat))
        .routes(routes!(sessions::list, sessions::create))
        .routes(routes!(sessions::info, sessions::update, sessions::remove))
        .routes(routes!(sessions::me))
        .routes(routes!(sessions::start))
        .routes(routes!(sessions::stop))
        .routes(routes!(sessions::restart))
        .routes(routes!(sessions::logout))
        .routes(routes!(auth::qr))
        .routes(routes!(auth::request_code))
        .routes(routes!(server::version))
        .routes(routes!(server::ping))
        .split_for_parts();
    describe(&mut document, base_url);
    let mut document = serde_json::to_value(document).unwrap_or_default();
    labels::describe(&mut document);
    // Its documentation writes these with a slash at the end.
    router
        .route("/ws", get(socket::open))
        .route("/ws/", get(socket::open))
        .route("/ping/", get(server::ping))
        .route(
            "/api/{session}/labels/",
            get(labels::list).post(labels::create),
        )
        .route(
            "/api/{session}/labels/{labelId}/",
            put(labels::update).delete(labels::remove),
        )
        .route("/api/{session}/labels/{labelId}/chats/", get(labels::chats))
        .route(
            "/api/{session}/labels/chats/{chatId}/",
            get(labels::of_chat).put(labels::set_of_chat),
        )
        .route("/api/sessions/", get(sessions::list).post(sessions::create))
        .route(
            "/api/sessions/{session}/",
            get(sessions::info)
                .put(sessions::update)
                .delete(sessions::remove),
        )
        .route("/api/sessions/{session}/me/", get(sessions::me))
        .route("/api/sessions/{session}/start/", post(sessions::start))
        .route("/api/sessions/{session}/stop/", post(sessions::stop))
        .route("/api/sessions/{session}/restart/", post(sessions::restart))
        .route("/api/sessions/{session}/logout/", post(sessions::logout))
        .route("/api/{session}/auth/qr/", get(auth::qr))
        .route(
            "/api/{session}/auth/request-code/",
            post(auth::request_code),
        )
        // The name of older versions.
        .route("/api/version", get(server::version))
        .route(
            "/waha/openapi.json",
            get(|| async move { axum::Json(document) }),
        )
        .method_not_allowed_fallback(|| async { Error::from(Refusal::NoMethod) })
}

fn describe(document: &mut utoipa::openapi::OpenApi, base_url: Option<&str>) {
    let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Api-Key")));
    let query = SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::new("x-api-key")));
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document::head(
        document,
        "labelwire, WAHA dialect",
        "A session is an instance. Use the account's token or an instance's as the key.",
        base_url,
        vec![
            ("api_key", header),
            ("api_key_query", query),
            ("bearer", bearer),
        ],
    );
    document::no_null_parameters(document);
    document::refusals(
        document,
        "Error",
        &[
            (400, Where::Always, "Path, query or body make no sense"),
            (401, Where::Always, "No key, or an unknown one"),
            (403, Where::Always, "The key does not open this"),
            (408, Where::Bodies, "The body stopped coming"),
            (413, Where::Bodies, "The body is too large"),
            (429, Where::Always, "Too many requests for this key"),
            (503, Where::Always, "The gateway is stopping"),
            (504, Where::Always, "It took too long"),
        ],
    );
}

/// Whether a path that has no route is of this dialect.
pub(crate) fn owns(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("ws"), None | Some(""), None)
        | (Some("ping" | "waha"), ..)
        | (Some("api"), Some("sessions" | "server"), _) => true,
        (Some("api"), Some(_), Some(third)) => matches!(third, "labels" | "auth"),
        _ => false,
    }
}

/// A refusal in this dialect's words.
pub(crate) fn refuse(refusal: Refusal) -> Response {
    Error::from(refusal).into_response()
}

/// A call that knows who asks.
struct Call(call::Call);

impl FromRequestParts<App> for Call {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Ok(Self(PLACES.call(parts, app).await?))
    }
}

impl Call {
    /// The session's name, as the path has it.
    fn name(&self) -> &str {
        self.0.param("session")
    }

    /// The session the path names, for a call that needs this scope.
    fn session(&self, app: &App, scope: Scope) -> Result<Arc<Handle>, labelwire_app::Error> {
        app.instance(&self.0.caller, scope, self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::owns;

    #[test]
    fn a_path_belongs_to_one_dialect() {
        for own in [
            "/ping",
            "/ws",
            "/waha/openapi.json",
            "/api/sessions",
            "/api/sessions/",
            "/api/sessions/shop/nothing",
            "/api/shop/labels",
            "/api/shop/labels/1/nothing",
            "/api/chat/labels",
            "/api//labels",
            "/api/shop/auth/captcha",
            "/api/server/nothing",
        ] {
            assert!(owns(own), "{own}");
        }
        for other in [
            "/",
            "/api",
            "/api/chat/tag/labels",
            "/api/instance/list",
            "/ws/shop",
            "/v1/instances",
            "/label/findLabels/shop",
        ] {
            assert!(!owns(other), "{other}");
        }
    }
}
