//! What has become of a write.

use axum::Json;
use axum::extract::State;
use labelwire_app::App;
use labelwire_domain::clock::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::error::Error;
use super::problems::{InInstance, ReadProblems};
use super::view::moment;

/// How a write stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CommandState {
    /// Not known yet.
    Pending,
    /// WhatsApp took it and the mirror holds it.
    Done,
    /// Nothing was changed.
    Failed,
}

/// A write.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Command)]
pub(super) struct CommandView {
    /// Public id.
    #[schema(example = "cmd_01jy0000000000000000000000")]
    id: String,
    /// What it was: `create_label`, `edit_label`, `delete_label`, `reorder`,
    /// `label_chats`, `set_chat`, `label_message`.
    kind: String,
    /// How it stands.
    state: CommandState,
    /// Why it failed.
    #[schema(required)]
    error: Option<String>,
    /// When it was asked.
    #[schema(required, format = DateTime)]
    created_at: Option<String>,
    /// When it was known to be done or failed.
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfCommand {
    /// The command's id, as a `write_pending` problem or a bulk write names it.
    #[param(
        min_length = 1,
        pattern = "^[a-z0-9_]+$",
        example = "cmd_01jy0000000000000000000000"
    )]
    command: String,
}

/// What has become of a write: for who got no verdict in time.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/commands/{command}",
    operation_id = "getCommand",
    tag = "commands",
    security(("token" = [])),
    params(InInstance, OfCommand),
    responses((status = 200, body = CommandView), ReadProblems),
)]
pub(super) async fn get(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<CommandView>, Error> {
    let row = app
        .command(&call.caller, call.instance()?, call.param("command"))
        .await?;
    Ok(Json(CommandView {
        id: row.command_id,
        kind: row.kind,
        state: match row.state.as_str() {
            "done" => CommandState::Done,
            "failed" => CommandState::Failed,
            _ => CommandState::Pending,
        },
        error: row.error,
        created_at: moment(Timestamp(row.created_at)),
        finished_at: row.finished_at.and_then(|at| moment(Timestamp(at))),
    }))
}
