//! Deliveries of a webhook: what has become of them, and once more.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::error::Error;
use super::problems::{Once, ReadProblems, WriteProblems};
use super::webhook_view::{AttemptView, DeliveriesView, DeliveryView, StateView, StoryView};
use super::webhooks::OfWebhook;
use crate::body;
use crate::refusal::Refusal;
use crate::whole::whole;

/// Deliveries of a page.
const USUAL: i64 = 100;
const MOST: i64 = 1_000;

/// A delivery's place in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfDelivery {
    /// The delivery's number.
    #[param(minimum = 1, example = 4711)]
    delivery: i64,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct Page {
    /// Those of this state; all where it is left out.
    #[param(nullable = false, value_type = Option<StateView>)]
    state: Option<StateView>,
    /// Those before this number; the latest where it is left out.
    #[param(nullable = false, minimum = 1)]
    before: Option<i64>,
    /// Deliveries of a page.
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
}

/// Which deliveries are to be made again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ReplayDeliveries)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Replay {
    /// Those of this state; `dead` where it is left out.
    state: Option<Ended>,
    /// From this number; from the first where it is left out.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1)]
    from: Option<i64>,
    /// To this number, included; to the last where it is left out.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1)]
    to: Option<i64>,
}

/// How a delivery has ended.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[schema(as = DeliveryEnd)]
#[serde(rename_all = "snake_case")]
enum Ended {
    /// Arrived.
    Done,
    /// Given up.
    Dead,
}

/// What is made again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replayed)]
pub(super) struct ReplayedView {
    /// How many deliveries.
    replayed: u64,
}

/// Deliveries of a webhook, latest first, in pages.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/webhooks/{webhook}/deliveries",
    operation_id = "listDeliveries",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook, Page),
    responses((status = 200, body = DeliveriesView), ReadProblems),
)]
pub(super) async fn list(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<DeliveriesView>, Error> {
    let (name, id) = (call.instance()?, call.param("webhook"));
    let number = |name: &'static str, most: i64| match call.query.text(name) {
        None => Ok(None),
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| (1..=most).contains(n))
            .map(Some)
            .ok_or(Refusal::Query(name)),
    };
    let limit = number("limit", MOST)?.unwrap_or(USUAL);
    let before = number("before", i64::MAX)?;
    let state = match call.query.text("state") {
        None => None,
        Some(word) => Some(StateView::parse(word).ok_or(Refusal::Query("state"))?),
    };
    let mut found = app
        .deliveries(
            &call.caller,
            name,
            id,
            state.map(StateView::as_str),
            before,
            limit + 1,
        )
        .await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    Ok(Json(DeliveriesView {
        next_before: found.last().filter(|_| more).map(|last| last.delivery),
        deliveries: found.into_iter().map(DeliveryView::from).collect(),
    }))
}

fn number(call: &crate::call::Call) -> Result<i64, Error> {
    let text = call.param("delivery");
    let number = text.parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        let why = format!("there is no delivery `{text}` of this webhook");
        Error::new(StatusCode::NOT_FOUND, "delivery_not_found", why)
    })
}

/// One delivery and every try of it.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/webhooks/{webhook}/deliveries/{delivery}",
    operation_id = "getDelivery",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook, OfDelivery),
    responses((status = 200, body = StoryView), ReadProblems),
)]
pub(super) async fn get(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<StoryView>, Error> {
    let (name, id) = (call.instance()?, call.param("webhook"));
    let (delivery, attempts) = app.delivery(&call.caller, name, id, number(&call)?).await?;
    Ok(Json(StoryView {
        delivery: delivery.into(),
        attempts: attempts.into_iter().map(AttemptView::from).collect(),
    }))
}

/// Makes a delivery again that arrived or was given up, under the same event id.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/webhooks/{webhook}/deliveries/{delivery}/replay",
    operation_id = "replayDelivery",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook, OfDelivery, Once),
    responses((status = 200, body = ReplayedView), WriteProblems),
)]
pub(super) async fn replay_one(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<ReplayedView>, Error> {
    let (name, id) = (call.instance()?, call.param("webhook"));
    let number = number(&call)?;
    app.delivery(&call.caller, name, id, number).await?;
    let replayed = app
        .replay_deliveries(&call.caller, name, id, None, number..=number)
        .await?;
    Ok(Json(ReplayedView { replayed }))
}

/// Makes deliveries again: those that were given up, or those of another state and
/// a range of numbers. What was not kept in history and has arrived cannot be.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/webhooks/{webhook}/replay",
    operation_id = "replayDeliveries",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook, Once),
    request_body = Replay,
    responses((status = 200, body = ReplayedView), WriteProblems),
)]
pub(super) async fn replay(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<ReplayedView>, Error> {
    let (name, id) = (call.instance()?, call.param("webhook"));
    let asked: Replay = body::json(body).await?;
    let state = match asked.state {
        Some(Ended::Done) => StateView::Done,
        Some(Ended::Dead) | None => StateView::Dead,
    };
    if asked.from.is_some_and(|n| n < 1) || asked.to.is_some_and(|n| n < 1) {
        return Err(Refusal::Body("`from` and `to` are 1 or more".to_owned()).into());
    }
    let range = asked.from.unwrap_or(1)..=asked.to.unwrap_or(i64::MAX);
    let replayed = app
        .replay_deliveries(&call.caller, name, id, Some(state.as_str()), range)
        .await?;
    Ok(Json(ReplayedView { replayed }))
}
