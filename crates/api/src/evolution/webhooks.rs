//! Where an instance's events go.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::webhooks::Webhook;
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::{Config, Dialect, Filter, Schedule};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

use super::Call;
use super::error::Error;
use super::events::NAMES;
use crate::body;
use crate::document;
use crate::told::{self, moment};

/// An instance has one.
const NAME: &str = "webhook";

/// A webhook to set: as `webhook`, or as the fields themselves.
#[derive(Debug, ToSchema)]
#[schema(as = WebhookSet)]
#[expect(dead_code, reason = "describes a body that is checked field by field")]
pub(super) struct SetWebhook {
    webhook: WebhookFields,
}

/// A webhook.
#[derive(Debug, ToSchema)]
#[schema(as = WebhookFields, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a body that is checked field by field")]
struct WebhookFields {
    /// Switched off, it forgets its events.
    enabled: bool,
    /// Required where it is on.
    #[schema(
        pattern = "^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?)?$",
        max_length = 2000,
        example = "https://example.org/hook"
    )]
    url: String,
    #[schema(schema_with = names)]
    events: Option<Vec<String>>,
    /// Whether `/` and the event's name (`labels-edit`) are added to the URL; another
    /// name of it is `webhookByEvents`.
    by_events: Option<bool>,
    /// Kept; labelwire sends no media. Another name of it is `webhookBase64`.
    base64: Option<bool>,
    #[schema(schema_with = headers_sent)]
    headers: Option<Map<String, Value>>,
}

fn names() -> Schema {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(NAMES.iter().map(|(name, _)| *name)));
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(name)
        .description(Some(
            "Names such as `LABELS_EDIT`; all where it is empty or left out.",
        ))
        .examples([json!(["LABELS_EDIT", "LABELS_ASSOCIATION"])])
        .into()
}

fn headers_sent() -> Schema {
    document::headers(document::object_or_null())
        .description(Some("Sent along, values as they are."))
        .examples([json!({"authorization": "Bearer svc"})])
        .into()
}

