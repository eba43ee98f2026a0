//! Sessions: list, make, start, stop, delete. A session is an instance.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::{App, Error as AppError};
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::Dialect;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Call;
use super::config::{self, SessionConfig};
use super::error::{Error, ErrorView, UnprocessableView};
use super::view::{MeView, SessionStatus, SessionView};
use crate::body;

/// What a call about one session says where there is none.
const NOT_FOUND: &str = "Session not found";

/// The account's sessions; a session's own key sees that one.
#[utoipa::path(
    get,
    path = "/api/sessions",
    operation_id = "waha_sessions_list",
    tag = "sessions",
    params(("all" = Option<bool>, Query, description = "Stopped ones too")),
    responses((status = 200, body = Vec<SessionView>)),
)]
pub(super) async fn list(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Vec<SessionView>>, Error> {
    let all = call.0.query.switch("all")?;
    let caller = &call.0.caller;
    let settings = app.all_settings(caller).await?;
    let webhooks = app.all_webhooks(caller, Dialect::Waha).await?;
    let secrets = caller.scopes.has(Scope::Admin);
    let sessions = app
        .list_instances(caller)?
        .iter()
        .map(|standing| {
            let handle = &*standing.handle;
            let kept = config::kept(settings.get(&handle.key));
            let own = webhooks.get(&handle.key).map_or(&[][..], Vec::as_slice);
            SessionView::new(handle, config::view(&kept, own, secrets))
        })
        .filter(|view| all || view.status != SessionStatus::Stopped)
        .collect();
    Ok(Json(sessions))
}

/// A session to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SessionCreateRequest)]
pub(super) struct NewSession {
    /// 1 to 100 letters, digits, `_` or `-`; one is made up without it.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,100}$", example = "default")]
    name: Option<String>,
    /// Whether it is started at once; it is unless this says no.
    start: Option<bool>,
    config: Option<SessionConfig>,
}

/// How a session is configured from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SessionUpdateRequest)]
pub(super) struct SessionUpdate {
    /// The whole of it; left out, it stays as it is.
    config: Option<SessionConfig>,
}

/// Makes a session, and starts it unless `start` is false.
#[utoipa::path(
    post,
    path = "/api/sessions",
    operation_id = "waha_sessions_create",
    tag = "sessions",
    request_body = NewSession,
    responses(
        (status = 201, body = SessionView),
        (status = 422, body = UnprocessableView, description = "A session of that name exists"),
        (status = 502, body = ErrorView, description = "It was made and could not be started"),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    call: Call,
    body: Body,
) -> Result<(StatusCode, Json<SessionView>), Error> {
    call.0.caller.require_account()?;
    let asked: NewSession = body::json(body).await?;
    let config = asked.config.map(SessionConfig::read).transpose()?;
    let (settings, webhooks) = config.unwrap_or_default();
    // The key of its own that every instance has is not part of this dialect's
    // answer; the account's key opens the session.
    let standing = loop {
        let name = match &asked.name {
            Some(name) => name.clone(),
            None => free_name(&app, &call)?,
        };
        let settings = settings.clone();
        let made = app.create_instance_with(&call.0.caller, &name, None, settings);
        match made.await {
            Ok((standing, _)) => break standing,
            // Somebody was given the same name meanwhile.
            Err(AppError::NameTaken(_)) if asked.name.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    };
    let name = &standing.handle.name;
    if !webhooks.is_empty() {
        config::set(&app, &call.0.caller, name, &settings, webhooks).await?;
    }
    if asked.start.unwrap_or(true) {
        app.start_instance(&call.0.caller, name).await?;
    }
    let config = config::of(&app, &call.0.caller, name).await?;
    let view = SessionView::new(&standing.handle, config);
    Ok((StatusCode::CREATED, Json(view)))
}

/// Configures a session anew. One that runs runs on.
#[utoipa::path(
    put,
    path = "/api/sessions/{session}",
    operation_id = "waha_sessions_update",
    tag = "sessions",
    params(("session" = String, Path, description = "Session name", example = "default")),
    request_body = SessionUpdate,
    responses(
        (status = 200, body = SessionView),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 422, body = UnprocessableView, description = "The session has too many webhooks"),
    ),
)]
pub(super) async fn update(
    State(app): State<App>,
    call: Call,
    body: Body,
) -> Result<Json<SessionView>, Error> {
    call.session(&app, Scope::Admin)
        .map_err(|e| Error::from(e).missing(NOT_FOUND))?;
    let asked: SessionUpdate = body::json(body).await?;
    if let Some(config) = asked.config {
        let (settings, webhooks) = config.read()?;
        config::set(&app, &call.0.caller, call.name(), &settings, webhooks).await?;
    }
    view(&app, &call, Scope::Admin).await
}

/// The first of `session_1`, `session_2`… that is free.
fn free_name(app: &App, call: &Call) -> Result<String, AppError> {
    let taken = app.list_instances(&call.0.caller)?;
    Ok((1..)
        .map(|n: u32| format!("session_{n}"))
        .find(|name| taken.iter().all(|s| s.handle.name != *name))
        .unwrap_or_default())
}

