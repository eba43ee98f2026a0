//! Faults on demand.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Answer, Body, ErrorView, Parameters, Problem, created, ok};
use super::devices::Done;
use crate::World;
use crate::faults::Fault;

/// A fault that is in force now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultId {
    /// What to delete it by.
    pub id: u64,
}

/// A fault in force with what is left of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultView {
    /// What to delete it by.
    pub id: u64,
    /// The fault; `times` counts down.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Puts a fault in force.
#[utoipa::path(post, path = "/accounts/{phone}/faults", tag = "faults", params(("phone" = String, Path)), request_body = Fault, responses(
    (status = 201, body = FaultId),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn add(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
    Body(fault): Body<Fault>,
) -> Answer<FaultId> {
    fault.check().map_err(Problem::bad)?;
    created(FaultId {
        id: world.with_account(&phone, |account| account.faults.add(fault))?,
    })
}

/// The faults in force, oldest first.
#[utoipa::path(get, path = "/accounts/{phone}/faults", tag = "faults", params(("phone" = String, Path)), responses(
    (status = 200, body = [FaultView]),
    (status = 404, body = ErrorView),
))]
pub(super) async fn list(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
) -> Answer<Vec<FaultView>> {
    let faults = world.with_account(&phone, |account| account.faults.list().to_vec())?;
    ok(faults
        .into_iter()
        .map(|(id, fault)| FaultView { id, fault })
        .collect())
}

/// Ends all faults.
#[utoipa::path(delete, path = "/accounts/{phone}/faults", tag = "faults", params(("phone" = String, Path)), responses(
    (status = 200, body = Done),
    (status = 404, body = ErrorView),
))]
pub(super) async fn clear(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
) -> Answer<Done> {
    world.with_account(&phone, |account| account.faults.remove(None))?;
    ok(Done { done: true })
}

/// Ends one fault.
#[utoipa::path(delete, path = "/accounts/{phone}/faults/{id}", tag = "faults", params(("phone" = String, Path), ("id" = u64, Path)), responses(
    (status = 200, body = Done),
    (status = 404, body = ErrorView),
))]
pub(super) async fn remove(
    State(world): State<World>,
    Parameters((phone, id)): Parameters<(String, u64)>,
) -> Answer<Done> {
    if !world.with_account(&phone, |account| account.faults.remove(Some(id)))? {
        return Err(Problem::missing(format!(
            "no fault `{id}` is in force; it may be used up"
        )));
    }
    ok(Done { done: true })
}
