//! Tokens, as hashes.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{AccountId, InstanceKey};
use labelwire_domain::token::TokenHash;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    /// What a token opens.
    pub struct Grant {
        /// The account it belongs to.
        pub account_id: String,
        /// The one instance it is good for; `None`: all of the account's.
        pub instance: Option<i64>,
    }
}

/// Adds a token.
///
/// # Errors
/// [`Error::Taken`] where the same token exists.
pub async fn insert(
    tx: &mut Tx,
    hash: TokenHash,
    account: &AccountId,
    instance: Option<InstanceKey>,
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("tokens/insert"))
        .bind(&hash.0[..]).bind(account.as_str()).bind(instance.map(|i| i.0)).bind(now.0)
        .execute(c).await.map(drop))
    .map_err(|e| Error::taken(e, "token"))
}

/// What a token opens, looked up by its hash: an index probe on 256 bits of
/// SHA-256 tells a guesser nothing about the token by its duration.
///
/// # Errors
/// The engine's own.
pub async fn find(conn: Conn<'_>, hash: TokenHash) -> Result<Option<Grant>, Error> {
    Ok(
        on!(conn, c => sqlx::query_as(sql!("tokens/find")).bind(&hash.0[..]).fetch_optional(c).await)?,
    )
}
