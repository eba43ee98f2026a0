//! `contactsByLabel`: the list that may be large, sent as shared pieces.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use labelwire_app::App;
use labelwire_app::labels::ChatsByLabel;
use labelwire_app::lists::Render;
use labelwire_domain::label::{Label, LabelFilter};

use super::Call;
use super::error::{Error, ErrorView};
use super::view::ChatsView;
use crate::pieces::Pieces;
use crate::query::Query;

/// The chats that carry at least one of the given labels, or any label, each
/// with all its labels.
#[utoipa::path(
    get,
    path = "/api/chat/contactsByLabel/{instance}",
    tag = "chat",
    security(("token" = [])),
    params(
        ("instance" = String, Path, description = "Instance name"),
        ("labelIds" = Option<String>, Query, description = "Label ids, separated by commas"),
        ("labelNames" = Option<String>, Query, description = "Label names in any case, separated by commas"),
        ("refresh" = Option<bool>, Query, description = "Sync with WhatsApp first"),
    ),
    responses(
        (status = 200, body = ChatsView),
        (status = 400, body = ErrorView),
        (status = 401, body = ErrorView),
        (status = 403, body = ErrorView),
        (status = 404, body = ErrorView),
        (status = 503, body = ErrorView),
        (status = 504, body = ErrorView),
    ),
)]
pub(super) async fn by_label(State(app): State<App>, Call(call): Call) -> Result<Response, Error> {
    let name = call.instance()?;
    let refresh = call.query.switch("refresh")?;
    let filter = filter(&call.query);
    let found = app
        .chats_by_label(&call.caller, name, &filter, refresh, &Chats)
        .await?;
    Ok(answer(&found, refresh))
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

fn answer(found: &ChatsByLabel, refreshed: bool) -> Response {
    const HEAD: &str =
        r#"{"success":true,"message":"Chats by label retrieved successfully","chats":["#;
    let list = &found.list;
    let ids = serde_json::Value::from(found.filter_label_ids.as_slice());
    let tail = format!(
        r#"],"total_chats":{},"total_rows":{},"refreshed":{refreshed},"filter_label_ids":{ids}}}"#,
        list.chats, list.rows
    );
    let pieces = std::iter::once(Bytes::from_static(HEAD.as_bytes()))
        .chain(list.pieces())
        .chain([Bytes::from(tail)]);
    let json = HeaderValue::from_static("application/json");
    (
        [(header::CONTENT_TYPE, json)],
        Body::new(Pieces::new(pieces)),
    )
        .into_response()
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
