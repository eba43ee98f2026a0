//! What every call starts with: its caller, its path and its query.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, RawPathParams};
use axum::http::Method;
use axum::http::request::Parts;
use labelwire_app::{App, Caller, Error};

use crate::caller::caller;
use crate::idempotency;
use crate::layers::RequestId;
use crate::limit::Gate;
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

/// Lets a caller in: whose token it is, and whether it may ask once more. Every
/// dialect finds the token's text in its own places and comes here with it.
///
/// What is let in once is let in for the whole request, and counted once.
///
/// # Errors
/// [`Refusal::MissingToken`] without a text, [`Refusal::RateLimited`],
/// [`Error::InvalidToken`], [`Error::TokenExpired`]; the database's.
pub(crate) async fn admit(
    app: &App,
    parts: &mut Parts,
    token: Option<&str>,
) -> Result<Caller, Refusal> {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return Ok(caller.clone());
    }
    let gate = parts.extensions.get::<Gate>().cloned();
    // Tokens in use are let through, so that a guesser does not lock out who
    // shares an address with it; others are looked up only so many times.
    if let Some(gate) = &gate
        && !token.is_some_and(|token| app.knows_token(token))
        && let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>()
        && let Some(standing) = gate.limiter.stranger(peer.ip())
        && standing.is_over()
    {
        let _ = gate.standing.set(standing);
        return Err(Refusal::RateLimited);
    }
    let token = token.ok_or(Refusal::MissingToken)?;
    let mut caller = app.authenticate(token).await?;
    let route = parts
        .extensions
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    if let Some(gate) = &gate
        && let Some(id) = &caller.token
        && let Some(standing) = gate.limiter.call(id, &parts.method, route)
    {
        let _ = gate.standing.set(standing);
        if standing.is_over() {
            return Err(Refusal::RateLimited);
        }
    }
    caller.request_id = parts
        .extensions
        .get::<RequestId>()
        .map(|RequestId(id)| id.clone());
    if parts.method != Method::GET {
        caller.idempotency_key = idempotency::key(&parts.headers).ok().flatten();
    }
    parts.extensions.insert(caller.clone());
    Ok(caller)
}

/// A header's value as text; what is not visible ASCII is no token of ours.
///
/// # Errors
/// [`Error::InvalidToken`].
pub(crate) fn header_text(value: &axum::http::HeaderValue) -> Result<&str, Refusal> {
    Ok(value.to_str().map_err(|_| Error::InvalidToken)?.trim())
}
