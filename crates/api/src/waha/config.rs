//! A session's `config`: its webhooks are webhooks of ours, all else is kept and shown.

use labelwire_app::settings::{Fields, Settings};
use labelwire_app::webhook_sets::Listed;
use labelwire_app::webhooks::{self, Webhook};
use labelwire_app::{App, Caller};
use labelwire_domain::webhook::{Config, Dialect, Filter, Schedule, Secret};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::error::Error;
use super::events::NAMES;
use crate::told;

/// The group of settings it is kept in, and its field there.
const GROUP: &str = "waha";
const CONFIG: &str = "config";
/// Webhooks of one session.
const MOST: usize = 20;

/// How a session is configured; what is not named here is kept and shown.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SessionConfig)]
pub(super) struct SessionConfig {
    /// The caller's own texts, told with each event.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    metadata: Option<Map<String, Value>>,
    /// Where events go.
    #[serde(default)]
    #[schema(max_items = 20)]
    webhooks: Option<Vec<WebhookConfig>>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// Where events go, and which.
#[derive(Debug, Deserialize, ToSchema)]
struct WebhookConfig {
    #[schema(
        pattern = "^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$",
        max_length = 2000,
        example = "https://example.org/hook"
    )]
    url: String,
    /// Names of events, or `*`. Names of what labelwire does not see are kept and never
    /// come.
    #[schema(value_type = Vec<EventName>, example = json!(["label.chat.added", "session.status"]))]
    events: Vec<String>,
    /// With it, deliveries are signed: HMAC-SHA-512 of the body, in hexadecimal.
    hmac: Option<HmacConfig>,
    /// Over three days with growing pauses where it is left out.
    retries: Option<RetriesConfig>,
    #[serde(rename = "customHeaders")]
    #[schema(max_items = 30)]
    custom_headers: Option<Vec<CustomHeader>>,
}

/// The name of an event, or `*` for all.
#[derive(Debug, ToSchema)]
#[schema(pattern = r"^([a-z0-9.]{1,60}|\*)$", example = "session.status")]
#[expect(dead_code, reason = "describes what is read as text")]
struct EventName(String);

/// How deliveries are signed.
#[derive(Debug, Deserialize, ToSchema)]
struct HmacConfig {
    #[schema(max_length = 500, example = "your-secret-key")]
    key: Option<String>,
}

/// When a delivery that failed is tried again.
#[derive(Debug, Deserialize, ToSchema)]
struct RetriesConfig {
    /// `constant`, `linear` or `exponential`; `linear` where it is left out.
    #[schema(value_type = Option<RetriesPolicy>)]
    policy: Option<String>,
    /// The first pause; 2 where it is left out.
    #[serde(rename = "delaySeconds", default, deserialize_with = "whole")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 86400)]
    delay_seconds: Option<u32>,
    /// Tries after the first; 15 where it is left out.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 1000)]
    attempts: Option<u32>,
}

/// How pauses grow.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes what is read as text")]
enum RetriesPolicy {
    Constant,
    Linear,
    Exponential,
}

/// A header to send along.
#[derive(Debug, Deserialize, ToSchema)]
struct CustomHeader {
    #[schema(pattern = "^[A-Za-z0-9-]{1,100}$", example = "X-My-Header")]
    name: String,
    #[schema(pattern = "^[ -~]*$", max_length = 2000)]
    value: String,
}

fn whole<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let number = Option::<f64>::deserialize(from)?;
    number
        .map(|n| {
            let is_whole = n.fract() == 0.0 && (0.0..=86_400.0).contains(&n);
            let whole = || format!("{n:.0}").parse().ok();
            is_whole
                .then(whole)
                .flatten()
                .ok_or_else(|| serde::de::Error::custom("a whole number of 0 to 86400 is expected"))
        })
        .transpose()
}

impl SessionConfig {
    /// What is kept as it is, and the webhooks; checked, so that neither is refused later.
    ///
    /// # Errors
    /// 400 for what makes no sense.
    pub(super) fn read(self) -> Result<(Settings, Vec<Listed>), Error> {
        let metadata = self.metadata.unwrap_or_default();
        if metadata.values().any(|value| !value.is_string()) {
            return Err(Error::bad("metadata must hold texts only"));
        }
        let asked = self.webhooks.unwrap_or_default();
        if asked.len() > MOST {
            return Err(Error::bad(format!(
                "config.webhooks must contain no more than {MOST} elements"
            )));
        }
        let webhooks: Vec<Listed> = asked
            .into_iter()
            .enumerate()
            .map(|(at, webhook)| webhook.read(at, &metadata))
            .collect::<Result<_, _>>()?;
        let mut kept = self.rest;
        if !metadata.is_empty() {
            kept.insert("metadata".to_owned(), metadata.into());
        }
        let mut settings = Settings::default();
        let field = (CONFIG.to_owned(), Value::Object(kept));
        settings.put(GROUP, Fields::from_iter([field]));
        Ok((settings, webhooks))
    }
}

