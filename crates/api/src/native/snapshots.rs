//! Snapshots: moments kept by name with what they held, and their schedule.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::stream;
use labelwire_app::App;
use labelwire_app::chats::LabeledChat;
use labelwire_app::snapshots::{Schedule, Scope, Snapshot};
use labelwire_app::timeline::{AsOf, Untold};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::label::Label;
use labelwire_domain::selection::{ChatKind as Kind, Selection};
use labelwire_domain::token::Scope as Right;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::as_of;
use super::chats::FormatWord;
use super::error::Error;
use super::format::{ChatKind, ChatView, Format};
use super::links::ChatForm;
use super::listing::Listing;
use super::problems::{InInstance, Once, ReadProblems, WriteProblems};
use super::view::{LabelView, moment};
use crate::body;
use crate::call::Call as AnyCall;
use crate::refusal::Refusal;
use crate::whole::{whole, whole_number};

/// Which chats a snapshot is of: those that carry these labels, as in `listChats`, and
/// those named. Without any of it, all.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[schema(as = SnapshotScope)]
#[serde(default)]
pub(super) struct ScopeView {
    /// Chats that carry at least one of these labels, by id or name in any case.
    #[schema(required = false)]
    any: Option<Vec<String>>,
    /// Chats that carry each of these labels.
    #[schema(required = false)]
    all: Vec<String>,
    /// Chats that carry none of these labels.
    #[schema(required = false)]
    none: Vec<String>,
    /// Chats of these sorts only.
    #[schema(required = false)]
    kind: Vec<ChatKind>,
    /// These chats, in any of their forms, whatever they carry.
    #[schema(required = false, value_type = Vec<ChatForm>)]
    chats: Vec<String>,
}

impl From<ScopeView> for Scope {
    fn from(view: ScopeView) -> Self {
        Self {
            selection: Selection {
                any: view.any,
                all: view.all,
                none: view.none,
                kinds: view.kind.into_iter().map(Kind::from).collect(),
            },
            chats: view.chats,
        }
    }
}

impl From<Scope> for ScopeView {
    fn from(scope: Scope) -> Self {
        Self {
            any: scope.selection.any,
            all: scope.selection.all,
            none: scope.selection.none,
            kind: scope
                .selection
                .kinds
                .into_iter()
                .map(ChatKind::from)
                .collect(),
            chats: scope.chats,
        }
    }
}

/// A snapshot, without what it held.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Snapshot)]
pub(super) struct SnapshotView {
    /// Public id.
    #[schema(example = "snp_01jy0000000000000000000000")]
    id: String,
    /// Its name.
    name: String,
    /// The event it stands right behind.
    seq: i64,
    /// When it was made.
    #[schema(required, format = DateTime)]
    created_at: Option<String>,
    /// Who made it; `job` where the schedule did.
    #[schema(required)]
    actor: Option<String>,
    /// Which chats it is of.
    selection: ScopeView,
}

impl From<Snapshot> for SnapshotView {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            id: snapshot.id,
            name: snapshot.name,
            seq: snapshot.seq,
            created_at: moment(snapshot.created_at),
            actor: snapshot.actor,
            selection: snapshot.scope.into(),
        }
    }
}

/// Snapshots, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Snapshots)]
pub(super) struct SnapshotsView {
    /// The snapshots.
    snapshots: Vec<SnapshotView>,
}

/// A snapshot and the labels it held.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SnapshotWithLabels)]
pub(super) struct WholeView {
    #[serde(flatten)]
    snapshot: SnapshotView,
    /// The live labels, in the account's order.
    labels: Vec<LabelView>,
    /// How many chats it holds; `chats` beside it lists them.
    chat_count: usize,
}

/// A snapshot to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateSnapshot)]
pub(super) struct CreateSnapshot {
    /// Its name.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$",
        example = "before the campaign"
    )]
    name: String,
    /// Which chats it is of; all where it is left out.
    #[serde(default)]
    #[schema(required = false)]
    selection: ScopeView,
    #[schema(schema_with = as_of::moment_or_null)]
    as_of: Option<String>,
}

