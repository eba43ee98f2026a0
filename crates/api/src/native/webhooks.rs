//! Webhooks: where an instance's events are sent.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labelwire_app::App;
use labelwire_domain::event::Kind;
use labelwire_domain::selection::ChatKind;
use labelwire_domain::webhook::{Config, Dialect, Filter, Secret};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::error::Error;
use super::problems::{InInstance, Once, ReadProblems, WriteProblems};
use super::webhook_view::{
    LabelWord, NewWebhookView, RetriesView, WebhookStatusView, WebhookView, WebhooksView,
    chat_list, chats_or_null, headers, headers_or_null, kind_list, kinds_or_null,
};
use crate::body;
use crate::refusal::Refusal;
use crate::whole::whole_number;

/// Rotating takes no body where the secret of before is to end at once.
pub(super) const ROTATE: &str = "/v1/instances/{instance}/webhooks/{webhook}/rotate";
/// Seconds the secret of before a rotation may sign along: a week.
const LONGEST_GRACE: u32 = 604_800;
/// Items a list of a webhook may have.
const MOST_ITEMS: usize = 100;

/// A webhook's place in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfWebhook {
    /// The instance's name.
    #[param(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "shop"
    )]
    instance: String,
    /// The webhook's id.
    #[param(
        min_length = 1,
        pattern = "^[a-z0-9_]+$",
        example = "whk_01jy0000000000000000000000"
    )]
    webhook: String,
}

/// A webhook to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateWebhook)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateWebhook {
    /// Its name, unique within the instance; it stays.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$",
        example = "crm"
    )]
    name: String,
    /// Where events are sent: `https://…` or `http://…`, a public address.
    #[schema(
        max_length = 2000,
        pattern = r"^https?://([A-Za-z0-9._-]+|\[([0-9A-Fa-f]{1,4}:){1,6}:[0-9A-Fa-f]{1,4}\])(:[0-9]{1,5})?([/?#][!-~]*)?$",
        example = "https://crm.example.org/hooks/labels"
    )]
    url: String,
    /// Whether events are sent.
    #[serde(default = "on")]
    #[schema(default = true)]
    enabled: bool,
    #[serde(default)]
    #[schema(schema_with = kind_list)]
    events: Vec<Kind>,
    /// Labels, by id or by name in any case, whose events are sent, all where it is
    /// empty; events that are about no label are always sent.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<LabelWord>)]
    labels: Vec<String>,
    #[serde(default)]
    #[schema(schema_with = chat_list)]
    chats: Vec<ChatKind>,
    #[serde(default)]
    #[schema(schema_with = headers)]
    headers: BTreeMap<String, String>,
    /// Whether messages are sent with their text.
    #[serde(default)]
    message_text: bool,
    /// When a delivery that failed is tried again.
    #[serde(default)]
    retries: RetriesView,
    /// What deliveries are signed with: `whsec_` and the base64 of 24 to 64 bytes; made
    /// where it is left out.
    #[schema(
        pattern = "^whsec_([A-Za-z0-9+/]{4}){8,20}(([A-Za-z0-9+/]{4})?([A-Za-z0-9+/][AQgw]==)?|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$"
    )]
    secret: Option<String>,
}

const fn on() -> bool {
    true
}

/// What is to be changed of a webhook; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PatchWebhook)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchWebhook {
    /// Where events are sent.
    #[schema(
        max_length = 2000,
        pattern = r"^https?://([A-Za-z0-9._-]+|\[([0-9A-Fa-f]{1,4}:){1,6}:[0-9A-Fa-f]{1,4}\])(:[0-9]{1,5})?([/?#][!-~]*)?$"
    )]
    url: Option<String>,
    /// Whether events are sent. Switched on, it is sent what still waits.
    enabled: Option<bool>,
    #[schema(schema_with = kinds_or_null)]
    events: Option<Vec<Kind>>,
    /// Labels whose events are sent.
    #[schema(max_items = 100, value_type = Option<Vec<LabelWord>>)]
    labels: Option<Vec<String>>,
    #[schema(schema_with = chats_or_null)]
    chats: Option<Vec<ChatKind>>,
    #[schema(schema_with = headers_or_null)]
    headers: Option<BTreeMap<String, String>>,
    /// Whether messages are sent with their text.
    message_text: Option<bool>,
    /// When a delivery that failed is tried again.
    retries: Option<RetriesView>,
}

