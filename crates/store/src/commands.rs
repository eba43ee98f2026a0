//! What the API was asked to write: a row from before it is sent until it is
//! known to be done or not.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{CommandId, InstanceKey};

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

/// A command about to be sent.
#[derive(Debug, Clone)]
pub struct NewCommand<'a> {
    /// Its id.
    pub id: &'a CommandId,
    /// The intent's word.
    pub kind: &'static str,
    /// The intent as JSON.
    pub body: &'a str,
    /// Who asked.
    pub actor: &'a str,
    /// The caller's own key for this write.
    pub idempotency_key: Option<&'a str>,
}

row! {
    /// A stored command.
    pub struct Command {
        /// `cmd_…`.
        pub command_id: String,
        /// The intent's word.
        pub kind: String,
        /// The intent as JSON.
        pub body: String,
        /// `pending`, `done` or `failed`.
        pub state: String,
        /// Why it failed.
        pub error: Option<String>,
        /// Who asked.
        pub actor: String,
        /// Microseconds.
        pub created_at: i64,
        /// Microseconds; `None` while pending.
        pub finished_at: Option<i64>,
    }
}

/// Notes commands about to be sent.
///
/// # Errors
/// The engine's own.
pub async fn insert(
    tx: &mut Tx,
    instance: InstanceKey,
    commands: &[NewCommand<'_>],
    now: Timestamp,
) -> Result<(), Error> {
    for command in commands {
        on!(tx.conn(), c => sqlx::query(sql!("commands/insert"))
            .bind(command.id.as_str()).bind(instance.0).bind(command.kind).bind(command.body)
            .bind(command.actor).bind(command.idempotency_key).bind(now.0)
            .execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Writes an intent anew, for a label that had to get another id.
///
/// # Errors
/// The engine's own.
pub async fn set_body(tx: &mut Tx, id: &CommandId, body: &str) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("commands/set_body"))
        .bind(id.as_str()).bind(body).execute(c).await.map(drop))?;
    Ok(())
}

/// Ends a command that is pending: done, or failed with a reason.
///
/// # Errors
/// The engine's own.
pub async fn finish(
    tx: &mut Tx,
    id: &CommandId,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    let state = if error.is_some() { "failed" } else { "done" };
    on!(tx.conn(), c => sqlx::query(sql!("commands/finish"))
        .bind(id.as_str()).bind(state).bind(error).bind(now.0).execute(c).await.map(drop))?;
    Ok(())
}

/// One command.
///
/// # Errors
/// The engine's own.
pub async fn find(
    conn: Conn<'_>,
    instance: InstanceKey,
    id: &str,
) -> Result<Option<Command>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("commands/find"))
        .bind(instance.0).bind(id).fetch_optional(c).await)?)
}

/// The last command an actor gave under a key of its own.
///
/// # Errors
/// The engine's own.
pub async fn find_by_key(
    conn: Conn<'_>,
    instance: InstanceKey,
    actor: &str,
    key: &str,
) -> Result<Option<Command>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("commands/find_by_key"))
        .bind(instance.0).bind(actor).bind(key).fetch_optional(c).await)?)
}

/// Commands whose end is not known, oldest first.
///
/// # Errors
/// The engine's own.
pub async fn pending(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Command>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("commands/pending"))
        .bind(instance.0).fetch_all(c).await)?)
}
