//! What is kept of history, and for how long.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use labelwire_app::App;
use labelwire_app::retention::{Retention, prunable};
use labelwire_domain::event::Kind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::Call;
use super::error::Error;
use super::problems::{InInstance, Once, ReadProblems, WriteProblems};
use crate::body;
use crate::whole::whole_number;

/// How long events are kept.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = Retention)]
pub(super) struct RetentionView {
    #[schema(schema_with = days)]
    days: BTreeMap<Kind, Days>,
}

/// A number of days.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
struct Days(#[serde(deserialize_with = "whole_number")] u32);

fn days() -> Schema {
    let kinds = prunable();
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(kinds.iter().map(|kind| kind.as_str())));
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(36_500));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(name))
        .additional_properties(Some(number))
        .description(Some(
            "Days by the kind of event. Kinds not named are kept for good.",
        ))
        .examples([json!({ "instance.offline": 30, "chat.labeled": 365 })])
        .into()
}

impl From<Retention> for RetentionView {
    fn from(retention: Retention) -> Self {
        let days = retention.days.into_iter();
        Self {
            days: days.map(|(kind, days)| (kind, Days(days))).collect(),
        }
    }
}

/// How long events are kept.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/retention",
    operation_id = "getRetention",
    tag = "history",
    security(("token" = [])),
    params(InInstance),
    responses((status = 200, body = RetentionView), ReadProblems),
)]
pub(super) async fn retention(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<RetentionView>, Error> {
    let retention = app.retention(&call.caller, call.instance()?).await?;
    Ok(Json(retention.into()))
}

/// Sets how long events are kept, for all kinds at once. Dropped within the hour, by
/// whole days (UTC); the state of labels at the last dropped event is kept, so that
/// every later moment can still be told. One event says what was dropped.
#[utoipa::path(
    put,
    path = "/v1/instances/{instance}/retention",
    operation_id = "setRetention",
    tag = "history",
    security(("token" = [])),
    params(InInstance, Once),
    request_body = RetentionView,
    responses((status = 200, body = RetentionView), WriteProblems),
)]
pub(super) async fn set_retention(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<RetentionView>, Error> {
    let name = call.instance()?;
    let asked: RetentionView = body::json(body).await?;
    let days = asked.days.into_iter();
    let retention = Retention {
        days: days.map(|(kind, days)| (kind, days.0)).collect(),
    };
    let set = app.set_retention(&call.caller, name, retention).await?;
    Ok(Json(set.into()))
}

/// A person to erase.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Erase)]
pub(super) struct EraseBody {
    /// The person's chat: digits, `+digits`, `…@s.whatsapp.net`, `…@c.us` or `…@lid`.
    #[schema(
        pattern = r"^(\+?[0-9]{5,20}(@(c\.us|s\.whatsapp\.net))?|[0-9]{1,20}@lid)$",
        example = "5511999999999"
    )]
    chat: String,
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Erased)]
pub(super) struct ErasedView {
    /// What stands in the person's place now.
    #[schema(example = "erased-9f86d081884c7d65@s.whatsapp.net")]
    pseudonym: String,
    /// Events that named the person.
    events: u64,
    /// Names of the person that were known.
    names: u64,
    /// Snapshots that named the person.
    snapshots: u64,
    /// Ids of labels the person's chat carries still. WhatsApp holds those, so this
    /// gateway does: take them off the chat first for the present to forget, too.
    labels_left: Vec<String>,
    /// What was not erased, and why.
    note: &'static str,
}

const NOTE: &str = "WhatsApp's own state of the account stays: labels on the chat, which number belongs to \
which hidden id, and the keys messages are encrypted with. Take the labels off the chat to have it in no list.";

/// Erases a person from history, snapshots, deliveries, commands and names.
///
/// A random pseudonym stands in the person's place, the same everywhere, so that
/// counts and comparisons stay what they were. It cannot be undone. Programs that were
/// told before know what they were told.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/erase",
    operation_id = "eraseContact",
    tag = "history",
    security(("token" = [])),
    params(InInstance, Once),
    request_body = EraseBody,
    responses((status = 200, body = ErasedView), WriteProblems),
)]
pub(super) async fn erase(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<ErasedView>, Error> {
    let name = call.instance()?;
    let asked: EraseBody = body::json(body).await?;
    let erased = app.erase(&call.caller, name, &asked.chat).await?;
    Ok(Json(ErasedView {
        pseudonym: erased.pseudonym,
        events: erased.events,
        names: erased.names,
        snapshots: erased.snapshots,
        labels_left: erased.labels,
        note: NOTE,
    }))
}
