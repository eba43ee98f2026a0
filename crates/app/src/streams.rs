//! Use cases of those who follow an instance's history as it grows.

use std::sync::Arc;

use labelwire_domain::event::Event;
use labelwire_domain::token::Scope;
use labelwire_store::tokens;

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::instance::Handle;

impl App {
    /// The place of the last event of an instance; 0 without any.
    ///
    /// # Errors
    /// The database's.
    pub async fn last_event(&self, handle: &Handle) -> Result<i64, Error> {
        Ok(handle.feed.end(self.db()).await?)
    }

    /// Events behind a place, in order, at most `limit`; none where it is the end.
    ///
    /// # Errors
    /// The database's.
    pub async fn events_behind(
        &self,
        handle: &Handle,
        cursor: i64,
        limit: usize,
    ) -> Result<Vec<Arc<Event>>, Error> {
        Ok(handle.feed.since(self.db(), cursor, limit).await?)
    }

    /// Whether who was let in some time ago would be let in now: the token is
    /// neither revoked nor over, and still good for reading.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_still_welcome(&self, caller: &Caller) -> Result<bool, Error> {
        let Some(token) = &caller.token else {
            return Ok(true);
        };
        let mut reader = self.db().reader().await?;
        let row = tokens::find_by_id(reader.conn(), &caller.account, token.as_str()).await?;
        let now = self.clock().now().0;
        Ok(row.is_some_and(|row| {
            row.revoked_at.is_none()
                && row.expires_at.is_none_or(|end| end > now)
                && row
                    .scopes
                    .split(' ')
                    .any(|word| word == Scope::Read.as_str())
        }))
    }
}
