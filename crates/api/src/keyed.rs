//! Calls whose token lies in a header of the dialect's own name.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use labelwire_app::{App, Error};

use crate::call::{self, Call};
use crate::query::Query;
use crate::refusal::Refusal;

/// Where a dialect's clients put their token, besides `Authorization: Bearer`.
pub(crate) struct Places {
    /// The header, in lower case.
    pub(crate) header: &'static str,
    /// The query parameter, if there is one.
    pub(crate) query: Option<&'static str>,
}

impl Places {
    /// The call of whoever holds the token.
    ///
    /// # Errors
    /// [`Refusal::MissingToken`], [`Refusal::PathInvalid`]; those of authentication.
    pub(crate) async fn call(&self, parts: &mut Parts, app: &App) -> Result<Call, Refusal> {
        let query = Query::of(parts.uri.query());
        let token = match self.in_headers(&parts.headers)? {
            Some(token) => Some(token),
            None => self.query.and_then(|name| query.text(name)),
        };
        let token = token.map(str::to_owned);
        let caller = call::admit(app, parts, token.as_deref()).await?;
        Call::known(parts, query, caller).await
    }

    fn in_headers<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Refusal> {
        // What is not visible ASCII is no token of ours.
        let text = |name: &str| {
            headers
                .get(name)
                .map(|v| v.to_str().map(str::trim).map_err(|_| Error::InvalidToken))
                .transpose()
        };
        if let Some(token) = text(self.header)?.filter(|t| !t.is_empty()) {
            return Ok(Some(token));
        }
        Ok(text(header::AUTHORIZATION.as_str())?
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|t| !t.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialects_header_goes_before_authorization() {
        let places = Places {
            header: "x-api-key",
            query: None,
        };
        let found = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("a header value"));
            }
            places
                .in_headers(&headers)
                .expect("ASCII")
                .map(str::to_owned)
        };
        let both = [("x-api-key", "a"), ("authorization", "Bearer b")];
        assert_eq!(found(&both).as_deref(), Some("a"));
        let blank = [("x-api-key", " "), ("authorization", "bearer  b ")];
        assert_eq!(found(&blank).as_deref(), Some("b"));
        assert_eq!(found(&[("authorization", "Basic b")]), None);
        assert_eq!(found(&[("token", "b")]), None);
    }
}
