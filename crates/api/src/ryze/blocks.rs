//! What `instance/new` takes beside the name, and how it is shown.
//!
//! Fields are kept under the names the answers show them by. Chatwoot, proxy and
//! S3 are no features of labelwire: their blocks are kept, and shown the way the
//! documents show a block that failed (`enabled` false, with the reason), because
//! a proxy that looks on and is not used would be worse than an error.

use labelwire_app::settings::{Fields, Settings};
use labelwire_app::webhooks::Webhook;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::events::all_names;
use super::settings::{SETTINGS, fields, shape};
use super::webhooks::{DEFAULT, SetWebhook, WEBSOCKET};
use crate::told;
use crate::whole::whole;

/// The other groups, by the prefix their fields have in `instance/new`.
const BLOCKS: [&str; 4] = [WEBSOCKET, "chatwoot", "proxy", "s3"];

/// An instance to make. What else is in the body is ignored.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewInstance {
    /// 1 to 100 letters, digits, `_` or `-`.
    #[schema(value_type = String, required, pattern = "^[A-Za-z0-9_-]{1,100}$", example = "shop")]
    pub(super) name: Option<String>,
    /// A token of the caller's choice, 16 to 200 visible ASCII characters; one is
    /// made without it.
    #[schema(pattern = "^([!-~]{16,200})?$")]
    pub(super) token: Option<String>,
    /// Kept; labelwire uses no proxy.
    proxy_enabled: Option<bool>,
    proxy_host: Option<String>,
    proxy_port: Option<String>,
    proxy_protocol: Option<String>,
    proxy_username: Option<String>,
    /// Kept, never shown.
    proxy_password: Option<String>,
    webhook_enabled: Option<bool>,
    #[serde(rename = "webhookURL")]
    webhook_url: Option<String>,
    /// Sent as `Authorization` with each delivery.
    webhook_authorization: Option<String>,
    webhook_by_events: Option<bool>,
    /// All events where it is left out.
    webhook_events: Option<Vec<String>>,
    webhook_media_base64: Option<bool>,
    websocket_enabled: Option<bool>,
    /// All events where it is left out.
    websocket_events: Option<Vec<String>>,
    websocket_media_base64: Option<bool>,
    /// Kept; labelwire does not speak to Chatwoot.
    chatwoot_enabled: Option<bool>,
    chatwoot_base_url: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    #[schema(required = false, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    chatwoot_account_id: Option<i32>,
    /// Kept, never shown.
    chatwoot_api_token: Option<String>,
    chatwoot_inbox_name: Option<String>,
    chatwoot_sign_messages: Option<bool>,
    chatwoot_ignore_groups: Option<bool>,
    chatwoot_start_as_pending: Option<bool>,
    chatwoot_reopen_resolved: Option<bool>,
    auto_reject_calls: Option<bool>,
    call_reject_message: Option<String>,
    ignore_group_messages: Option<bool>,
    keep_online_status: Option<bool>,
    auto_read_messages: Option<bool>,
    disable_history_sync: Option<bool>,
    ignore_status: Option<bool>,
    /// Kept; labelwire stores no media.
    s3_enabled: Option<bool>,
    s3_region: Option<String>,
    s3_bucket: Option<String>,
    /// Kept, never shown.
    s3_access_key: Option<String>,
    /// Kept, never shown.
    s3_secret_key: Option<String>,
    s3_endpoint: Option<String>,
    s3_path_prefix: Option<String>,
}

impl NewInstance {
    /// What it sets, by group: `webhookByEvents` is `byEvents` of `webhook`.
    pub(super) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        let mut fields = fields(self);
        // A webhook is no setting: see `webhook`.
        let webhook = |key: &str| key.starts_with("webhook");
        fields.retain(|key, _| key != "name" && key != "token" && !webhook(key));
        for (key, value) in fields {
            let block = BLOCKS.into_iter().find_map(|block| {
                let field = key.strip_prefix(block)?;
                Some((block, lower_first(field)))
            });
            let (group, field) = block.unwrap_or((SETTINGS, key));
            settings.put(group, Fields::from_iter([(field, value)]));
        }
        settings
    }

    /// The webhook it sets, where it sets one.
    pub(super) fn webhook(self) -> Option<SetWebhook> {
        let asked = SetWebhook {
            label: None,
            enabled: self.webhook_enabled,
            url: self.webhook_url,
            authorization: self.webhook_authorization,
            by_events: self.webhook_by_events,
            events: self.webhook_events,
            media_base64: self.webhook_media_base64,
        };
        (asked.enabled == Some(true) || asked.url.is_some()).then_some(asked)
    }
}

/// `ByEvents` as `byEvents`, `URL` as `url`.
fn lower_first(field: &str) -> String {
    if field.bytes().all(|b| b.is_ascii_uppercase()) {
        return field.to_ascii_lowercase();
    }
    let (first, rest) = field.split_at(1.min(field.len()));
    format!("{}{rest}", first.to_ascii_lowercase())
}

