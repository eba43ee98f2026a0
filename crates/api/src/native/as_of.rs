//! Moments of the past, as callers name them.

use labelwire_app::timeline::{AsOf, Side};
use labelwire_domain::clock::Timestamp;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::query::Query;
use crate::refusal::Refusal;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct AsOfParam {
    /// The moment to tell of instead of now: the `seq` of an event, which is the
    /// state right behind it, a time (RFC 3339) as this gateway saw it, or `now`.
    #[param(nullable = false, inline, value_type = Option<MomentForm>, example = "2026-11-20T12:00:00Z")]
    as_of: Option<String>,
}

fn forms() -> OneOfBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    OneOfBuilder::new()
        .item(text().pattern(Some("^[0-9]{1,18}$")))
        .item(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
        .item(text().enum_values(Some(["now"])))
}

/// How a moment is written, for documents.
pub(super) struct MomentForm;

impl PartialSchema for MomentForm {
    fn schema() -> RefOr<Schema> {
        RefOr::T(forms().into())
    }
}

impl ToSchema for MomentForm {}

/// The same where it may be a snapshot.
pub(super) struct SideForm;

impl PartialSchema for SideForm {
    fn schema() -> RefOr<Schema> {
        let snapshot = ObjectBuilder::new().schema_type(Type::String);
        let snapshot = snapshot.pattern(Some("^snp_[a-z0-9]+$"));
        RefOr::T(forms().item(snapshot).into())
    }
}

impl ToSchema for SideForm {}

/// The same where there may be none.
pub(super) fn moment_or_null() -> Schema {
    forms()
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .description(Some(
            "The moment it is of: the `seq` of an event as text, or a time (RFC 3339); now where it is left out.",
        ))
        .into()
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

/// What a query says of a moment; `None` where it says nothing. A blank one is
/// refused: it is a variable that was not set, and no question about the present.
///
/// # Errors
/// [`Refusal::Query`].
pub(super) fn said<T>(
    query: &Query,
    name: &'static str,
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    if !query.has(name) {
        return Ok(None);
    }
    let text = query.text(name).unwrap_or_default();
    read(text).map(Some).ok_or(Refusal::Query(name))
}

/// The moment a query asks for; `None` where it asks for none.
///
/// # Errors
/// [`Refusal::Query`].
pub(super) fn asked(query: &Query) -> Result<Option<AsOf>, Refusal> {
    said(query, "as_of", moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_moment_is_none() {
        let asked = |query| asked(&Query::of(Some(query))).ok();
        assert_eq!(asked("limit=1"), Some(None));
        assert_eq!(asked("as_of=17"), Some(Some(AsOf::Seq(17))));
        assert_eq!(asked("as_of="), None);
        assert_eq!(asked("as_of=%20"), None);
    }

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
