//! This dialect's OpenAPI document: what all calls share is written once, here.

use std::fmt::Write as _;

use labelwire_domain::label::PALETTE;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use super::ListShape;

/// The same calls in other places: place, method, and whose call it is.
const ALIASES: &[(&str, &str, &str, &str)] = &[
    ("/v2/webhook/list", "get", "/v2/session/webhook", "get"),
    ("/v2/labels/all", "get", "/v2/labels", "get"),
    ("/v2/labels/create", "post", "/v2/labels", "post"),
    ("/v2/labels/{id}/update", "put", "/v2/labels/{id}", "put"),
    ("/v2/labels/{id}/update", "post", "/v2/labels/{id}", "put"),
    (
        "/v2/labels/{id}/delete",
        "delete",
        "/v2/labels/{id}",
        "delete",
    ),
    (
        "/v2/labels/{id}/delete",
        "post",
        "/v2/labels/{id}",
        "delete",
    ),
];

/// What every call may answer instead.
const REFUSALS: &[(&str, &str)] = &[
    (
        "400",
        "Something is missing, makes no sense, or is said twice and not the same",
    ),
    ("401", "The access token is missing or unknown"),
    (
        "403",
        "The access token does not open this, or a limit is reached",
    ),
    ("404", "There is no such session, or no such label"),
    ("408", "The body did not come in time"),
    ("413", "The body is too large"),
    ("414", "The URL is too long"),
    ("415", "The body is neither JSON nor a form"),
    ("429", "The access token was used too often"),
    ("500", "Our fault"),
    ("503", "The session is not connected, or was never synced"),
    (
        "504",
        "It took too long; of a write it is not known yet whether WhatsApp took it",
    ),
];

/// What calls that change something may answer too.
const WRITE_REFUSALS: &[(&str, &str)] = &[
    ("409", "It clashes with what is there"),
    ("502", "WhatsApp did not take it"),
];

/// Calls that ask WhatsApp or the database for a change though they are a `GET`.
const CHANGING: &[&str] = &["/v2/auth/", "/v2/send/", "/v2/session/"];

/// Calls that change nothing though they stand among those, or may be a `POST`.
const READING: &[&str] = &["/v2/session/info", "/v2/session/me"];

/// A URL a webhook may go to.
const HOOK_URL: &str = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$";

const DESCRIPTION: &str = "For clients of Wawp. `instance_id` is the session's 12-character id or \
    its name; it may stand in the query, in the body, or in header `X-Instance-ID`. \
    `access_token` may stand in the query, in the body, or in header `access-token` or \
    `Authorization: Bearer`. All other fields may stand in the query or in the body too. A body \
    is JSON or a form. What is said in several places must be the same.";

/// At least one character that is no blank.
const NOT_BLANK: &str =
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";
/// A person by number; the `+`, blanks and brackets of a written number may stay.
const PERSON: &str = r"\+?[ ().-]*([0-9][ ().-]*){5,20}(:[0-9]+)?(@(s\.whatsapp\.net|c\.us))?|[0-9-]{1,64}(:[0-9]+)?@lid";

/// Finishes the document.
pub(super) fn finish(document: OpenApi, base_url: Option<&str>, shape: ListShape) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["info"] = json!({
        "title": "labelwire, Wawp dialect",
        "version": env!("CARGO_PKG_VERSION"),
        "description": DESCRIPTION,
        "license": {"name": "MIT OR Apache-2.0"},
    });
    if let Some(url) = base_url {
        document["servers"] = json!([{ "url": url }]);
    }
    document["components"]["securitySchemes"] = json!({
        "query": {"type": "apiKey", "in": "query", "name": "access_token"},
        "header": {"type": "apiKey", "in": "header", "name": "access-token"},
        "bearer": {"type": "http", "scheme": "bearer"},
    });
    document["components"]["responses"] = refusals();
    schemas(&mut document["components"]["schemas"]);
    let schemas = document["components"]["schemas"].clone();
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                finish_operation(path, method, operation, &schemas, shape);
            }
        }
        add_aliases(paths);
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                operation["operationId"] = operation_id(method, path).into();
            }
        }
    }
    document
}

