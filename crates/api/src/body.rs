//! JSON bodies, read strictly: a key said twice or a value of another type is refused.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use http_body::{Frame, SizeHint};
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use tokio::time::Sleep;

use crate::refusal::Refusal;

/// Bytes a request body may have.
pub(crate) const LIMIT: usize = 1024 * 1024;

/// Reads a JSON object.
///
/// # Errors
/// [`Refusal::Body`], [`Refusal::BodyTooLarge`].
pub(crate) async fn json<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    parse(&bytes(body).await?)
}

/// Reads a body whole.
///
/// # Errors
/// [`Refusal::BodyTooLarge`], [`Refusal::BodyTimeout`]; [`Refusal::Body`] where it
/// ends early.
pub(crate) async fn bytes(body: Body) -> Result<Bytes, Refusal> {
    if http_body::Body::size_hint(&body).lower() > LIMIT as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    to_bytes(body, LIMIT).await.map_err(|error| {
        // axum hides which of them it was behind one type.
        let mut cause = std::error::Error::source(&error);
        while let Some(why) = cause {
            if why.is::<Stalled>() {
                return Refusal::BodyTimeout;
            }
            if why.to_string() == "length limit exceeded" {
                return Refusal::BodyTooLarge;
            }
            cause = why.source();
        }
        Refusal::Body("it ended early".to_owned())
    })
}

/// A request's body stopped coming.
#[derive(Debug, thiserror::Error)]
#[error("the body stopped coming")]
struct Stalled;

/// A body that gives up where nothing comes for a while.
pub(crate) struct Patient {
    body: Body,
    patience: Duration,
    until: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// Waits so long for each piece.
    pub(crate) fn new(body: Body, patience: Duration) -> Self {
        Self {
            body,
            patience,
            until: None,
        }
    }
}

impl http_body::Body for Patient {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.until = None;
            return Poll::Ready(frame.map(|piece| piece.map_err(Into::into)));
        }
        let patience = this.patience;
        let until = this
            .until
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        until.as_mut().poll(cx).map(|()| Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a JSON object that is whole in memory.
///
/// # Errors
/// [`Refusal::Body`].
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Body(
            "a JSON object is expected, the body is empty".to_owned(),
        ));
    }
    // serde would take an array for an object's fields in order.
    serde_json::from_slice::<Keys>(bytes).map_err(why)?;
    serde_json::from_slice(bytes).map_err(why)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn why(error: serde_json::Error) -> Refusal {
    Refusal::Body(error.to_string())
}

/// A JSON object whose keys are all different.
struct Keys;

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for Keys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if let Some(twice) = seen.replace(key) {
                return Err(serde::de::Error::custom(format_args!(
                    "duplicate field `{twice}`"
                )));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Asked {
        name: Option<String>,
    }

    fn why(text: &str) -> String {
        match parse::<Asked>(text.as_bytes()) {
            Ok(asked) => format!("{:?}", asked.name),
            Err(Refusal::Body(why)) => why,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_an_object_with_different_keys_and_right_types_is_taken() {
        assert_eq!(why(r#"{"name":"a","more":1}"#), r#"Some("a")"#);
        assert_eq!(why(r#"{"name":null}"#), "None");
        assert!(why(r#"{"name":"a","name":"b"}"#).starts_with("duplicate field `name`"));
        assert!(why(r#"{"more":1,"more":2}"#).starts_with("duplicate field `more`"));
        assert!(why(r#"["a"]"#).contains("expected a JSON object"));
        assert!(why(r#"{"name":5}"#).contains("invalid type: integer `5`"));
        assert!(why(r#"{"name":"a""#).starts_with("EOF"));
        assert!(why(r#"{"name":"a"} x"#).starts_with("trailing"));
    }
}
