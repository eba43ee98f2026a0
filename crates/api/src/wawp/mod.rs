//! The Wawp dialect, `/v2/…`: a client written for it works after a change of base
//! URL. Paths, field names and places of credentials are theirs.

mod auth;
mod call;
mod document;
mod error;
pub(crate) mod events;
mod labels;
mod messages;
mod sessions;
mod view;
mod webhooks;

use axum::extract::Extension;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use labelwire_app::App;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::refusal::Refusal;
use error::Error;

/// How this dialect writes lists: its documentation says one thing and shows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListShape {
    /// `[{…}]`, as the documentation says.
    #[default]
    Array,
    /// `{"0":{…}}`, as its examples show.
    KeyedObject,
}

/// No list has this shape.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no shape of a list; write `array` or `keyed_object`")]
pub struct UnknownListShape(String);

impl std::str::FromStr for ListShape {
    type Err = UnknownListShape;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "array" => Ok(Self::Array),
            "keyed_object" => Ok(Self::KeyedObject),
            other => Err(UnknownListShape(other.to_owned())),
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    tags((name = "session", description = "Linked WhatsApp accounts"),
         (name = "auth", description = "Linking them"),
         (name = "labels", description = "Labels and the chats that carry them"),
         (name = "contacts", description = "Names"),
         (name = "webhooks", description = "Where events go"),
         (name = "messages", description = "Texts")),
    components(schemas(error::ErrorView)),
)]
struct Document;

/// All routes of this dialect.
pub(crate) fn router(base_url: Option<&str>, shape: ListShape) -> Router<App> {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(sessions::create))
        .routes(routes!(sessions::start))
        .routes(routes!(sessions::stop))
        .routes(routes!(sessions::restart))
        .routes(routes!(sessions::info))
        .routes(routes!(sessions::me))
        .routes(routes!(sessions::logout))
        .routes(routes!(sessions::remove))
        .routes(routes!(webhooks::list, webhooks::replace))
        .routes(routes!(webhooks::set))
        .routes(routes!(webhooks::update))
        .routes(routes!(webhooks::remove))
        .routes(routes!(auth::qr))
        .routes(routes!(auth::qr_image))
        .routes(routes!(auth::request_code))
        .routes(routes!(labels::list, labels::create))
        .routes(routes!(labels::get, labels::update, labels::delete))
        .routes(routes!(labels::chats))
        .routes(routes!(labels::of_chat, labels::set_of_chat))
        .routes(routes!(labels::link, labels::unlink))
        .routes(routes!(messages::contact))
        .routes(routes!(messages::send_text))
        .split_for_parts();
    let document = document::finish(document, base_url, shape);
    router
        // The same calls where the SDK and the titles of the pages have them.
        .route("/v2/labels/all", get(labels::list))
        .route("/v2/labels/create", post(labels::create))
        .route(
            "/v2/labels/{id}/update",
            put(labels::update).post(labels::update),
        )
        .route(
            "/v2/labels/{id}/delete",
            axum::routing::delete(labels::delete).post(labels::delete),
        )
        .route("/v2/webhook/list", get(webhooks::list))
        .route("/v2/openapi.json", get(|| async move { Json(document) }))
        .method_not_allowed_fallback(|| async { Error::from(Refusal::NoMethod) })
        .layer(Extension(shape))
}

/// Whether a path is this dialect's.
pub(crate) fn owns(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/")
}

/// A refusal in this dialect's words.
pub(crate) fn refuse(refusal: Refusal) -> Response {
    Error::from(refusal).into_response()
}
