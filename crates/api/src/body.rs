//! JSON bodies, read strictly: a key said twice or a value of another type is refused.

use std::collections::HashSet;
use std::fmt;

use axum::body::{Body, Bytes, to_bytes};
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

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
/// [`Refusal::Body`], [`Refusal::BodyTooLarge`].
pub(crate) async fn bytes(body: Body) -> Result<Bytes, Refusal> {
    if http_body::Body::size_hint(&body).lower() > LIMIT as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    to_bytes(body, LIMIT).await.map_err(|error| {
        // axum hides which of the two it was behind one type.
        match std::error::Error::source(&error) {
            Some(cause) if cause.to_string().contains("length limit exceeded") => {
                Refusal::BodyTooLarge
            }
            _ => Refusal::Body("it ended early".to_owned()),
        }
    })
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
