//! The native API, `/v1/…`: errors are problem documents (RFC 9457).

mod as_of;
mod chats;
mod commands;
mod cursor;
mod deliveries;
mod diff;
mod error;
mod event_view;
mod events;
mod format;
mod health;
mod history;
mod instances;
mod labels;
mod links;
mod listing;
mod messages;
mod problems;
mod snapshots;
mod tokens;
mod view;
mod webhook_view;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, FromRequestParts};
use axum::http::request::Parts;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use labelwire_app::App;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, RefOr, Required, ServerBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call;
use crate::idempotency;
use crate::layers::RequestId;
use crate::refusal::Refusal;
use error::Error;

pub(crate) use event_view::tell;

#[derive(OpenApi)]
#[openapi(
    tags((name = "instances", description = "Linked WhatsApp accounts"),
         (name = "labels", description = "Labels themselves"),
         (name = "chats", description = "The chats that carry labels"),
         (name = "messages", description = "The messages that carry labels"),
         (name = "events", description = "What happened, and what is happening"),
         (name = "history", description = "Snapshots, comparisons, and what is kept"),
         (name = "commands", description = "What has become of writes"),
         (name = "tokens", description = "Who may ask, and for what"),
         (name = "webhooks", description = "Where events are sent, and what has become of them"),
         (name = "service", description = "The gateway itself")),
    components(schemas(error::Problem, event_view::BodyView)),
)]
struct Document;

/// All routes of the native API.
/// `run` is another word for each run of the program.
pub(crate) fn router(app: App, base_url: Option<&str>, run: &str) -> Router<App> {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(instances::list, instances::create))
        .routes(routes!(instances::get, instances::delete))
        .routes(routes!(instances::connect))
        .routes(routes!(instances::logout))
        .routes(routes!(instances::start))
        .routes(routes!(instances::stop))
        .routes(routes!(instances::restart))
        .routes(routes!(labels::list, labels::create))
        .routes(routes!(labels::get, labels::patch, labels::delete))
        .routes(routes!(labels::reorder))
        .routes(routes!(labels::counts))
        .routes(routes!(chats::list))
        .routes(routes!(links::bulk))
        .routes(routes!(links::of_chat, links::set_chat))
        .routes(routes!(links::put, links::take_off))
        .routes(routes!(messages::of_label))
        .routes(routes!(messages::of_message))
        .routes(routes!(messages::put, messages::take_off))
        .routes(routes!(events::list))
        .routes(routes!(events::of_chat))
        .routes(routes!(events::stream))
        .routes(routes!(events::socket))
        .routes(routes!(snapshots::list, snapshots::create))
        .routes(routes!(snapshots::schedule, snapshots::set_schedule))
        .routes(routes!(snapshots::get, snapshots::delete))
        .routes(routes!(snapshots::chats))
        .routes(routes!(diff::diff))
        .routes(routes!(history::retention, history::set_retention))
        .routes(routes!(history::erase))
        .routes(routes!(commands::get))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::own))
        .routes(routes!(tokens::get, tokens::revoke))
        .routes(routes!(tokens::rotate))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::get, webhooks::patch, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::test))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::get))
        .routes(routes!(deliveries::replay_one))
        .routes(routes!(deliveries::replay))
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
    for path in [instances::CONNECT, webhooks::ROTATE] {
        let path = document.paths.paths.get_mut(path);
        if let Some(RefOr::T(body)) = path
            .and_then(|path| path.post.as_mut())
            .and_then(|call| call.request_body.as_mut())
        {
            body.required = Some(Required::False);
        }
    }
    let mut document = serde_json::to_value(document).unwrap_or_default();
    webhook_view::describe(&mut document);
    router
        .route(
            "/v1/openapi.json",
            get(|| async move { axum::Json(document) }),
        )
        .route_layer(middleware::from_fn(error::finish))
        .route_layer(middleware::from_fn_with_state(app, idempotency::once))
        // Behind the layers: a call that does not exist takes no key.
        .method_not_allowed_fallback(|Extension(id): Extension<RequestId>| async move {
            refuse(Refusal::NoMethod, &id)
        })
        .layer(Extension(chats::Run(Arc::from(run))))
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
