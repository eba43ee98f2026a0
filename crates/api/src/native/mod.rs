//! The native API, `/v1/…`: errors are problem documents (RFC 9457).

mod error;
mod health;
mod labels;

use axum::Router;
use axum::extract::{Extension, FromRequestParts};
use axum::http::request::Parts;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use labelwire_app::App;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, ServerBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call;
use crate::layers::RequestId;
use crate::refusal::Refusal;
use error::Error;

#[derive(OpenApi)]
#[openapi(
    tags((name = "labels", description = "Labels and the chats that carry them"),
         (name = "service", description = "The gateway itself")),
)]
struct Document;

/// All routes of the native API.
pub(crate) fn router(base_url: Option<&str>) -> Router<App> {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(labels::of_chat))
        .split_for_parts();
    document.info = InfoBuilder::new()
        .title("labelwire")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A WhatsApp account's labels over HTTP. Use the account's token or an instance's, \
             as `Authorization: Bearer …`, as header `token`, or as query parameter `token`.",
        ))
        .license(Some(
            LicenseBuilder::new().name("MIT OR Apache-2.0").build(),
        ))
        .build();
    document.servers = base_url.map(|url| vec![ServerBuilder::new().url(url).build()]);
    document
        .components
        .get_or_insert_default()
        .add_security_scheme(
            "token",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
    let document = serde_json::to_value(document).unwrap_or_default();
    router
        .route(
            "/v1/openapi.json",
            get(|| async move { axum::Json(document) }),
        )
        .method_not_allowed_fallback(|Extension(id): Extension<RequestId>| async move {
            refuse(Refusal::NoMethod, &id)
        })
        .route_layer(middleware::from_fn(error::finish))
}

/// A refusal in this API's words.
pub(crate) fn refuse(refusal: Refusal, id: &RequestId) -> Response {
    Error::from(refusal).answer(id)
}

/// A call that knows who asks.
struct Call(call::Call);

impl FromRequestParts<App> for Call {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Ok(Self(call::Call::of(parts, app).await?))
    }
}
