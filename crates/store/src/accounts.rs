//! Accounts: who owns instances.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::AccountId;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    /// An account.
    pub struct Account {
        /// Public id, `acc_…`.
        pub account_id: String,
        /// Unique name.
        pub name: String,
    }
}

/// Adds an account.
///
/// # Errors
/// [`Error::Taken`] where the name is in use.
pub async fn insert(tx: &mut Tx, id: &AccountId, name: &str, now: Timestamp) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("accounts/insert"))
        .bind(id.as_str()).bind(name).bind(now.0)
        .execute(c).await.map(drop))
    .map_err(|e| Error::taken(e, "name"))
}

/// All accounts, oldest first.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>) -> Result<Vec<Account>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("accounts/all")).fetch_all(c).await)?)
}
