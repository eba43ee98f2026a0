//! Whole numbers as JSON means them: `5.0` is one.

use serde::de::{Deserialize, Deserializer, Error};

/// Reads a whole number that may be left out or null; one beyond 64 bits reads as
/// the nearest that is not.
///
/// # Errors
/// A fraction, a number `T` cannot hold, or no number.
pub(crate) fn whole<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let Some(number) = Option::<serde_json::Number>::deserialize(from)? else {
        return Ok(None);
    };
    let whole = match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole,
        (None, Some(float)) if float.fract() == 0.0 => {
            let end = if float < 0.0 { i64::MIN } else { i64::MAX };
            format!("{float:.0}").parse().unwrap_or(end)
        }
        _ => return Err(D::Error::custom("a whole number is expected")),
    };
    T::try_from(whole)
        .map(Some)
        .map_err(|_| D::Error::custom(format_args!("the number {number} is out of range")))
}

/// The same for one that must be there.
///
/// # Errors
/// As [`whole`]; null.
pub(crate) fn whole_number<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    whole(from)?.ok_or_else(|| D::Error::custom("a whole number is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Asked {
        #[serde(default, deserialize_with = "whole")]
        wide: Option<i64>,
        #[serde(default, deserialize_with = "whole")]
        small: Option<u8>,
    }

    fn read(text: &str) -> Option<(Option<i64>, Option<u8>)> {
        let asked: Asked = serde_json::from_str(text).ok()?;
        Some((asked.wide, asked.small))
    }

    #[test]
    fn whole_numbers_are_taken_however_they_are_written() {
        assert_eq!(read("{}"), Some((None, None)));
        let both = r#"{"wide":-5.0,"small":2e2}"#;
        assert_eq!(read(both), Some((Some(-5), Some(200))));
        let far = r#"{"wide":-99999999999999999999999,"small":null}"#;
        assert_eq!(read(far), Some((Some(i64::MIN), None)));
        for text in [
            r#"{"wide":1.5}"#,
            r#"{"wide":"5"}"#,
            r#"{"wide":true}"#,
            r#"{"small":256}"#,
            r#"{"small":-1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
