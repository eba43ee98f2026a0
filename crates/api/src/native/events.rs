//! Events: pages of history, the story of one chat, and what is going on now.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::stream;
use labelwire_app::App;
use labelwire_app::chats::Place;
use labelwire_app::events::{EventPages, EventPlace, EventProgress, EventQuery};
use labelwire_domain::event::{Event, Kind};
use labelwire_domain::token::Scope;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::as_of;
use super::chats::FormatWord;
use super::cursor::{self, Bad};
use super::error::Error;
use super::event_view::{EventView, kinds};
use super::format::Format;
use super::listing::Listing;
use super::problems::{InInstance, OfChat, ReadProblems};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::stream::{Closing, begin, follow, sse, ws};

/// Most events of a page.
const MOST: usize = 1_000;
/// Events of a page whose size is not asked for.
const USUAL: usize = 100;

/// Events, a page of them or all.
#[derive(Debug, ToSchema)]
#[schema(as = Events)]
#[expect(dead_code, reason = "it is written piece by piece")]
pub(super) struct EventsView {
    /// The events, in the order asked for.
    events: Vec<EventView>,
    /// Where the next page begins; null behind the last event.
    #[schema(required)]
    next_cursor: Option<String>,
}

fn kind_list() -> Schema {
    ArrayBuilder::new()
        .items(utoipa::openapi::RefOr::T(kinds()))
        .build()
        .into()
}

/// What is asked of a chat's events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, style = Form)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct FilterParams {
    /// Events about this label only: by id, or by the name it has now or had last, in
    /// any case.
    #[param(nullable = false, example = "VIP")]
    label: Option<String>,
    /// Events somebody asked for through this gateway: `token:tok_…`, `job`.
    #[param(nullable = false, example = "token:tok_01jy0000000000000000000000")]
    actor: Option<String>,
    /// Events of these kinds only, separated by commas.
    #[param(
        rename = "type",
        nullable = false,
        explode = false,
        required = false,
        schema_with = kind_list
    )]
    kind: Option<Vec<String>>,
    /// Events seen here at this time (RFC 3339) or later.
    #[param(nullable = false, format = DateTime, example = "2026-11-20T12:00:00Z")]
    since: Option<String>,
    /// Events seen here before this time (RFC 3339).
    #[param(nullable = false, format = DateTime)]
    until: Option<String>,
}

