//! Tokens: who may ask, and the hashes of what they show.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{AccountId, InstanceKey, TokenId};
use labelwire_domain::token::{Scopes, TokenHash};

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    /// What a secret opens.
    pub struct Grant {
        /// The token's public id.
        pub token_id: String,
        /// The account it belongs to.
        pub account_id: String,
        /// The one instance it is good for; `None`: all of the account's.
        pub instance: Option<i64>,
        /// Name people gave it.
        pub name: String,
        /// Its scopes, as words.
        pub scopes: String,
        /// When the token ends, in microseconds.
        pub expires_at: Option<i64>,
        /// When this secret of it ends, in microseconds: it was rotated away.
        pub valid_until: Option<i64>,
    }
}

row! {
    /// A token, without anything that opens.
    pub struct Token {
        /// Public id, `tok_…`.
        pub token_id: String,
        /// The one instance it is good for; `None`: all of the account's.
        pub instance: Option<i64>,
        /// That instance's name.
        pub instance_name: Option<String>,
        /// Name people gave it.
        pub name: String,
        /// Its scopes, as words.
        pub scopes: String,
        /// When it was made, in microseconds.
        pub created_at: i64,
        /// When it ends, in microseconds.
        pub expires_at: Option<i64>,
        /// When it last opened something, in microseconds; up to a minute late.
        pub last_used_at: Option<i64>,
        /// When it was revoked, in microseconds.
        pub revoked_at: Option<i64>,
    }
}

/// A token to add.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// Public id.
    pub id: &'a TokenId,
    /// The account it belongs to.
    pub account: &'a AccountId,
    /// The one instance it is good for; `None`: all of the account's.
    pub instance: Option<InstanceKey>,
    /// Name for people.
    pub name: &'a str,
    /// What it is good for.
    pub scopes: Scopes,
    /// The present moment.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Adds a token with its secret.
///
/// # Errors
/// [`Error::Taken`] where the same secret exists.
pub async fn insert(tx: &mut Tx, token: &NewToken<'_>, hash: TokenHash) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("tokens/insert"))
        .bind(token.id.as_str()).bind(token.account.as_str())
        .bind(token.instance.map(|i| i.0)).bind(token.name)
        .bind(token.scopes.to_string()).bind(token.created_at.0)
        .bind(token.expires_at.map(|t| t.0))
        .execute(c).await.map(drop))?;
    insert_secret(tx, token.id, hash).await
}

/// Adds a secret to a token.
///
/// # Errors
/// [`Error::Taken`] where the same secret exists.
pub async fn insert_secret(tx: &mut Tx, id: &TokenId, hash: TokenHash) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("tokens/insert_secret"))
        .bind(&hash.0[..]).bind(id.as_str())
        .execute(c).await.map(drop))
    .map_err(|e| Error::taken(e, "token"))
}

/// What a secret opens, looked up by its hash: constant-time in effect, because
/// an index probe on 256 bits of SHA-256 tells a guesser nothing about the
/// secret by its duration. Revoked tokens are not found; whether it has ended
/// is the caller's to see.
///
/// # Errors
/// The engine's own.
pub async fn find(conn: Conn<'_>, hash: TokenHash) -> Result<Option<Grant>, Error> {
    Ok(
        on!(conn, c => sqlx::query_as(sql!("tokens/find")).bind(&hash.0[..]).fetch_optional(c).await)?,
    )
}

/// A token of an account.
///
/// # Errors
/// The engine's own.
pub async fn find_by_id(
    conn: Conn<'_>,
    account: &AccountId,
    id: &str,
) -> Result<Option<Token>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("tokens/find_by_id"))
        .bind(account.as_str()).bind(id).fetch_optional(c).await)?)
}

/// All tokens of an account, revoked ones included, oldest first.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, account: &AccountId) -> Result<Vec<Token>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("tokens/all"))
        .bind(account.as_str()).fetch_all(c).await)?)
}

/// Gives the secrets a token has an end, and removes those that have ended.
///
/// # Errors
/// The engine's own.
pub async fn set_valid_until(
    tx: &mut Tx,
    id: &TokenId,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("tokens/set_valid_until"))
        .bind(id.as_str()).bind(until.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("tokens/delete_old_secrets"))
        .bind(id.as_str()).bind(now.0).execute(c).await.map(drop))?;
    Ok(())
}

/// Ends a token: its secrets go, its row stays for history.
///
/// # Errors
/// The engine's own.
pub async fn set_revoked(tx: &mut Tx, id: &TokenId, now: Timestamp) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("tokens/set_revoked"))
        .bind(id.as_str()).bind(now.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("tokens/delete_secrets"))
        .bind(id.as_str()).execute(c).await.map(drop))?;
    Ok(())
}

/// Notes that a token was used.
///
/// # Errors
/// The engine's own.
pub async fn set_used(tx: &mut Tx, id: &TokenId, at: Timestamp) -> Result<(), Error> {
    Ok(on!(tx.conn(), c => sqlx::query(sql!("tokens/set_used"))
        .bind(id.as_str()).bind(at.0).execute(c).await.map(drop))?)
}
