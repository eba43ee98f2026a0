//! Shapes that several calls answer with.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::label::{Label, color_hex};
use serde::Serialize;
use utoipa::ToSchema;

/// A moment as RFC 3339 with milliseconds, UTC; `None` for what is no moment:
/// WhatsApp's records may lack their time.
pub(super) fn moment(at: Timestamp) -> Option<String> {
    let at = jiff::Timestamp::from_microsecond(at.0).ok();
    at.filter(|at| at.as_microsecond() != 0)
        .map(|at| format!("{at:.3}"))
}

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Label)]
pub(super) struct LabelView {
    /// WhatsApp's id, a decimal number as text.
    #[schema(example = "1")]
    id: String,
    /// Name as on the phone.
    #[schema(example = "Important")]
    name: String,
    /// Index into WhatsApp's palette, 0 to 19.
    color: i32,
    /// The same colour as `#rrggbb`; null where the palette has none.
    #[schema(required, example = "#ff9485")]
    color_hex: Option<&'static str>,
    /// `CUSTOM`, `PREDEFINED`, or WhatsApp's name of another sort of list.
    #[serde(rename = "type")]
    kind: String,
    /// Whether it can be changed; the lists the phone keeps by itself cannot.
    editable: bool,
}

impl From<Label> for LabelView {
    fn from(label: Label) -> Self {
        Self {
            color_hex: color_hex(label.color),
            kind: label.type_name(),
            editable: label.is_editable(),
            id: label.id,
            name: label.name,
            color: label.color,
        }
    }
}

/// Labels, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Labels)]
pub(super) struct LabelsView {
    /// The labels.
    labels: Vec<LabelView>,
}

impl From<Vec<Label>> for LabelsView {
    fn from(labels: Vec<Label>) -> Self {
        Self {
            labels: labels.into_iter().map(LabelView::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_milliseconds_and_nothing_is_none() {
        let text = |us| moment(Timestamp(us));
        assert_eq!(
            text(1_750_000_000_123_456).as_deref(),
            Some("2025-06-15T15:06:40.123Z")
        );
        assert_eq!(text(0), None);
        assert_eq!(text(i64::MAX), None);
    }
}
