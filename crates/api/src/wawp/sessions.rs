//! Sessions: make, start, stop, look at, log out, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labelwire_app::App;
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::Dialect;

use super::call::Call;
use super::error::Error;
use super::view::{CreatedView, DoneView, MeView, SessionView, StandingView};
use super::webhooks::{self, WebhookView};
use crate::qr;

/// What a session is named by: this and its id.
const PREFIX: &str = "wawp-";

/// Makes a session and its token, which is shown this once. Needs the account's token.
#[utoipa::path(
    post,
    path = "/v2/session/create",
    tag = "session",
    responses((status = 201, body = CreatedView)),
)]
pub(super) async fn create(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<CreatedView>), Error> {
    let (made, token) = app.create_instance_by_id(&call.caller, PREFIX).await?;
    let view = CreatedView {
        success: true,
        instance_id: made.handle.id.short().to_owned(),
        session_name: made.handle.name.clone(),
        server_name: "labelwire",
        access_token: token,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Starts a session: it logs in, or shows a code where it is not linked.
#[utoipa::path(
    method(post, get),
    path = "/v2/session/start",
    tag = "session",
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn start(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    app.start_instance(&call.caller, &call.instance(&app)?)
        .await?;
    Ok(Json(DoneView::DONE))
}

/// Disconnects a session until it is started; it stays linked.
#[utoipa::path(
    method(post, get),
    path = "/v2/session/stop",
    tag = "session",
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn stop(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    app.stop_instance(&call.caller, &call.instance(&app)?)
        .await?;
    Ok(Json(DoneView::DONE))
}

/// Disconnects a session and connects it anew.
#[utoipa::path(
    method(post, get),
    path = "/v2/session/restart",
    tag = "session",
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn restart(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    app.restart_instance(&call.caller, &call.instance(&app)?)
        .await?;
    Ok(Json(DoneView::DONE))
}

/// How a session stands, with the code to scan where it shows one.
#[utoipa::path(
    method(post, get),
    path = "/v2/session/info",
    tag = "session",
    responses((status = 200, body = SessionView)),
)]
pub(super) async fn info(State(app): State<App>, call: Call) -> Result<Json<SessionView>, Error> {
    let handle = app.instance(&call.caller, Scope::Read, &call.instance(&app)?)?;
    let status = handle.status();
    let picture = match (StandingView::from(&status), &status.qr) {
        (StandingView::ScanQrCode, Some(code)) => {
            let png = qr::png(code).ok_or_else(Error::not_drawn)?;
            Some(STANDARD.encode(png))
        }
        _ => None,
    };
    let secrets = call.caller.scopes.has(Scope::Admin);
    let mut all = app.all_webhooks(&call.caller, Dialect::Wawp).await?;
    let own = webhooks::in_order(all.remove(&handle.key).unwrap_or_default());
    let own = own.iter().map(|w| WebhookView::new(w, secrets)).collect();
    let name = handle.name.clone();
    Ok(Json(SessionView::new(name, &status, own, picture)))
}

/// The connected account; null while there is none.
#[utoipa::path(
    get,
    path = "/v2/session/me",
    tag = "session",
    responses((status = 200, body = Option<MeView>)),
)]
pub(super) async fn me(State(app): State<App>, call: Call) -> Result<Json<Option<MeView>>, Error> {
    let handle = app.instance(&call.caller, Scope::Read, &call.instance(&app)?)?;
    Ok(Json(MeView::of(&handle.status())))
}

/// Unlinks a session from its account; it then shows a code for the next one.
#[utoipa::path(
    method(post, get),
    path = "/v2/session/logout",
    tag = "session",
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn logout(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    let name = call.instance(&app)?;
    app.logout_instance(&call.caller, &name).await?;
    // Unlinked it is, whether a code can be shown now or not.
    if let Err(error) = app.start_instance(&call.caller, &name).await {
        tracing::warn!(%error, "a session that was logged out could not be started");
    }
    Ok(Json(DoneView::DONE))
}

/// Unlinks a session and removes it with all that is known of it. Needs the
/// account's token.
#[utoipa::path(
    delete,
    path = "/v2/session/delete",
    tag = "session",
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn remove(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    app.delete_instance(&call.caller, &call.instance(&app)?)
        .await?;
    Ok(Json(DoneView::DONE))
}
