//! The control API over real HTTP.

mod devices;
mod refusals;
mod restart;

use labelwire_sim::{Options, Server};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

const PHONE: &str = "4915100000001";

struct Api {
    server: Server,
    http: Client,
}

impl Api {
    async fn start(options: Options) -> Self {
        Self {
            server: Server::start(options).await.unwrap(),
            http: Client::new(),
        }
    }

    async fn raw(&self, method: Method, path: &str, body: Option<String>) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.server.control_url());
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let body = (!body.is_null()).then(|| body.to_string());
        self.raw(method, path, body).await
    }

    /// Below the account's path; must succeed.
    async fn phone(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self
            .call(method, &format!("/accounts/{PHONE}{path}"), body)
            .await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// Below the account's path; must fail with this status and say why.
    async fn refuses(&self, method: Method, path: &str, body: Value, expected: u16) -> String {
        let (status, answer) = self
            .call(method, &format!("/accounts/{PHONE}{path}"), body)
            .await;
        assert_eq!(status.as_u16(), expected, "{path}: {answer}");
        answer["error"].as_str().unwrap().to_owned()
    }

    async fn truth(&self) -> Value {
        self.phone(Method::GET, "/truth", Value::Null).await
    }

    async fn account(&self, chats: u32, labels: u32, associations: u32) -> Value {
        let body = json!({
            "phone": PHONE, "kind": "business", "name": "Sim Shop", "seed": 7,
            "chats": chats, "labels": labels, "associations": associations,
        });
        let (status, answer) = self.call(Method::POST, "/accounts", body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer
    }
}

fn strings(list: &Value, keys: &[&str]) -> Vec<String> {
    let one = |item: &Value| {
        keys.iter()
            .map(|key| item[key].as_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    };
    list.as_array().unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn an_account_is_made_from_a_seed_and_told_truly() {
    let api = Api::start(Options::default()).await;
    let view = api.account(60, 5, 90).await;
    assert_eq!(view["chats"], 60);
    assert_eq!(view["devices"], json!([]));
    let truth = api.truth().await;
    assert_eq!(truth["version"], view["version"]);
    assert_eq!(truth["labels"].as_array().unwrap().len(), 5);
    assert_eq!(truth["associations"].as_array().unwrap().len(), 90);
    assert_eq!(truth["chats"].as_array().unwrap().len(), 60);
    for key in [
        "id",
        "name",
        "color",
        "deleted",
        "order",
        "type",
        "predefined_id",
    ] {
        assert!(truth["labels"][0].get(key).is_some(), "{key}");
    }
    for key in ["jid", "lid", "name"] {
        assert!(truth["chats"][0].get(key).is_some(), "{key}");
    }
    assert_eq!(
        (&truth["message_associations"], &truth["devices"]),
        (&json!([]), &json!([]))
    );

    let again = Api::start(Options::default()).await;
    again.account(60, 5, 90).await;
    assert_eq!(again.truth().await, truth, "same seed, same truth");

    let (status, answer) = api.call(Method::GET, "/accounts", Value::Null).await;
    assert_eq!(
        (status, answer[0]["phone"].as_str()),
        (StatusCode::OK, Some(PHONE))
    );
    let (_, key) = api.call(Method::GET, "/root-key", Value::Null).await;
    assert_eq!(key["root_key_hex"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn the_phones_labels_follow_what_its_user_does() {
    let api = Api::start(Options::default()).await;
    api.account(3, 0, 0).await;
    let made = api
        .phone(Method::POST, "/labels", json!({"name": "Paid", "color": 4}))
        .await;
    assert_eq!(made["id"], "1");
    let made = api
        .phone(
            Method::POST,
            "/labels",
            json!({"id": "41", "name": "Lead", "color": 2}),
        )
        .await;
    assert_eq!(made["id"], "41");
    let made = api
        .phone(Method::POST, "/labels", json!({"name": "VIP", "color": 0}))
        .await;
    assert_eq!(made["id"], "42");
    api.phone(Method::DELETE, "/labels/42", Value::Null).await;
    let made = api
        .phone(Method::POST, "/labels", json!({"name": "New", "color": 0}))
        .await;
    assert_eq!(made["id"], "43", "ids are never given twice");

    api.phone(
        Method::PATCH,
        "/labels/1",
        json!({"name": "Settled", "predefined_id": 4, "type": 4}),
    )
    .await;
    let label = &api.truth().await["labels"][0];
    assert_eq!(
        *label,
        json!({
            "id": "1", "name": "Settled", "color": 4, "deleted": false, "order": 0, "type": 4, "predefined_id": 4,
        })
    );
    api.phone(
        Method::PUT,
        "/labels/order",
        json!({"ids": ["43", 41, "1"]}),
    )
    .await;
    let truth = api.truth().await;
    let order: Vec<_> = truth["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| &label["order"])
        .collect();
    assert_eq!(order, [2, 1, 2, 0], "of 1, 41, the deleted 42 and 43");

    let chat = "/labels/1/chats/4915112345678%40s.whatsapp.net";
    api.phone(Method::PUT, chat, Value::Null).await;
    api.phone(Method::PUT, "/labels/41/chats/123@lid", Value::Null)
        .await;
    api.phone(
        Method::PUT,
        "/labels/41/messages/123@lid/3EB0C767",
        Value::Null,
    )
    .await;
    let truth = api.truth().await;
    let pairs = ["label_id", "chat_jid"];
    assert_eq!(
        strings(&truth["associations"], &pairs),
        ["1 4915112345678@s.whatsapp.net", "41 123@lid"]
    );
    let message = ["label_id", "chat_jid", "message_id"];
    assert_eq!(
        strings(&truth["message_associations"], &message),
        ["41 123@lid 3EB0C767"]
    );

    api.phone(Method::DELETE, chat, Value::Null).await;
    api.phone(
        Method::DELETE,
        "/labels/41/messages/123@lid/3EB0C767",
        Value::Null,
    )
    .await;
    let truth = api.truth().await;
    assert_eq!(strings(&truth["associations"], &pairs), ["41 123@lid"]);
    assert_eq!(truth["message_associations"], json!([]));
    api.phone(Method::DELETE, "/labels/41", Value::Null).await;
    assert_eq!(
        api.truth().await["associations"],
        json!([]),
        "an association lives with its label"
    );
    api.phone(Method::PATCH, "/labels/41", json!({"deleted": false}))
        .await;
    assert_eq!(
        strings(&api.truth().await["associations"], &pairs),
        ["41 123@lid"]
    );
}

#[tokio::test]
async fn a_batch_is_one_patch_and_may_come_in_any_order() {
    let api = Api::start(Options::default()).await;
    api.account(0, 0, 0).await;
    let written = api
        .phone(Method::POST, "/changes", json!({"changes": [
            {"chat": {"label_id": "7", "chat_jid": "1@lid", "labeled": true}},
            {"message": {"label_id": "7", "chat_jid": "1@lid", "message_id": "3EB0", "labeled": true}},
        ]}))
        .await;
    assert_eq!(written["version"], 1);
    assert_eq!(
        api.truth().await["associations"],
        json!([]),
        "its label is not there yet"
    );
    api.phone(
        Method::POST,
        "/changes",
        json!({"changes": [{"label": {"id": "7", "set": {"name": "Late", "color": 1}}}]}),
    )
    .await;
    let truth = api.truth().await;
    assert_eq!(
        strings(&truth["associations"], &["label_id", "chat_jid"]),
        ["7 1@lid"]
    );
    let index = json!(["label_jid", "7", "1@lid"]);
    let written = api
        .phone(
            Method::POST,
            "/changes",
            json!({"changes": [{"remove": {"index": index}}]}),
        )
        .await;
    assert_eq!(written["version"], 3);
    assert_eq!(api.truth().await["associations"], json!([]));
    api.refuses(
        Method::POST,
        "/changes",
        json!({"changes": [{"remove": {"index": index}}]}),
        404,
    )
    .await;
    api.refuses(Method::POST, "/changes", json!({"changes": []}), 400)
        .await;
}

#[tokio::test]
async fn faults_are_listed_and_ended() {
    let api = Api::start(Options::default()).await;
    api.account(0, 0, 0).await;
    let delay = json!({"kind": "delay", "ms": 400, "times": 2, "device": 1});
    let first = api.phone(Method::POST, "/faults", delay.clone()).await["id"]
        .as_u64()
        .unwrap();
    for kind in [
        "drop_before_apply",
        "drop_after_apply",
        "withhold_server_sync",
        "wrong_snapshot_mac",
        "wrong_patch_mac",
        "withhold_key_share",
        "refuse_login",
    ] {
        api.phone(Method::POST, "/faults", json!({"kind": kind}))
            .await;
    }
    let listed = api.phone(Method::GET, "/faults", Value::Null).await;
    assert_eq!(listed.as_array().unwrap().len(), 8);
    assert_eq!(
        listed[0],
        json!({"id": first, "kind": "delay", "ms": 400, "times": 2, "device": 1})
    );
    api.phone(Method::DELETE, &format!("/faults/{first}"), Value::Null)
        .await;
    api.refuses(
        Method::DELETE,
        &format!("/faults/{first}"),
        Value::Null,
        404,
    )
    .await;
    api.phone(Method::DELETE, "/faults", Value::Null).await;
    assert_eq!(
        api.phone(Method::GET, "/faults", Value::Null).await,
        json!([])
    );
    for bad in [
        json!({"kind": "delay"}),
        json!({"kind": "status", "code": 200}),
        json!({"kind": "explode"}),
        json!({"kind": "delay", "ms": 1, "tmes": 1}),
        json!({"kind": "delay", "ms": -1}),
    ] {
        api.refuses(Method::POST, "/faults", bad, 400).await;
    }
}

#[tokio::test]
async fn the_openapi_document_names_every_call() {
    let api = Api::start(Options::default()).await;
    let (_, document) = api.call(Method::GET, "/openapi.json", Value::Null).await;
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
        {
            calls.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    calls.sort();
    let of = |path: &str| path.replace('…', "/accounts/{phone}");
    let mut expected: Vec<String> = [
        "GET /accounts",
        "POST /accounts",
        "GET …",
        "GET …/truth",
        "POST …/scan",
        "POST …/pair-code",
        "POST …/labels",
        "PATCH …/labels/{id}",
        "DELETE …/labels/{id}",
        "PUT …/labels/order",
        "PUT …/labels/{id}/chats/{jid}",
        "DELETE …/labels/{id}/chats/{jid}",
        "PUT …/labels/{id}/messages/{jid}/{message_id}",
        "DELETE …/labels/{id}/messages/{jid}/{message_id}",
        "POST …/changes",
        "POST …/messages",
        "GET …/messages",
        "POST …/dirty",
        "POST …/devices/{device}/unlink",
        "POST …/devices/{device}/disconnect",
        "POST …/devices/{device}/replace",
        "POST …/faults",
        "GET …/faults",
        "DELETE …/faults",
        "DELETE …/faults/{id}",
        "GET /root-key",
    ]
    .map(of)
    .to_vec();
    expected.sort();
    assert_eq!(calls, expected);
    // Every reference leads somewhere.
    let text = document.to_string();
    for name in text
        .split("#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
}
