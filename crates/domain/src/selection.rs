//! Which chats are asked for: set algebra over the labels they carry.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::label::{Label, fold};

/// The sort of a chat, by the server its JID names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// One person, by phone number or hidden id.
    Person,
    /// A group.
    Group,
    /// A channel (newsletter).
    Channel,
    /// Anything else WhatsApp lets a label be put on: broadcast lists, status.
    Other,
}

impl ChatKind {
    /// Every sort there is.
    pub const ALL: [Self; 4] = [Self::Person, Self::Group, Self::Channel, Self::Other];

    /// The sort of the chat of this JID.
    #[must_use]
    pub fn of(jid: &str) -> Self {
        match jid.rsplit_once('@').map(|(_, server)| server) {
            Some("s.whatsapp.net" | "lid" | "c.us") => Self::Person,
            Some("g.us") => Self::Group,
            Some("newsletter") => Self::Channel,
            _ => Self::Other,
        }
    }

    /// The word callers write and see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Group => "group",
            Self::Channel => "channel",
            Self::Other => "other",
        }
    }
}

/// What is asked for. Labels are named by id, or by name in any case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// At least one of these is on the chat. `None` asks nothing, an empty list
    /// for what cannot be.
    pub any: Option<Vec<String>>,
    /// Each of these is on the chat.
    pub all: Vec<String>,
    /// None of these is on the chat.
    pub none: Vec<String>,
    /// The chat is of one of these sorts; empty: of any.
    pub kinds: Vec<ChatKind>,
}

/// A [`Selection`] whose names have become ids of live labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    any: Option<BTreeSet<String>>,
    /// One set for each asked: a name may be that of several labels, of which one suffices.
    all: Vec<BTreeSet<String>>,
    none: BTreeSet<String>,
    kinds: Vec<ChatKind>,
}

/// The live labels an item names: the one of that id, else all of that name.
#[must_use]
pub fn named<'a>(item: &str, labels: &'a [Label]) -> BTreeSet<&'a str> {
    let live = || labels.iter().filter(|l| !l.deleted);
    let item = item.trim();
    if let Some(label) = live().find(|l| l.id == item) {
        return BTreeSet::from([label.id.as_str()]);
    }
    let wanted = fold(item);
    live()
        .filter(|l| !wanted.is_empty() && fold(&l.name) == wanted)
        .map(|l| l.id.as_str())
        .collect()
}

impl Selection {
    /// Looks names up. What names no live label matches nothing in `any` and
    /// `all`, and excludes nothing in `none`.
    #[must_use]
    pub fn resolve(&self, labels: &[Label]) -> Resolved {
        let ids = |item: &String| -> BTreeSet<String> {
            named(item, labels).into_iter().map(str::to_owned).collect()
        };
        Resolved {
            any: self
                .any
                .as_ref()
                .map(|items| items.iter().flat_map(ids).collect()),
            all: self.all.iter().map(ids).collect(),
            none: self.none.iter().flat_map(ids).collect(),
            kinds: self.kinds.clone(),
        }
    }
}

impl Resolved {
    /// Whether no chat can match, whatever it carries.
    #[must_use]
    pub fn is_impossible(&self) -> bool {
        self.any.as_ref().is_some_and(BTreeSet::is_empty) || self.all.iter().any(BTreeSet::is_empty)
    }

    /// Sets of which a matching chat carries at least one label each. Without any,
    /// every chat with a live label is asked for.
    pub fn demands(&self) -> impl Iterator<Item = &BTreeSet<String>> {
        self.any.iter().chain(&self.all)
    }

    /// The labels that make a chat match: those of `any` and `all`; `None` where
    /// neither was asked and every live label does.
    #[must_use]
    pub fn positive(&self) -> Option<BTreeSet<&str>> {
        let mut sets = self.demands().peekable();
        sets.peek()?;
        Some(sets.flatten().map(String::as_str).collect())
    }

