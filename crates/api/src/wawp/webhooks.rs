//! Where a session's events go: its webhooks, each known by its URL.

use axum::Json;
use axum::extract::State;
use labelwire_app::webhook_sets::{Listed, name_of};
use labelwire_app::webhooks::{self, Webhook};
use labelwire_app::{App, Error as AppError};
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::{Config, Dialect, Filter, Schedule, Secret};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::call::{Call, Said};
use super::error::Error;
use super::events::NAMES;
use super::view::DoneView;
use crate::told;

/// Webhooks of one session.
const MOST: usize = 20;

/// When a delivery that failed is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retries {
    /// Seconds between two tries.
    #[schema(minimum = 1, maximum = 86400)]
    delay: u32,
    /// Tries after the first.
    #[schema(minimum = 0, maximum = 1000)]
    attempts: u32,
}

/// When a delivery that failed is to be tried again.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
struct RetriesBody {
    /// Seconds between two tries; 2 where it is left out.
    #[schema(minimum = 1, maximum = 86400)]
    delay: Option<u32>,
    /// Tries after the first; 15 where it is left out.
    #[schema(minimum = 0, maximum = 1000)]
    attempts: Option<u32>,
}

/// A webhook to set.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct WebhookBody {
    #[schema(example = "https://example.org/hook")]
    url: String,
    /// Names of events, or `*`.
    #[schema(example = json!(["label.chat.added"]))]
    events: Vec<String>,
    /// `0`: kept, and nothing is sent to it. `1` where it is left out.
    is_active: Option<i32>,
    /// Over three days with growing pauses where it is left out.
    retries: Option<RetriesBody>,
    /// With it, deliveries are signed: `X-Wawp-Signature` is HMAC-SHA-256 of the body, in
    /// hexadecimal.
    hmac: Option<String>,
    name: Option<String>,
}

/// What to change of the webhook of this URL; what is left out stays.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct WebhookChange {
    #[schema(example = "https://example.org/hook")]
    url: String,
    events: Option<Vec<String>>,
    is_active: Option<i32>,
    retries: Option<RetriesBody>,
    hmac: Option<String>,
    name: Option<String>,
}

/// All webhooks of a session.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct WebhooksBody {
    webhooks: Vec<WebhookBody>,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    url: String,
    events: Vec<String>,
    is_active: bool,
    /// Absent where the gateway's own schedule holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Retries, required = false)]
    retries: Option<Value>,
    /// The key deliveries are signed with; absent where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    hmac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
}

impl WebhookView {
    /// A webhook; its key only for who may set it.
    pub(super) fn new(webhook: &Webhook, secrets: bool) -> Self {
        let config = &webhook.config;
        let key = config.secrets.first().filter(|_| secrets);
        Self {
            url: config.url.clone(),
            events: told::asked(config),
            is_active: webhook.enabled,
            retries: Some(config.extra["retries"].clone()).filter(Value::is_object),
            hmac: key.map(|secret| secret.text.clone()),
            name: config.extra["name"].as_str().map(str::to_owned),
        }
    }
}

/// A session's webhooks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookList)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhooksView {
    webhooks: Vec<WebhookView>,
    system_config: SystemView,
}

/// Webhooks of the whole gateway; there are none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SystemConfig)]
struct SystemView {}

/// A session's webhooks, in the order they were set in.
pub(super) fn in_order(mut webhooks: Vec<Webhook>) -> Vec<Webhook> {
    webhooks.sort_by_key(|w| (w.config.extra["at"].as_u64(), w.created_at));
    webhooks
}

/// Where a session's events go.
#[utoipa::path(
    get,
    path = "/v2/session/webhook",
    tag = "webhooks",
    responses((status = 200, body = WebhooksView)),
)]
pub(super) async fn list(State(app): State<App>, call: Call) -> Result<Json<WebhooksView>, Error> {
    let all = of(&app, &call).await?.1;
    Ok(Json(WebhooksView {
        webhooks: all.iter().map(|w| WebhookView::new(w, true)).collect(),
        system_config: SystemView {},
    }))
}

