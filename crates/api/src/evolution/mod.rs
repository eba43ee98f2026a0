//! The Evolution API dialect, `/label/…`, `/instance/…` and `/webhook/…`: a client
//! written for it works after a change of base URL. Paths, field names, statuses and texts
//! are theirs.

mod error;
pub(crate) mod events;
mod instances;
mod labels;
mod view;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
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
    tags((name = "label", description = "Labels and the chats that carry them"),
         (name = "instance", description = "Linked WhatsApp accounts"),
         (name = "webhook", description = "Where events go")),
)]
struct Document;

const PLACES: Places = Places {
    header: "apikey",
    query: None,
};

/// All routes of this dialect.
pub(crate) fn router(base_url: Option<&str>) -> Router<App> {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(labels::find))
        .routes(routes!(labels::handle, labels::handle_put))
        .routes(routes!(instances::fetch))
        .routes(routes!(instances::state))
        .routes(routes!(webhooks::set))
        .routes(routes!(webhooks::find))
        .split_for_parts();
    describe(&mut document, base_url);
    let mut document = serde_json::to_value(document).unwrap_or_default();
    webhooks::describe(&mut document);
    router
        .route(
            "/evolution/openapi.json",
            get(|| async move { axum::Json(document) }),
        )
        .method_not_allowed_fallback(|| async { Error::from(Refusal::NoMethod) })
}

fn describe(document: &mut utoipa::openapi::OpenApi, base_url: Option<&str>) {
    let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("apikey")));
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document::head(
        document,
        "labelwire, Evolution API dialect",
        "Use the account's token or an instance's as the key.",
        base_url,
        vec![("apikey", header), ("bearer", bearer)],
    );
    document::no_null_parameters(document);
    document::refusals(
        document,
        "Error",
        &[
            (400, Where::Always, "Path, query or body make no sense"),
            (
                401,
                Where::Always,
                "No key, an unknown one, or another instance's",
            ),
            (403, Where::Always, "The key does not open this call"),
            (404, Where::Always, "No such instance"),
            (408, Where::Bodies, "The body stopped coming"),
            (413, Where::Bodies, "The body is too large"),
            (429, Where::Always, "Too many requests for this key"),
            (
                503,
                Where::Always,
                "The instance is not connected, or the gateway is stopping",
            ),
            (504, Where::Always, "It took too long"),
        ],
    );
}

/// Whether a path that has no route is of this dialect.
pub(crate) fn owns(path: &str) -> bool {
    let first = path.split('/').nth(1);
    matches!(first, Some("label" | "instance" | "webhook" | "evolution"))
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
    /// The instance's name, as the path has it.
    fn name(&self) -> &str {
        self.0.param("instance")
    }

    /// The instance the path names, for a call that needs this scope.
    fn instance(&self, app: &App, scope: Scope) -> Result<Arc<Handle>, labelwire_app::Error> {
        app.instance(&self.0.caller, scope, self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::owns;

    #[test]
    fn a_path_belongs_to_one_dialect() {
        for own in [
            "/webhook/set",
            "/label",
            "/label/findLabels",
            "/instance/x",
            "/evolution/",
        ] {
            assert!(owns(own), "{own}");
        }
        for other in ["/", "/api/instance/list", "/v1/instances", "/labels"] {
            assert!(!owns(other), "{other}");
        }
    }
}
