//! Frames as server-sent events.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};

use super::{End, Frame};

/// Clients wait so long, in milliseconds, before they connect again.
const HELLO: &str = "retry: 2000\n: welcome\n\n";

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
static UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The place a client that connects again has come to; `None` for one that does
/// not say, an error for one that says no number.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, ()> {
    let Some(value) = headers.get(&LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| ())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| ())
}

/// The answer that frames go out in.
pub(crate) fn answer(frames: impl Stream<Item = Frame> + Send + 'static) -> Response {
    let hello = stream::once(std::future::ready(HELLO.to_owned()));
    let pieces = hello.chain(frames.map(|frame| text(&frame)));
    let body = Body::from_stream(pieces.map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // Proxies that collect answers would hold events back.
        (UNBUFFERED.clone(), "no"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, body).into_response()
}

fn text(frame: &Frame) -> String {
    match frame {
        Frame::Event { seq, kind, text } => {
            let mut out = format!("id: {seq}\nevent: {}\n", kind.as_str());
            for line in text.lines() {
                out.push_str("data: ");
                out.push_str(line);
                out.push('\n');
            }
            out.push('\n');
            out
        }
        // A block without data is no event, but moves the place to resume from.
        Frame::Beat(cursor) => format!(": beat\nid: {cursor}\n\n"),
        Frame::End(end) => error(*end),
    }
}

fn error(end: End) -> String {
    let data = serde_json::json!({ "code": end.code(), "detail": end.detail() });
    format!("event: error\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use labelwire_domain::event::Kind;

    use super::*;

    #[test]
    fn frames_are_blocks_that_end_in_a_blank_line() {
        let event = Frame::Event {
            seq: 7,
            kind: Kind::ChatLabeled,
            text: "{\n}".into(),
        };
        assert_eq!(
            text(&event),
            "id: 7\nevent: chat.labeled\ndata: {\ndata: }\n\n"
        );
        assert_eq!(text(&Frame::Beat(9)), ": beat\nid: 9\n\n");
        let end = text(&Frame::End(End::Slow));
        assert!(
            end.starts_with("event: error\ndata: {\"code\":\"too_slow\""),
            "{end}"
        );
    }

    #[test]
    fn a_place_is_a_number_or_nothing() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", text.parse().expect("a value"));
            last_event_id(&headers)
        };
        assert_eq!(last_event_id(&HeaderMap::new()), Ok(None));
        assert_eq!(of(" 12 "), Ok(Some(12)));
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("evt_1"), Err(()));
    }
}
