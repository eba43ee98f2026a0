//! Moments of the past, as callers name them.

use labelwire_app::timeline::{AsOf, Side};
use labelwire_domain::clock::Timestamp;
use utoipa::IntoParams;

use crate::query::Query;
use crate::refusal::Refusal;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct AsOfParam {
    /// The moment to tell of instead of now: the `seq` of an event, which is the
    /// state right behind it, or a time (RFC 3339) as this gateway saw it.
    #[param(
        nullable = false,
        pattern = r"^([0-9]{1,18}|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[ +-][0-9]{2}:[0-9]{2}))$",
        example = "2026-11-20T12:00:00Z"
    )]
    as_of: Option<String>,
}

/// A time by RFC 3339. A `+` that a query string made a blank is one again.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let mended;
    let text = match text.rsplit_once(' ') {
        Some((before, zone)) if before.len() > 10 && zone.contains(':') => {
            mended = format!("{before}+{zone}");
            &mended
        }
        _ => text,
    };
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(at.as_microsecond()))
}

/// A row of history, a time, or `now`.
pub(super) fn moment(text: &str) -> Option<AsOf> {
    if text == "now" {
        return Some(AsOf::Now);
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(AsOf::Seq);
    }
    time(text).map(AsOf::Time)
}

/// The same or a snapshot.
pub(super) fn side(text: &str) -> Option<Side> {
    if text.starts_with("snp_") {
        return Some(Side::Snapshot(text.to_owned()));
    }
    moment(text).map(Side::Moment)
}

/// The moment a query asks for; `None` where it asks for none.
///
/// # Errors
/// [`Refusal::Query`].
pub(super) fn asked(query: &Query) -> Result<Option<AsOf>, Refusal> {
    match query.text("as_of") {
        None => Ok(None),
        Some(text) => moment(text).map(Some).ok_or(Refusal::Query("as_of")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rows_times_snapshots_or_now() {
        let at = Timestamp(1_750_000_000_000_000);
        assert_eq!(moment("17"), Some(AsOf::Seq(17)));
        assert_eq!(moment("now"), Some(AsOf::Now));
        for text in [
            "2025-06-15T15:06:40Z",
            "2025-06-15T17:06:40+02:00",
            "2025-06-15T17:06:40 02:00",
            "2025-06-15 12:06:40-03:00",
        ] {
            assert_eq!(moment(text), Some(AsOf::Time(at)), "{text}");
        }
        for text in ["", "yesterday", "-1", "2025-06-15", "99999999999999999999"] {
            assert_eq!(moment(text), None, "{text}");
        }
        assert_eq!(side("snp_1"), Some(Side::Snapshot("snp_1".into())));
        assert_eq!(side("3"), Some(Side::Moment(AsOf::Seq(3))));
    }
}
