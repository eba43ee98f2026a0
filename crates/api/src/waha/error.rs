//! The one place where an error becomes this dialect's status and body.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use labelwire_app::instance::Handle;
use labelwire_app::{Error as AppError, Kind};
use labelwire_domain::intent::Reject;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::SessionStatus;
use crate::layers::Cause;
use crate::refusal::Refusal;

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorView {
    /// What went wrong.
    #[schema(value_type = String, example = "Label not found")]
    message: Cow<'static, str>,
    /// The status in words; absent where the message says no more than it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Not Found")]
    error: Option<&'static str>,
    /// The HTTP status.
    #[serde(rename = "statusCode")]
    #[schema(example = 404)]
    status: u16,
}

/// The session is not in the state that a call needs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionStatusError)]
pub(super) struct StandingView {
    /// Always the same text.
    #[schema(
        example = "Session status is not as expected. Try again later or restart the session"
    )]
    error: &'static str,
    /// The session's name.
    session: String,
    status: SessionStatus,
    /// The states in which the call is answered.
    expected: [SessionStatus; 1],
}

/// Why a request that makes sense is not carried out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unprocessable)]
#[serde(untagged)]
pub(super) enum UnprocessableView {
    /// What was asked cannot be.
    Error(ErrorView),
    /// The session's state forbids it.
    Standing(StandingView),
}

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    body: UnprocessableView,
    cause: Option<Arc<AppError>>,
}

