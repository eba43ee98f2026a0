//! `GET /ws`: events of one session or of all, as they happen, in the envelope of
//! webhooks.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use labelwire_app::App;
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::Dialect;

use super::Call;
use super::config;
use super::error::Error;
use super::events::{NAMES, tell};
use crate::push::{self, Channel, Upgrade};
use crate::stream::Closing;

pub(super) async fn open(
    State(app): State<App>,
    call: Call,
    closing: Closing,
    upgrade: Upgrade,
) -> Result<Response, Error> {
    let (caller, query) = (&call.0.caller, &call.0.query);
    let handles = match query.text("session") {
        None | Some("*") => app
            .list_instances(caller)?
            .into_iter()
            .map(|standing| standing.handle)
            .collect(),
        Some(name) => vec![app.instance(caller, Scope::Read, name)?],
    };
    let events = query.list("events").unwrap_or_else(|| vec!["*".to_owned()]);
    let after = push::after(query)?;
    let settings = app.all_settings(caller).await?;
    let upgrade =
        upgrade.map_err(|_| Error::new(StatusCode::UPGRADE_REQUIRED, "This is a WebSocket"))?;
    let channels = handles
        .into_iter()
        .map(|handle| {
            let metadata = config::metadata(&config::kept(settings.get(&handle.key)));
            let config = push::config(NAMES, &events, &metadata);
            Channel { handle, config }
        })
        .collect();
    let words = (Dialect::Waha, Arc::new(tell) as push::Tell);
    let answer = push::answer(&app, caller, closing, upgrade, channels, words, after);
    Ok(answer.await?)
}
