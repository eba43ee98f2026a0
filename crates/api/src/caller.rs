//! Who asks: the token, from wherever a client may put it.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use labelwire_app::{App, Caller};

use crate::call::{admit, header_text};
use crate::query::Query;
use crate::refusal::Refusal;

/// The caller behind a request's token: header `token`, else
/// `Authorization: Bearer`, else the query's `token`.
///
/// # Errors
/// [`admit`]'s.
pub(crate) async fn caller(app: &App, parts: &mut Parts, query: &Query) -> Result<Caller, Refusal> {
    let token = from_headers(&parts.headers)?.map(str::to_owned);
    let token = token.as_deref().or_else(|| query.text("token"));
    admit(app, parts, token).await
}

fn from_headers(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    if let Some(value) = headers.get("token") {
        let token = header_text(value)?;
        if !token.is_empty() {
            return Ok(Some(token));
        }
    }
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = header_text(value)?;
        if let Some((scheme, token)) = value.split_once(' ')
            && scheme.eq_ignore_ascii_case("bearer")
            && !token.trim().is_empty()
        {
            return Ok(Some(token.trim()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().expect("a header value"));
        }
        from_headers(&headers).expect("ASCII").map(str::to_owned)
    }

    #[test]
    fn the_token_header_goes_before_authorization() {
        assert_eq!(
            found(&[("token", "a"), ("authorization", "Bearer b")]).as_deref(),
            Some("a")
        );
        assert_eq!(
            found(&[("token", " "), ("authorization", "bearer  b ")]).as_deref(),
            Some("b")
        );
        assert_eq!(found(&[("authorization", "Basic b")]), None);
        assert_eq!(found(&[("authorization", "Bearer ")]), None);
        assert_eq!(found(&[]), None);
    }
}
