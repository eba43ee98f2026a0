//! Where an instance's events go: webhooks by label, and the WebSocket's settings.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::settings::Fields;
use labelwire_app::webhooks::{self, Webhook};
use labelwire_app::{App, Caller};
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::{Config, Dialect, Filter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Call;
use super::blocks::{ChannelView, WebhookView, channel};
use super::error::{Error, ErrorView};
use super::events::{NAMES, all_names};
use super::settings::fields;
use super::view::OfInstance;
use crate::body;
use crate::told;

/// The group the WebSocket's settings are kept in.
pub(super) const WEBSOCKET: &str = "websocket";
/// The webhook that is meant where none is named.
pub(super) const DEFAULT: &str = "default";
/// Webhooks of one instance that may be on at once.
const MAX_ENABLED: usize = 3;

/// A webhook to set. One of the same label is replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SetWebhook {
    /// `default` where it is left out or blank.
    #[schema(
        example = "default",
        max_length = 100,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    pub(super) label: Option<String>,
    /// On where it is left out and there is a `url`. Switched off, a webhook forgets all
    /// else but `byEvents`.
    pub(super) enabled: Option<bool>,
    /// Required where it is on.
    #[schema(
        pattern = "^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?)?$",
        max_length = 2000,
        example = "https://example.org/hook"
    )]
    pub(super) url: Option<String>,
    /// Sent as the header `Authorization` of each delivery, as it is.
    #[schema(pattern = "^[ -~]*$", max_length = 2000, example = "Bearer svc-token")]
    pub(super) authorization: Option<String>,
    /// Whether `/` and the event's name are added to the URL.
    pub(super) by_events: Option<bool>,
    /// All events where it is left out or empty.
    #[schema(value_type = Option<Vec<EventName>>)]
    pub(super) events: Option<Vec<String>>,
    /// Kept; labelwire sends no media.
    pub(super) media_base64: Option<bool>,
}

/// The name of an event.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read as text")]
enum EventName {
    #[schema(rename = "message.exchange")]
    MessageExchange,
    #[schema(rename = "message.status")]
    MessageStatus,
    #[schema(rename = "call.update")]
    CallUpdate,
    #[schema(rename = "group.flow")]
    GroupFlow,
    #[schema(rename = "instance.state")]
    InstanceState,
    #[schema(rename = "label.update")]
    LabelUpdate,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAnswer)]
pub(super) struct WebhookAnswer {
    success: bool,
    #[schema(example = "Webhook configured successfully")]
    message: &'static str,
    webhook: WebhookView,
}

/// All webhooks, or the one that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhooks)]
pub(super) struct WebhooksView {
    success: bool,
    #[schema(example = "Webhook configuration retrieved")]
    message: &'static str,
    /// By label; absent where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<WebhookView>, required = false)]
    webhooks: Option<Vec<WebhookView>>,
    /// The one asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = WebhookView, required = false)]
    webhook: Option<WebhookView>,
}

