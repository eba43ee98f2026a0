//! `contactsByLabel`: the list that may be large, sent as shared pieces.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt as _};
use labelwire_app::App;
use labelwire_app::labels::ChatsByLabel;
use labelwire_app::lists::{Answer, Part, Render, Streamed};
use labelwire_domain::label::{Label, LabelFilter};

use super::Call;
use super::error::{Error, ErrorView};
use super::view::{ChatsView, OfInstance};
use crate::pieces::Pieces;
use crate::query::Query;

/// The chats that carry at least one of the given labels, or any label, each
/// with all its labels.
#[utoipa::path(
    get,
    path = "/api/chat/contactsByLabel/{instance}",
    tag = "chat",
    params(
        OfInstance,
        ("labelIds" = Option<String>, Query, description = "Label ids, separated by commas"),
        ("labelNames" = Option<String>, Query, description = "Label names in any case, separated by commas"),
        ("refresh" = Option<String>, Query, pattern = "^(true|false|1|0)$", description = "Sync with WhatsApp first: `true`, `false`, `1` or `0`"),
    ),
    responses(
        (status = 200, description = "The chats", body = ChatsView),
        (status = 503, description = "The instance was never paired; or `refresh` while it is not connected", body = ErrorView),
        (status = 504, description = "WhatsApp took too long to tell what is new", body = ErrorView),
    ),
)]
pub(super) async fn by_label(State(app): State<App>, Call(call): Call) -> Result<Response, Error> {
    let name = call.instance()?;
    let refresh = call.query.switch("refresh")?;
    let filter = filter(&call.query);
    let found = app
        .chats_by_label(&call.caller, name, &filter, refresh, &Chats)
        .await?;
    Ok(answer(found, refresh))
}

fn filter(query: &Query) -> LabelFilter {
    let (ids, names) = (query.list("labelIds"), query.list("labelNames"));
    let given = ids.is_some() || names.is_some();
    let mut filter = LabelFilter {
        ids: ids.unwrap_or_default(),
        names: names.unwrap_or_default(),
    };
    if given && filter.is_empty() {
        // Nothing but commas names no label; it must not widen to "all". No
        // label has an empty id.
        filter.ids.push(String::new());
    }
    filter
}

const HEAD: &str = r#"{"success":true,"message":"Chats by label retrieved successfully","chats":["#;

fn answer(found: ChatsByLabel, refreshed: bool) -> Response {
    let ids = serde_json::Value::from(found.filter_label_ids);
    let tail = move |chats: u64, rows: u64| {
        Bytes::from(format!(
            r#"],"total_chats":{chats},"total_rows":{rows},"refreshed":{refreshed},"filter_label_ids":{ids}}}"#
        ))
    };
    let head = Bytes::from_static(HEAD.as_bytes());
    let body = match found.list {
        Answer::Kept(list) => {
            let pieces = std::iter::once(head)
                .chain(list.pieces())
                .chain([tail(list.chats, list.rows)]);
            Body::new(Pieces::new(pieces))
        }
        Answer::Streamed(streamed) => Body::from_stream(parts(head, streamed, tail)),
    };
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], body).into_response()
}

/// A streamed answer's bytes. An error ends them without the end of the body, so
/// that the connection is reset: what came before must not pass for all.
fn parts(
    head: Bytes,
    streamed: Streamed,
    tail: impl Fn(u64, u64) -> Bytes + Send + 'static,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    let sent = stream::once(std::future::ready(Ok(head)));
    sent.chain(stream::unfold(Some((streamed, tail)), |state| async {
        let (mut streamed, tail) = state?;
        match streamed.next().await {
            Some(Ok(Part::Chats(piece))) => Some((Ok(piece), Some((streamed, tail)))),
            Some(Ok(Part::End { chats, rows })) => Some((Ok(tail(chats, rows)), None)),
            Some(Err(error)) => {
                tracing::error!(%error, "a list ended half way; its connection is reset");
                Some((Err(std::io::Error::other("the list ended half way")), None))
            }
            None => Some((Err(std::io::Error::other("the program is stopping")), None)),
        }
    }))
}

/// How this dialect writes a chat.
struct Chats;

impl Render for Chats {
    fn name(&self) -> &'static str {
        "ryze"
    }

    fn chat(&self, chat: &str, labels: &[&Label], out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"chat_jid":"#);
        text(chat, out);
        out.extend_from_slice(br#","labels":["#);
        for (at, label) in labels.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(br#"{"id":"#);
            text(&label.id, out);
            out.extend_from_slice(br#","name":"#);
            text(&label.name, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    // A `str` always has a JSON form, and a `Vec` takes all that is written.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_written_as_serde_would() {
        let label = |id: &str, name: &str| Label {
            id: id.into(),
            name: name.into(),
            ..Label::default()
        };
        let (one, two) = (label("1", "a\"b\\\n"), label("2", "VIP ☎ \u{7f}\u{0}"));
        let mut out = Vec::new();
        Chats.chat("1@lid", &[&one, &two], &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(
            value,
            serde_json::json!({"chat_jid": "1@lid", "labels": [
                {"id": "1", "name": "a\"b\\\n"}, {"id": "2", "name": "VIP ☎ \u{7f}\u{0}"}]})
        );
        assert!(out.starts_with(br#"{"chat_jid":"1@lid","labels":[{"id":"1","name":""#));
    }

    #[test]
    fn a_filter_that_names_nothing_is_no_missing_filter() {
        assert!(filter(&Query::of(None)).is_empty());
        assert!(filter(&Query::of(Some("labelIds=&labelNames=%20"))).is_empty());
        let commas = filter(&Query::of(Some("labelIds=,")));
        assert!(!commas.is_empty());
        assert!(
            commas
                .resolve(&[Label {
                    id: "1".into(),
                    ..Label::default()
                }])
                .is_empty()
        );
    }
}
