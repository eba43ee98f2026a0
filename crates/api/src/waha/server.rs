//! The gateway itself.

use axum::Json;
use serde_json::{Value, json};

use super::Call;
use super::view::{PongView, VersionView};

/// Which version runs.
#[utoipa::path(
    get,
    path = "/api/server/version",
    tag = "server",
    responses((status = 200, body = VersionView)),
)]
pub(super) async fn version(_: Call) -> Json<VersionView> {
    Json(VersionView {
        version: env!("CARGO_PKG_VERSION"),
        engine: "LABELWIRE",
        tier: "CORE",
        browser: None,
        platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// What runs, as events tell it.
pub(super) fn environment() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "engine": "LABELWIRE",
        "tier": "CORE",
        "browser": null,
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        "worker": {"id": null},
    })
}

/// Answers as long as the gateway runs; needs no key.
#[utoipa::path(
    get,
    path = "/ping",
    tag = "server",
    security(()),
    responses((status = 200, body = PongView)),
)]
pub(super) async fn ping() -> Json<PongView> {
    Json(PongView { message: "pong" })
}
