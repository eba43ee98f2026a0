//! The one place where an error becomes this dialect's status and text.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use labelwire_app::{Error as AppError, Kind};
use labelwire_domain::intent::Reject;
use serde::Serialize;
use utoipa::ToSchema;

use crate::layers::Cause;
use crate::refusal::Refusal;

const NOT_CONNECTED: &str = "Instance is not connected to WhatsApp";
const NUMBER: &str = "Number is invalid: write digits with country code, \
    <digits>@s.whatsapp.net, <digits>@lid, <id>@g.us or <id>@newsletter";

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorView {
    /// Always false.
    success: bool,
    error: MessageView,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorMessage)]
pub(super) struct MessageView {
    /// The documented text.
    #[schema(value_type = String, example = "Instance not found")]
    message: Cow<'static, str>,
}

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    message: Cow<'static, str>,
    cause: Option<Arc<AppError>>,
}

impl Error {
    /// An error of this status and text.
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
        }
    }

    /// A request that makes no sense.
    pub(super) fn bad(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The same failure under another text, where it is our own fault.
    pub(super) fn named(mut self, message: &'static str) -> Self {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            self.message = message.into();
        }
        self
    }

    /// Its JSON.
    fn body(&self) -> Vec<u8> {
        let view = ErrorView {
            success: false,
            error: MessageView {
                message: self.message.clone(),
            },
        };
        serde_json::to_vec(&view).unwrap_or_default()
    }

    fn ours(message: Cow<'static, str>, status: StatusCode, cause: AppError) -> Self {
        Self {
            cause: Some(Arc::new(cause)),
            ..Self::new(status, message)
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let mut response =
            (self.status, [(header::CONTENT_TYPE, json)], self.body()).into_response();
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

impl From<AppError> for Error {
    fn from(error: AppError) -> Self {
        let message = text(&error);
        let status = match error.kind() {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict | Kind::Limit => StatusCode::CONFLICT,
            Kind::NotConnected => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Timeout | Kind::Pending => StatusCode::GATEWAY_TIMEOUT,
            // The text does not say why, so the log must.
            Kind::Phone => return Self::ours(message, StatusCode::BAD_GATEWAY, error),
            Kind::Internal => {
                return Self::ours(message, StatusCode::INTERNAL_SERVER_ERROR, error);
            }
        };
        Self::new(status, message)
    }
}

/// What is said of an error.
fn text(error: &AppError) -> Cow<'static, str> {
    let fixed = match error {
        AppError::InvalidToken | AppError::TokenExpired | AppError::AccountTokenRequired => {
            "Invalid token"
        }
        AppError::ScopeMissing(_) => "Token does not have permission for this action",
        AppError::TokenNotFound(_) => "Token not found",
        AppError::TokenNameInvalid => "Token name is invalid",
        AppError::ScopesEmpty => "Token scopes are required",
        AppError::ExpiryPast => "Token expiry is invalid",
        AppError::InstanceNotFound(_) => "Instance not found",
        AppError::InstanceMismatch => "Instance token does not match the requested instance",
        AppError::NameTaken(_) => "Instance name already exists",
        AppError::NameInvalid => "Instance name is invalid",
        AppError::AccountNameInvalid => "Account name is invalid",
        AppError::TokenTaken => "Instance token already exists",
        AppError::TokenInvalid => "Instance token is invalid",
        AppError::TextInvalid => "Message is invalid: 1 to 65536 characters",
        AppError::SendTimeout => {
            "WhatsApp did not confirm the message in time; it may have been sent"
        }
        AppError::LabelNotFound(_) => "Tag not found",
        AppError::LabelAmbiguous(_) => "Several tags have this name; use an id",
        AppError::CursorExpired => "Cursor has expired",
        AppError::NotConnected(_)
        | AppError::NeverSynced(_)
        | AppError::ConnectingEnded(_)
        | AppError::Stopping => NOT_CONNECTED,
        AppError::PairingTimeout => "Timed out waiting for a QR code",
        AppError::RefreshTimeout => "Timed out syncing labels with WhatsApp",
        AppError::CommandNotFound(_) => "Command not found",
        AppError::Timeline(why) => return why.to_string().into(),
        AppError::WebhookNotFound(_) => "Webhook not found",
        AppError::DeliveryNotFound(_) => "Delivery not found",
        AppError::WebhookNameTaken(_) => "Webhook already exists",
        AppError::WebhookDisabled(_) => "Webhook is disabled",
        AppError::TooManyWebhooks(_) => "Too many webhooks",
        AppError::WebhookInvalid(why) => return format!("Webhook is invalid: {why}").into(),
        AppError::InvalidMessage => "Message id is invalid",
        AppError::WriteFailed(_) => "WhatsApp refused the change; nothing was changed",
        AppError::WritePartly { .. } => {
            "WhatsApp took a part of the change; ask again to do the rest"
        }
        AppError::Phone(_) => "WhatsApp refused the request",
        AppError::InvalidChat(_) => NUMBER,
        AppError::InvalidNumber(_) => "Number is invalid: write digits with country code",
        AppError::Rejected(reject) => return rejected(reject),
        AppError::Pending(command) => {
            return format!(
                "WhatsApp has not confirmed the change yet; command {command} tells what becomes of it"
            )
            .into();
        }
        AppError::Store(_) => "Internal server error",
    };
    fixed.into()
}

/// What was asked of a label cannot be: the text says why and what to do.
fn rejected(reject: &Reject) -> Cow<'static, str> {
    match reject {
        Reject::LabelNotFound(_) => "Tag not found".into(),
        Reject::NameTaken { id, .. } => format!("Tag name already exists: tag {id} has it").into(),
        Reject::LimitReached(labels) => {
            format!("Tag limit reached: the account has {labels} tags, delete one first").into()
        }
        Reject::NameInvalid(most) => {
            format!("Tag name is invalid: 1 to {most} characters, no control characters").into()
        }
        Reject::ColorInvalid => "Tag color is invalid: 0 to 19".into(),
        Reject::NotEditable { id, kind } => {
            format!("Tag {id} is a list of type {kind}, which the phone keeps by itself").into()
        }
        Reject::NoIdLeft => "No tag id is left on this account".into(),
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::App(error) => error.into(),
            Refusal::MissingToken => Self::new(
                StatusCode::UNAUTHORIZED,
                "Missing token in header, Authorization header, or query parameter",
            ),
            Refusal::InstanceRequired => Self::bad("Instance name is required"),
            Refusal::PathInvalid => Self::bad("Instance name is invalid"),
            Refusal::Body(why) => Self::bad(format!("Invalid request body: {why}")),
            Refusal::BodyTooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large")
            }
            Refusal::Query(name) => Self::bad(format!("Invalid query parameter: {name}")),
            Refusal::BodyTimeout => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "Request body timed out")
            }
            Refusal::RateLimited => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Rate limit exceeded. Try again later.",
            ),
            Refusal::IdempotencyKeyInvalid => Self::bad("Idempotency-Key is invalid"),
            Refusal::IdempotencyInProgress => Self::new(
                StatusCode::CONFLICT,
                "A request with this Idempotency-Key is in progress",
            ),
            Refusal::IdempotencyKeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency-Key was used for another request",
            ),
            Refusal::NoRoute => Self::new(StatusCode::NOT_FOUND, "Route not found"),
            Refusal::NoMethod => Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Refusal::UrlTooLong => Self::new(StatusCode::URI_TOO_LONG, "URL is too long"),
            Refusal::Deadline => Self::new(StatusCode::GATEWAY_TIMEOUT, "Request timed out"),
            Refusal::Panic => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_app_has_its_status_and_text() {
        let shop = || "shop".to_owned();
        let invalid_chat = labelwire_domain::chat::ChatJid::parse("bob").expect_err("no chat");
        let said = [
            AppError::InvalidToken,
            AppError::TokenExpired,
            AppError::ScopeMissing(labelwire_domain::token::Scope::Label),
            AppError::TokenNotFound("tok_1".to_owned()),
            AppError::AccountTokenRequired,
            AppError::InstanceNotFound(shop()),
            AppError::InstanceMismatch,
            AppError::NameTaken(shop()),
            AppError::NameInvalid,
            AppError::TokenTaken,
            AppError::TokenInvalid,
            AppError::InvalidChat(invalid_chat),
            AppError::InvalidNumber("12".to_owned()),
            AppError::LabelNotFound("9".to_owned()),
            AppError::NotConnected(shop()),
            AppError::NeverSynced(shop()),
            AppError::Stopping,
            AppError::ConnectingEnded("logged out by the API".to_owned()),
            AppError::AccountNameInvalid,
            AppError::PairingTimeout,
            AppError::RefreshTimeout,
            AppError::Phone("fatal error 400".to_owned()),
            AppError::WriteFailed("code 400".to_owned()),
            AppError::Pending("cmd_1".to_owned()),
            AppError::TextInvalid,
            AppError::SendTimeout,
            AppError::Rejected(Reject::NameTaken {
                name: "VIP".to_owned(),
                id: "2".to_owned(),
            }),
            AppError::Rejected(Reject::LimitReached(20)),
            AppError::Rejected(Reject::NameInvalid(100)),
            AppError::Rejected(Reject::NotEditable {
                id: "7".to_owned(),
                kind: "FAVORITES".to_owned(),
            }),
            AppError::Rejected(Reject::NoIdLeft),
        ]
        .map(|error| {
            let error = Error::from(error);
            format!("{} {}", error.status.as_u16(), error.message)
        });
        assert_eq!(
            said,
            [
                "401 Invalid token",
                "401 Invalid token",
                "403 Token does not have permission for this action",
                "404 Token not found",
                "401 Invalid token",
                "404 Instance not found",
                "403 Instance token does not match the requested instance",
                "409 Instance name already exists",
                "400 Instance name is invalid",
                "409 Instance token already exists",
                "400 Instance token is invalid",
                "400 Number is invalid: write digits with country code, \
                 <digits>@s.whatsapp.net, <digits>@lid, <id>@g.us or <id>@newsletter",
                "400 Number is invalid: write digits with country code",
                "404 Tag not found",
                "503 Instance is not connected to WhatsApp",
                "503 Instance is not connected to WhatsApp",
                "503 Instance is not connected to WhatsApp",
                "503 Instance is not connected to WhatsApp",
                "400 Account name is invalid",
                "504 Timed out waiting for a QR code",
                "504 Timed out syncing labels with WhatsApp",
                "502 WhatsApp refused the request",
                "502 WhatsApp refused the change; nothing was changed",
                "504 WhatsApp has not confirmed the change yet; command cmd_1 tells what becomes of it",
                "400 Message is invalid: 1 to 65536 characters",
                "504 WhatsApp did not confirm the message in time; it may have been sent",
                "409 Tag name already exists: tag 2 has it",
                "409 Tag limit reached: the account has 20 tags, delete one first",
                "400 Tag name is invalid: 1 to 100 characters, no control characters",
                "409 Tag 7 is a list of type FAVORITES, which the phone keeps by itself",
                "409 No tag id is left on this account",
            ]
        );
    }
}