/// Snapshots made by themselves.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = SnapshotSchedule)]
pub(super) struct ScheduleView {
    /// Hours from one to the next; 0 or null: none are made.
    #[serde(deserialize_with = "whole")]
    #[schema(required, minimum = 0, maximum = 8760, example = 24)]
    every_h: Option<u32>,
    /// How many of them are kept.
    #[serde(default = "usual_keep", deserialize_with = "whole_number")]
    #[schema(required = false, minimum = 1, maximum = 500, default = 30)]
    keep: u32,
    /// Which chats they are of; all where it is left out.
    #[serde(default)]
    #[schema(required = false)]
    selection: ScopeView,
}

fn usual_keep() -> u32 {
    30
}

impl From<Option<Schedule>> for ScheduleView {
    fn from(schedule: Option<Schedule>) -> Self {
        match schedule {
            None => Self {
                every_h: None,
                keep: usual_keep(),
                selection: ScopeView::default(),
            },
            Some(schedule) => Self {
                every_h: Some(schedule.every_h),
                keep: schedule.keep,
                selection: schedule.scope.into(),
            },
        }
    }
}

/// A snapshot's place in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfSnapshot {
    /// The snapshot's id.
    #[param(
        min_length = 1,
        pattern = "^[a-z0-9_]+$",
        example = "snp_01jy0000000000000000000000"
    )]
    snapshot: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct FormatParam {
    /// The form, instead of what `Accept` says.
    #[param(nullable = false, inline)]
    format: Option<FormatWord>,
}

/// The snapshots of an instance, oldest first.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/snapshots",
    operation_id = "listSnapshots",
    tag = "history",
    security(("token" = [])),
    params(InInstance),
    responses((status = 200, body = SnapshotsView), ReadProblems),
)]
pub(super) async fn list(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<SnapshotsView>, Error> {
    let found = app.snapshots(&call.caller, call.instance()?).await?;
    Ok(Json(SnapshotsView {
        snapshots: found.into_iter().map(SnapshotView::from).collect(),
    }))
}

/// Keeps how chosen chats and labels stand now, or stood at a moment, under a name.
/// It stays when history of before is dropped.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/snapshots",
    operation_id = "createSnapshot",
    tag = "history",
    security(("token" = [])),
    params(InInstance, Once),
    request_body = CreateSnapshot,
    responses((status = 201, body = SnapshotView), WriteProblems),
)]
pub(super) async fn create(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<(StatusCode, Json<SnapshotView>), Error> {
    let name = call.instance()?;
    let asked: CreateSnapshot = body::json(body).await?;
    let at = match asked.as_of.as_deref().map(str::trim) {
        None => AsOf::Now,
        Some(text) => as_of::moment(text).ok_or_else(|| {
            Refusal::Body("`as_of` is the `seq` of an event or a time (RFC 3339)".to_owned())
        })?,
    };
    let scope = asked.selection.into();
    let made = app
        .create_snapshot(&call.caller, name, &asked.name, scope, at)
        .await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// One snapshot, with the labels it held.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/snapshots/{snapshot}",
    operation_id = "getSnapshot",
    tag = "history",
    security(("token" = [])),
    params(InInstance, OfSnapshot),
    responses((status = 200, body = WholeView), ReadProblems),
)]
pub(super) async fn get(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<WholeView>, Error> {
    let (name, id) = (call.instance()?, call.param("snapshot"));
    let snapshot = app.snapshot(&call.caller, name, id).await?;
    let held = app.snapshot_held(&call.caller, name, id).await?;
    Ok(Json(WholeView {
        snapshot: snapshot.into(),
        labels: held.labels.into_iter().map(LabelView::from).collect(),
        chat_count: held.chats.len(),
    }))
}

/// The chats a snapshot held, each with its labels then, in the forms of `listChats`.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/snapshots/{snapshot}/chats",
    operation_id = "listSnapshotChats",
    tag = "history",
    security(("token" = [])),
    params(InInstance, OfSnapshot, FormatParam),
    responses(
        (status = 200, description = "The chats",
            content(
                (super::format::ChatsView = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
            ),
        ),
        ReadProblems,
    ),
)]
pub(super) async fn chats(
    State(app): State<App>,
    headers: HeaderMap,
    Call(call): Call,
) -> Result<Response, Error> {
    let (name, id) = (call.instance()?, call.param("snapshot"));
    app.instance(&call.caller, Right::Read, name)?;
    let format = format(&headers, &call)?;
    let held = app.snapshot_held(&call.caller, name, id).await?;
    CHATS
        .whole(format, stream::once(std::future::ready(Ok(held.chats))))
        .await
}

