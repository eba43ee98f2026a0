//! Labels: WhatsApp's label record, and the filter callers ask with.

use unicode_normalization::UnicodeNormalization as _;

use crate::clock::Timestamp;

/// Colours are an index into WhatsApp's palette of 20 (`protocol.md` A1).
pub const PALETTE: [&str; 20] = [
    "#ff9485", "#64c4ff", "#ffd429", "#dfaef0", "#99b6c1", "#55ccb3", "#ff9dff", "#d3a91d",
    "#6d7cce", "#d7e752", "#00d0e2", "#ffc5c7", "#93ceac", "#f74848", "#00a0f2", "#83e422",
    "#ffaf04", "#b5ebff", "#9ba6ff", "#9368cf",
];

/// `ListType` of a label record, by its protocol number (`waproto` `LabelEditAction.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListType(pub i32);

impl ListType {
    /// The protocol's own name of the type, or `None` where it has none we know.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "NONE",
            1 => "UNREAD",
            2 => "GROUPS",
            3 => "FAVORITES",
            4 => "PREDEFINED",
            5 => "CUSTOM",
            6 => "COMMUNITY",
            7 => "SERVER_ASSIGNED",
            8 => "DRAFTED",
            9 => "AI_HANDOFF",
            10 => "CHANNELS",
            11 => "AI_RESPONDING",
            12 => "ARCHIVED",
            13 => "LOCKED",
            14 => "INVITES",
            15 => "THIRD_PARTY",
            _ => return None,
        })
    }
}

/// A label's last record in app state, tombstones included.
///
/// Every field WhatsApp sends is kept: an edit replaces the whole record, so
/// whoever edits must send back what it did not mean to change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Label {
    /// WhatsApp's id, a decimal string.
    pub id: String,
    /// Name; empty where the record carried none (a deletion drops it, so the
    /// store keeps the last one known).
    pub name: String,
    /// Palette index.
    pub color: i32,
    /// Whether the label was deleted.
    pub deleted: bool,
    /// Number of the predefined label this is, if it is one.
    pub predefined_id: Option<i32>,
    /// Place in the account's order.
    pub order_index: Option<i32>,
    /// `ListType` number.
    pub list_type: Option<i32>,
    /// Whether the list is shown.
    pub is_active: Option<bool>,
    /// Whether the phone forbids edits.
    pub is_immutable: Option<bool>,
    /// End of a mute, milliseconds since 1970.
    pub mute_end_ms: Option<i64>,
    /// When WhatsApp says the record was made.
    pub changed_at: Timestamp,
}

impl Label {
    /// Whether it may be renamed, recoloured or deleted: custom and predefined
    /// labels are, the lists a phone keeps by itself (unread, groups, …) are not.
    #[must_use]
    pub fn is_editable(&self) -> bool {
        self.is_immutable != Some(true) && matches!(self.list_type, None | Some(0 | 4 | 5))
    }

    /// Whether it is a label of the account's own making, whatever may be changed of it.
    #[must_use]
    pub const fn is_custom_list(&self) -> bool {
        matches!(self.list_type, None | Some(0 | 4 | 5))
    }

    /// The type word of `ryzeapi.md` decision 13.
    #[must_use]
    pub fn type_name(&self) -> String {
        match self.list_type.map(ListType) {
            None | Some(ListType(0)) => {
                if self.predefined_id.is_some_and(|id| id != 0) {
                    "PREDEFINED".to_owned()
                } else {
                    "CUSTOM".to_owned()
                }
            }
            Some(kind) => kind
                .name()
                .map_or_else(|| format!("TYPE_{}", kind.0), str::to_owned),
        }
    }
}

/// The palette index a caller means: `0` to `19`, or a palette colour as
/// `#rrggbb` in either case, with or without the `#`.
#[must_use]
pub fn parse_color(text: &str) -> Option<i32> {
    let text = text.trim();
    let at = match text.parse::<usize>() {
        // Six digits are a colour, not an index.
        Ok(index) if text.len() <= 2 => Some(index).filter(|i| *i < PALETTE.len()),
        _ => {
            let hex = text.strip_prefix('#').unwrap_or(text);
            PALETTE
                .iter()
                .position(|known| known[1..].eq_ignore_ascii_case(hex))
        }
    };
    at.and_then(|at| i32::try_from(at).ok())
}

/// The palette colour of an index, or `None` where the palette has none.
#[must_use]
pub fn color_hex(color: i32) -> Option<&'static str> {
    usize::try_from(color)
        .ok()
        .and_then(|at| PALETTE.get(at).copied())
}

/// A key that sorts label ids as numbers where they are, else as text after them.
#[must_use]
pub fn id_order(id: &str) -> (u64, &str) {
    (id.parse().unwrap_or(u64::MAX), id)
}

/// Which chats are asked for: those that carry at least one of the named labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelFilter {
    /// Label ids, as written.
    pub ids: Vec<String>,
    /// Label names, matched by case folding.
    pub names: Vec<String>,
}

impl LabelFilter {
    /// Whether nothing was asked: every chat with any live label matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.names.is_empty()
    }

    /// The live labels this filter names, sorted numerically and without repeats.
    /// An id or name that no live label has names nothing (`ryzeapi.md` decision 2).
    #[must_use]
    pub fn resolve(&self, labels: &[Label]) -> Vec<String> {
        let wanted: Vec<String> = self.names.iter().map(|n| fold(n)).collect();
        let mut ids: Vec<String> = labels
            .iter()
            .filter(|l| !l.deleted)
            .filter(|l| self.ids.contains(&l.id) || wanted.contains(&fold(&l.name)))
            .map(|l| l.id.clone())
            .collect();
        ids.sort_by(|a, b| id_order(a).cmp(&id_order(b)));
        ids.dedup();
        ids
    }
}

/// Case folding for name matching: Unicode's full folding is lower case of
/// upper case for every letter labels are written in (`ß`, `ς`, `İ` included).
/// An accent of its own (as some systems write `é`) is the same as one in the letter.
#[must_use]
pub fn fold(name: &str) -> String {
    let folded: String = name.trim().nfd().collect();
    folded.to_uppercase().to_lowercase().nfc().collect()
}

/// Whether a reader would see anything of a name: blanks and characters without
/// width alone look like no name at all.
#[must_use]
pub fn is_visible(name: &str) -> bool {
    let unseen = |c: char| {
        c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
    };
    !name.chars().all(unseen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(id: &str, name: &str, deleted: bool) -> Label {
        Label {
            id: id.into(),
            name: name.into(),
            deleted,
            ..Label::default()
        }
    }

    #[test]
    fn names_match_whatever_their_case_and_deleted_labels_never() {
        let labels = [
            label("10", "VIP", false),
            label("2", "Straße", false),
            label("3", "vip", true),
        ];
        let filter = LabelFilter {
            ids: vec![],
            names: vec!["vip".into(), "STRASSE".into()],
        };
        assert_eq!(filter.resolve(&labels), ["2", "10"]);
        let nothing = LabelFilter {
            ids: vec!["3".into(), "99".into()],
            names: vec![],
        };
        assert!(nothing.resolve(&labels).is_empty());
        assert!(!nothing.is_empty());
    }

    #[test]
    fn a_label_without_type_is_custom_unless_predefined() {
        assert_eq!(label("1", "a", false).type_name(), "CUSTOM");
        let predefined = Label {
            predefined_id: Some(2),
            ..Label::default()
        };
        assert_eq!(predefined.type_name(), "PREDEFINED");
        let favourites = Label {
            list_type: Some(3),
            ..Label::default()
        };
        assert_eq!(favourites.type_name(), "FAVORITES");
    }
}