impl WebhookConfig {
    fn read(self, at: usize, metadata: &Map<String, Value>) -> Result<Listed, Error> {
        let is_name = |name: &String| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.';
            name == "*" || (!name.is_empty() && name.len() <= 60 && name.bytes().all(plain))
        };
        if !self.events.iter().all(is_name) {
            return Err(Error::bad(
                "each value in events must be the name of an event, or *",
            ));
        }
        let retries = self.retries.map(RetriesConfig::read).transpose()?;
        let (retries, shown) = retries.unwrap_or_default();
        let key = self.hmac.and_then(|hmac| hmac.key);
        let key = key.filter(|key| !key.is_empty());
        let kinds = told::kinds(NAMES, &self.events);
        let headers = self.custom_headers.unwrap_or_default();
        let config = Config {
            url: self.url.trim().to_owned(),
            message_text: told::wants_messages(&kinds),
            filter: Filter {
                events: kinds,
                ..Filter::default()
            },
            by_event: false,
            headers: headers.into_iter().map(|h| (h.name, h.value)).collect(),
            secrets: key
                .map(|text| Secret { text, until: None })
                .into_iter()
                .collect(),
            retries,
            extra: json!({
                "at": at,
                "events": self.events,
                "retries": shown,
                "metadata": metadata,
            }),
        };
        webhooks::check("webhook", true, &config)?;
        Ok(Listed {
            enabled: true,
            config,
        })
    }
}

impl RetriesConfig {
    fn read(self) -> Result<(Schedule, Value), Error> {
        let delay_s = self.delay_seconds.unwrap_or(2).max(1);
        let attempts = self.attempts.unwrap_or(15).min(1_000);
        let policy = self.policy.as_deref().unwrap_or("linear");
        let schedule = match policy {
            "constant" => Schedule::Constant { delay_s, attempts },
            "linear" => Schedule::Linear { delay_s, attempts },
            "exponential" => Schedule::Exponential { delay_s, attempts },
            _ => {
                return Err(Error::bad(
                    "policy must be one of the following values: linear, exponential, constant",
                ));
            }
        };
        let shown = json!({"delaySeconds": delay_s, "attempts": attempts, "policy": policy});
        Ok((schedule, shown))
    }
}

/// A session's configuration as it is shown; its secrets only to who may set them.
pub(super) fn view(kept: &Fields, webhooks: &[Webhook], secrets: bool) -> Value {
    let mut config = match kept.get(CONFIG) {
        Some(Value::Object(config)) => config.clone(),
        _ => Map::new(),
    };
    let mut webhooks: Vec<&Webhook> = webhooks.iter().collect();
    webhooks.sort_by_key(|w| w.config.extra["at"].as_u64());
    let webhooks: Vec<Value> = webhooks.into_iter().map(|w| shown(w, secrets)).collect();
    if !webhooks.is_empty() {
        config.insert("webhooks".to_owned(), webhooks.into());
    }
    config.into()
}

fn shown(webhook: &Webhook, secrets: bool) -> Value {
    let config = &webhook.config;
    let mut view = json!({"url": config.url, "events": told::asked(config)});
    if let Some(secret) = config.secrets.first().filter(|_| secrets) {
        view["hmac"] = json!({"key": secret.text});
    }
    if config.extra["retries"].is_object() {
        view["retries"] = config.extra["retries"].clone();
    }
    if secrets && !config.headers.is_empty() {
        let headers = config.headers.iter();
        view["customHeaders"] = headers
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
    }
    view
}

/// The configuration of one session, for who may see it.
///
/// # Errors
/// The database's; as [`App::settings`].
pub(super) async fn of(
    app: &App,
    caller: &Caller,
    name: &str,
) -> Result<Value, labelwire_app::Error> {
    use labelwire_domain::token::Scope;

    let handle = app.instance(caller, Scope::Read, name)?;
    let kept = app.settings(caller, name, GROUP).await?;
    let secrets = caller.scopes.has(Scope::Admin);
    let mut all = app.all_webhooks(caller, Dialect::Waha).await?;
    let own = all.remove(&handle.key).unwrap_or_default();
    Ok(view(&kept, &own, secrets))
}

/// The fields of one session among all settings.
pub(super) fn kept(settings: Option<&Settings>) -> Fields {
    settings.map(|s| s.group(GROUP)).unwrap_or_default()
}

/// What the caller wants told with each event.
pub(super) fn metadata(kept: &Fields) -> Value {
    let config = kept.get(CONFIG);
    config.map_or(Value::Null, |config| config["metadata"].clone())
}

/// Configures a session anew.
///
/// # Errors
/// As [`App::replace_webhooks`].
pub(super) async fn set(
    app: &App,
    caller: &Caller,
    name: &str,
    settings: &Settings,
    webhooks: Vec<Listed>,
) -> Result<(), labelwire_app::Error> {
    app.replace_webhooks(caller, name, Dialect::Waha, webhooks)
        .await?;
    app.update_settings(caller, name, GROUP, settings.group(GROUP))
        .await?;
    Ok(())
}
