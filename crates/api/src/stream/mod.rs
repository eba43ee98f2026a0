//! An instance's events as they come, to whoever keeps a connection open: what SSE
//! and WebSockets, native and dialects', have in common.
//!
//! A reader waits for "there is news" and reads the log behind its own cursor, so
//! there is no gap and no duplicate, and who is slow holds up nobody: nothing is
//! read for it while its connection takes nothing.

pub(crate) mod sse;
pub(crate) mod ws;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use futures_util::{Stream, stream};
use labelwire_app::instance::Handle;
use labelwire_app::tasks::Tasks;
use labelwire_app::{App, Caller, Error};
use labelwire_domain::event::{Event, Kind};
use labelwire_domain::event_filter::EventFilter;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::line::Timeouts;

/// Events read at a time.
const PAGE: usize = 256;

/// Tells who keeps a connection open that the server wants to close it, and how
/// patient it is. Comes with each request that came over a socket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closing {
    tasks: Tasks,
    timeouts: Timeouts,
}

impl Closing {
    /// Of a server whose connections are these tasks.
    pub(crate) const fn new(tasks: Tasks, timeouts: Timeouts) -> Self {
        Self { tasks, timeouts }
    }
}

impl<S: Sync> FromRequestParts<S> for Closing {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// What a reader is sent.
#[derive(Debug)]
pub(crate) enum Frame {
    /// An event.
    Event {
        /// Its place in the log: who resumes behind it misses nothing.
        seq: i64,
        /// Its kind.
        kind: Kind,
        /// The event in the words it is told in.
        text: String,
    },
    /// Nothing has happened that was asked for; nothing up to this place.
    Beat(i64),
    /// Nothing more comes.
    End(End),
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The reader took too long.
    Slow,
    /// The token does not open this any more.
    Token,
    /// The instance was deleted.
    Deleted,
    /// The server stops.
    Stopping,
    /// The log could not be read.
    Failed,
}

impl End {
    /// The stable word for programs.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Slow => "too_slow",
            Self::Token => "invalid_token",
            Self::Deleted => "instance_not_found",
            Self::Stopping => "stopping",
            Self::Failed => "internal",
        }
    }

    /// What to do about it. No longer than a WebSocket's close frame has room for.
    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::Slow => {
                "events were not taken within 10 seconds; connect again behind the last one you have"
            }
            Self::Token => "the token was revoked or is over",
            Self::Deleted => "the instance was deleted",
            Self::Stopping => {
                "the gateway stops; connect again in a moment behind the last event you have"
            }
            Self::Failed => {
                "something broke on our side; connect again behind the last event you have"
            }
        }
    }
}

/// The place a reader begins behind: the one it names, or the end; one behind the
/// end is the end.
///
/// # Errors
/// The database's.
pub(crate) async fn begin(app: &App, handle: &Handle, named: Option<i64>) -> Result<i64, Error> {
    let end = app.last_event(handle).await?;
    Ok(named.map_or(end, |place| place.clamp(0, end)))
}

/// Follows an instance's events from behind a place. `render` puts an event in
/// words; what it has none for is left out.
///
/// It ends by itself: with [`Frame::End`] as the last frame.
pub(crate) fn follow(
    app: App,
    handle: Arc<Handle>,
    caller: Caller,
    closing: Closing,
    cursor: i64,
    filter: EventFilter,
    render: impl Fn(&Event) -> Option<String> + Send + 'static,
) -> impl Stream<Item = Frame> + Send {
    let follower = Follower {
        news: handle.feed.watch(),
        app,
        handle,
        caller,
        cursor,
        filter,
        render,
        queue: VecDeque::new(),
        beat: Instant::now() + closing.timeouts.beat,
        closing,
        handed: None,
    };
    stream::unfold(Some(follower), |state| async move {
        let mut follower = state?;
        let frame = follower.next().await;
        let state = match &frame {
            Frame::End(_) => None,
            _ => Some(follower),
        };
        Some((frame, state))
    })
}

struct Follower<R> {
    app: App,
    handle: Arc<Handle>,
    caller: Caller,
    closing: Closing,
    news: watch::Receiver<i64>,
    /// The last event read off the queue.
    cursor: i64,
    filter: EventFilter,
    render: R,
    queue: VecDeque<Arc<Event>>,
    /// When the next sign of life is due.
    beat: Instant,
    /// When the connection was handed something last.
    handed: Option<Instant>,
}

impl<R: Fn(&Event) -> Option<String>> Follower<R> {
    async fn next(&mut self) -> Frame {
        // A connection asks for more as soon as it has room: that it took so long
        // says how long it had none.
        if self
            .handed
            .take()
            .is_some_and(|at| at.elapsed() > self.closing.timeouts.slow)
        {
            return Frame::End(End::Slow);
        }
        let frame = self.wait().await.unwrap_or_else(|error| {
            tracing::error!(%error, "a stream of events ended: the log could not be read");
            Frame::End(End::Failed)
        });
        self.handed = Some(Instant::now());
        frame
    }

    async fn wait(&mut self) -> Result<Frame, Error> {
        loop {
            if self.closing.tasks.is_stopping() {
                return Ok(Frame::End(End::Stopping));
            }
            if Instant::now() >= self.beat {
                self.beat = Instant::now() + self.closing.timeouts.beat;
                return Ok(if self.app.is_still_welcome(&self.caller).await? {
                    Frame::Beat(self.cursor)
                } else {
                    Frame::End(End::Token)
                });
            }
            while let Some(event) = self.queue.pop_front() {
                let Some(seq) = event.seq else { continue };
                self.cursor = seq;
                if self.filter.passes(&event)
                    && let Some(text) = (self.render)(&event)
                {
                    let kind = event.kind;
                    return Ok(Frame::Event { seq, kind, text });
                }
            }
            // Before reading: what is announced from now on wakes again.
            self.news.borrow_and_update();
            let events = self
                .app
                .events_behind(&self.handle, self.cursor, PAGE)
                .await?;
            self.queue.extend(events);
            if !self.queue.is_empty() {
                continue;
            }
            tokio::select! {
                () = self.closing.tasks.stopping() => {}
                () = self.handle.ended() => return Ok(Frame::End(End::Deleted)),
                _ = self.news.changed() => {}
                () = sleep_until(self.beat) => {}
            }
        }
    }
}
