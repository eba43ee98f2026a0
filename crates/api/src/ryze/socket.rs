//! `GET /ws/{instance}`: events as they happen, in the envelope of webhooks.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use labelwire_app::App;
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::Dialect;
use serde_json::Value;

use super::Call;
use super::blocks::channel;
use super::error::Error;
use super::events::{NAMES, tell};
use super::webhooks::WEBSOCKET;
use crate::push::{self, Channel, Upgrade};
use crate::stream::Closing;

/// Where clients reach the gateway.
#[derive(Clone)]
pub(super) struct BaseUrl(pub(super) Arc<str>);

pub(super) async fn open(
    State(app): State<App>,
    Extension(BaseUrl(base_url)): Extension<BaseUrl>,
    Call(call): Call,
    closing: Closing,
    upgrade: Upgrade,
) -> Result<Response, Error> {
    let name = call.instance()?;
    let handle = app.instance(&call.caller, Scope::Read, name)?;
    let kept = app.settings(&call.caller, name, WEBSOCKET).await?;
    if kept.get("enabled") != Some(&Value::Bool(true)) {
        return Err(Error::bad(format!(
            "WebSocket is not enabled for this instance. Configure it first using \
             POST /api/events/websocket/{name}"
        )));
    }
    let after = push::after(&call.query)?;
    let config = push::config(NAMES, &channel(kept).events, &Value::Null);
    let upgrade = upgrade
        .map_err(|_| Error::new(StatusCode::UPGRADE_REQUIRED, "WebSocket upgrade required"))?;
    let channels = vec![Channel { handle, config }];
    let words: push::Tell = Arc::new(move |hook, event| tell(hook, event, &base_url));
    let answer = push::answer(
        &app,
        &call.caller,
        closing,
        upgrade,
        channels,
        (Dialect::Ryze, words),
        after,
    );
    Ok(answer.await?)
}
