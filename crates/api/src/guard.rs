//! Gives the HTTP parser's own refusals a body.
//!
//! Requests that hyper cannot parse (a URL over 64 kB, raw bytes in the path)
//! never reach the router: it answers `414`, `431` or `400` without a body and
//! closes, and what the client is still sending turns the close into a reset
//! that can swallow the answer. So the bytes of a connection pass through here:
//! the start of each request line is remembered, a bare refusal is swapped for
//! one in a dialect's form, and the rest of the request is read before closing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::header;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::layers::RequestIds;
use crate::refusal::Refusal;
use crate::router;

/// hyper takes no longer URL than this.
const PARSER_URL_LIMIT: usize = 65_534;
/// What is still read of a refused request, in bytes and in time.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A connection under watch.
pub(crate) struct Guarded<S> {
    io: S,
    ids: Arc<RequestIds>,
    seen: Lines,
    /// Our own answer, as far as it is not written yet, once the parser refused.
    refusal: Option<Vec<u8>>,
    drain: Option<Drain>,
}

struct Drain {
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl<S> Guarded<S> {
    /// Watches over a fresh connection.
    pub(crate) fn new(io: S, ids: Arc<RequestIds>) -> Self {
        Self {
            io,
            ids,
            seen: Lines::default(),
            refusal: None,
            drain: None,
        }
    }
}

/// What is remembered of the lines read: enough to tell why a parser gave up.
#[derive(Debug, Default)]
struct Lines {
    head: [u8; HEAD],
    head_len: usize,
    line_len: usize,
    line_ascii: bool,
    /// The last line that looked like the first of a request.
    request: Option<RequestLine>,
}

/// Enough of a line to tell a method, and whose path it is.
const HEAD: usize = 32;

#[derive(Debug, Clone, Copy)]
struct RequestLine {
    length: usize,
    ascii: bool,
    head: [u8; HEAD],
    /// Where in `head` the path begins, and how far it is known.
    path: (usize, usize),
}

impl RequestLine {
    /// The beginning of the path.
    fn path(&self) -> &str {
        let known = &self.head[self.path.0..self.path.1];
        let path = known.split(|&b| b == b' ' || b == b'?').next();
        // The pieces that tell dialects apart are ASCII.
        let ascii = path.unwrap_or_default().split(|b| !b.is_ascii()).next();
        std::str::from_utf8(ascii.unwrap_or_default()).unwrap_or("/")
    }
}

impl Lines {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (line, rest) = match end {
                Some(at) => (&bytes[..at], &bytes[at + 1..]),
                None => (bytes, &bytes[bytes.len()..]),
            };
            if self.line_len == 0 {
                self.line_ascii = true;
                self.head_len = 0;
            }
            let room = self.head.len() - self.head_len;
            let taken = line.len().min(room);
            self.head[self.head_len..self.head_len + taken].copy_from_slice(&line[..taken]);
            self.head_len += taken;
            self.line_len += line.len();
            self.line_ascii &= line.is_ascii();
            if end.is_some() {
                self.request = self.request_line();
                self.line_len = 0;
            }
            bytes = rest;
        }
    }

    /// The current line where it begins like `GET /`, whole or not; else the last that did.
    fn request_line(&self) -> Option<RequestLine> {
        let head = &self.head[..self.head_len];
        let method = head.iter().take_while(|b| b.is_ascii_uppercase()).count();
        if self.line_len > 0 && method > 0 && head[method..].starts_with(b" /") {
            Some(RequestLine {
                length: self.line_len,
                ascii: self.line_ascii,
                head: self.head,
                path: (method + 1, self.head_len),
            })
        } else {
            self.request
        }
    }

    /// The whole answer that takes the place of the parser's bare one.
    fn instead_of(&self, bare: &[u8], ids: &RequestIds) -> Option<Vec<u8>> {
        let status = bare
            .strip_prefix(b"HTTP/1.1 ")
            .or_else(|| bare.strip_prefix(b"HTTP/1.0 "))?;
        let bodyless = memchr::memmem::find(bare, b"content-length: 0\r\n").is_some()
            && bare.ends_with(b"\r\n\r\n");
        if !bodyless {
            return None;
        }
        let line = self.request_line();
        let refusal = match status.get(..4)? {
            b"414 " => Refusal::UrlTooLong,
            b"431 " if line.is_some_and(|l| l.length > PARSER_URL_LIMIT) => Refusal::UrlTooLong,
            b"400 " if line.is_some_and(|l| !l.ascii) => Refusal::PathInvalid,
            _ => return None,
        };
        let path = line.as_ref().map_or("/", RequestLine::path);
        let (parts, body) = router::refuse_raw(path, refusal, &ids.fresh())?;
        let mut answer = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
        for (name, value) in &parts.headers {
            if name != header::CONTENT_LENGTH {
                answer.extend_from_slice(name.as_str().as_bytes());
                answer.extend_from_slice(b": ");
                answer.extend_from_slice(value.as_bytes());
                answer.extend_from_slice(b"\r\n");
            }
        }
        let end = format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        answer.extend_from_slice(end.as_bytes());
        answer.extend_from_slice(&body);
        Some(answer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        this.seen.read(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    /// Looks at what is about to be written; true where our own answer goes out instead.
    fn swap(&mut self, first: &[u8]) -> bool {
        // Answers of the router have a body or are no refusal of these three.
        if self.refusal.is_none() && first.len() < 512 && first.starts_with(b"HTTP/1.") {
            self.refusal = self.seen.instead_of(first, &self.ids);
        }
        self.refusal.is_some()
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(left) = &mut self.refusal {
            if left.is_empty() {
                break;
            }
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            left.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what the client still sends, up to its end or the limits.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let drain = self.drain.get_or_insert_with(|| Drain {
            left: DRAIN_BYTES,
            until: Box::pin(tokio::time::sleep(DRAIN_TIME)),
        });
        let mut space = [0; 8 * 1024];
        loop {
            if drain.left == 0 || drain.until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    drain.left = drain.left.saturating_sub(buf.filled().len());
                }
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.swap(buf) {
            ready!(this.poll_refusal(cx))?;
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let [only] = bufs
            && this.swap(only)
        {
            ready!(this.poll_refusal(cx))?;
            return Poll::Ready(Ok(only.len()));
        }
        Pin::new(&mut this.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_refusal(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refusal.is_some() {
            ready!(this.poll_refusal(cx))?;
            if this.drain.is_none() {
                ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            }
            ready!(this.poll_drain(cx));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Lines {
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.read(chunk);
        }
        lines
    }

    fn ids() -> RequestIds {
        RequestIds::new(&labelwire_domain::clock::SystemEntropy)
    }

    const BARE: &[u8] =
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn a_long_url_is_told_from_long_headers_however_it_is_cut() {
        let long = vec![b'a'; 70_000];
        let url = lines(&[b"GE", b"T ", b"/", &long, &long]);
        assert!(
            url.instead_of(BARE, &ids())
                .is_some_and(|a| a.starts_with(b"HTTP/1.1 414 "))
        );
        let header = lines(&[b"GET / HTTP/1.1\r\nx: ", &long, &long]);
        assert!(header.instead_of(BARE, &ids()).is_none());
    }

    #[test]
    fn the_path_says_whose_words_are_used() {
        let long = vec![b'a'; 70_000];
        let told = |line: &[u8]| {
            let answer = lines(&[line, &long])
                .instead_of(BARE, &ids())
                .expect("ours");
            String::from_utf8(answer).expect("UTF-8")
        };
        let native = told(b"DELETE /v1/instances/");
        assert!(native.contains("application/problem+json"), "{native}");
        assert!(native.contains("\"code\":\"url_too_long\""), "{native}");
        assert!(native.contains("x-request-id: req_"), "{native}");
        let other = told(b"GET /api/v1/");
        assert!(other.ends_with(r#"{"success":false,"error":{"message":"URL is too long"}}"#));
        assert!(other.contains("x-request-id: req_"), "{other}");
    }

    #[test]
    fn answers_with_a_body_are_left_alone() {
        let lines = lines(&[b"GET /\xff HTTP/1.1\r\n\r\n"]);
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        assert!(lines.instead_of(bare, &ids()).is_some());
        assert!(
            lines
                .instead_of(
                    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\n\r\n",
                    &ids()
                )
                .is_none()
        );
        assert!(
            lines
                .instead_of(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", &ids())
                .is_none()
        );
    }
}