    /// Whether a chat that carries exactly these live labels is asked for.
    pub fn matches<'a>(&self, chat: &str, live: impl Iterator<Item = &'a str>) -> bool {
        if !self.kinds.is_empty() && !self.kinds.contains(&ChatKind::of(chat)) {
            return false;
        }
        let live: Vec<&str> = live.collect();
        let meets = |set: &BTreeSet<String>| live.iter().any(|id| set.contains(*id));
        !live.is_empty() && self.demands().all(meets) && !meets(&self.none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn label(id: &str, name: &str, deleted: bool) -> Label {
        Label {
            id: id.into(),
            name: name.into(),
            deleted,
            ..Label::default()
        }
    }

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|i| (*i).to_owned()).collect()
    }

    #[test]
    fn an_id_goes_before_a_name_and_a_name_may_be_two_labels() {
        let labels = [
            label("1", "2", false),
            label("2", "VIP", false),
            label("3", "vip", false),
            label("4", "Gone", true),
        ];
        let ask = |all: &[&str]| {
            Selection {
                all: texts(all),
                ..Selection::default()
            }
            .resolve(&labels)
        };
        assert!(ask(&["2"]).matches("1@lid", ["2"].into_iter()));
        assert!(!ask(&["2"]).matches("1@lid", ["1"].into_iter()));
        assert!(ask(&[" Vip "]).matches("1@lid", ["3"].into_iter()));
        assert!(ask(&["vip", "1"]).matches("1@lid", ["1", "2"].into_iter()));
        assert!(ask(&["gone"]).is_impossible());
        assert!(ask(&["4"]).is_impossible());
        assert!(ask(&[""]).is_impossible());
    }

    #[test]
    fn what_names_nothing_matches_nothing_and_excludes_nothing() {
        let labels = [label("1", "One", false)];
        let any = |items: &[&str]| Selection {
            any: Some(texts(items)),
            ..Selection::default()
        };
        assert!(any(&[]).resolve(&labels).is_impossible());
        assert!(any(&["9"]).resolve(&labels).is_impossible());
        assert!(!any(&["9", "1"]).resolve(&labels).is_impossible());
        let none = Selection {
            none: texts(&["9"]),
            ..Selection::default()
        };
        assert!(none.resolve(&labels).matches("1@g.us", ["1"].into_iter()));
        // A chat without a live label is in no answer.
        assert!(!none.resolve(&labels).matches("1@g.us", std::iter::empty()));
    }

    #[test]
    fn kinds_are_told_by_the_server() {
        for (jid, kind) in [
            ("1@s.whatsapp.net", ChatKind::Person),
            ("1@lid", ChatKind::Person),
            ("1-2@g.us", ChatKind::Group),
            ("1@newsletter", ChatKind::Channel),
            ("status@broadcast", ChatKind::Other),
            ("", ChatKind::Other),
        ] {
            assert_eq!(ChatKind::of(jid), kind, "{jid}");
        }
    }

    proptest! {
        /// Against the plain reading of the three words.
        #[test]
        fn the_algebra_is_that_of_sets(
            any in proptest::option::of(proptest::collection::vec(0u8..8, 0..4)),
            all in proptest::collection::vec(0u8..8, 0..3),
            none in proptest::collection::vec(0u8..8, 0..3),
            live in proptest::collection::btree_set(0u8..6, 0..6),
            group: bool,
            kinds in proptest::sample::subsequence(ChatKind::ALL.to_vec(), 0..4),
        ) {
            // Labels 0 to 5 live, 6 is deleted, 7 never was.
            let labels: Vec<Label> = (0..7).map(|n| label(&n.to_string(), &format!("n{n}"), n == 6)).collect();
            // Odd ones are asked for by name.
            let text = |n: &u8| if n % 2 == 1 { format!("N{n}") } else { n.to_string() };
            let asked = Selection {
                any: any.as_ref().map(|v| v.iter().map(text).collect()),
                all: all.iter().map(text).collect(),
                none: none.iter().map(text).collect(),
                kinds: kinds.clone(),
            };
            let chat = if group { "1@g.us" } else { "1@lid" };
            let naive = !live.is_empty()
                && any.is_none_or(|v| v.iter().any(|n| live.contains(n)))
                && all.iter().all(|n| live.contains(n))
                && !none.iter().any(|n| live.contains(n))
                && (kinds.is_empty() || kinds.contains(&if group { ChatKind::Group } else { ChatKind::Person }));
            let ids: Vec<String> = live.iter().map(u8::to_string).collect();
            let resolved = asked.resolve(&labels);
            prop_assert_eq!(resolved.matches(chat, ids.iter().map(String::as_str)), naive);
            prop_assert!(!(naive && resolved.is_impossible()));
        }
    }
}