/// How a secret is replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = RotateWebhook)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RotateWebhook {
    /// Seconds the secret of before signs along, so that the receiver can change over.
    #[serde(deserialize_with = "whole_number")]
    #[schema(maximum = 604_800, default = 0)]
    grace_s: u32,
}

/// A test under way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookTest)]
pub(super) struct TestView {
    /// The id of the event that is sent; its delivery is listed with the others.
    #[schema(example = "evt_01jy0000000000000000000000")]
    event_id: String,
}

fn refuse(why: &str) -> Error {
    Refusal::Body(why.to_owned()).into()
}

fn retries(view: &RetriesView) -> Result<labelwire_domain::webhook::Schedule, Error> {
    view.schedule().ok_or_else(|| {
        refuse("`retries` may have `delay_s` of 1 to 86400 and at most 100 `attempts`")
    })
}

/// What is off may be without one in other dialects; here it is somewhere, always.
fn somewhere(url: String) -> Result<String, Error> {
    if url.is_empty() {
        return Err(refuse("`url` must be `https://…` or `http://…`"));
    }
    Ok(url)
}

fn labels(labels: Vec<String>) -> Result<Vec<String>, Error> {
    if labels.len() > MOST_ITEMS || labels.iter().any(|label| label.chars().count() > 100) {
        return Err(refuse(
            "`labels` may have 100 items of at most 100 characters",
        ));
    }
    Ok(labels)
}

/// A secret by the form of Standard Webhooks.
fn new_secret(app: &App) -> String {
    format!("whsec_{}", STANDARD.encode(app.webhook_key()))
}

fn is_secret(text: &str) -> bool {
    text.strip_prefix("whsec_")
        .and_then(|key| STANDARD.decode(key).ok())
        .is_some_and(|key| (24..=64).contains(&key.len()))
}

