//! The one place where an error becomes this dialect's status and body.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use labelwire_app::{Error as AppError, Kind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::layers::Cause;
use crate::refusal::Refusal;

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorView {
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// The status in words.
    #[schema(example = "Not Found")]
    error: &'static str,
    response: MessagesView,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorMessages)]
pub(super) struct MessagesView {
    message: Message,
}

/// One text where the status says it all, else a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorMessage)]
#[serde(untagged)]
enum Message {
    /// The status in words.
    Words(&'static str),
    /// Everything that is wrong, in order.
    List(Vec<String>),
}

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    messages: Vec<String>,
    cause: Option<Arc<AppError>>,
}

impl Error {
    /// An error of this status and these texts; the status in words where there
    /// are none.
    pub(super) fn new(status: StatusCode, messages: Vec<String>) -> Self {
        Self {
            status,
            messages,
            cause: None,
        }
    }

    /// A request that makes no sense.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, vec![message.into()])
    }

    /// The same failure, begun with what could not be done.
    pub(super) fn while_trying(mut self, what: &str) -> Self {
        if !matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
        ) {
            self.messages.insert(0, what.to_owned());
        }
        self
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let words = self.status.canonical_reason().unwrap_or_default();
        let view = ErrorView {
            status: self.status.as_u16(),
            error: words,
            response: MessagesView {
                message: if self.messages.is_empty() {
                    Message::Words(words)
                } else {
                    Message::List(self.messages)
                },
            },
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
        match &error {
            // Its guard looks for the key of that very instance.
            AppError::InstanceMismatch => return Self::new(StatusCode::UNAUTHORIZED, vec![]),
            AppError::InstanceNotFound(name) => {
                return Self::new(
                    StatusCode::NOT_FOUND,
                    vec![format!("The \"{name}\" instance does not exist")],
                );
            }
            AppError::NotConnected(name) => {
                return Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    vec![format!("The \"{name}\" instance is not connected")],
                );
            }
            AppError::NeverSynced(name) => {
                return Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    vec![format!(
                        "The labels of the \"{name}\" instance were never read yet"
                    )],
                );
            }
            AppError::InvalidChat(_) => {
                return Self::new(
                    StatusCode::NOT_FOUND,
                    vec!["Number is not on WhatsApp".to_owned()],
                );
            }
            // No number is at fault, and the path is right: to its clients a 404
            // would mean one of the two.
            AppError::LabelNotFound(_) => return Self::bad(error.to_string()),
            _ => {}
        }
        let status = match error.kind() {
            Kind::Unauthenticated => return Self::new(StatusCode::UNAUTHORIZED, vec![]),
            Kind::Invalid | Kind::Conflict | Kind::Limit => StatusCode::BAD_REQUEST,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::NotConnected => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Phone => StatusCode::BAD_GATEWAY,
            Kind::Timeout | Kind::Pending => StatusCode::GATEWAY_TIMEOUT,
            Kind::Internal => {
                return Self {
                    cause: Some(Arc::new(error)),
                    ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, vec![])
                };
            }
        };
        Self::new(status, vec![error.to_string()])
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (status, message) = match refusal {
            Refusal::App(error) => return error.into(),
            Refusal::MissingToken => return Self::new(StatusCode::UNAUTHORIZED, vec![]),
            Refusal::Panic => return Self::new(StatusCode::INTERNAL_SERVER_ERROR, vec![]),
            Refusal::InstanceRequired => {
                return Self::bad("\"instanceName\" not provided.");
            }
            Refusal::PathInvalid => {
                return Self::bad("The path is not UTF-8 once it is decoded");
            }
            Refusal::Body(why) => return Self::bad(format!("The body cannot be read: {why}")),
            Refusal::Query(name) => {
                return Self::bad(format!("The query parameter \"{name}\" makes no sense"));
            }
            Refusal::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "A body may have 1 MiB"),
            Refusal::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "The body stopped coming"),
            Refusal::RateLimited => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests for this key; try again later",
            ),
            Refusal::IdempotencyKeyInvalid => {
                return Self::bad("Idempotency-Key is invalid");
            }
            Refusal::IdempotencyInProgress => (
                StatusCode::CONFLICT,
                "A request with this Idempotency-Key is under way",
            ),
            Refusal::IdempotencyKeyReused => (
                StatusCode::CONFLICT,
                "Idempotency-Key came with another request before",
            ),
            Refusal::NoRoute => (StatusCode::NOT_FOUND, "There is nothing at this path"),
            Refusal::NoMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This path does not take this method",
            ),
            Refusal::UrlTooLong => (StatusCode::URI_TOO_LONG, "Path and query are too long"),
            Refusal::Deadline => (
                StatusCode::GATEWAY_TIMEOUT,
                "The call took too long and was given up",
            ),
        };
        Self::new(status, vec![message.to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_a_call_has_its_status_and_text() {
        let shop = || "shop".to_owned();
        let said = [
            AppError::NotConnected(shop()),
            AppError::NeverSynced(shop()),
            AppError::Stopping,
            AppError::WriteFailed("WhatsApp refused it: code 400".to_owned()),
            AppError::Pending("cmd_1".to_owned()),
            AppError::LabelNotFound("9".to_owned()),
            AppError::InstanceNotFound(shop()),
            AppError::InvalidToken,
        ]
        .map(|error| {
            let error = Error::from(error).while_trying("Unable to add label to chat");
            format!("{} {:?}", error.status.as_u16(), error.messages)
        });
        assert_eq!(
            said,
            [
                r#"503 ["Unable to add label to chat", "The \"shop\" instance is not connected"]"#,
                r#"503 ["Unable to add label to chat", "The labels of the \"shop\" instance were never read yet"]"#,
                r#"503 ["Unable to add label to chat", "labelwire is stopping; try again in a moment"]"#,
                r#"502 ["Unable to add label to chat", "nothing was changed: WhatsApp refused it: code 400"]"#,
                r#"504 ["Unable to add label to chat", "WhatsApp has not said yet whether it took the change; command `cmd_1` tells as soon as it is known"]"#,
                r#"400 ["Unable to add label to chat", "there is no label `9` on this account"]"#,
                r#"404 ["The \"shop\" instance does not exist"]"#,
                r#"401 []"#,
            ]
        );
    }
}