/// What the derived schemas cannot say: what is on goes somewhere.
pub(super) fn describe(document: &mut Value) {
    document["components"]["schemas"]["WebhookFields"]["anyOf"] = json!([
        {"properties": {"enabled": {"const": false}}},
        {"properties": {"url": {"minLength": 1}}},
    ]);
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookView {
    id: String,
    url: String,
    /// Null where there are none.
    #[schema(required, value_type = Option<Object>)]
    headers: Option<Value>,
    enabled: bool,
    events: Vec<String>,
    webhook_by_events: bool,
    webhook_base64: bool,
    created_at: String,
    updated_at: String,
    instance_id: String,
}

impl WebhookView {
    fn new(webhook: &Webhook, instance_id: &str) -> Self {
        let config = &webhook.config;
        let headers: Map<String, Value> = config
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        Self {
            id: webhook.id.clone(),
            url: config.url.clone(),
            headers: Some(Value::Object(headers)).filter(|_| !config.headers.is_empty()),
            enabled: webhook.enabled,
            events: told::asked(config),
            webhook_by_events: config.by_event,
            webhook_base64: config.extra["base64"] == true,
            created_at: moment(webhook.created_at),
            updated_at: moment(webhook.updated_at),
            instance_id: instance_id.to_owned(),
        }
    }
}

/// What a body asks for, or everything that is wrong with it.
fn read(body: &Map<String, Value>) -> Result<(bool, Config), Error> {
    let fields = match body.get("webhook") {
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(Error::bad("webhook is not of a type(s) object")),
        None => body,
    };
    let mut wrong = Vec::new();
    let mut switch = |names: &[&str], must: bool| {
        let said = names.iter().find_map(|name| fields.get(*name));
        match said {
            Some(Value::Bool(on)) => *on,
            None | Some(Value::Null) if !must => false,
            None => {
                wrong.push(format!("instance requires property \"{}\"", names[0]));
                false
            }
            Some(_) => {
                wrong.push(format!("{} is not of a type(s) boolean", names[0]));
                false
            }
        }
    };
    let enabled = switch(&["enabled"], true);
    let by_event = switch(&["byEvents", "webhookByEvents", "webhook_by_events"], false);
    let base64 = switch(&["base64", "webhookBase64", "webhook_base64"], false);
    let url = match fields.get("url") {
        Some(Value::String(url)) => url.trim(),
        None => {
            wrong.push("instance requires property \"url\"".to_owned());
            ""
        }
        Some(_) => {
            wrong.push("url is not of a type(s) string".to_owned());
            ""
        }
    };
    if url.is_empty() && wrong.is_empty() && enabled {
        wrong.push("Invalid \"url\" property".to_owned());
    }
    let events = events(fields.get("events"), &mut wrong);
    let headers = headers(fields.get("headers"), &mut wrong);
    if !wrong.is_empty() {
        return Err(Error::new(StatusCode::BAD_REQUEST, wrong));
    }
    let events = match enabled {
        false => Vec::new(),
        true if events.is_empty() => NAMES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        true => events,
    };
    let kinds = told::kinds(NAMES, &events);
    let config = Config {
        url: url.to_owned(),
        message_text: told::wants_messages(&kinds),
        filter: Filter {
            events: kinds,
            ..Filter::default()
        },
        by_event,
        headers,
        secrets: Vec::new(),
        retries: Schedule::default(),
        extra: json!({"events": events, "base64": base64}),
    };
    Ok((enabled, config))
}

fn events(said: Option<&Value>, wrong: &mut Vec<String>) -> Vec<String> {
    match said {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => {
            let is_name = |item: &Value| NAMES.iter().any(|(name, _)| item == name);
            if let Some(at) = items.iter().position(|item| !is_name(item)) {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                let names = names.join(",");
                wrong.push(format!("events[{at}] is not one of enum values: {names}"));
            }
            told::texts(&items.as_slice().into())
        }
        Some(_) => {
            wrong.push("events is not of a type(s) array".to_owned());
            Vec::new()
        }
    }
}

fn headers(said: Option<&Value>, wrong: &mut Vec<String>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    match said {
        None | Some(Value::Null) => {}
        Some(Value::Object(fields)) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(value) => headers.push((name.clone(), value.to_owned())),
                    None => wrong.push(format!("headers.{name} is not of a type(s) string")),
                }
            }
        }
        Some(_) => wrong.push("headers is not of a type(s) object".to_owned()),
    }
    headers
}

/// Sets an instance's webhook.
#[utoipa::path(
    post,
    path = "/webhook/set/{instance}",
    operation_id = "evolution_set_webhook",
    tag = "webhook",
    params(("instance" = String, Path, description = "Instance name", example = "shop")),
    request_body = SetWebhook,
    responses((status = 201, body = WebhookView)),
)]
pub(super) async fn set(
    State(app): State<App>,
    call: Call,
    body: Body,
) -> Result<(StatusCode, Json<WebhookView>), Error> {
    let handle = call.instance(&app, Scope::Admin)?;
    let body: Map<String, Value> = body::json(body).await?;
    let (enabled, config) = read(&body)?;
    let (caller, name) = (&call.0.caller, call.name());
    let put = app.put_webhook(caller, name, Dialect::Evolution, NAME, enabled, &config);
    let view = WebhookView::new(&put.await?, handle.id.as_str());
    Ok((StatusCode::CREATED, Json(view)))
}

/// An instance's webhook; null where none was set.
#[utoipa::path(
    get,
    path = "/webhook/find/{instance}",
    operation_id = "evolution_find_webhook",
    tag = "webhook",
    params(("instance" = String, Path, description = "Instance name", example = "shop")),
    responses((status = 200, body = Option<WebhookView>)),
)]
pub(super) async fn find(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Option<WebhookView>>, Error> {
    let handle = call.instance(&app, Scope::Admin)?;
    let all = app.webhooks(&call.0.caller, call.name(), Some(Dialect::Evolution));
    let all = all.await?;
    let found = all.first().map(|w| WebhookView::new(w, handle.id.as_str()));
    Ok(Json(found))
}
