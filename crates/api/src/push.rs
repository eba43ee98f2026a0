//! Events over a dialect's WebSocket, in its own words: what a webhook of the same
//! settings would be told.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt as _};
use labelwire_app::instance::Handle;
use labelwire_app::{App, Caller, Error};
use labelwire_domain::event::{Event, Kind, place_of};
use labelwire_domain::event_filter::EventFilter;
use labelwire_domain::webhook::{Config, Dialect, Filter, Hook, Schedule, Told};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::query::Query;
use crate::stream::{Closing, End, Frame, begin, follow, ws};
use crate::told::{self, Names};

/// What an upgrade came to.
pub(crate) type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// A dialect's words: what a webhook is told of an event.
pub(crate) type Tell = Arc<dyn Fn(&Hook, &Event) -> Option<Told> + Send + Sync>;

/// An instance to follow, and in which words.
pub(crate) struct Channel {
    /// The instance.
    pub(crate) handle: Arc<Handle>,
    /// What the words are told of.
    pub(crate) config: Config,
}

/// The settings of a WebSocket, as those of a webhook that goes nowhere.
pub(crate) fn config(names: &Names, events: &[String], metadata: &Value) -> Config {
    Config {
        url: String::new(),
        filter: Filter {
            events: told::kinds(names, events),
            ..Filter::default()
        },
        by_event: false,
        headers: Vec::new(),
        secrets: Vec::new(),
        retries: Schedule::default(),
        message_text: true,
        extra: serde_json::json!({"events": events, "metadata": metadata}),
    }
}

/// The place a reader names with `after`: an event's place in the log, or its id.
/// `None`: only what is new.
pub(crate) fn after(query: &Query) -> Result<Option<i64>, crate::refusal::Refusal> {
    let bad = || crate::refusal::Refusal::Query("after");
    query
        .text("after")
        .map(|text| place(text).ok_or_else(bad))
        .transpose()
}

fn place(text: &str) -> Option<i64> {
    if text.starts_with("evt_") {
        return place_of(text);
    }
    text.parse().ok().filter(|place| *place >= 0)
}

/// Answers with a WebSocket on which these instances' events are told.
///
/// # Errors
/// The database's.
pub(crate) async fn answer(
    app: &App,
    caller: &Caller,
    closing: Closing,
    upgrade: WebSocketUpgrade,
    channels: Vec<Channel>,
    (dialect, tell): (Dialect, Tell),
    after: Option<i64>,
) -> Result<Response, Error> {
    // One of several may go; the others are told of on.
    let several = channels.len() > 1;
    let mut all: SelectAll<BoxStream<'static, Frame>> = SelectAll::new();
    for Channel { handle, config } in channels {
        let kinds = config.filter.events.clone();
        let cursor = begin(app, &handle, after).await?;
        let words = Words {
            tell: Arc::clone(&tell),
            dialect,
            handle: Arc::clone(&handle),
            config: config.clone(),
        };
        if kinds.contains(&Kind::MessageReceived) {
            all.push(passing(handle.passing(), words.clone()).boxed());
        }
        let filter = EventFilter {
            kinds: Some(kinds),
            ..EventFilter::default()
        };
        let (app, caller, closing) = (app.clone(), caller.clone(), closing.clone());
        let render = move |event: &Event| words.of(event);
        let frames = follow(app, handle, caller, closing, cursor, filter, render);
        let frames = frames.filter(move |frame| {
            let gone = several && matches!(frame, Frame::End(End::Deleted));
            std::future::ready(!gone)
        });
        all.push(frames.boxed());
    }
    Ok(ws::answer(upgrade, closing, all))
}

/// An instance's events in a dialect's words.
#[derive(Clone)]
struct Words {
    tell: Tell,
    dialect: Dialect,
    handle: Arc<Handle>,
    config: Config,
}

impl Words {
    fn of(&self, event: &Event) -> Option<String> {
        let hook = Hook {
            id: String::new(),
            dialect: self.dialect,
            name: String::new(),
            config: self.config.clone(),
            instance: self.handle.name.clone(),
            instance_id: self.handle.id.clone(),
            profile: self.handle.status().profile,
        };
        (self.tell)(&hook, event).map(|told| told.body)
    }
}

/// What is told and not kept; who is slow misses some.
fn passing(
    receiver: broadcast::Receiver<Arc<Event>>,
    words: Words,
) -> impl stream::Stream<Item = Frame> + Send {
    stream::unfold((receiver, words), |(mut receiver, words)| async move {
        loop {
            match receiver.recv().await {
                Ok(event) => {
                    if let Some(text) = words.of(&event) {
                        let kind = event.kind;
                        let frame = Frame::Event { seq: 0, kind, text };
                        return Some((frame, (receiver, words)));
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use labelwire_domain::clock::Timestamp;
    use labelwire_domain::event::event_id;

    use super::place;

    #[test]
    fn a_place_is_a_number_or_an_events_id() {
        let at = Timestamp::from_millis(1_770_000_000_123);
        for seq in [0, 1, 31, 32, 4_711, i64::MAX] {
            assert_eq!(place(&event_id(at, seq)), Some(seq));
            assert_eq!(place(&seq.to_string()), Some(seq));
        }
        for bad in [
            "",
            "-1",
            "x",
            "evt_",
            "evt_01jxt21q3v000000000000000",
            "evt_01jxt21q3v00000000000000é",
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
