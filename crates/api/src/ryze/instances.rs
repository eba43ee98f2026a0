//! Instances: make, list, connect, log out, delete.

use super::Call;
use super::blocks::NewInstance;
use super::error::{Error, ErrorView};
use super::instance_view::{
    ConnectView, CreatedView, EndedView, InstanceView, InstancesView, TokenView,
};
use super::view::OfInstance;
use super::webhooks;
use crate::body;
use crate::qr;
use crate::refusal::Refusal;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::instances::{Connecting, Standing};
use labelwire_app::settings::Settings;
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::Dialect;

/// Makes an instance and its token, which is shown this once.
#[utoipa::path(
    post,
    path = "/api/instance/new",
    tag = "instance",
    request_body = NewInstance,
    responses(
        (status = 201, description = "The instance and its token", body = CreatedView),
        (status = 403, description = "The token does not open this", body = ErrorView),
        (status = 409, description = "The name or the token is taken", body = ErrorView),
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
    let name = name.to_owned();
    if name.is_empty() {
        return Err(Error::bad("Instance name is required"));
    }
    let settings = asked.settings();
    let (standing, token) = app
        .create_instance_with(
            &call.caller,
            &name,
            asked.token.as_deref(),
            settings.clone(),
        )
        .await?;
    // The instance is made, whatever its webhook comes to: it is shown as off then.
    let mut webhooks = Vec::new();
    if let Some(asked) = asked.webhook() {
        match webhooks::put(&app, &call.caller, &name, asked).await {
            Ok(webhook) => webhooks.push(webhook),
            Err(_) => tracing::warn!(instance = %name, "the webhook of a new instance is invalid"),
        }
    }
    let view = CreatedView {
        success: true,
        message: "Instance created successfully",
        instance: InstanceView::new(&standing, &settings, &webhooks, true).with_token(&token),
        data: TokenView { token },
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// The account's instances and how they stand; an instance token sees its own.
#[utoipa::path(
    get,
    path = "/api/instance/list",
    tag = "instance",
    params(("instanceName" = Option<String>, Query, description = "Only these names, separated by commas (account token only)")),
    responses(
        (status = 200, description = "The instances", body = InstancesView),
        (status = 404, description = "The one name asked for is unknown", body = ErrorView),
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
    let settings = app.all_settings(&call.caller).await?;
    let secrets = call.caller.scopes.has(Scope::Admin);
    let none = Settings::default();
    let webhooks = app.all_webhooks(&call.caller, Dialect::Ryze).await?;
    let message = match found.len() {
        1 => "1 Instance found".to_owned(),
        n => format!("{n} Instances found"),
    };
    Ok(Json(InstancesView {
        success: true,
        message,
        instances: found
            .iter()
            .map(|standing: &Standing| {
                let settings = settings.get(&standing.handle.key).unwrap_or(&none);
                let webhooks = webhooks
                    .get(&standing.handle.key)
                    .map_or(&[][..], Vec::as_slice);
                InstanceView::new(standing, settings, webhooks, secrets)
            })
            .collect(),
    }))
}

/// Connects an instance: answers with a QR code, or a pairing code where
/// `number` is given, until it is paired.
#[utoipa::path(
    get,
    path = "/api/instance/connect/{instance}",
    tag = "instance",
    params(
        OfInstance,
        ("number" = Option<String>, Query, pattern = "^(\\+?([ ().-]*[0-9]){7,15})?$", description = "The phone's number with country code, for a pairing code"),
        ("history" = Option<u32>, Query, description = "Days of history to fetch; taken, without effect: labelwire keeps no messages"),
    ),
    responses(
        (status = 200, description = "A code, or that it is connected already", body = ConnectView),
        (status = 502, description = "WhatsApp refused", body = ErrorView),
        (status = 503, description = "Connecting was ended from elsewhere", body = ErrorView),
        (status = 504, description = "No code came within 60 seconds", body = ErrorView),
    ),
)]
pub(super) async fn connect(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<ConnectView>, Error> {
    let name = call.instance()?;
    let number = call.query.text("number");
    if let Some(days) = call.query.text("history")
        && !(days.bytes().all(|b| b.is_ascii_digit()) && days.parse::<i32>().is_ok())
    {
        return Err(Refusal::Query("history").into());
    }
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
    params(OfInstance),
    responses(
        (status = 200, description = "It is logged out", body = EndedView),
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
    params(OfInstance),
    responses(
        (status = 200, description = "It is deleted", body = EndedView),
    ),
)]
pub(super) async fn remove(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<EndedView>, Error> {
    app.delete_instance(&call.caller, call.instance()?).await?;
    Ok(Json(EndedView::new("Instance deleted", "deleted")))
}
