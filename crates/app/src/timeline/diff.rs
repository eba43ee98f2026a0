//! What differs between two moments.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use labelwire_domain::clock::Timestamp;
use labelwire_domain::label::Label;

use super::view::View;
use crate::snapshots::Scope;

/// What became of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelChange {
    /// It is there now.
    Created(Label),
    /// It has another name, colour or place.
    Changed {
        /// As it was.
        before: Label,
        /// As it is.
        after: Label,
    },
    /// It is gone.
    Deleted(Label),
}

/// A chat that carries other labels than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatChange {
    /// Its shown name.
    pub chat: String,
    /// Labels it carries now, by id.
    pub gained: Vec<Label>,
    /// Labels it carries no more, by id, as they were then.
    pub lost: Vec<Label>,
}

/// What differs between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The row of history of the first one, and when it was seen.
    pub from: (i64, Timestamp),
    /// The same of the other.
    pub to: (i64, Timestamp),
    /// Labels, by id.
    pub labels: Vec<LabelChange>,
    /// Chats, by shown name.
    pub chats: Vec<ChatChange>,
}

impl Diff {
    pub(crate) fn between(from: &View, to: &View, only: impl Fn(&str) -> bool) -> Self {
        Self {
            from: (from.seq(), from.seen_at()),
            to: (to.seq(), to.seen_at()),
            labels: labels(from.labels(), to.labels()),
            chats: chats(from, to, only),
        }
    }
}

fn live(labels: &[Label]) -> BTreeMap<(u64, &str), &Label> {
    let live = labels.iter().filter(|label| !label.deleted);
    live.map(|label| (labelwire_domain::label::id_order(&label.id), label))
        .collect()
}

fn labels(from: &[Label], to: &[Label]) -> Vec<LabelChange> {
    let (from, to) = (live(from), live(to));
    let ids: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    ids.into_iter()
        .filter_map(|id| match (from.get(id), to.get(id)) {
            (None, Some(after)) => Some(LabelChange::Created((*after).clone())),
            (Some(before), None) => Some(LabelChange::Deleted((*before).clone())),
            (Some(before), Some(after)) => {
                let shown = |label: &Label| {
                    (
                        label.name.clone(),
                        label.color,
                        label.list_type,
                        label.order_index,
                    )
                };
                (shown(before) != shown(after)).then(|| LabelChange::Changed {
                    before: (*before).clone(),
                    after: (*after).clone(),
                })
            }
            (None, None) => None,
        })
        .collect()
}

fn chats(from: &View, to: &View, only: impl Fn(&str) -> bool) -> Vec<ChatChange> {
    let mut changes = Vec::new();
    let (mut before, mut after) = (from.chats().peekable(), to.chats().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let was = if order.is_le() { before.next() } else { None };
        let is = if order.is_ge() { after.next() } else { None };
        let Some(chat) = was.as_ref().map(|c| c.0).or(is.as_ref().map(|c| c.0)) else {
            return changes;
        };
        if !only(chat) {
            continue;
        }
        let was: Vec<&Label> = was.into_iter().flat_map(|c| c.1.map(|(l, _)| l)).collect();
        let is: Vec<&Label> = is.into_iter().flat_map(|c| c.1.map(|(l, _)| l)).collect();
        let without = |these: &[&Label], those: &[&Label]| -> Vec<Label> {
            let new = these.iter().filter(|l| !those.iter().any(|k| k.id == l.id));
            new.map(|l| (*l).clone()).collect()
        };
        let (gained, lost) = (without(&is, &was), without(&was, &is));
        if !gained.is_empty() || !lost.is_empty() {
            changes.push(ChatChange {
                chat: chat.to_owned(),
                gained,
                lost,
            });
        }
    }
}

/// The chats a snapshot's selection speaks of at either moment.
pub(super) struct Within(Option<BTreeSet<String>>);

impl Within {
    pub(super) fn of(scope: &Scope, from: &View, to: &View) -> Self {
        if scope.is_everything() {
            return Self(None);
        }
        let chats = [from, to].into_iter().flat_map(|view| scope.chats_of(view));
        Self(Some(chats.collect()))
    }

    pub(super) fn has(&self, chat: &str) -> bool {
        self.0.as_ref().is_none_or(|chats| chats.contains(chat))
    }
}
