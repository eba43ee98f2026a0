//! The RyzeAPI dialect, `/api/…`: a client written for it works after a change
//! of base URL. Paths, field names, statuses and texts are theirs.

mod chat;
mod contacts;
mod error;
mod instances;
mod view;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use labelwire_app::App;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, ServerBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call;
use crate::refusal::Refusal;
use error::Error;

#[derive(OpenApi)]
#[openapi(
    tags((name = "instance", description = "Linked WhatsApp accounts"),
         (name = "chat", description = "Labels (\"tags\") and the chats that carry them")),
)]
struct Document;

/// All routes of this dialect.
pub(crate) fn router(base_url: Option<&str>) -> Router<App> {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(instances::create))
        .routes(routes!(instances::list))
        .routes(routes!(instances::connect))
        .routes(routes!(instances::logout))
        .routes(routes!(instances::remove))
        .routes(routes!(contacts::by_label))
        .routes(routes!(chat::tags))
        .routes(routes!(chat::assign, chat::unassign))
        .split_for_parts();
    document.info = InfoBuilder::new()
        .title("labelwire, RyzeAPI dialect")
        .version(env!("CARGO_PKG_VERSION"))
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
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("token"))),
        );
    let document = serde_json::to_value(document).unwrap_or_default();

    // A path that ends before the name is a call with an empty one.
    let mut router = router;
    for end in ["", "/"] {
        let path = |name: &str| format!("/api/{name}{end}");
        router = router
            .route(&path("instance/connect"), get(instances::connect))
            .route(&path("instance/logout"), delete(instances::logout))
            .route(&path("instance/delete"), delete(instances::remove))
            .route(&path("chat/contactsByLabel"), get(contacts::by_label))
            .route(&path("chat/tag"), get(chat::tags))
            .route(
                &path("chat/assignTag"),
                delete(chat::unassign).post(chat::assign),
            );
    }
    router
        .route(
            "/api/openapi.json",
            get(|| async move { axum::Json(document) }),
        )
        .method_not_allowed_fallback(|| async { Error::from(Refusal::NoMethod) })
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
        Ok(Self(call::Call::of(parts, app).await?))
    }
}
