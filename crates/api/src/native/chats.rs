//! Chats by label: set algebra, two orders, pages or the whole list.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use labelwire_app::App;
use labelwire_app::chats::{ChatOrder, ChatPages, ChatQuery, LabeledChat, Place, Progress};
use labelwire_domain::selection::{ChatKind as Kind, Selection};
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::as_of::{self, AsOfParam};
use super::cursor::{self, Bad};
use super::error::Error;
use super::format::{ChatKind, ChatsView, Format};
use super::problems::{InInstance, ReadProblems};
use crate::query::Query;
use crate::refusal::Refusal;

/// Most chats of a page.
const MOST: usize = 1_000;
/// Chats of a page whose size is not asked for.
const USUAL: usize = 100;

static NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// A word that is another one for each run of the program: commits are counted
/// anew in each, so entity tags of one must not be taken for another's.
#[derive(Debug, Clone)]
pub(super) struct Run(pub(super) Arc<str>);

/// An order of chats.
#[derive(Debug, Clone, Copy, ToSchema)]
#[expect(dead_code, reason = "only its words are read")]
pub(super) enum Sort {
    /// By chat id.
    #[schema(rename = "chat")]
    Chat,
    /// By when the latest of the labels asked for was put on, oldest first.
    #[schema(rename = "labeled_at")]
    LabeledAt,
    /// The same, newest first.
    #[schema(rename = "-labeled_at")]
    LabeledAtDown,
}