/// Sets the webhook of a label.
#[utoipa::path(
    post,
    path = "/api/events/webhook/{instance}",
    tag = "events",
    params(OfInstance),
    request_body = SetWebhook,
    responses(
        (status = 200, description = "The webhook as it is now", body = WebhookAnswer),
        (status = 409, description = "Three webhooks are on already", body = ErrorView),
    ),
)]
pub(super) async fn set(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<WebhookAnswer>, Error> {
    let name = call.instance()?;
    // Who may not set them learns so before the body is looked at.
    app.instance(&call.caller, Scope::Admin, name)?;
    let asked: SetWebhook = body::json(body).await?;
    let webhook = put(&app, &call.caller, name, asked).await?;
    Ok(Json(WebhookAnswer {
        success: true,
        message: "Webhook configured successfully",
        webhook: WebhookView::of(&webhook, true),
    }))
}

/// Sets a webhook as this dialect does.
pub(super) async fn put(
    app: &App,
    caller: &Caller,
    name: &str,
    asked: SetWebhook,
) -> Result<Webhook, Error> {
    let label = asked.label.as_deref().map(str::trim);
    let label = label.filter(|l| !l.is_empty()).unwrap_or(DEFAULT);
    let url = asked.url.as_deref().map(str::trim).unwrap_or_default();
    let enabled = asked.enabled.unwrap_or(!url.is_empty());
    if enabled && url.is_empty() {
        return Err(Error::bad("Webhook url is required"));
    }
    let by_event = asked.by_events.unwrap_or(false);
    let events = events(asked.events)?;
    let kinds = told::kinds(NAMES, &events);
    let authorization = asked.authorization.filter(|value| !value.is_empty());
    let authorization = authorization.map(|value| ("Authorization".to_owned(), value));
    let mut config = Config {
        url: url.to_owned(),
        by_event,
        message_text: told::wants_messages(&kinds),
        filter: Filter {
            events: kinds,
            ..Filter::default()
        },
        headers: authorization.into_iter().collect(),
        extra: json!({"events": events, "mediaBase64": asked.media_base64 == Some(true)}),
        ..nowhere()
    };
    if enabled {
        let others = app.webhooks(caller, name, Some(Dialect::Ryze)).await?;
        let others = others.iter().filter(|w| w.enabled && w.name != label);
        if others.count() >= MAX_ENABLED {
            return Err(Error::new(
                StatusCode::CONFLICT,
                "Webhook limit reached: an instance may have 3 enabled webhooks",
            ));
        }
    } else {
        // What makes no sense is refused, though nothing of it would be kept.
        webhooks::check(label, enabled, &config)?;
        config = Config {
            by_event,
            ..nowhere()
        };
    }
    let put = app.put_webhook(caller, name, Dialect::Ryze, label, enabled, &config);
    Ok(put.await?)
}

/// A webhook that is off.
fn nowhere() -> Config {
    Config {
        url: String::new(),
        filter: Filter::default(),
        by_event: false,
        headers: Vec::new(),
        secrets: Vec::new(),
        retries: labelwire_domain::webhook::Schedule::default(),
        message_text: false,
        extra: json!({"events": [], "mediaBase64": false}),
    }
}

/// The events asked for; all where none is named.
fn events(asked: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    let asked = asked.unwrap_or_default();
    if let Some(unknown) = asked.iter().find(|a| NAMES.iter().all(|(n, _)| n != a)) {
        let unknown: String = unknown.chars().take(60).collect();
        return Err(Error::bad(format!("Unknown event: {unknown}")));
    }
    Ok(if asked.is_empty() { all_names() } else { asked })
}

/// The webhooks of an instance, by label; with `label` that one.
#[utoipa::path(
    get,
    path = "/api/events/getWebhook/{instance}",
    tag = "events",
    params(OfInstance, ("label" = Option<String>, Query, description = "Only this one; blank is `default`")),
    responses((status = 200, description = "The webhooks", body = WebhooksView)),
)]
pub(super) async fn get(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<WebhooksView>, Error> {
    let found = app
        .webhooks(&call.caller, call.instance()?, Some(Dialect::Ryze))
        .await?;
    let mut views = found
        .iter()
        .map(|w| (w.name.as_str(), WebhookView::of(w, true)));
    let (webhooks, webhook) = if call.query.has("label") {
        let label = call.query.text("label").unwrap_or(DEFAULT);
        let one = views.find(|(name, _)| *name == label).map(|(_, view)| view);
        let none = || Error::new(StatusCode::NOT_FOUND, "Webhook not found");
        (None, Some(one.ok_or_else(none)?))
    } else {
        (Some(views.map(|(_, view)| view).collect()), None)
    };
    Ok(Json(WebhooksView {
        success: true,
        message: "Webhook configuration retrieved",
        webhooks,
        webhook,
    }))
}

/// What the WebSocket is to tell.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SetWebsocket {
    /// On where it is left out. Switched off, it forgets all else; open sockets stay.
    pub(super) enabled: Option<bool>,
    /// All events where it is left out or empty.
    #[schema(value_type = Option<Vec<EventName>>)]
    pub(super) events: Option<Vec<String>>,
    /// Kept; labelwire sends no media.
    pub(super) media_base64: Option<bool>,
}

/// A WebSocket's settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebsocketAnswer)]
pub(super) struct WebsocketAnswer {
    success: bool,
    #[schema(example = "WebSocket configuration retrieved")]
    message: &'static str,
    websocket: ChannelView,
}

/// Sets what `GET /ws/{instance}` tells.
#[utoipa::path(
    post,
    path = "/api/events/websocket/{instance}",
    tag = "events",
    params(OfInstance),
    request_body = SetWebsocket,
    responses((status = 200, description = "The settings as they are now", body = WebsocketAnswer)),
)]
pub(super) async fn set_websocket(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<WebsocketAnswer>, Error> {
    let name = call.instance()?;
    app.instance(&call.caller, Scope::Admin, name)?;
    let mut asked: SetWebsocket = body::json(body).await?;
    let events = events(asked.events.take())?;
    if asked.enabled.unwrap_or(true) {
        asked.events = Some(events);
        asked.media_base64.get_or_insert(false);
    } else {
        asked.events = Some(Vec::new());
        asked.media_base64 = Some(false);
    }
    asked.enabled.get_or_insert(true);
    let kept = app
        .update_settings(&call.caller, name, WEBSOCKET, fields(&asked))
        .await
        .map_err(|e| Error::from(e).named("Failed to get websocket configuration"))?;
    Ok(Json(WebsocketAnswer {
        success: true,
        message: "WebSocket configured successfully",
        websocket: channel(kept),
    }))
}

/// What `GET /ws/{instance}` tells.
#[utoipa::path(
    get,
    path = "/api/events/getWebsocket/{instance}",
    tag = "events",
    params(OfInstance),
    responses(
        (status = 200, description = "The settings", body = WebsocketAnswer),
        (status = 404, description = "No such instance, or it was never configured", body = ErrorView),
    ),
)]
pub(super) async fn get_websocket(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<WebsocketAnswer>, Error> {
    let kept = app
        .settings(&call.caller, call.instance()?, WEBSOCKET)
        .await
        .map_err(|e| Error::from(e).named("Failed to get websocket configuration"))?;
    if !is_configured(&kept) {
        return Err(Error::new(
            StatusCode::NOT_FOUND,
            "WebSocket not configured for this instance",
        ));
    }
    Ok(Json(WebsocketAnswer {
        success: true,
        message: "WebSocket configuration retrieved",
        websocket: channel(kept),
    }))
}

fn is_configured(kept: &Fields) -> bool {
    kept.get("enabled").is_some_and(Value::is_boolean)
}