fn add_aliases(paths: &mut Map<String, Value>) {
    for (place, method, path, of) in ALIASES {
        let operation = paths.get(*path).map(|item| item[*of].clone());
        let item = paths.entry(*place).or_insert_with(|| json!({}));
        item[*method] = operation.unwrap_or_default();
    }
}

fn operation_id(method: &str, path: &str) -> String {
    let words = path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && *word != "v2");
    words.fold(method.to_owned(), |mut id, word| {
        let _ = write!(id, "_{word}");
        id
    })
}

fn finish_operation(
    path: &str,
    method: &str,
    operation: &mut Value,
    schemas: &Value,
    shape: ListShape,
) {
    operation["security"] = json!([{"query": []}, {"header": []}, {"bearer": []}]);
    let changes_chat = method != "get" && path.starts_with("/v2/labels");
    let mut parameters = match operation["parameters"].take() {
        Value::Array(parameters) => parameters,
        _ => Vec::new(),
    };
    if path != "/v2/session/create" {
        parameters.push(json!({
            "name": "instance_id",
            "in": "query",
            "description": "The session's 12-character id, or its name",
            "required": true,
            "schema": {"type": "string"},
            "example": "4kx9v2t0ab1c",
        }));
    }
    if method == "get" {
        // What a body holds stands in the query of a `GET`.
        let body = operation
            .as_object_mut()
            .and_then(|o| o.remove("requestBody"));
        parameters.extend(body.iter().flat_map(|body| query_of(body, schemas)));
    }
    for parameter in &mut parameters {
        let name = parameter["name"].as_str().unwrap_or_default();
        if let Some(pattern) = pattern(name, changes_chat) {
            parameter["schema"]["pattern"] = pattern.into();
        }
    }
    operation["parameters"] = parameters.into();
    if path == "/v2/auth/qr" && method == "post" {
        operation["requestBody"]["required"] = false.into();
    }
    if shape == ListShape::KeyedObject {
        key(&mut operation["responses"]["200"]["content"]["application/json"]["schema"]);
    }
    let reads = method == "get" && !CHANGING.iter().any(|place| path.starts_with(place))
        || READING.contains(&path);
    let also = if reads { &[] } else { WRITE_REFUSALS };
    if let Some(responses) = operation["responses"].as_object_mut() {
        for (status, response) in responses.iter_mut() {
            let word = if status == "201" { "Made" } else { "Done" };
            response["description"] = word.into();
        }
        for (status, _) in REFUSALS.iter().chain(also) {
            let reference = format!("#/components/responses/{status}");
            responses.insert((*status).to_owned(), json!({"$ref": reference}));
        }
    }
}

/// All refusals, for calls to refer to.
fn refusals() -> Value {
    let all = REFUSALS.iter().chain(WRITE_REFUSALS);
    all.map(|(status, description)| {
        let response = json!({
            "description": description,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        });
        ((*status).to_owned(), response)
    })
    .collect()
}

/// A list's schema, where its items are keyed by their place.
fn key(schema: &mut Value) {
    if schema["type"] == "array" {
        *schema = json!({"type": "object", "additionalProperties": schema["items"].take()});
    }
}