/// Sets all of a session's webhooks; those not named are gone.
#[utoipa::path(
    post,
    path = "/v2/session/webhook",
    tag = "webhooks",
    request_body = WebhooksBody,
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn replace(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    let name = call.instance(&app)?;
    app.instance(&call.caller, Scope::Admin, &name)?;
    let must = || Error::parameter("`webhooks` must be an array of objects");
    let asked = call.said.value(&["webhooks"])?.ok_or_else(must)?;
    let asked = written(asked);
    let asked = asked.as_array().ok_or_else(must)?;
    if asked.len() > MOST {
        return Err(Error::parameter(format!(
            "`webhooks` may hold at most {MOST}"
        )));
    }
    let mut wanted = Vec::new();
    for (at, item) in (0..).zip(asked) {
        let item = item.as_object().ok_or_else(must)?;
        let asked = Asked::of_object(item)?;
        wanted.push(asked.whole(at)?);
    }
    app.replace_webhooks(&call.caller, &name, Dialect::Wawp, wanted)
        .await?;
    Ok(Json(DoneView::DONE))
}

/// Sets the webhook of a URL; of one that is there, `retries`, `hmac` and `name` stay where
/// they are left out.
#[utoipa::path(
    post,
    path = "/v2/webhook/set",
    tag = "webhooks",
    request_body = WebhookBody,
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn set(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    let (name, all) = of(&app, &call).await?;
    let asked = Asked::of_said(&call.said)?;
    if asked.events.is_none() {
        return Err(no_events());
    }
    let known = all.iter().find(|w| w.config.url == asked.url);
    if known.is_none() && all.len() >= MOST {
        return Err(AppError::TooManyWebhooks(MOST).into());
    }
    let (caller, url) = (&call.caller, asked.url.clone());
    if let Some(known) = known {
        let asked = Asked {
            is_active: asked.is_active.or(Some(true)),
            ..asked
        };
        let (enabled, config) = asked.onto(known)?;
        app.set_webhook(caller, &name, &known.id, enabled, &config)
            .await?;
    } else {
        let last = all.last().and_then(|w| w.config.extra["at"].as_u64());
        let Listed { enabled, config } = asked.whole(last.map_or(0, |at| at.saturating_add(1)))?;
        let own = name_of(&url);
        app.put_webhook(caller, &name, Dialect::Wawp, &own, enabled, &config)
            .await?;
    }
    Ok(Json(DoneView::DONE))
}

/// Changes the webhook of a URL.
#[utoipa::path(
    patch,
    path = "/v2/webhook/update",
    tag = "webhooks",
    request_body = WebhookChange,
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn update(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    let (name, all) = of(&app, &call).await?;
    let asked = Asked::of_said(&call.said)?;
    let known = find(all, &asked.url)?;
    let (enabled, config) = asked.onto(&known)?;
    app.set_webhook(&call.caller, &name, &known.id, enabled, &config)
        .await?;
    Ok(Json(DoneView::DONE))
}

/// Removes the webhook of a URL.
#[utoipa::path(
    delete,
    path = "/v2/webhook/delete",
    tag = "webhooks",
    params(("url" = String, Query, description = "Of which webhook")),
    responses((status = 200, body = DoneView)),
)]
pub(super) async fn remove(State(app): State<App>, call: Call) -> Result<Json<DoneView>, Error> {
    let (name, all) = of(&app, &call).await?;
    let known = find(all, &call.said.required(&["url"])?)?;
    app.delete_webhook(&call.caller, &name, &known.id).await?;
    Ok(Json(DoneView::DONE))
}

async fn of(app: &App, call: &Call) -> Result<(String, Vec<Webhook>), Error> {
    let name = call.instance(app)?;
    let all = app
        .webhooks(&call.caller, &name, Some(Dialect::Wawp))
        .await?;
    Ok((name, in_order(all)))
}

fn find(all: Vec<Webhook>, url: &str) -> Result<Webhook, Error> {
    let mut all = all.into_iter();
    let found = all.find(|w| w.config.url == url);
    found.ok_or_else(|| AppError::WebhookNotFound(url.chars().take(60).collect()).into())
}

fn no_events() -> Error {
    Error::parameter("`events` is required")
}

/// What was said of one webhook.
#[derive(Debug, Default)]
struct Asked {
    url: String,
    events: Option<Vec<String>>,
    is_active: Option<bool>,
    retries: Option<(Schedule, Value)>,
    hmac: Option<String>,
    name: Option<String>,
}

impl Asked {
    fn of_said(said: &Said) -> Result<Self, Error> {
        let mut fields = Map::new();
        for name in ["url", "events", "is_active", "retries", "hmac", "name"] {
            if let Some(value) = said.value(&[name])? {
                fields.insert(name.to_owned(), value.clone());
            }
        }
        Self::of_object(&fields)
    }

