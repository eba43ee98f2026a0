//! Instances: make, list, connect, log out, delete.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::instances::{Connecting, Standing};
use labelwire_domain::token::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Call;
use super::error::{Error, ErrorView};
use super::view::{
    ConnectView, CreatedView, EndedView, InstanceView, InstancesView, NewInstanceView, TokenView,
};
use crate::body;
use crate::qr;

/// An instance to make. Settings of other features are accepted and have no effect yet.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewInstance {
    /// 1 to 100 letters, digits, `_` or `-`.
    #[schema(required, example = "shop")]
    name: Option<String>,
    /// A token of the caller's choice; one is made without it.
    token: Option<String>,
}

/// Makes an instance and its token, which is shown this once.
#[utoipa::path(
    post,
    path = "/api/instance/new",
    tag = "instance",
    security(("token" = [])),
    request_body = NewInstance,
    responses(
        (status = 201, body = CreatedView),
        (status = 400, body = ErrorView),
        (status = 401, body = ErrorView),
        (status = 409, body = ErrorView),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<(StatusCode, Json<CreatedView>), Error> {
    call.caller.require_account()?;
    call.caller.require(Scope::Admin)?;
    let asked: NewInstance = body::json(body).await?;
    let name = asked.name.as_deref().map(str::trim).unwrap_or_default();
    if name.is_empty() {
        return Err(Error::bad("Instance name is required"));
    }
    let (standing, token) = app
        .create_instance(&call.caller, name, asked.token.as_deref())
        .await?;
    let view = CreatedView {
        success: true,
        message: "Instance created successfully",
        instance: NewInstanceView {
            instance: InstanceView::from(&standing),
            token: token.clone(),
        },
        data: TokenView { token },
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// The account's instances and how they stand; an instance token sees its own.
#[utoipa::path(
    get,
    path = "/api/instance/list",
    tag = "instance",
    security(("token" = [])),
    params(("instanceName" = Option<String>, Query, description = "Only these names, separated by commas (account token only)")),
    responses(
        (status = 200, body = InstancesView),
        (status = 401, body = ErrorView),
        (status = 404, body = ErrorView),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<InstancesView>, Error> {
    let mut found = app.list_instances(&call.caller)?;
    if call.caller.instance.is_none()
        && let Some(names) = call.query.list("instanceName")
    {
        found.retain(|standing| names.contains(&standing.handle.name));
        if let ([name], true) = (names.as_slice(), found.is_empty()) {
            return Err(labelwire_app::Error::InstanceNotFound(name.clone()).into());
        }
    }
    let message = match found.len() {
        1 => "1 Instance found".to_owned(),
        n => format!("{n} Instances found"),
    };
    Ok(Json(InstancesView {
        success: true,
        message,
        instances: found
            .iter()
            .map(|s: &Standing| InstanceView::from(s))
            .collect(),
    }))
}

/// Connects an instance: answers with a QR code, or a pairing code where
/// `number` is given, until it is paired.
#[utoipa::path(
    get,
    path = "/api/instance/connect/{instance}",
    tag = "instance",
    security(("token" = [])),
    params(
        ("instance" = String, Path, description = "Instance name"),
        ("number" = Option<String>, Query, description = "The phone's number with country code, for a pairing code"),
    ),
    responses(
        (status = 200, body = ConnectView),
        (status = 400, body = ErrorView),
        (status = 401, body = ErrorView),
        (status = 403, body = ErrorView),
        (status = 404, body = ErrorView),
        (status = 502, body = ErrorView),
        (status = 504, body = ErrorView),
    ),
)]
pub(super) async fn connect(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<ConnectView>, Error> {
    let name = call.instance()?;
    let number = call.query.text("number");
    let view = match app.connect_instance(&call.caller, name, number).await? {
        Connecting::Connected => ConnectView::connected(),
        Connecting::PairCode(code) => ConnectView::pairing_code(code),
        Connecting::Qr(code) => {
            let picture = qr::data_uri(&code).ok_or_else(|| {
                Error::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "QR code could not be drawn",
                )
            })?;
            ConnectView::qr(code, picture)
        }
    };
    Ok(Json(view))
}

/// Unlinks the device; the instance and its token stay.
#[utoipa::path(
    delete,
    path = "/api/instance/logout/{instance}",
    tag = "instance",
    security(("token" = [])),
    params(("instance" = String, Path, description = "Instance name")),
    responses(
        (status = 200, body = EndedView),
        (status = 400, body = ErrorView),
        (status = 401, body = ErrorView),
        (status = 403, body = ErrorView),
        (status = 404, body = ErrorView),
    ),
)]
pub(super) async fn logout(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<EndedView>, Error> {
    app.logout_instance(&call.caller, call.instance()?)
        .await
        .map_err(|e| Error::from(e).named("Failed to logout instance"))?;
    Ok(Json(EndedView::new("Instance logged out", "loggedout")))
}

/// Unlinks the device and removes the instance with all that is known of it.
#[utoipa::path(
    delete,
    path = "/api/instance/delete/{instance}",
    tag = "instance",
    security(("token" = [])),
    params(("instance" = String, Path, description = "Instance name")),
    responses(
        (status = 200, body = EndedView),
        (status = 400, body = ErrorView),
        (status = 401, body = ErrorView),
        (status = 404, body = ErrorView),
    ),
)]
pub(super) async fn remove(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<EndedView>, Error> {
    app.delete_instance(&call.caller, call.instance()?).await?;
    Ok(Json(EndedView::new("Instance deleted", "deleted")))
}
