//! A connection under a watch: who sends or takes nothing for too long is cut.
//!
//! hyper's own timer would give an idle connection no longer than a slow head,
//! and nothing of its own ends a write that nobody takes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// How long who is at the other end may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From a request's first byte (or the connection's beginning) to its last header.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For the next piece of a request's body; then 408.
    pub body: Duration,
    /// For taking the next piece of an answer.
    pub stall: Duration,
    /// Between two signs of life on a stream of events; its token is looked at again
    /// each time.
    pub beat: Duration,
    /// For taking events off a stream; then it is ended with a reason.
    pub slow: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            stall: Duration::from_mins(1),
            beat: Duration::from_secs(15),
            slow: Duration::from_secs(10),
        }
    }
}

/// What is going on on a connection.
pub(crate) struct Line {
    timeouts: Timeouts,
    now: Mutex<Now>,
}

struct Now {
    phase: Phase,
    /// Since when nothing of what is to be written was taken.
    stalled: Option<Instant>,
}

#[derive(Clone, Copy)]
enum Phase {
    /// A head is awaited or on its way.
    Head(Instant),
    /// A call is being answered.
    Busy,
    /// All calls are answered.
    Idle(Instant),
}

impl Line {
    /// A connection that has just begun.
    pub(crate) fn new(timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self {
            timeouts,
            now: Mutex::new(Now {
                phase: Phase::Head(Instant::now()),
                stalled: None,
            }),
        })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head is here.
    pub(crate) fn asked(&self) {
        self.now().phase = Phase::Busy;
    }

    fn answered(&self) {
        self.now().phase = Phase::Idle(Instant::now());
    }

    fn heard(&self) {
        let mut now = self.now();
        if let Phase::Idle(_) = now.phase {
            now.phase = Phase::Head(Instant::now());
        }
    }

    fn wrote(&self, is_taken: bool) {
        let mut now = self.now();
        if is_taken {
            now.stalled = None;
            if let Phase::Idle(since) = &mut now.phase {
                // The last pieces of an answer go out after its end was reached.
                *since = Instant::now();
            }
        } else {
            now.stalled.get_or_insert_with(Instant::now);
        }
    }

    /// When it has taken too long as things stand.
    fn deadline(&self) -> Option<Instant> {
        let now = self.now();
        match (now.stalled, now.phase) {
            (Some(since), _) => Some(since + self.timeouts.stall),
            (None, Phase::Head(since)) => Some(since + self.timeouts.head),
            (None, Phase::Idle(since)) => Some(since + self.timeouts.idle),
            (None, Phase::Busy) => None,
        }
    }

    /// Resolves when the other end took too long.
    pub(crate) async fn timed_out(&self) {
        let Timeouts {
            head, idle, stall, ..
        } = self.timeouts;
        // What begins while this sleeps can end no sooner.
        let soonest = head.min(idle).min(stall);
        loop {
            let now = Instant::now();
            let deadline = self.deadline();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return;
            }
            let wake = deadline.map_or(now + soonest, |d| d.min(now + soonest));
            tokio::time::sleep_until(wake).await;
        }
    }
}

/// The bytes of a connection, as its line sees them.
pub(crate) struct Heard<S> {
    io: S,
    line: Arc<Line>,
    /// The connection counts as one as long as its socket is open.
    _room: OwnedSemaphorePermit,
}

impl<S> Heard<S> {
    /// Tells a line of what is read and written.
    pub(crate) fn new(io: S, line: Arc<Line>, room: OwnedSemaphorePermit) -> Self {
        Self {
            io,
            line,
            _room: room,
        }
    }

    fn wrote<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.line.wrote(done.is_ready());
        done
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.line.heard();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, buf);
        this.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// An answer's body; the call is over when it is.
pub(crate) struct Answer {
    body: Body,
    line: Arc<Line>,
}

impl Answer {
    /// The answer to what was asked last on a line.
    pub(crate) const fn new(body: Body, line: Arc<Line>) -> Self {
        Self { body, line }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.line.answered();
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