/// The webhooks of an instance, those made with other dialects too.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    security(("token" = [])),
    params(InInstance),
    responses((status = 200, body = WebhooksView), ReadProblems),
)]
pub(super) async fn list(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<WebhooksView>, Error> {
    let webhooks = app.webhooks(&call.caller, call.instance()?, None).await?;
    let now = app.now();
    Ok(Json(WebhooksView {
        webhooks: webhooks
            .into_iter()
            .map(|webhook| WebhookView::of(webhook, now))
            .collect(),
    }))
}

/// Makes a webhook. Its secret is shown this once.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    security(("token" = [])),
    params(InInstance, Once),
    request_body = CreateWebhook,
    responses((status = 201, body = NewWebhookView), WriteProblems),
)]
pub(super) async fn create(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<(StatusCode, Json<NewWebhookView>), Error> {
    let name = call.instance()?;
    let asked: CreateWebhook = body::json(body).await?;
    let known = app
        .webhooks(&call.caller, name, Some(Dialect::Native))
        .await?;
    if known.iter().any(|webhook| webhook.name == asked.name) {
        return Err(labelwire_app::Error::WebhookNameTaken(asked.name).into());
    }
    let secret = match asked.secret {
        None => new_secret(&app),
        Some(text) if is_secret(&text) => text,
        Some(_) => {
            return Err(refuse(
                "`secret` must be `whsec_` and the base64 of 24 to 64 bytes",
            ));
        }
    };
    let config = Config {
        url: somewhere(asked.url)?,
        filter: Filter {
            events: asked.events,
            labels: labels(asked.labels)?,
            chats: asked.chats,
        },
        by_event: false,
        headers: asked.headers.into_iter().collect(),
        secrets: vec![Secret {
            text: secret.clone(),
            until: None,
        }],
        retries: retries(&asked.retries)?,
        message_text: asked.message_text,
        extra: serde_json::Value::Null,
    };
    let (webhook, enabled) = (&asked.name, asked.enabled);
    let made = app
        .put_webhook(
            &call.caller,
            name,
            Dialect::Native,
            webhook,
            enabled,
            &config,
        )
        .await?;
    let view = NewWebhookView {
        webhook: WebhookView::of(made, app.now()),
        secret,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// One webhook and how its deliveries stand.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/webhooks/{webhook}",
    operation_id = "getWebhook",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook),
    responses((status = 200, body = WebhookStatusView), ReadProblems),
)]
pub(super) async fn get(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<WebhookStatusView>, Error> {
    let (name, id) = (call.instance()?, call.param("webhook"));
    let webhook = app.webhook(&call.caller, name, id).await?;
    let standing = app.webhook_standing(&call.caller, name, id).await?;
    Ok(Json(WebhookStatusView {
        webhook: WebhookView::of(webhook, app.now()),
        deliveries: standing.into(),
    }))
}

/// Changes a webhook.
#[utoipa::path(
    patch,
    path = "/v1/instances/{instance}/webhooks/{webhook}",
    operation_id = "patchWebhook",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook, Once),
    request_body = PatchWebhook,
    responses((status = 200, body = WebhookView), WriteProblems),
)]
pub(super) async fn patch(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<WebhookView>, Error> {
    let (name, id) = (call.instance()?, call.param("webhook"));
    let asked: PatchWebhook = body::json(body).await?;
    let known = app.webhook(&call.caller, name, id).await?;
    let mut config = known.config;
    if let Some(url) = asked.url {
        config.url = somewhere(url)?;
    }
    let filter = &mut config.filter;
    if let Some(events) = asked.events {
        filter.events = events;
    }
    if let Some(names) = asked.labels {
        filter.labels = labels(names)?;
    }
    if let Some(chats) = asked.chats {
        filter.chats = chats;
    }
    if let Some(headers) = asked.headers {
        config.headers = headers.into_iter().collect();
    }
    config.message_text = asked.message_text.unwrap_or(config.message_text);
    if let Some(asked) = asked.retries {
        config.retries = retries(&asked)?;
    }
    let enabled = asked.enabled.unwrap_or(known.enabled);
    let set = app
        .set_webhook(&call.caller, name, id, enabled, &config)
        .await?;
    Ok(Json(WebhookView::of(set, app.now())))
}

/// Removes a webhook with its deliveries; what still waits is not sent.
#[utoipa::path(
    delete,
    path = "/v1/instances/{instance}/webhooks/{webhook}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook, Once),
    responses((status = 204), WriteProblems),
)]
pub(super) async fn delete(State(app): State<App>, Call(call): Call) -> Result<StatusCode, Error> {
    app.delete_webhook(&call.caller, call.instance()?, call.param("webhook"))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret, shown this once; the one of before signs along for
/// a while, if asked.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/webhooks/{webhook}/rotate",
    operation_id = "rotateWebhookSecret",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook, Once),
    request_body = RotateWebhook,
    responses((status = 200, body = NewWebhookView), WriteProblems),
)]
pub(super) async fn rotate(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<NewWebhookView>, Error> {
    let (name, id) = (call.instance()?, call.param("webhook"));
    let asked: RotateWebhook = if http_body::Body::is_end_stream(&body) {
        RotateWebhook::default()
    } else {
        body::json(body).await?
    };
    if asked.grace_s > LONGEST_GRACE {
        return Err(refuse("`grace_s` may be 604800, a week"));
    }
    let secret = new_secret(&app);
    let now = app.now();
    let until = now.after(Duration::from_secs(asked.grace_s.into()));
    let rotated = app
        .rotate_webhook_secret(&call.caller, name, id, secret.clone(), until)
        .await?;
    Ok(Json(NewWebhookView {
        webhook: WebhookView::of(rotated, now),
        secret,
    }))
}

/// Sends a test event, `webhook.test`, which goes before all that waits.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/webhooks/{webhook}/test",
    operation_id = "testWebhook",
    tag = "webhooks",
    security(("token" = [])),
    params(OfWebhook, Once),
    responses((status = 202, body = TestView), WriteProblems),
)]
pub(super) async fn test(
    State(app): State<App>,
    Call(call): Call,
) -> Result<(StatusCode, Json<TestView>), Error> {
    let event_id = app
        .test_webhook(&call.caller, call.instance()?, call.param("webhook"))
        .await?;
    Ok((StatusCode::ACCEPTED, Json(TestView { event_id })))
}
