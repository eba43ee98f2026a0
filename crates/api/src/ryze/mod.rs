//! The RyzeAPI dialect, `/api/…`: a client written for it works after a change
//! of base URL. Paths, field names, statuses and texts are theirs.

mod blocks;
mod chat;
mod contacts;
mod document;
mod error;
pub(crate) mod events;
mod instance_view;
mod instances;
mod messages;
mod people;
mod settings;
mod socket;
mod view;
mod webhooks;

use axum::Router;
use axum::extract::{Extension, FromRequestParts};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use labelwire_app::App;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call;
use crate::refusal::Refusal;
use error::Error;
use socket::BaseUrl;

#[derive(OpenApi)]
#[openapi(
    tags((name = "instance", description = "Linked WhatsApp accounts"),
         (name = "chat", description = "Labels (\"tags\"), the chats that carry them, contacts"),
         (name = "message", description = "Messages"),
         (name = "events", description = "Where events go"),
         (name = "profile", description = "Who an account is")),
)]
struct Document;

/// All routes of this dialect.
pub(crate) fn router(base_url: Option<&str>) -> Router<App> {
    let (mut router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(instances::create))
        .routes(routes!(instances::list))
        .routes(routes!(instances::connect))
        .routes(routes!(instances::logout))
        .routes(routes!(instances::remove))
        .routes(routes!(settings::read))
        .routes(routes!(settings::update))
        .routes(routes!(contacts::by_label))
        .routes(routes!(chat::tags, chat::create, chat::delete))
        .routes(routes!(chat::assign, chat::unassign))
        .routes(routes!(people::contacts))
        .routes(routes!(people::account))
        .routes(routes!(messages::text))
        .routes(routes!(webhooks::set))
        .routes(routes!(webhooks::get))
        .routes(routes!(webhooks::set_websocket))
        .routes(routes!(webhooks::get_websocket))
        .split_for_parts();
    let document = document::finish(document, base_url);

    // A path that ends before the name is a call with an empty one.
    for end in ["", "/"] {
        let path = |name: &str| format!("/api/{name}{end}");
        router = router
            .route(&path("instance/connect"), get(instances::connect))
            .route(&path("instance/logout"), delete(instances::logout))
            .route(&path("instance/delete"), delete(instances::remove))
            .route(&path("chat/contactsByLabel"), get(contacts::by_label))
            .route(&path("instance/getSettings"), get(settings::read))
            .route(&path("instance/settings"), post(settings::update))
            .route(&path("chat/contacts"), get(people::contacts))
            .route(&path("profile/getAccount"), get(people::account))
            .route(&path("message/text"), post(messages::text))
            .route(
                &path("events/webhook"),
                post(webhooks::set).get(webhooks::get),
            )
            .route(&path("events/getWebhook"), get(webhooks::get))
            .route(&path("events/websocket"), post(webhooks::set_websocket))
            .route(&path("events/getWebsocket"), get(webhooks::get_websocket))
            .route(
                &path("chat/tag"),
                get(chat::tags).post(chat::create).delete(chat::delete),
            )
            .route(
                &path("chat/assignTag"),
                delete(chat::unassign).post(chat::assign),
            );
    }
    router
        .route("/ws/{instance}", get(socket::open))
        .layer(Extension(BaseUrl(base_url.unwrap_or_default().into())))
        // Another name of the same.
        .route("/api/events/webhook/{instance}", get(webhooks::get))
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
