//! One try of one delivery: POST and listen.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::webhook::{Config, Outcome};

use crate::connector::{Connector, Error as Unconnected, tls_config};

/// How long a try may take as a whole.
const WHOLE: Duration = Duration::from_secs(15);
/// How long an answer's body is waited for: its status is what counts.
const BODY: Duration = Duration::from_secs(2);
/// Bytes of an answer that are kept.
const KEPT: usize = 500;
/// Bytes of an answer that are read, so that the connection can be used again.
const READ: usize = 64 * 1024;
/// How long a connection is kept for the next delivery.
const IDLE: Duration = Duration::from_secs(60);

/// How a try went.
#[derive(Debug)]
pub(crate) struct Tried {
    /// What follows from it.
    pub(crate) outcome: Outcome,
    /// The answer's first bytes.
    pub(crate) answer: Option<String>,
    /// Why there was no answer.
    pub(crate) error: Option<String>,
}

impl Tried {
    /// No answer.
    pub(crate) fn failed(why: String) -> Self {
        Self {
            outcome: Outcome::Failed,
            answer: None,
            error: Some(why),
        }
    }
}

/// Sends, over connections that are kept for a while.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Client<Connector, Full<Bytes>>,
}

impl Sender {
    /// One that reaches public addresses only, unless all are allowed.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(allow_private: bool) -> Result<Self, rustls::Error> {
        Ok(Self::over(Connector::new(tls_config()?, allow_private)))
    }

    /// One over these connections.
    pub(crate) fn over(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(8)
            .build(connector);
        Self { client }
    }

    /// Tries once. Redirects are not followed: they are no success.
    pub(crate) async fn send(
        &self,
        uri: Uri,
        headers: HeaderMap,
        body: String,
        now: Timestamp,
    ) -> Tried {
        match tokio::time::timeout(WHOLE, self.exchange(uri, headers, body, now)).await {
            Ok(tried) => tried,
            Err(_) => Tried::failed(format!("no answer within {} s", WHOLE.as_secs())),
        }
    }

    async fn exchange(&self, uri: Uri, headers: HeaderMap, body: String, now: Timestamp) -> Tried {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return Tried::failed(why(&error)),
        };
        let (head, body) = response.into_parts();
        let outcome = Outcome::Answered {
            status: head.status.as_u16(),
            retry_after: retry_after(&head.headers, now),
        };
        let mut answer = Vec::new();
        // What came in time is kept.
        let _ = tokio::time::timeout(BODY, first_bytes(body, &mut answer)).await;
        Tried {
            outcome,
            answer: Some(printable(&answer)),
            error: None,
        }
    }
}

async fn first_bytes(mut body: Incoming, kept: &mut Vec<u8>) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..piece.len().min(room)]);
        read += piece.len();
        if read > READ {
            return;
        }
    }
}

/// Bytes as text that any database takes. A character that was cut off goes.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches('\u{fffd}')
        .chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => c,
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// What went wrong, in words without the receiver's address: our own where they say
/// enough, else those of the last cause.
fn why(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause = error.source();
    let mut last = error.to_string();
    while let Some(why) = cause {
        if let Some(ours) = why.downcast_ref::<Unconnected>() {
            return ours.to_string();
        }
        last = why.to_string();
        cause = why.source();
    }
    format!("the connection broke: {last}")
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let micros = date.timestamp().as_microsecond() - now.0;
    Some(Duration::from_micros(
        u64::try_from(micros).unwrap_or_default(),
    ))
}

/// Where a delivery goes; with `by_event` the event's name is the path's last piece.
///
/// # Errors
/// The URL is none that can be called.
pub(crate) fn target(config: &Config, event: &str) -> Result<Uri, String> {
    let mut url =
        url::Url::parse(&config.url).map_err(|e| format!("the URL makes no sense: {e}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not hold a user's name".to_owned());
    }
    if config.by_event {
        url.path_segments_mut()
            .map_err(|()| "the URL has no path".to_owned())?
            .pop_if_empty()
            .push(event);
    }
    url.set_fragment(None);
    Uri::try_from(url.as_str()).map_err(|e| format!("the URL makes no sense: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, by_event: bool) -> Config {
        Config {
            url: url.to_owned(),
            by_event,
            filter: labelwire_domain::webhook::Filter::default(),
            headers: Vec::new(),
            secrets: Vec::new(),
            retries: labelwire_domain::webhook::Schedule::Standard,
            message_text: false,
            extra: serde_json::Value::Null,
        }
    }

    #[test]
    fn the_events_name_becomes_the_paths_last_piece() {
        let to = |url, by_event| {
            target(&config(url, by_event), "label.upsert").map(|uri| uri.to_string())
        };
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(to("http://a.org/x?y=1#z", false), ok("http://a.org/x?y=1"));
        assert_eq!(
            to("http://a.org/x/?y=1", true),
            ok("http://a.org/x/label.upsert?y=1")
        );
        assert_eq!(to("https://a.org", true), ok("https://a.org/label.upsert"));
        assert_eq!(
            to("https://bücher.example/", false),
            ok("https://xn--bcher-kva.example/")
        );
        assert!(to("https://me:secret@a.org/", false).is_err());
        assert!(to("https://", false).is_err());
    }

    #[test]
    fn a_time_to_come_again_is_seconds_or_a_date() {
        let now = Timestamp::from_millis(1_750_000_000_000);
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().expect("a value"));
            retry_after(&headers, now)
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            after("Sun, 15 Jun 2025 15:07:40 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(after("Sun, 15 Jun 2025 15:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn an_answer_is_kept_as_text() {
        assert_eq!(printable(b"ok\0\n"), "ok\u{fffd}\n");
        assert_eq!(printable(&"é".as_bytes()[..1]), "");
    }
}
