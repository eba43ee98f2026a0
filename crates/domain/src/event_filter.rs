//! Which events of a history are asked for.

use crate::clock::Timestamp;
use crate::event::{Event, Kind};
use crate::label::fold;

/// Which events. A part that is not set lets all pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// All ids of the chat asked for: one of them is the event's.
    pub chats: Option<Vec<String>>,
    /// The label asked for.
    pub label: Option<LabelWanted>,
    /// Who asked for the change, as history names them (`token:tok_…`).
    pub actor: Option<String>,
    /// Kinds.
    pub kinds: Option<Vec<Kind>>,
    /// Seen here no sooner than this.
    pub since: Option<Timestamp>,
    /// Seen here sooner than this.
    pub until: Option<Timestamp>,
}

/// A label that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelWanted {
    /// As the caller wrote it: an id, or a name in any case.
    pub text: String,
    /// Ids of the labels that have, or had last, this id or name.
    pub ids: Vec<String>,
}

impl EventFilter {
    /// Whether an event is asked for.
    #[must_use]
    pub fn passes(&self, event: &Event) -> bool {
        let chat = self.chats.as_ref().is_none_or(|wanted| {
            event.chat.as_ref().is_some_and(|chat| {
                wanted
                    .iter()
                    .any(|id| *id == chat.key || *id == chat.jid || chat.lid.as_ref() == Some(id))
            })
        });
        let label = self.label.as_ref().is_none_or(|wanted| {
            event.label.as_ref().is_some_and(|label| {
                wanted.ids.contains(&label.id)
                    || label.id == wanted.text
                    || label
                        .name
                        .as_ref()
                        .is_some_and(|name| fold(name) == fold(&wanted.text))
            })
        });
        chat && label
            && self
                .actor
                .as_ref()
                .is_none_or(|actor| event.actor.as_ref() == Some(actor))
            && self
                .kinds
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&event.kind))
            && self.since.is_none_or(|since| event.seen_at >= since)
            && self.until.is_none_or(|until| event.seen_at < until)
    }
}