impl Error {
    /// An error of this status and text.
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        let words = status.canonical_reason();
        Self {
            status,
            body: UnprocessableView::Error(ErrorView {
                error: words.filter(|w| *w != message),
                message,
                status: status.as_u16(),
            }),
            cause: None,
        }
    }

    /// A request that cannot be read.
    pub(super) fn bad(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A request that can be read and makes no sense.
    pub(super) fn unprocessable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// A session in another state than the call needs.
    pub(super) fn standing(
        session: impl Into<String>,
        status: SessionStatus,
        expected: SessionStatus,
    ) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            body: UnprocessableView::Standing(StandingView {
                error: "Session status is not as expected. Try again later or restart the session",
                session: session.into(),
                status,
                expected: [expected],
            }),
            cause: None,
        }
    }

    /// The same, told with the state that the session is in now.
    pub(super) fn seen(mut self, session: &Handle) -> Self {
        if let UnprocessableView::Standing(view) = &mut self.body {
            let now = SessionStatus::of(&session.status());
            // It may have come back since.
            if now != view.expected[0] {
                view.status = now;
            }
        }
        self
    }

    /// What a path names is not there, in a call's own words.
    pub(super) fn missing(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        if self.status == StatusCode::NOT_FOUND {
            self = Self::new(StatusCode::NOT_FOUND, message);
        }
        self
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

impl From<AppError> for Error {
    fn from(error: AppError) -> Self {
        match &error {
            AppError::InvalidToken => {
                return Self::new(StatusCode::UNAUTHORIZED, "Unauthorized");
            }
            AppError::AccountTokenRequired => {
                return Self::new(StatusCode::FORBIDDEN, "This call needs the account's key");
            }
            AppError::InstanceMismatch => {
                return Self::new(StatusCode::FORBIDDEN, "The key belongs to another session");
            }
            AppError::InstanceNotFound(name) => {
                return Self::new(
                    StatusCode::NOT_FOUND,
                    format!("We didn't find a session with name '{name}'"),
                );
            }
            AppError::NameTaken(name) => {
                return Self::unprocessable(format!("Session '{name}' already exists"));
            }
            AppError::NameInvalid => {
                return Self::bad("A session name is 1 to 100 letters, digits, '_' or '-'");
            }
            AppError::LabelNotFound(_) => {
                return Self::new(StatusCode::NOT_FOUND, "Label not found");
            }
            AppError::NotConnected(name) | AppError::NeverSynced(name) => {
                return Self::standing(
                    name.clone(),
                    SessionStatus::Starting,
                    SessionStatus::Working,
                );
            }
            AppError::Rejected(reject) => return Self::unprocessable(rejected(reject)),
            _ => {}
        }
        let status = match error.kind() {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict | Kind::Limit => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::NotConnected => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Phone => StatusCode::BAD_GATEWAY,
            Kind::Timeout | Kind::Pending => StatusCode::GATEWAY_TIMEOUT,
            Kind::Internal => {
                return Self {
                    cause: Some(Arc::new(error)),
                    ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
                };
            }
        };
        Self::new(status, error.to_string())
    }
}

fn rejected(reject: &Reject) -> String {
    match reject {
        Reject::LimitReached(limit) => format!("Maximum {limit} labels allowed"),
        Reject::NameTaken { name, id } => {
            format!("Label with name '{name}' already exists, its id is '{id}'")
        }
        other => other.to_string(),
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::App(error) => error.into(),
            Refusal::MissingToken => Self::new(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Refusal::InstanceRequired => Self::bad("The path lacks the session's name"),
            Refusal::PathInvalid => Self::bad("The path is not UTF-8 once it is decoded"),
            Refusal::Body(why) => Self::bad(format!("The body cannot be read: {why}")),
            Refusal::BodyTooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "A body may have 1 MiB")
            }
            Refusal::Query(name) => {
                Self::bad(format!("The query parameter '{name}' makes no sense"))
            }
            Refusal::BodyTimeout => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "The body stopped coming")
            }
            Refusal::RateLimited => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests for this key; try again later",
            ),
            Refusal::IdempotencyKeyInvalid => Self::bad("Idempotency-Key is invalid"),
            Refusal::IdempotencyInProgress => {
                Self::unprocessable("A request with this Idempotency-Key is under way")
            }
            Refusal::IdempotencyKeyReused => {
                Self::unprocessable("Idempotency-Key came with another request before")
            }
            Refusal::NoRoute => Self::new(StatusCode::NOT_FOUND, "There is nothing at this path"),
            Refusal::NoMethod => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This path does not take this method",
            ),
            Refusal::UrlTooLong => {
                Self::new(StatusCode::URI_TOO_LONG, "Path and query are too long")
            }
            Refusal::Deadline => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "The call took too long and was given up",
            ),
            Refusal::Panic => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_a_call_has_its_status_and_text() {
        let shop = || "shop".to_owned();
        let said = [
            AppError::NameTaken(shop()),
            AppError::InvalidNumber("12".to_owned()),
            AppError::NotConnected(shop()),
            AppError::NeverSynced(shop()),
            AppError::Stopping,
            AppError::ConnectingEnded("logged out by the API".to_owned()),
            AppError::PairingTimeout,
            AppError::Phone("fatal error 400".to_owned()),
            AppError::WriteFailed("WhatsApp refused it: code 400".to_owned()),
            AppError::Pending("cmd_1".to_owned()),
            AppError::Rejected(Reject::LimitReached(20)),
            AppError::Rejected(Reject::NoIdLeft),
            AppError::Rejected(Reject::NotEditable {
                id: "3".to_owned(),
                kind: "FAVORITES".to_owned(),
            }),
        ]
        .map(|error| {
            let error = Error::from(error);
            let body = serde_json::to_string(&error.body).expect("JSON");
            format!("{} {body}", error.status.as_u16())
        });
        assert_eq!(
            said,
            [
                r#"422 {"message":"Session 'shop' already exists","error":"Unprocessable Entity","statusCode":422}"#,
                r#"400 {"message":"`12` is not a phone number; write it with country code, digits only","error":"Bad Request","statusCode":400}"#,
                r#"422 {"error":"Session status is not as expected. Try again later or restart the session","session":"shop","status":"STARTING","expected":["WORKING"]}"#,
                r#"422 {"error":"Session status is not as expected. Try again later or restart the session","session":"shop","status":"STARTING","expected":["WORKING"]}"#,
                r#"503 {"message":"labelwire is stopping; try again in a moment","error":"Service Unavailable","statusCode":503}"#,
                r#"503 {"message":"connecting ended: logged out by the API","error":"Service Unavailable","statusCode":503}"#,
                r#"504 {"message":"timed out waiting for a pairing code","error":"Gateway Timeout","statusCode":504}"#,
                r#"502 {"message":"WhatsApp refused: fatal error 400","error":"Bad Gateway","statusCode":502}"#,
                r#"502 {"message":"nothing was changed: WhatsApp refused it: code 400","error":"Bad Gateway","statusCode":502}"#,
                r#"504 {"message":"WhatsApp has not said yet whether it took the change; command `cmd_1` tells as soon as it is known","error":"Gateway Timeout","statusCode":504}"#,
                r#"422 {"message":"Maximum 20 labels allowed","error":"Unprocessable Entity","statusCode":422}"#,
                r#"422 {"message":"no label id is left on this account","error":"Unprocessable Entity","statusCode":422}"#,
                r#"422 {"message":"`3` is a list of type FAVORITES, which the phone keeps by itself; only custom labels can be changed","error":"Unprocessable Entity","statusCode":422}"#,
            ]
        );
    }
}
