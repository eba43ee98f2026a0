//! JSON in, JSON out, and one shape for everything that goes wrong.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Error;

/// What a handler answers.
pub(super) type Answer<T> = Result<(StatusCode, Json<T>), Problem>;

/// Done.
pub(super) fn ok<T>(body: T) -> Answer<T> {
    Ok((StatusCode::OK, Json(body)))
}

/// Something new exists.
pub(super) fn created<T>(body: T) -> Answer<T> {
    Ok((StatusCode::CREATED, Json(body)))
}

/// Body of every answer that is no success.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorView {
    /// What is wrong and what to do about it.
    pub error: String,
}

/// A status and a sentence.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    text: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    /// The request makes no sense as given.
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// What it names does not exist.
    pub(super) fn missing(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorView { error: self.text })).into_response()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::UnknownAccount(_) => {
                return Self::missing(format!("{error}; GET /accounts lists the accounts"));
            }
            Error::UnknownDevice { .. } => {
                return Self::missing(format!(
                    "{error}; GET the account's /truth lists its devices"
                ));
            }
            Error::AccountExists(_) | Error::NothingToPair => StatusCode::CONFLICT,
            Error::Invalid(_) | Error::WrongCode => StatusCode::BAD_REQUEST,
            Error::PairingFailed(_) => StatusCode::BAD_GATEWAY,
            Error::Crypto(_) | Error::Protocol(_) | Error::Io { .. } => {
                tracing::error!(%error, "a control request failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.to_string())
    }
}

/// A JSON body, whatever its content type says.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out.
pub(super) struct MaybeBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        parse(&bytes).map(Self)
    }
}

fn unread(rejection: BytesRejection) -> Problem {
    Problem::new(
        rejection.status(),
        format!("the body cannot be read: {}", rejection.body_text()),
    )
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::bad(format!(
            "the body is not what this call takes: {error}; GET /openapi.json shows it"
        ))
    })
}

/// Path parameters, percent-decoded.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(parameters)) => Ok(Self(parameters)),
            Err(rejection) => {
                let text = format!("the path cannot be read: {}", rejection.body_text());
                Err(Problem::new(rejection.status(), text))
            }
        }
    }
}