/// A body's fields as query parameters.
fn query_of(body: &Value, schemas: &Value) -> Vec<Value> {
    let schema = &body["content"]["application/json"]["schema"];
    let name = schema["$ref"].as_str().unwrap_or_default();
    let schema = &schemas[name.rsplit('/').next().unwrap_or_default()];
    let required = schema["required"].as_array();
    let is_required = |name: &String| {
        required.is_some_and(|names| names.iter().any(|known| known.as_str() == Some(name)))
    };
    let fields = schema["properties"].as_object();
    fields
        .into_iter()
        .flatten()
        .map(|(name, field)| {
            let mut field = field.clone();
            if field["type"].is_array() {
                // There is no null in a query.
                field["type"] = "string".into();
            }
            if let Some(Value::Array(values)) = field.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            json!({
                "name": name,
                "in": "query",
                "required": is_required(name),
                "schema": field,
            })
        })
        .collect()
}

fn pattern(name: &str, changes_chat: bool) -> Option<String> {
    Some(match name {
        "id" | "instance_id" | "url" => NOT_BLANK.to_owned(),
        "chatId" | "contactId" => chat(changes_chat),
        _ => return None,
    })
}

/// A chat in any of its forms.
fn chat(is_labelled: bool) -> String {
    // No label sticks to a broadcast list, and no group has so short an id.
    let others = if is_labelled {
        r"([0-9]-?){10,32}@(g\.us|newsletter)"
    } else {
        r"[0-9-]{1,64}@(g\.us|newsletter|broadcast)|status@broadcast"
    };
    format!("^ *({PERSON}|{others}) *$")
}

/// What the derived schemas cannot say.
fn schemas(schemas: &mut Value) {
    schemas["Color"] = json!({
        "description": "A palette index as number or text, or a colour of the palette as `#rrggbb`",
        "oneOf": [
            {"type": "integer", "minimum": 0, "maximum": 19},
            {"type": "string", "pattern": format!("^ *({}) *$", colors())},
        ],
    });
    for body in ["NewLabelBody", "LabelEditBody"] {
        let name = &mut schemas[body]["properties"]["name"];
        let plain = r"[^\u0000-\u001f\u007f-\u009f]*";
        name["pattern"] = format!("^{plain}{NOT_BLANK}{plain}$").into();
        name["maxLength"] = 100.into();
    }
    schemas["LabelEditBody"]["anyOf"] = json!([
        {"required": ["name"], "properties": {"name": {"type": "string"}}},
        {"required": ["color"], "properties": {"color": {"type": ["string", "integer"]}}},
    ]);
    schemas["QrBody"]["properties"]["format"]["enum"] = json!(["raw", "image", null]);
    let number = &mut schemas["CodeBody"]["properties"]["phone_number"];
    number["pattern"] = r"^ *\+*[ ().-]*([0-9][ ().-]*){7,15}$".into();
    let text = &mut schemas["TextBody"]["properties"];
    text["chatId"]["pattern"] = chat(false).into();
    text["message"]["pattern"] = NOT_BLANK.into();
    text["message"]["maxLength"] = 4096.into();
    for body in ["WebhookBody", "WebhookChange"] {
        let fields = &mut schemas[body]["properties"];
        fields["url"]["pattern"] = HOOK_URL.into();
        fields["url"]["maxLength"] = 2_000.into();
        fields["events"]["minItems"] = 1.into();
        fields["events"]["items"]["pattern"] = r"^([a-z0-9.]{1,60}|\*)$".into();
        fields["is_active"] = json!({
            "type": ["integer", "boolean", "null"],
            "minimum": 0,
            "maximum": 1,
            "description": "`0`: kept, and nothing is sent to it",
        });
    }
    schemas["WebhooksBody"]["properties"]["webhooks"]["maxItems"] = 20.into();
    schemas["LabelRef"]["properties"]["id"]["pattern"] = NOT_BLANK.into();
}

/// Every text that is a colour.
fn colors() -> String {
    let mut any = r"\+?[0-9]|[01][0-9]".to_owned();
    for color in PALETTE {
        any += "|#?";
        for c in color.trim_start_matches('#').chars() {
            if c.is_ascii_digit() {
                any.push(c);
            } else {
                let _ = write!(any, "[{c}{}]", c.to_ascii_uppercase());
            }
        }
    }
    any
}
