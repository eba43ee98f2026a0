//! What every call starts with: its caller, its path and its query.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use labelwire_app::{App, Caller};

use crate::caller::caller;
use crate::query::Query;
use crate::refusal::Refusal;

/// A request that knows who asks.
pub(crate) struct Call {
    /// Who asks.
    pub(crate) caller: Caller,
    /// The query string.
    pub(crate) query: Query,
    params: Vec<(String, String)>,
}

impl Call {
    /// Authenticates first: who is unknown learns nothing about paths.
    ///
    /// # Errors
    /// [`caller`]'s; [`Refusal::PathInvalid`].
    pub(crate) async fn of(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let query = Query::of(parts.uri.query());
        let caller = caller(app, parts, &query).await?;
        Self::known(parts, query, caller).await
    }

    /// The call of a caller who is known already.
    ///
    /// # Errors
    /// [`Refusal::PathInvalid`].
    pub(crate) async fn known(
        parts: &mut Parts,
        query: Query,
        caller: Caller,
    ) -> Result<Self, Refusal> {
        let params = RawPathParams::from_request_parts(parts, &())
            .await
            .map_err(|_| Refusal::PathInvalid)?
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self {
            caller,
            query,
            params,
        })
    }

    /// A piece of the path; blank where the route has none of that name.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// The instance the path names.
    ///
    /// # Errors
    /// [`Refusal::InstanceRequired`] for a blank one.
    pub(crate) fn instance(&self) -> Result<&str, Refusal> {
        match self.param("instance").trim() {
            "" => Err(Refusal::InstanceRequired),
            name => Ok(name),
        }
    }
}