const CHATS: Listing<LabeledChat> = Listing {
    key: "chats",
    header: &["chat", "kind", "labeled_at", "label_ids", "labels"],
    json: |chat| serde_json::to_vec(&ChatView::new(chat.clone(), false)),
    cells: |chat| {
        let joined = |of: fn(&Label) -> &str| {
            let texts: Vec<&str> = chat.labels.iter().map(|put| of(&put.label)).collect();
            texts.join(";")
        };
        vec![
            chat.chat.clone(),
            chat.kind.as_str().to_owned(),
            moment(chat.labeled_at).unwrap_or_default(),
            joined(|label| &label.id),
            joined(|label| &label.name),
        ]
    },
};

pub(super) fn format(headers: &HeaderMap, call: &AnyCall) -> Result<Format, Refusal> {
    match call.query.text("format") {
        Some(word) => Format::of(word).ok_or(Refusal::Query("format")),
        None => Ok(Format::accepted(headers)),
    }
}

/// Forgets a snapshot.
#[utoipa::path(
    delete,
    path = "/v1/instances/{instance}/snapshots/{snapshot}",
    operation_id = "deleteSnapshot",
    tag = "history",
    security(("token" = [])),
    params(InInstance, OfSnapshot, Once),
    responses((status = 204), WriteProblems),
)]
pub(super) async fn delete(State(app): State<App>, Call(call): Call) -> Result<StatusCode, Error> {
    app.delete_snapshot(&call.caller, call.instance()?, call.param("snapshot"))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which snapshots are made by themselves.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/snapshots/schedule",
    operation_id = "getSnapshotSchedule",
    tag = "history",
    security(("token" = [])),
    params(InInstance),
    responses((status = 200, body = ScheduleView), ReadProblems),
)]
pub(super) async fn schedule(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<ScheduleView>, Error> {
    let schedule = app
        .snapshot_schedule(&call.caller, call.instance()?)
        .await?;
    Ok(Json(schedule.into()))
}

/// Sets which snapshots are made by themselves. The first is made within a minute;
/// those beyond `keep` are forgotten, the oldest first.
#[utoipa::path(
    put,
    path = "/v1/instances/{instance}/snapshots/schedule",
    operation_id = "setSnapshotSchedule",
    tag = "history",
    security(("token" = [])),
    params(InInstance, Once),
    request_body = ScheduleView,
    responses((status = 200, body = ScheduleView), WriteProblems),
)]
pub(super) async fn set_schedule(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<ScheduleView>, Error> {
    let name = call.instance()?;
    let asked: ScheduleView = body::json(body).await?;
    // Looked at though there may be nothing to make.
    if !(1..=500).contains(&asked.keep) {
        let why = Untold::Invalid("`keep` is 1 to 500 snapshots");
        return Err(labelwire_app::Error::from(why).into());
    }
    for chat in &asked.selection.chats {
        ChatJid::parse(chat).map_err(labelwire_app::Error::from)?;
    }
    let schedule = asked
        .every_h
        .filter(|hours| *hours > 0)
        .map(|every_h| Schedule {
            every_h,
            keep: asked.keep,
            scope: asked.selection.into(),
        });
    let set = app
        .set_snapshot_schedule(&call.caller, name, schedule)
        .await?;
    Ok(Json(set.into()))
}
