//! The one place where an error becomes a problem document.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use labelwire_app::{Error as App, Kind};
use labelwire_domain::intent::Reject;
use serde::Serialize;
use utoipa::ToSchema;

use crate::layers::{Cause, RequestId};
use crate::refusal::Refusal;

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Names the sort of problem; the same word as `code`.
    #[serde(rename = "type")]
    #[schema(example = "urn:labelwire:problem:instance_not_found")]
    kind: String,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What failed, and what to do.
    detail: String,
    /// A stable word for programs.
    #[schema(example = "instance_not_found")]
    code: &'static str,
    /// The id under which the log knows this request.
    request_id: String,
    /// The command that will tell how a write without a verdict ended; only with
    /// `code` `write_pending`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "cmd_01jy0000000000000000000000")]
    command: Option<String>,
    /// Live labels an account may have; only with `code` `label_limit_reached`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    limit: Option<usize>,
}

/// An error, before it knows its request's id.
#[derive(Debug, Clone)]
pub(super) struct Error {
    status: StatusCode,
    code: &'static str,
    detail: String,
    command: Option<String>,
    limit: Option<usize>,
    cause: Option<Arc<App>>,
}

impl Error {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            command: None,
            limit: None,
            cause: None,
        }
    }

    /// The answer to the request of this id.
    pub(super) fn answer(self, id: &RequestId) -> Response {
        let problem = Problem {
            kind: format!("urn:labelwire:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            request_id: id.0.to_string(),
            command: self.command,
            limit: self.limit,
        };
        let mut response = (self.status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

/// Completes the errors of handlers, which do not know their request's id.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    match (response.extensions_mut().remove::<Error>(), id) {
        (Some(error), Some(id)) => error.answer(&id),
        _ => response,
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<App> for Error {
    fn from(error: App) -> Self {
        let status = match error.kind() {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict | Kind::Limit => StatusCode::CONFLICT,
            Kind::NotConnected => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Phone => StatusCode::BAD_GATEWAY,
            Kind::Timeout | Kind::Pending => StatusCode::GATEWAY_TIMEOUT,
            Kind::Internal => {
                return Self {
                    cause: Some(Arc::new(error)),
                    ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", OUR_FAULT)
                };
            }
        };
        let detail = match &error {
            // The words of other dialects name their own calls.
            App::InstanceNotFound(name) => {
                format!(
                    "there is no instance `{name}` in this account; `GET /v1/instances` lists those there are"
                )
            }
            App::NotConnected(name) => {
                format!(
                    "instance `{name}` is not connected to WhatsApp; `POST /v1/instances/{name}/connect` connects or pairs it"
                )
            }
            App::NeverSynced(name) => {
                format!(
                    "the labels of instance `{name}` were never synced; pair it with `POST /v1/instances/{name}/connect` and wait for state `connected`"
                )
            }
            other => other.to_string(),
        };
        Self {
            command: match &error {
                App::Pending(command) => Some(command.clone()),
                _ => None,
            },
            limit: match &error {
                App::Rejected(Reject::LimitReached(limit)) => Some(*limit),
                _ => None,
            },
            ..Self::new(status, error.code(), detail)
        }
    }
}

const OUR_FAULT: &str = "something broke on our side; the log has it under this `request_id`";

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::App(error) => error.into(),
            Refusal::MissingToken => Self::new(
                StatusCode::UNAUTHORIZED,
                "token_missing",
                "a token is needed: `Authorization: Bearer …`, header `token`, or query parameter `token`",
            ),
            Refusal::InstanceRequired => Self::new(
                StatusCode::BAD_REQUEST,
                "instance_name_required",
                "the path lacks the instance's name",
            ),
            Refusal::PathInvalid => Self::new(
                StatusCode::BAD_REQUEST,
                "path_invalid",
                "the path is not UTF-8 once its `%` escapes are decoded",
            ),
            Refusal::Body(why) => Self::new(
                StatusCode::BAD_REQUEST,
                "body_invalid",
                format!("the body is not what this call takes: {why}"),
            ),
            Refusal::BodyTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "a body may have 1 MiB",
            ),
            Refusal::BodyTimeout => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                "the body stopped coming; send it again",
            ),
            Refusal::RateLimited => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "too many calls a minute; try again after `Retry-After` seconds",
            ),
            Refusal::IdempotencyKeyInvalid => Self::new(
                StatusCode::BAD_REQUEST,
                "idempotency_key_invalid",
                "an `Idempotency-Key` is 1 to 255 visible ASCII characters, said once",
            ),
            Refusal::IdempotencyInProgress => Self::new(
                StatusCode::CONFLICT,
                "idempotency_in_progress",
                "the first request with this `Idempotency-Key` is still under way; ask again for its answer",
            ),
            Refusal::IdempotencyKeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "this `Idempotency-Key` came with another request before; use a new key for a new request",
            ),
            Refusal::Query(name) => Self::new(
                StatusCode::BAD_REQUEST,
                "query_invalid",
                format!("query parameter `{name}` makes no sense"),
            ),
            Refusal::NoRoute => Self::new(
                StatusCode::NOT_FOUND,
                "route_not_found",
                "there is nothing at this path; `GET /v1/openapi.json` lists what there is",
            ),
            Refusal::NoMethod => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path does not take this method; `GET /v1/openapi.json` lists what there is",
            ),
            Refusal::UrlTooLong => Self::new(
                StatusCode::URI_TOO_LONG,
                "url_too_long",
                "path and query may have 64000 bytes",
            ),
            Refusal::Deadline => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "deadline",
                "the call took too long and was given up",
            ),
            Refusal::Panic => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", OUR_FAULT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_without_a_verdict_names_its_command() {
        let id = RequestId("req_1".into());
        let response = Error::from(App::Pending("cmd_1".into())).answer(&id);
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let error = Error::from(App::Pending("cmd_1".into()));
        assert_eq!(
            (error.code, error.command.as_deref()),
            ("write_pending", Some("cmd_1"))
        );
        assert!(error.detail.contains("`cmd_1`"), "{}", error.detail);
        let limit = Error::from(App::Rejected(Reject::LimitReached(20)));
        assert_eq!(
            (limit.status, limit.limit),
            (StatusCode::CONFLICT, Some(20))
        );
    }
}