    fn of_object(fields: &Map<String, Value>) -> Result<Self, Error> {
        let said = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let text = |name: &str| match said(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(Error::parameter(format!("`{name}` must be a string"))),
        };
        let url = text("url")?.filter(|url| !url.is_empty());
        Ok(Self {
            url: url.ok_or_else(|| Error::parameter("`url` is required"))?,
            events: said("events").map(events).transpose()?,
            is_active: said("is_active").map(switch).transpose()?,
            retries: said("retries").map(retries).transpose()?,
            hmac: text("hmac")?,
            name: text("name")?,
        })
    }

    /// A webhook that is this and nothing else, in this place of the list.
    fn whole(self, at: u64) -> Result<Listed, Error> {
        if self.events.is_none() {
            return Err(no_events());
        }
        let config = Config {
            url: self.url.clone(),
            filter: Filter::default(),
            by_event: false,
            headers: Vec::new(),
            secrets: Vec::new(),
            retries: Schedule::default(),
            message_text: false,
            extra: json!({"at": at}),
        };
        let (enabled, config) = self.written(true, config)?;
        Ok(Listed { enabled, config })
    }

    /// What a webhook is once this is changed of it.
    fn onto(self, known: &Webhook) -> Result<(bool, Config), Error> {
        self.written(known.enabled, known.config.clone())
    }

    fn written(self, enabled: bool, mut config: Config) -> Result<(bool, Config), Error> {
        if let Some(events) = self.events {
            let kinds = told::kinds(NAMES, &events);
            config.message_text = told::wants_messages(&kinds);
            config.filter.events = kinds;
            config.extra["events"] = events.into();
        }
        if let Some((schedule, shown)) = self.retries {
            config.retries = schedule;
            config.extra["retries"] = shown;
        }
        if let Some(key) = self.hmac {
            let until = None;
            let key = Some(key).filter(|key| !key.is_empty());
            config.secrets = key.map(|text| Secret { text, until }).into_iter().collect();
        }
        if let Some(name) = self.name {
            config.extra["name"] = name.into();
        }
        let enabled = self.is_active.unwrap_or(enabled);
        webhooks::check("webhook", enabled, &config)?;
        Ok((enabled, config))
    }
}

/// What a query says as JSON text, as JSON.
fn written(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|t| serde_json::from_str(t).ok());
    parsed.unwrap_or_else(|| value.clone())
}

/// A list of names: JSON, JSON as text, or names with commas between them.
fn events(value: &Value) -> Result<Vec<String>, Error> {
    let must = || Error::parameter("`events` must be an array of names of events, or `*`");
    let listed = match (written(value), value) {
        (Value::Array(items), _) => {
            let names = items.iter().map(|i| i.as_str().map(str::to_owned));
            names.collect::<Option<Vec<String>>>().ok_or_else(must)?
        }
        (_, Value::String(text)) => text.split(',').map(|n| n.trim().to_owned()).collect(),
        _ => return Err(must()),
    };
    let is_name = |name: &String| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.';
        name == "*" || (!name.is_empty() && name.len() <= 60 && name.bytes().all(plain))
    };
    if listed.is_empty() || !listed.iter().all(is_name) {
        return Err(must());
    }
    Ok(listed)
}

fn switch(value: &Value) -> Result<bool, Error> {
    match written(value) {
        Value::Bool(on) => Ok(on),
        Value::Number(n) if n.as_f64() == Some(1.0) => Ok(true),
        Value::Number(n) if n.as_f64() == Some(0.0) => Ok(false),
        _ => Err(Error::parameter("`is_active` must be 0, 1, true or false")),
    }
}

fn retries(value: &Value) -> Result<(Schedule, Value), Error> {
    let must = || {
        Error::parameter(
            "`retries` must be an object of `delay`, 1 to 86400 seconds, and `attempts`, 0 to 1000",
        )
    };
    let asked = written(value);
    let asked = asked.as_object().ok_or_else(must)?;
    let number = |name: &str, otherwise: u32, range: std::ops::RangeInclusive<u32>| {
        let number = match asked.get(name) {
            None | Some(Value::Null) => Some(otherwise),
            Some(value) => value
                .as_f64()
                .filter(|n| n.fract() == 0.0)
                .and_then(|n| format!("{n:.0}").parse().ok()),
        };
        number.filter(|n| range.contains(n)).ok_or_else(must)
    };
    let (delay, attempts) = (
        number("delay", 2, 1..=86_400)?,
        number("attempts", 15, 0..=1_000)?,
    );
    let schedule = Schedule::Constant {
        delay_s: delay,
        attempts,
    };
    Ok((schedule, json!(Retries { delay, attempts })))
}
