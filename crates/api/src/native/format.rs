//! Chats as JSON, NDJSON and CSV.

use axum::http::{HeaderMap, header};
use labelwire_app::chats::LabeledChat;
use labelwire_domain::selection::ChatKind as Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::moment;

/// A sort of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One object.
    Json,
    /// An object a line.
    Ndjson,
    /// RFC 4180.
    Csv,
}

impl Format {
    /// The format of this word.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "json" => Self::Json,
            "ndjson" => Self::Ndjson,
            "csv" => Self::Csv,
            _ => return None,
        })
    }

    /// What `Accept` likes best of what there is; JSON where it says nothing of it.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let mut best = (0.0, Self::Json);
        let values = headers.get_all(header::ACCEPT).iter();
        for range in values
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
        {
            let mut parts = range.split(';').map(str::trim);
            let format = match parts
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
                .as_str()
            {
                "text/csv" => Self::Csv,
                "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Self::Ndjson,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            let quality = parts
                .find_map(|p| p.strip_prefix("q="))
                .and_then(|q| q.parse::<f32>().ok())
                .unwrap_or(1.0);
            if quality > best.0 {
                best = (quality, format);
            }
        }
        best.1
    }

    /// The content type.
    pub(super) const fn mime(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What stands before the first chat.
    pub(super) fn head(self, names: bool) -> &'static str {
        match self {
            Self::Json => r#"{"chats":["#,
            Self::Ndjson => "",
            Self::Csv if names => "chat,kind,name,labeled_at,label_ids,labels\r\n",
            Self::Csv => "chat,kind,labeled_at,label_ids,labels\r\n",
        }
    }

    /// Writes a chat; `first` is whether none was written before.
    pub(super) fn write(self, chat: LabeledChat, names: bool, first: bool, out: &mut Vec<u8>) {
        if self == Self::Csv {
            row(&chat, names, out);
            return;
        }
        if self == Self::Json && !first {
            out.push(b',');
        }
        // Texts and numbers always have a JSON form, and a `Vec` takes all of it.
        let _ = serde_json::to_writer(&mut *out, &ChatView::new(chat, names));
        if self == Self::Ndjson {
            out.push(b'\n');
        }
    }

    /// What stands behind the last chat.
    pub(super) fn tail(self, next: Option<&str>) -> String {
        match self {
            Self::Json => {
                let next = next.map_or(serde_json::Value::Null, serde_json::Value::from);
                format!(r#"],"next_cursor":{next}}}"#)
            }
            Self::Ndjson | Self::Csv => String::new(),
        }
    }
}

/// The sort of a chat.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChatKind {
    /// One person, by phone number or hidden id.
    Person,
    /// A group.
    Group,
    /// A channel (newsletter).
    Channel,
    /// Anything else: broadcast lists, status.
    Other,
}

impl From<Kind> for ChatKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Person => Self::Person,
            Kind::Group => Self::Group,
            Kind::Channel => Self::Channel,
            Kind::Other => Self::Other,
        }
    }
}

impl From<ChatKind> for Kind {
    fn from(kind: ChatKind) -> Self {
        match kind {
            ChatKind::Person => Self::Person,
            ChatKind::Group => Self::Group,
            ChatKind::Channel => Self::Channel,
            ChatKind::Other => Self::Other,
        }
    }
}

/// A label on a chat.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PutLabel)]
pub(super) struct PutView {
    /// The label's id.
    #[schema(example = "2")]
    id: String,
    /// Its name.
    #[schema(example = "VIP")]
    name: String,
    /// Index into WhatsApp's palette, 0 to 19.
    color: i32,
    /// When it was put on the chat; null where WhatsApp does not say.
    #[schema(required, format = DateTime)]
    labeled_at: Option<String>,
}

/// A chat with its labels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Chat)]
pub(super) struct ChatView {
    /// The chat, by phone number where that is known.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    chat: String,
    /// Its sort.
    kind: ChatKind,
    /// What to call it; null where no name is known. Left out with `names=false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// When the latest of the labels asked for was put on it; null where WhatsApp
    /// does not say.
    #[schema(required, format = DateTime)]
    labeled_at: Option<String>,
    /// All its live labels, by id.
    labels: Vec<PutView>,
}

impl ChatView {
    /// The chat as it is told, with its name or without.
    pub(super) fn new(chat: LabeledChat, names: bool) -> Self {
        Self {
            chat: chat.chat,
            kind: chat.kind.into(),
            name: names.then_some(chat.name),
            labeled_at: moment(chat.labeled_at),
            labels: chat
                .labels
                .into_iter()
                .map(|put| PutView {
                    id: put.label.id,
                    name: put.label.name,
                    color: put.label.color,
                    labeled_at: moment(put.labeled_at),
                })
                .collect(),
        }
    }
}

/// Chats, a page of them or all.
#[derive(Debug, ToSchema)]
#[schema(as = Chats)]
#[expect(dead_code, reason = "it is written piece by piece")]
pub(super) struct ChatsView {
    /// The chats, in the order asked for.
    chats: Vec<ChatView>,
    /// Where the next page begins; null behind the last chat.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A chat's row.
fn row(chat: &LabeledChat, names: bool, out: &mut Vec<u8>) {
    let joined = |texts: Vec<&str>| texts.join(";");
    let ids = joined(chat.labels.iter().map(|p| p.label.id.as_str()).collect());
    let labels = joined(chat.labels.iter().map(|p| p.label.name.as_str()).collect());
    let at = moment(chat.labeled_at).unwrap_or_default();
    let mut cells = vec![chat.chat.as_str(), chat.kind.as_str()];
    if names {
        cells.push(chat.name.as_deref().unwrap_or_default());
    }
    cells.extend([at.as_str(), &ids, &labels]);
    for (n, text) in cells.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        cell(text, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// A cell. Spreadsheets would take a name that begins like a formula for one: an
/// apostrophe keeps it text.
pub(super) fn cell(text: &str, out: &mut Vec<u8>) {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        "'"
    } else {
        ""
    };
    if text.contains(['"', ',', '\r', '\n']) {
        out.push(b'"');
        out.extend_from_slice(guard.as_bytes());
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(guard.as_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_what_it_likes_best() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a value"));
            Format::accepted(&headers)
        };
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Json);
        assert_eq!(of("text/csv"), Format::Csv);
        assert_eq!(of("text/html, */*;q=0.8"), Format::Json);
        assert_eq!(of("text/csv;q=0.5, application/x-ndjson"), Format::Ndjson);
        assert_eq!(of("text/csv;q=0, image/png"), Format::Json);
        assert_eq!(of("application/json, text/csv"), Format::Json);
        assert_eq!(
            of("Text/CSV; header=present; q=0.9, */*; q=0.1"),
            Format::Csv
        );
    }

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        let written = |text| {
            let mut out = Vec::new();
            cell(text, &mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(written("plain é"), "plain é");
        assert_eq!(written("a,b"), "\"a,b\"");
        assert_eq!(written("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"");
        assert_eq!(written("=1+1"), "'=1+1");
        assert_eq!(written("-2,5"), "\"'-2,5\"");
        assert_eq!(written("+x"), "'+x");
        assert_eq!(written("@x"), "'@x");
        assert_eq!(written(""), "");
    }
}