/// An order of events.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its words are read")]
pub(super) enum Order {
    Asc,
    Desc,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct PageParams {
    /// Oldest first (`asc`) or latest first.
    #[param(nullable = false, inline)]
    order: Option<Order>,
    /// A page of this many events instead of all of them.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the page before, of the same question
    /// only; the first page where it is empty.
    #[param(nullable = false, pattern = "^(c1_[A-Za-z0-9_-]+)?$")]
    cursor: Option<String>,
    /// Whether what a first sync found is told as events of its own (`initial: true`)
    /// behind the one event that says it was read. Oldest first only.
    #[param(nullable = false, default = false)]
    initial: Option<bool>,
    /// The form, instead of what `Accept` says.
    #[param(nullable = false, inline)]
    format: Option<FormatWord>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfChatParam {
    /// Events about this chat only, under whichever of its ids it is asked for.
    #[param(
        nullable = false,
        pattern = r"^(\+?[0-9]{5,20}(@(c\.us|s\.whatsapp\.net))?|[0-9]{1,20}@lid|[0-9]{10,20}@newsletter|([0-9]{10,20}|[0-9]{5,20}-[0-9]{5,20})@g\.us)?$",
        example = "5511999999999"
    )]
    chat: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct AfterParam {
    /// The `seq` of the last event the reader has: what came since is told first. From
    /// now on where it is left out; 0 is from the beginning.
    #[param(nullable = false, minimum = 0)]
    after: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct LastEventId {
    /// What browsers send by themselves when they connect again; goes before `after`.
    #[param(rename = "Last-Event-ID", nullable = false, minimum = 0)]
    last_event_id: Option<i64>,
}

/// The question a query asks of events.
fn question(query: &Query, chat: Option<&str>) -> Result<EventQuery, Refusal> {
    let time = |name| as_of::said(query, name, as_of::time);
    let kinds = match query.list("type") {
        None => None,
        Some(words) if words.is_empty() => return Err(Refusal::Query("type")),
        Some(words) => {
            let kinds = words
                .iter()
                .map(|word| Kind::parse(word).ok_or(Refusal::Query("type")));
            Some(kinds.collect::<Result<_, _>>()?)
        }
    };
    let latest_first = match query.text("order") {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(Refusal::Query("order")),
    };
    let initial = query.text("initial").is_some() && query.switch("initial")?;
    if initial && latest_first {
        return Err(Refusal::Query("initial"));
    }
    Ok(EventQuery {
        chat: chat.or_else(|| query.text("chat")).map(str::to_owned),
        label: query.text("label").map(str::to_owned),
        actor: query.text("actor").map(str::to_owned),
        kinds,
        since: time("since")?,
        until: time("until")?,
        latest_first,
        initial,
    })
}

const LISTING: Listing<Event> = Listing {
    key: "events",
    header: &[
        "seq",
        "id",
        "type",
        "at",
        "seen_at",
        "origin",
        "actor",
        "cause",
        "request_id",
        "chat",
        "lid",
        "key",
        "label_id",
        "label",
        "message_id",
        "before",
        "after",
        "initial",
    ],
    json: |event| serde_json::to_vec(&EventView::from(event)),
    cells: |event| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let json = |value: &Option<serde_json::Value>| {
            value.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let moment = |at| super::view::moment(at).unwrap_or_default();
        let chat = event.chat.as_ref();
        let label = event.label.as_ref();
        vec![
            event.seq.map(|seq| seq.to_string()).unwrap_or_default(),
            event.id.clone(),
            event.kind.as_str().to_owned(),
            moment(event.at),
            moment(event.seen_at),
            event.origin.as_str().to_owned(),
            text(&event.actor),
            text(&event.cause),
            text(&event.request_id),
            chat.map(|chat| chat.jid.clone()).unwrap_or_default(),
            chat.and_then(|chat| chat.lid.clone()).unwrap_or_default(),
            chat.map(|chat| chat.key.clone()).unwrap_or_default(),
            label.map(|label| label.id.clone()).unwrap_or_default(),
            label
                .and_then(|label| label.name.clone())
                .unwrap_or_default(),
            text(&event.message_id),
            json(&event.before),
            json(&event.after),
            event.initial.to_string(),
        ]
    },
};

/// The events of an instance's history: what happened to labels and to the instance,
/// each a row that never changes.
///
/// The answer is a page where `limit` or `cursor` is given, else everything that is
/// asked for, streamed: where its end lacks, or the connection breaks, it is not
/// whole. CSV is by RFC 4180.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/events",
    operation_id = "listEvents",
    tag = "events",
    security(("token" = [])),
    params(InInstance, OfChatParam, FilterParams, PageParams),
    responses(
        (status = 200, description = "The events",
            headers(("X-Next-Cursor" = String, description = "`next_cursor`, for forms that have no place for it; not there behind the last event")),
            content(
                (EventsView = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
            ),
        ),
        ReadProblems,
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Call(call): Call,
) -> Result<Response, Error> {
    pages(&app, &headers, &call, None).await
}

/// The story of one chat, under whichever of its ids it is asked for.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/chats/{jid}/events",
    operation_id = "listChatEvents",
    tag = "events",
    security(("token" = [])),
    params(OfChat, FilterParams, PageParams),
    responses(
        (status = 200, description = "The events",
            headers(("X-Next-Cursor" = String, description = "`next_cursor`, for forms that have no place for it; not there behind the last event")),
            content(
                (EventsView = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
            ),
        ),
        ReadProblems,
    ),
)]
pub(super) async fn of_chat(
    State(app): State<App>,
    headers: HeaderMap,
    Call(call): Call,
) -> Result<Response, Error> {
    pages(&app, &headers, &call, Some(call.param("jid"))).await
}

async fn pages(
    app: &App,
    headers: &HeaderMap,
    call: &crate::call::Call,
    chat: Option<&str>,
) -> Result<Response, Error> {
    let (name, query) = (call.instance()?, &call.query);
    // Who may not see the instance learns nothing about parameters.
    app.instance(&call.caller, Scope::Read, name)?;
    let asked = question(query, chat)?;
    let format = match query.text("format") {
        Some(word) => Format::of(word).ok_or(Refusal::Query("format"))?,
        None => Format::accepted(headers),
    };
    let limit = match query.text("limit") {
        None => None,
        Some(text) => Some(
            text.parse()
                .ok()
                .filter(|n| (1..=MOST).contains(n))
                .ok_or(Refusal::Query("limit"))?,
        ),
    };
    let words = format!("{asked:?}");
    let hash = cursor::hash([name, "events", &words]);
    let behind = query
        .text("cursor")
        .map(|text| place(&hash, text))
        .transpose()?;
    let found = app.events(&call.caller, name, asked).await?;
    if limit.is_none() && behind.is_none() {
        return LISTING.whole(format, parts(found)).await;
    }
    let page = found.page(behind, limit.unwrap_or(USUAL)).await?;
    let next = page.next.map(|next| {
        let place = Place {
            chat: format!("{} {}", next.seq, next.initial),
            time: None,
        };
        cursor::write(&hash, &place)
    });
    Ok(LISTING.page(format, &page.events, next.as_deref()))
}

fn place(question: &str, cursor: &str) -> Result<EventPlace, Error> {
    let read = cursor::read(question, false, cursor).map_err(|bad| match bad {
        Bad::Form => Refusal::Query("cursor").into(),
        Bad::Question => Error::new(
            StatusCode::BAD_REQUEST,
            "cursor_mismatch",
            "the cursor belongs to another question: all else must be the same for all pages",
        ),
    })?;
    let numbers = read.chat.split_once(' ').and_then(|(seq, initial)| {
        Some(EventPlace {
            seq: seq.parse().ok()?,
            initial: initial.parse().ok()?,
        })
    });
    numbers.ok_or_else(|| Refusal::Query("cursor").into())
}

fn parts(
    pages: EventPages,
) -> impl stream::Stream<Item = Result<Vec<Event>, labelwire_app::Error>> + Send {
    let state = (pages, EventProgress::default());
    stream::unfold(Some(state), |state| async move {
        let (pages, mut at) = state?;
        match pages.part(&mut at).await {
            Ok(None) => None,
            Ok(Some(events)) => Some((Ok(events), Some((pages, at)))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// The place and the filter of who wants to follow.
async fn followed(
    app: &App,
    call: &crate::call::Call,
    closing: Closing,
    named: Option<i64>,
) -> Result<impl stream::Stream<Item = crate::stream::Frame> + Send + use<>, Error> {
    let name = call.instance()?;
    let handle = app.instance(&call.caller, Scope::Read, name)?;
    let asked = question(&call.query, None)?;
    let after = match call.query.text("after") {
        None => None,
        Some(text) => {
            let place = text.parse::<i64>().ok().filter(|place| *place >= 0);
            Some(place.ok_or(Refusal::Query("after"))?)
        }
    };
    let filter = app.event_filter(&handle, &asked).await?;
    let cursor = begin(app, &handle, named.or(after)).await?;
    let tell = |event: &Event| serde_json::to_string(&EventView::from(event)).ok();
    Ok(follow(
        app.clone(),
        handle,
        call.caller.clone(),
        closing,
        cursor,
        filter,
        tell,
    ))
}

/// Events as they happen, as server-sent events.
///
/// `id` is the event's `seq`, `event` its type, `data` the event. There is neither a
/// gap nor a duplicate for who connects again behind the last `id`, across restarts of
/// the gateway too. Every 15 seconds there is a comment. A last event of type `error`
/// says why the gateway ends a stream: `too_slow`, `invalid_token`, `stopping`,
/// `instance_not_found`.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/stream",
    operation_id = "streamEvents",
    tag = "events",
    security(("token" = [])),
    params(InInstance, OfChatParam, FilterParams, AfterParam, LastEventId),
    responses(
        (status = 200, description = "Events, for as long as the reader stays", content((String = "text/event-stream"))),
        ReadProblems,
    ),
)]
pub(super) async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
    closing: Closing,
    Call(call): Call,
) -> Result<Response, Error> {
    let named = sse::last_event_id(&headers).map_err(|()| {
        Error::new(
            StatusCode::BAD_REQUEST,
            "query_invalid",
            "header `Last-Event-ID` is not the `id` of an event of this stream",
        )
    })?;
    Ok(sse::answer(followed(&app, &call, closing, named).await?))
}

/// Events as they happen, over a WebSocket: each a text message of the JSON that
/// `listEvents` has.
///
/// Takes the token as query parameter `token`, too. The gateway pings every 15 seconds,
/// and says why it ends a stream: 1013 for a reader that is too slow, 1008 for a token
/// that is over, 1012 where it stops itself.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/ws",
    operation_id = "followEvents",
    tag = "events",
    security(("token" = [])),
    params(InInstance, OfChatParam, FilterParams, AfterParam),
    responses(
        (status = 101, description = "Events, for as long as the reader stays"),
        (status = 426, description = "`upgrade_required`: this is a WebSocket", body = super::error::Problem, content_type = "application/problem+json"),
        ReadProblems,
    ),
)]
pub(super) async fn socket(
    State(app): State<App>,
    closing: Closing,
    Call(call): Call,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    let frames = followed(&app, &call, closing.clone(), None).await?;
    let upgrade = upgrade.map_err(|_| {
        Error::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "this is a WebSocket; `stream` beside it speaks plain HTTP",
        )
    })?;
    Ok(ws::answer(upgrade, closing, frames))
}