/// A form of lists.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its words are read")]
pub(super) enum FormatWord {
    Json,
    Ndjson,
    Csv,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, style = Form)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct ChatsParams {
    /// Chats that carry at least one of these labels, by id or name in any case,
    /// separated by commas. What names no live label matches nothing.
    #[param(nullable = false, example = "VIP,Support")]
    any: Option<String>,
    /// Chats that carry each of these labels. What names no live label matches nothing.
    #[param(nullable = false, example = "5")]
    all: Option<String>,
    /// Chats that carry none of these labels. What names no live label excludes nothing.
    #[param(nullable = false, example = "Paid")]
    none: Option<String>,
    /// Chats of these sorts only: `person`, `group`, `channel`, `other`, separated by commas.
    #[param(nullable = false, explode = false, value_type = Option<Vec<ChatKind>>)]
    kind: Option<Vec<ChatKind>>,
    /// The order.
    #[param(nullable = false, inline)]
    sort: Option<Sort>,
    /// A page of this many chats instead of the whole list.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the page before, of the same
    /// question (labels, kinds and order) only; the first page where it is empty.
    #[param(nullable = false, pattern = "^(c1_[A-Za-z0-9_-]+)?$")]
    cursor: Option<String>,
    /// The form, instead of what `Accept` says.
    #[param(nullable = false, inline)]
    format: Option<FormatWord>,
    /// Whether names of contacts are in the answer, where they are known.
    #[param(nullable = false, default = true)]
    names: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct Conditions {
    /// Entity tags of earlier answers: 304 where nothing has changed since.
    #[param(rename = "If-None-Match", nullable = false)]
    if_none_match: Option<String>,
}

/// What is asked, read from the query.
struct Asked {
    query: ChatQuery,
    /// The hash of what a cursor belongs to.
    question: String,
    /// A page, and where it begins.
    page: Option<(usize, Option<Place>)>,
    format: Format,
}

impl Asked {
    fn read(query: &Query, headers: &HeaderMap, instance: &str) -> Result<Self, Error> {
        let selection = selection(query)?;
        let sort = query.text("sort").unwrap_or("chat");
        let order = match sort {
            "chat" => ChatOrder::Chat,
            "labeled_at" => ChatOrder::OldestFirst,
            "-labeled_at" => ChatOrder::NewestFirst,
            _ => return Err(Refusal::Query("sort").into()),
        };
        let format = match query.text("format") {
            Some(word) => Format::of(word).ok_or(Refusal::Query("format"))?,
            None => Format::accepted(headers),
        };
        let names = query.text("names").is_none() || query.switch("names")?;
        let limit = match query.text("limit") {
            Some(text) => Some(
                text.parse()
                    .ok()
                    .filter(|n| (1..=MOST).contains(n))
                    .ok_or(Refusal::Query("limit"))?,
            ),
            None => None,
        };
        let words = format!("{selection:?}");
        let moment = query.text("as_of").unwrap_or_default();
        let question = if moment.is_empty() {
            cursor::hash([instance, sort, &words])
        } else {
            cursor::hash([instance, sort, &words, moment])
        };
        let timed = order != ChatOrder::Chat;
        let place = query
            .text("cursor")
            .map(|text| cursor::read(&question, timed, text))
            .transpose()
            .map_err(|bad| match bad {
                Bad::Form => Refusal::Query("cursor").into(),
                Bad::Question => Error::new(
                    StatusCode::BAD_REQUEST,
                    "cursor_mismatch",
                    "the cursor belongs to another question: labels, kinds, order and instance must be the same for all pages",
                ),
            })?;
        let page = match (limit, place) {
            (None, None) => None,
            (limit, place) => Some((limit.unwrap_or(USUAL), place)),
        };
        Ok(Self {
            query: ChatQuery {
                selection,
                order,
                names,
            },
            question,
            page,
            format,
        })
    }
}

fn selection(query: &Query) -> Result<Selection, Refusal> {
    // Nothing but commas names no label, and must not widen to "all": no label
    // has an empty name.
    let nothing = |items: Vec<String>| {
        if items.is_empty() {
            vec![String::new()]
        } else {
            items
        }
    };
    let kinds = match query.list("kind") {
        None => Vec::new(),
        Some(words) if words.is_empty() => return Err(Refusal::Query("kind")),
        Some(words) => words
            .iter()
            .map(|word| {
                Kind::ALL
                    .into_iter()
                    .find(|kind| kind.as_str() == word)
                    .ok_or(Refusal::Query("kind"))
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(Selection {
        any: query.list("any"),
        all: query.list("all").map(nothing).unwrap_or_default(),
        none: query.list("none").unwrap_or_default(),
        kinds,
    })
}

/// The chats that carry the labels asked for, each with all its labels.
///
/// Without `any` and `all`, every chat with a label is asked for. The answer is a
/// page where `limit` or `cursor` is given, else the whole list, streamed: where
/// its end (`]…}` in JSON) lacks, or the connection breaks, it is not whole.
///
/// A person known by number and by hidden id is one chat. Pages do not repeat
/// chats, and lose none that did not change. In an order by time, a chat whose
/// labels change after the first page was read may be left out of later ones.
///
/// CSV is by RFC 4180: a row a chat, ids and names of its labels each in one cell,
/// separated by `;`. A cell that begins with `=`, `+`, `-`, `@`, a tab or a line
/// break gets an apostrophe before it, so that no spreadsheet takes it for a formula.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/chats",
    operation_id = "listChats",
    tag = "chats",
    security(("token" = [])),
    params(InInstance, ChatsParams, AsOfParam, Conditions),
    responses(
        (status = 200, description = "The chats",
            headers(
                ("ETag" = String, description = "Another one whenever the answer may be another one"),
                ("X-Next-Cursor" = String, description = "`next_cursor`, for forms that have no place for it; not there behind the last chat"),
            ),
            content(
                (ChatsView = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
            ),
        ),
        (status = 304, description = "Nothing has changed since the answer of that entity tag"),
        ReadProblems,
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(run): Extension<Run>,
    headers: HeaderMap,
    Call(call): Call,
) -> Result<Response, Error> {
    let name = call.instance()?;
    // Who may not see the instance learns nothing about parameters.
    app.instance(&call.caller, labelwire_domain::token::Scope::Read, name)?;
    let asked = Asked::read(&call.query, &headers, name)?;
    let pages = match as_of::asked(&call.query)? {
        None => app.chats(&call.caller, name, asked.query.clone())?,
        Some(moment) => {
            let query = asked.query.clone();
            app.chats_as_of(&call.caller, name, query, moment).await?
        }
    };
    let tag = tag(&run, &pages, &asked, call.query.text("cursor"));
    let mut response = if matches(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        answer(pages, &asked).await?
    };
    let kept = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        kept.insert(header::ETAG, tag);
    }
    kept.insert(header::VARY, HeaderValue::from_static("accept"));
    kept.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    Ok(response)
}

/// The answer's entity tag: of this run of the program, of the last commit before
/// anything is read, and of all that is asked.
fn tag(run: &Run, pages: &ChatPages, asked: &Asked, cursor: Option<&str>) -> String {
    let limit = asked
        .page
        .as_ref()
        .map_or(0, |(limit, _)| *limit)
        .to_string();
    let form = [
        asked.format.mime(),
        if asked.query.names { "names" } else { "" },
        &limit,
        cursor.unwrap_or_default(),
    ];
    let texts = [&*run.0, pages.version(), asked.question.as_str()];
    format!("W/\"{}\"", cursor::hash(texts.into_iter().chain(form)))
}

/// Whether one of the caller's tags is this one.
fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| one.trim() == "*" || bare(one) == bare(tag))
}

async fn answer(pages: ChatPages, asked: &Asked) -> Result<Response, Error> {
    let (format, names) = (asked.format, asked.query.names);
    let mime = HeaderValue::from_static(format.mime());
    if let Some((limit, place)) = &asked.page {
        let page = pages.page(place.as_ref(), *limit).await?;
        let next = page.next.map(|p| cursor::write(&asked.question, &p));
        let mut out = format.head(names).as_bytes().to_vec();
        write(format, names, page.chats, true, &mut out);
        out.extend_from_slice(format.tail(next.as_deref()).as_bytes());
        let mut response = ([(header::CONTENT_TYPE, mime)], out).into_response();
        if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
            response.headers_mut().insert(&NEXT_CURSOR, next);
        }
        return Ok(response);
    }
    // The first part is read before the status is sent: an error still has one.
    let mut at = Progress::default();
    let first = pages.part(&mut at).await?.unwrap_or_default();
    let mut out = format.head(names).as_bytes().to_vec();
    let any = !first.is_empty();
    write(format, names, first, true, &mut out);
    let rest = stream::unfold(Some((pages, at, any)), move |state| async move {
        let (pages, mut at, any) = state?;
        match pages.part(&mut at).await {
            Ok(Some(chats)) => {
                let mut out = Vec::new();
                let any_now = any || !chats.is_empty();
                write(format, names, chats, !any, &mut out);
                Some((Ok(Bytes::from(out)), Some((pages, at, any_now))))
            }
            Ok(None) => Some((Ok(Bytes::from(format.tail(None))), None)),
            Err(error) => {
                tracing::error!(%error, "a list ended half way; its connection is reset");
                let broken = std::io::Error::other("the list ended half way");
                Some((Err(broken), None))
            }
        }
    });
    let head = stream::once(std::future::ready(Ok::<_, std::io::Error>(Bytes::from(
        out,
    ))));
    let body = Body::from_stream(futures_util::StreamExt::chain(head, rest));
    Ok(([(header::CONTENT_TYPE, mime)], body).into_response())
}

fn write(format: Format, names: bool, chats: Vec<LabeledChat>, first: bool, out: &mut Vec<u8>) {
    for (n, chat) in chats.into_iter().enumerate() {
        format.write(chat, names, first && n == 0, out);
    }
}