/// A webhook.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Webhook)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WebhookView {
    #[schema(required, example = "default")]
    label: String,
    #[schema(required)]
    enabled: bool,
    #[schema(required)]
    url: String,
    /// Empty where the token may not change settings.
    #[schema(required)]
    authorization: String,
    #[schema(required)]
    by_events: bool,
    #[schema(required)]
    events: Vec<String>,
    #[schema(required)]
    media_base64: bool,
}

/// A WebSocket.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Websocket)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ChannelView {
    #[schema(required)]
    enabled: bool,
    #[schema(required)]
    pub(super) events: Vec<String>,
    #[schema(required)]
    media_base64: bool,
}

/// A bridge to Chatwoot. Its token is not shown.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Chatwoot)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ChatwootView {
    #[schema(required)]
    enabled: bool,
    #[schema(required)]
    base_url: String,
    #[schema(required)]
    account_id: i32,
    #[schema(required)]
    inbox_name: String,
    #[schema(required)]
    sign_messages: bool,
    #[schema(required)]
    ignore_groups: bool,
    #[schema(required)]
    start_as_pending: bool,
    #[schema(required)]
    reopen_resolved: bool,
    /// `error`, where it was switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    status: Option<String>,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    error: Option<String>,
}

/// A proxy. Its password is not shown.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Proxy)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ProxyView {
    #[schema(required)]
    enabled: bool,
    #[schema(required)]
    host: String,
    #[schema(required)]
    port: String,
    #[schema(required)]
    protocol: String,
    #[schema(required)]
    username: String,
    /// `error`, where it was switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    status: Option<String>,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    error: Option<String>,
}

/// Where media would go. Its keys are not shown.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = S3)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct S3View {
    #[schema(required)]
    enabled: bool,
    #[schema(required)]
    region: String,
    #[schema(required)]
    bucket: String,
    #[schema(required)]
    endpoint: String,
    #[schema(required)]
    path_prefix: String,
    /// `error`, where it was switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    status: Option<String>,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    error: Option<String>,
}

/// Switches a block off that was switched on; what its answer says of that.
fn off(enabled: &mut bool, why: &str) -> (Option<String>, Option<String>) {
    if std::mem::take(enabled) {
        (Some("error".to_owned()), Some(why.to_owned()))
    } else {
        (None, None)
    }
}

impl WebhookView {
    /// A webhook as it is configured; who may not see its secret sees none.
    pub(super) fn of(webhook: &Webhook, secrets: bool) -> Self {
        let config = &webhook.config;
        let authorization = config.headers.first().filter(|_| secrets);
        Self {
            label: webhook.name.clone(),
            enabled: webhook.enabled,
            url: config.url.clone(),
            authorization: authorization.map_or_else(String::new, |(_, value)| value.clone()),
            by_events: config.by_event,
            events: told::asked(config),
            media_base64: config.extra["mediaBase64"] == true,
        }
    }
}

/// The webhook an instance is shown with: the one that is meant where none is named.
pub(super) fn webhook(webhooks: &[Webhook], secrets: bool) -> WebhookView {
    let default = webhooks.iter().find(|w| w.name == DEFAULT);
    default.map_or_else(
        || WebhookView {
            label: DEFAULT.to_owned(),
            ..WebhookView::default()
        },
        |webhook| WebhookView::of(webhook, secrets),
    )
}

/// An instance's WebSocket.
pub(super) fn websocket(settings: &Settings) -> ChannelView {
    channel(settings.group(WEBSOCKET))
}

/// A WebSocket's settings as they are shown. Switched off, it forgets all else.
pub(super) fn channel(kept: Fields) -> ChannelView {
    let mut view: ChannelView = shape(kept);
    if !view.enabled {
        view = ChannelView::default();
    } else if view.events.is_empty() {
        view.events = all_names();
    }
    view
}

/// An instance's bridge to Chatwoot.
pub(super) fn chatwoot(settings: &Settings) -> ChatwootView {
    let mut view: ChatwootView = shape(settings.group("chatwoot"));
    (view.status, view.error) = off(&mut view.enabled, "labelwire has no bridge to Chatwoot");
    view
}

/// An instance's proxy.
pub(super) fn proxy(settings: &Settings) -> ProxyView {
    let mut view: ProxyView = shape(settings.group("proxy"));
    (view.status, view.error) = off(&mut view.enabled, "labelwire connects without a proxy");
    view
}

/// An instance's S3 store.
pub(super) fn s3(settings: &Settings) -> S3View {
    let mut view: S3View = shape(settings.group("s3"));
    (view.status, view.error) = off(&mut view.enabled, "labelwire stores no media");
    view
}
