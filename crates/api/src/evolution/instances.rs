//! Instances: which there are, and whether they are connected.

use axum::Json;
use axum::extract::State;
use labelwire_app::{App, Error as AppError};
use labelwire_domain::token::Scope;

use super::Call;
use super::error::Error;
use super::view::{InstanceView, NamedStateView, StateView};

/// The account's instances; an instance's key sees its own.
#[utoipa::path(
    get,
    path = "/instance/fetchInstances",
    operation_id = "evolution_fetch_instances",
    tag = "instance",
    params(("instanceName" = Option<String>, Query, description = "Only this one")),
    responses((status = 200, body = Vec<InstanceView>)),
)]
pub(super) async fn fetch(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Vec<InstanceView>>, Error> {
    let mut found = app.list_instances(&call.0.caller)?;
    // The key of one instance says already which is meant.
    if call.0.caller.instance.is_none()
        && let Some(name) = call.0.query.text("instanceName")
    {
        found.retain(|standing| standing.handle.name == name);
        if found.is_empty() {
            return Err(AppError::InstanceNotFound(name.to_owned()).into());
        }
    }
    let views = found.iter().map(|s| (&*s.handle).into()).collect();
    Ok(Json(views))
}

/// Whether an instance is connected.
#[utoipa::path(
    get,
    path = "/instance/connectionState/{instance}",
    operation_id = "evolution_connection_state",
    tag = "instance",
    params(("instance" = String, Path, description = "Instance name", example = "shop")),
    responses((status = 200, body = StateView)),
)]
pub(super) async fn state(State(app): State<App>, call: Call) -> Result<Json<StateView>, Error> {
    let handle = call.instance(&app, Scope::Read)?;
    Ok(Json(StateView {
        instance: NamedStateView {
            name: handle.name.clone(),
            state: handle.status().state.into(),
        },
    }))
}
