//! What happens to linked devices.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Answer, ErrorView, MaybeBody, Parameters, ok};
use crate::{Error, World};

/// It was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// Always `true`.
    pub done: bool,
}

const DONE: Done = Done { done: true };

/// The user removes the device on the phone.
#[utoipa::path(post, path = "/accounts/{phone}/devices/{device}/unlink", tag = "devices", params(("phone" = String, Path), ("device" = u16, Path)), responses(
    (status = 200, body = Done),
    (status = 404, body = ErrorView),
))]
pub(super) async fn unlink(
    State(world): State<World>,
    Parameters((phone, device)): Parameters<(String, u16)>,
) -> Answer<Done> {
    world.unlink(&phone, device).await?;
    ok(DONE)
}

/// How a connection ends.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// Announced and closed properly (the default), or as if a cable was pulled.
    #[serde(default = "yes")]
    pub clean: bool,
}

impl Default for Ending {
    fn default() -> Self {
        Self { clean: true }
    }
}

fn yes() -> bool {
    true
}

/// The server ends the device's connection; it may come back. Without a body, properly.
#[utoipa::path(post, path = "/accounts/{phone}/devices/{device}/disconnect", tag = "devices", params(("phone" = String, Path), ("device" = u16, Path)), request_body = Option<Ending>, responses(
    (status = 200, body = Done),
    (status = 404, body = ErrorView),
))]
pub(super) async fn disconnect(
    State(world): State<World>,
    Parameters((phone, device)): Parameters<(String, u16)>,
    MaybeBody(ending): MaybeBody<Ending>,
) -> Answer<Done> {
    world.disconnect(&phone, device, ending.clean)?;
    ok(DONE)
}

/// The same device logs in elsewhere: its stream is replaced.
#[utoipa::path(post, path = "/accounts/{phone}/devices/{device}/replace", tag = "devices", params(("phone" = String, Path), ("device" = u16, Path)), responses(
    (status = 200, body = Done),
    (status = 404, body = ErrorView),
))]
pub(super) async fn replace(
    State(world): State<World>,
    Parameters((phone, device)): Parameters<(String, u16)>,
) -> Answer<Done> {
    world.replace_stream(&phone, device)?;
    ok(DONE)
}

/// Tells all devices that their app state is out of date, now or at their next login.
#[utoipa::path(post, path = "/accounts/{phone}/dirty", tag = "devices", params(("phone" = String, Path)), responses(
    (status = 200, body = Done),
    (status = 404, body = ErrorView),
))]
pub(super) async fn dirty(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
) -> Answer<Done> {
    let devices: Vec<u16> =
        world.with_account(&phone, |account| account.devices.keys().copied().collect())?;
    for device in devices {
        match world.mark_dirty(&phone, device) {
            // Unlinked in between: nothing is left to tell.
            Ok(()) | Err(Error::UnknownDevice { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    ok(DONE)
}
