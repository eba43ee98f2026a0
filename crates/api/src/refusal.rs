//! Why a request gets no answer of its own, before a dialect puts it in words.

use labelwire_app::Error;

/// Everything that can stand between a request and its answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No token in any of the places a dialect looks for one.
    MissingToken,
    /// A blank instance name, or an empty path segment.
    InstanceRequired,
    /// The path is not UTF-8 once decoded.
    PathInvalid,
    /// The body is no JSON of the asked shape; what serde says of it.
    Body(String),
    /// The body stopped coming.
    BodyTimeout,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// A query parameter with a value that makes no sense.
    Query(&'static str),
    /// A use case said no.
    App(Error),
    /// No such path.
    NoRoute,
    /// The path exists, the method does not.
    NoMethod,
    /// The URL is longer than the limit.
    UrlTooLong,
    /// More calls than the token, or the address, may make.
    RateLimited,
    /// An `Idempotency-Key` that is none.
    IdempotencyKeyInvalid,
    /// The first request with this `Idempotency-Key` is still under way.
    IdempotencyInProgress,
    /// This `Idempotency-Key` came with another request before.
    IdempotencyKeyReused,
    /// The whole request took too long.
    Deadline,
    /// A bug.
    Panic,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}
