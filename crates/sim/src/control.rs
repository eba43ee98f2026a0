//! The control API: makes accounts, plays the phone, breaks things and tells the truth, over HTTP and JSON.
//!
//! Whatever a handler does, a Rust test does with the same method of [`World`].

mod accounts;
mod answer;
mod devices;
mod faults;
mod labels;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::World;
pub use accounts::{AccountView, CreateAccount, Linked, PairCode, Scan, SendText, Sent};
pub use answer::ErrorView;
use answer::{Answer, Problem, ok};

pub use devices::{Done, Ending};
pub use faults::{FaultId, FaultView};
pub use labels::{ChangeView, Changes, CreateLabel, LabelId, LabelWritten, Order, Written};

/// Room for one batch of some ten thousand changes.
const BODY_LIMIT: usize = 16 << 20;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "labelwire simulator",
        description = "Plays WhatsApp and the phone. Paths name an account by its phone number in digits; a JID in a path is percent-encoded."
    ),
    tags(
        (name = "accounts", description = "Accounts, pairing and the truth"),
        (name = "labels", description = "The phone's labels"),
        (name = "messages", description = "Texts"),
        (name = "devices", description = "Linked devices"),
        (name = "faults", description = "Faults on demand"),
    )
)]
struct Document;

/// Public half of the key every simulated server certificate goes back to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RootKey {
    /// 32 bytes in hexadecimal.
    pub root_key_hex: String,
}

/// The key a client must trust to believe this server.
#[utoipa::path(get, path = "/root-key", tag = "accounts", responses((status = 200, body = RootKey)))]
async fn root_key(State(world): State<World>) -> Answer<RootKey> {
    ok(RootKey {
        root_key_hex: world.root_key_hex(),
    })
}

/// All routes of the control API; everything else answers 404.
pub(crate) fn router(world: World) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(root_key))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::truth))
        .routes(routes!(accounts::scan))
        .routes(routes!(accounts::pair_code))
        .routes(routes!(labels::create))
        .routes(routes!(labels::order))
        .routes(routes!(labels::edit, labels::delete))
        .routes(routes!(labels::put_chat, labels::delete_chat))
        .routes(routes!(labels::put_message, labels::delete_message))
        .routes(routes!(labels::change))
        .routes(routes!(accounts::send, accounts::inbox))
        .routes(routes!(devices::unlink))
        .routes(routes!(devices::disconnect))
        .routes(routes!(devices::replace))
        .routes(routes!(devices::dirty))
        .routes(routes!(faults::list, faults::add, faults::clear))
        .routes(routes!(faults::remove))
        .split_for_parts();
    let document = serde_json::to_value(document).unwrap_or_default();
    router
        .route("/openapi.json", get(|| async move { axum::Json(document) }))
        .fallback(|| async {
            Problem::new(
                StatusCode::NOT_FOUND,
                "there is nothing here; GET /openapi.json lists what there is",
            )
            .into_response()
        })
        .method_not_allowed_fallback(|| async {
            let text = "this path does not take this method; GET /openapi.json lists what there is";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, text).into_response()
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(world)
}