/// How a session stands.
#[utoipa::path(
    get,
    path = "/api/sessions/{session}",
    operation_id = "waha_sessions_get",
    tag = "sessions",
    params(("session" = String, Path, description = "Session name", example = "default")),
    responses(
        (status = 200, body = SessionView),
        (status = 404, body = ErrorView, description = "No such session"),
    ),
)]
pub(super) async fn info(State(app): State<App>, call: Call) -> Result<Json<SessionView>, Error> {
    view(&app, &call, Scope::Read).await
}

/// The account behind a session; null until it is paired.
#[utoipa::path(
    get,
    path = "/api/sessions/{session}/me",
    operation_id = "waha_sessions_me",
    tag = "sessions",
    params(("session" = String, Path, description = "Session name", example = "default")),
    responses(
        (status = 200, body = Option<MeView>),
        (status = 404, body = ErrorView, description = "No such session"),
    ),
)]
pub(super) async fn me(State(app): State<App>, call: Call) -> Result<Json<Option<MeView>>, Error> {
    let session = call
        .session(&app, Scope::Read)
        .map_err(|e| Error::from(e).missing(NOT_FOUND))?;
    Ok(Json(MeView::of(&session.status())))
}

/// Starts a session; one that runs stays as it is.
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/start",
    operation_id = "waha_sessions_start",
    tag = "sessions",
    params(("session" = String, Path, description = "Session name", example = "default")),
    responses(
        (status = 201, body = SessionView),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 502, body = ErrorView, description = "It could not be started"),
    ),
)]
pub(super) async fn start(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<SessionView>), Error> {
    app.start_instance(&call.0.caller, call.name())
        .await
        .map_err(|e| Error::from(e).missing(NOT_FOUND))?;
    Ok((StatusCode::CREATED, view(&app, &call, Scope::Admin).await?))
}

/// Stops a session without unlinking it; it stays stopped until it is started.
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/stop",
    operation_id = "waha_sessions_stop",
    tag = "sessions",
    params(("session" = String, Path, description = "Session name", example = "default")),
    responses(
        (status = 201, body = SessionView),
        (status = 404, body = ErrorView, description = "No such session"),
    ),
)]
pub(super) async fn stop(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<SessionView>), Error> {
    app.stop_instance(&call.0.caller, call.name())
        .await
        .map_err(|e| Error::from(e).missing(NOT_FOUND))?;
    Ok((StatusCode::CREATED, view(&app, &call, Scope::Admin).await?))
}

/// Stops a session and starts it.
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/restart",
    operation_id = "waha_sessions_restart",
    tag = "sessions",
    params(("session" = String, Path, description = "Session name", example = "default")),
    responses(
        (status = 201, body = SessionView),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 502, body = ErrorView, description = "It could not be started"),
    ),
)]
pub(super) async fn restart(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<SessionView>), Error> {
    app.restart_instance(&call.0.caller, call.name())
        .await
        .map_err(|e| Error::from(e).missing(NOT_FOUND))?;
    Ok((StatusCode::CREATED, view(&app, &call, Scope::Admin).await?))
}

/// Unlinks a session from its account. One that ran is started again, to be
/// paired anew.
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/logout",
    operation_id = "waha_sessions_logout",
    tag = "sessions",
    params(("session" = String, Path, description = "Session name", example = "default")),
    responses(
        (status = 201, body = SessionView),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 502, body = ErrorView, description = "It was unlinked and could not be started"),
    ),
)]
pub(super) async fn logout(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<SessionView>), Error> {
    let Json(before) = view(&app, &call, Scope::Admin).await?;
    app.logout_instance(&call.0.caller, call.name()).await?;
    if !matches!(
        before.status,
        SessionStatus::Stopped | SessionStatus::Failed
    ) {
        app.start_instance(&call.0.caller, call.name()).await?;
    }
    Ok((StatusCode::CREATED, view(&app, &call, Scope::Admin).await?))
}

/// Unlinks a session and removes it with all that is known of it. There may be
/// none: what is asked for is that it is gone.
#[utoipa::path(
    delete,
    path = "/api/sessions/{session}",
    operation_id = "waha_sessions_delete",
    tag = "sessions",
    params(("session" = String, Path, description = "Session name", example = "default")),
    responses((status = 200, description = "It is gone; the body is empty")),
)]
pub(super) async fn remove(State(app): State<App>, call: Call) -> Result<StatusCode, Error> {
    match app.delete_instance(&call.0.caller, call.name()).await {
        Ok(()) | Err(AppError::InstanceNotFound(_)) => Ok(StatusCode::OK),
        Err(error) => Err(error.into()),
    }
}

async fn view(app: &App, call: &Call, scope: Scope) -> Result<Json<SessionView>, Error> {
    let session = call
        .session(app, scope)
        .map_err(|e| Error::from(e).missing(NOT_FOUND))?;
    let config = match config::of(app, &call.0.caller, call.name()).await {
        // Who may steer it but not look sees how it stands, and no more.
        Err(AppError::ScopeMissing(_)) => serde_json::json!({}),
        config => config?,
    };
    Ok(Json(SessionView::new(&session, config)))
}
