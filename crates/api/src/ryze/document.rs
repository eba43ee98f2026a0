//! The dialect's OpenAPI document: what the calls say of themselves, and what is
//! true of all of them.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

/// Bodies of requests; more may be in them than is named.
const ASKED: [&str; 7] = [
    "AssignTag",
    "NewInstance",
    "NewTag",
    "SendText",
    "SetWebhook",
    "SetWebsocket",
    "SettingsChange",
];

/// The document, whole.
pub(super) fn finish(document: OpenApi, base_url: Option<&str>) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["info"] = json!({
        "title": "labelwire, RyzeAPI dialect",
        "version": env!("CARGO_PKG_VERSION"),
        "license": {"name": "MIT OR Apache-2.0"},
    });
    if let Some(url) = base_url {
        document["servers"] = json!([{"url": url}]);
    }
    // The three places a token may be in.
    document["components"]["securitySchemes"] = json!({
        "token": {"type": "apiKey", "in": "header", "name": "token"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "query": {"type": "apiKey", "in": "query", "name": "token"},
    });
    document["security"] = json!([{"token": []}, {"bearer": []}, {"query": []}]);
    let schemas = document["components"]["schemas"].as_object_mut();
    for (name, schema) in schemas.into_iter().flatten() {
        exact(schema, !ASKED.contains(&name.as_str()));
        match name.as_str() {
            "SettingsChange" => at_least_one(schema),
            // What is on goes somewhere.
            "SetWebhook" => {
                schema["anyOf"] = json!([
                    {"properties": {"enabled": {"enum": [false, null]}}},
                    {"required": ["url"], "properties": {"url": {"type": "string", "minLength": 1}}},
                ]);
            }
            // Any whole number is taken, however large.
            "NewTag" => schema["properties"]["color"]
                .as_object_mut()
                .map_or((), |color| drop(color.remove("format"))),
            _ => {}
        }
    }
    // Another name of the same.
    let get = document["paths"]["/api/events/getWebhook/{instance}"]["get"].clone();
    document["paths"]["/api/events/webhook/{instance}"]["get"] = get;
    let paths = document["paths"].as_object_mut();
    for (path, calls) in paths.into_iter().flatten() {
        for (method, call) in calls.as_object_mut().into_iter().flatten() {
            every_call(path, method, call);
        }
    }
    document
}

/// Takes out defaults, which describe how bodies are read rather than what a field
/// left out means, and closes answers: they hold what is named and nothing else.
fn exact(schema: &mut Value, answer: bool) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    let either = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for one in either.into_iter().flatten() {
        exact(one, answer);
    }
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for field in fields.values_mut().filter_map(Value::as_object_mut) {
            field.remove("default");
        }
        if answer {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
    }
}

/// Says of an object that one of its fields must be there.
fn at_least_one(schema: &mut Value) {
    let fields = schema["properties"].as_object();
    let any: Vec<Value> = fields
        .into_iter()
        .flat_map(Map::keys)
        .map(|field| json!({"required": [field]}))
        .collect();
    schema["anyOf"] = any.into();
}

/// The errors any call may answer with.
fn every_call(path: &str, method: &str, call: &mut Value) {
    let named = path.trim_start_matches("/api/").replace("/{instance}", "");
    call["operationId"] = format!("{method}_{}", named.replace('/', "_")).into();
    let has_body = call.get("requestBody").is_some();
    if has_body {
        call["requestBody"]["required"] = true.into();
    }
    let of_instance = path.contains("{instance}");
    let common = [
        ("400", true, "The request makes no sense"),
        ("401", true, "No token, or one that is not valid here"),
        ("403", true, "The token does not open this"),
        (
            "404",
            of_instance,
            "No such instance, or no such thing on it",
        ),
        ("408", has_body, "The body did not come in time"),
        ("413", has_body, "The body is larger than 1 MiB"),
        ("414", true, "The URL is longer than 64,000 bytes"),
        ("429", true, "Too many calls with this token"),
        ("500", true, "Our own fault"),
        (
            "503",
            true,
            "The instance is not connected, or labelwire is stopping",
        ),
        (
            "504",
            true,
            "It took too long; a write may have been applied",
        ),
    ];
    let Some(responses) = call["responses"].as_object_mut() else {
        return;
    };
    for (status, _, description) in common.into_iter().filter(|(_, can, _)| *can) {
        responses.entry(status).or_insert_with(|| {
            json!({
                "description": description,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            })
        });
    }
    for response in responses.values_mut() {
        response["headers"] = json!({
            "X-RateLimit-Limit": counter("Calls a minute this token may make"),
            "X-RateLimit-Remaining": counter("Calls left in this minute"),
            "X-RateLimit-Reset": counter("When all are left again, Unix seconds"),
        });
    }
}

/// A header that is there where the gateway limits calls.
fn counter(description: &str) -> Value {
    json!({"description": description, "schema": {"type": "integer", "minimum": 0}})
}
