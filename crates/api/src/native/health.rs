//! Whether the gateway answers.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The gateway's health.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct HealthView {
    /// `ok`.
    status: &'static str,
}

/// Answers as long as the gateway runs; needs no token.
#[utoipa::path(get, path = "/v1/health", operation_id = "getHealth", tag = "service", responses((status = 200, body = HealthView)))]
pub(super) async fn health() -> Json<HealthView> {
    Json(HealthView { status: "ok" })
}
