//! Pages of other origins that may call this gateway.

use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::limit;

/// How long a browser need not ask again whether it may call.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Where pages may come from that call this gateway; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<HeaderValue>);

/// Text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin; write `https://app.example.org`, without a path, or `*` for all")]
pub struct InvalidOrigin(String);

/// Origins with commas between them, or `*`.
impl FromStr for Origins {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        text.split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(|origin| {
                parse(origin).ok_or_else(|| InvalidOrigin(origin.chars().take(100).collect()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn parse(origin: &str) -> Option<HeaderValue> {
    if origin != "*" {
        let (scheme, authority) = origin.split_once("://")?;
        // Browsers compare and send them in small letters and without a path.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
        if scheme.is_empty()
            || authority.is_empty()
            || authority.contains(['/', '?', '#', '@', '*'])
            || !origin.bytes().all(is_plain)
        {
            return None;
        }
    }
    origin.parse().ok()
}

/// Answers preflights, which carry no token, and lets those origins read
/// answers. `None` where there are no such origins.
pub(crate) fn layer(Origins(origins): &Origins) -> Option<CorsLayer> {
    let allowed = match origins.as_slice() {
        [] => return None,
        some if some.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        some => AllowOrigin::list(some.iter().cloned()),
    };
    let [limit, remaining, reset] = limit::HEADERS;
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ])
            .allow_headers([
                header::CONTENT_TYPE,
                header::AUTHORIZATION,
                header::IF_NONE_MATCH,
                HeaderName::from_static("token"),
                HeaderName::from_static("x-api-key"),
                HeaderName::from_static("apikey"),
                HeaderName::from_static("access-token"),
                HeaderName::from_static("x-instance-id"),
                HeaderName::from_static("idempotency-key"),
                HeaderName::from_static("x-request-id"),
            ])
            .expose_headers([
                limit,
                remaining,
                reset,
                header::RETRY_AFTER,
                header::ETAG,
                header::LOCATION,
                HeaderName::from_static("idempotency-replayed"),
                HeaderName::from_static("x-request-id"),
            ])
            .max_age(REMEMBERED),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_and_what_is_none_is_refused() {
        let some: Origins = " https://a.example, http://localhost:3000 ,"
            .parse()
            .expect("two");
        assert_eq!(some.0, ["https://a.example", "http://localhost:3000"]);
        assert!("*".parse::<Origins>().is_ok());
        assert_eq!("".parse(), Ok(Origins::default()));
        for bad in [
            "a.example",
            "https://a.example/",
            "https://",
            "https://A.example",
            "https://*.a",
        ] {
            assert!(bad.parse::<Origins>().is_err(), "{bad}");
        }
    }
}
