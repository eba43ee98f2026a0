//! The one place where an error becomes this dialect's status, code and sentence.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use labelwire_app::{Error as AppError, Kind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::layers::Cause;
use crate::refusal::Refusal;

/// The code of whatever is wrong with what a call says.
const PARAMETER: &str = "invalid_parameter";
/// The code of a token or session that is not known.
const TOKEN: &str = "invalid_access_token";
/// The code of a session that is not known, or not the token's.
const INSTANCE: &str = "invalid_instance";
/// The code of whatever WhatsApp did not do.
const UPSTREAM: &str = "wawp_upstream_error";

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorView {
    /// Always false.
    success: bool,
    /// A stable word for programs.
    #[schema(example = "invalid_instance")]
    code: &'static str,
    /// The same word.
    #[schema(example = "invalid_instance")]
    error: &'static str,
    /// What failed, and what to do.
    #[schema(value_type = String)]
    message: Cow<'static, str>,
}

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    cause: Option<Arc<AppError>>,
}

impl Error {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            cause: None,
        }
    }

    /// A call that makes no sense.
    pub(super) fn parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, PARAMETER, message)
    }

    /// A body that is neither JSON nor a form.
    pub(super) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "a body must be `application/json` or `application/x-www-form-urlencoded`",
        )
    }

    /// There is nothing to scan: the session is linked.
    pub(super) fn already_working() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "session_already_working",
            "the session is connected already; log it out to link another account",
        )
    }

    /// There is nothing to scan: the session was stopped.
    pub(super) fn stopped() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "session_stopped",
            "the session is stopped; start it first",
        )
    }

    /// A code that no picture can hold.
    pub(super) fn not_drawn() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the QR code could not be drawn",
        )
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let view = ErrorView {
            success: false,
            code: self.code,
            error: self.code,
            message: self.message,
        };
        let mut response = (self.status, Json(view)).into_response();
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

impl From<AppError> for Error {
    fn from(error: AppError) -> Self {
        let kind = error.kind();
        let status = match kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Denied | Kind::Limit => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::NotConnected => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Phone => StatusCode::BAD_GATEWAY,
            Kind::Timeout | Kind::Pending => StatusCode::GATEWAY_TIMEOUT,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match &error {
            AppError::AccountTokenRequired => {
                return Self::new(StatusCode::FORBIDDEN, error.code(), error.to_string());
            }
            AppError::InstanceNotFound(id) => {
                let message = format!("there is no session `{id}` in this account");
                return Self::new(status, INSTANCE, message);
            }
            AppError::InstanceMismatch => {
                let message = "the token belongs to another session of this account";
                return Self::new(status, INSTANCE, message);
            }
            AppError::NotConnected(_) => {
                let message = "the session is not connected to WhatsApp; start it, and scan its \
                               code where it shows one";
                return Self::new(status, error.code(), message);
            }
            AppError::NeverSynced(_) => {
                let message = "the session's labels were never synced; link it and wait for \
                               status `WORKING`";
                return Self::new(status, error.code(), message);
            }
            _ => {}
        }
        let code = match kind {
            Kind::Unauthenticated => TOKEN,
            Kind::Invalid => PARAMETER,
            _ => error.code(),
        };
        match kind {
            // These texts do not say why, so the log must.
            Kind::Phone => {
                let message = match error {
                    AppError::WriteFailed(_) => "WhatsApp did not take it; nothing was changed",
                    AppError::WritePartly { .. } => {
                        "WhatsApp took a part of it; ask again to do the rest"
                    }
                    _ => "WhatsApp refused, or could not be reached",
                };
                Self {
                    cause: Some(Arc::new(error)),
                    ..Self::new(status, UPSTREAM, message)
                }
            }
            Kind::Internal => Self {
                cause: Some(Arc::new(error)),
                ..Self::new(status, code, "something went wrong on our side")
            },
            _ => Self::new(status, code, error.to_string()),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::App(error) => error.into(),
            Refusal::MissingToken => Self::new(
                StatusCode::UNAUTHORIZED,
                TOKEN,
                "an `access_token` is needed: in the query, in the body, or as header \
                 `access-token` or `Authorization: Bearer`",
            ),
            Refusal::InstanceRequired => Self::parameter("`instance_id` is required"),
            Refusal::PathInvalid => Self::parameter("the path is not UTF-8"),
            Refusal::Body(why) => Self::parameter(format!("the body cannot be read: {why}")),
            Refusal::Query(name) => Self::parameter(format!("`{name}` makes no sense")),
            Refusal::BodyTimeout => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                "the body did not come in time",
            ),
            Refusal::RateLimited => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "too many calls a minute; try again after `Retry-After` seconds",
            ),
            Refusal::IdempotencyKeyInvalid => Self::parameter("the `Idempotency-Key` is invalid"),
            Refusal::IdempotencyInProgress => Self::new(
                StatusCode::CONFLICT,
                "idempotency_in_progress",
                "the first call with this `Idempotency-Key` is still under way",
            ),
            Refusal::IdempotencyKeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "this `Idempotency-Key` came with another call before",
            ),
            Refusal::BodyTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the body is too large",
            ),
            Refusal::NoRoute => Self::new(
                StatusCode::NOT_FOUND,
                "route_not_found",
                "there is no such call",
            ),
            Refusal::NoMethod => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "the call exists, but not with this method",
            ),
            Refusal::UrlTooLong => Self::new(
                StatusCode::URI_TOO_LONG,
                "url_too_long",
                "the URL is too long",
            ),
            Refusal::Deadline => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "deadline_exceeded",
                "the call took too long",
            ),
            Refusal::Panic => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "something went wrong on our side",
            ),
        }
    }
}
