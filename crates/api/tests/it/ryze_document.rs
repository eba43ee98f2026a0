//! The `RyzeAPI` dialect's document is the one that is checked in, and says what
//! the calls do.

use std::path::Path;

use serde_json::Value;

use crate::stage::Stage;

/// `UPDATE_OPENAPI=1` writes the file anew.
#[tokio::test]
async fn the_ryze_document_is_the_one_checked_in() {
    let stage = Stage::empty().await;
    let (status, document) = stage.get("/api/openapi.json").await;
    assert_eq!(status, 200);
    let text = format!(
        "{}\n",
        serde_json::to_string_pretty(&document).expect("JSON")
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/ryze.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(&file, &text).expect("written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "openapi/ryze.json is not what the program serves; run this test with UPDATE_OPENAPI=1"
    );
    stage.close().await;
}

#[tokio::test]
async fn every_call_is_in_the_ryze_document_with_its_errors() {
    let stage = Stage::empty().await;
    let (_, document) = stage.get("/api/openapi.json").await;
    let mut calls: Vec<String> = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for (path, of_path) in document["paths"].as_object().expect("paths") {
        for (method, call) in of_path.as_object().expect("calls") {
            calls.push(format!("{} {path}", method.to_uppercase()));
            assert!(ids.insert(call["operationId"].as_str().expect("an id")));
            let responses = call["responses"].as_object().expect("responses");
            for status in ["400", "401", "403", "429", "500", "503", "504"] {
                assert_eq!(
                    responses[status]["content"]["application/json"]["schema"]["$ref"],
                    "#/components/schemas/Error",
                    "{method} {path} {status}"
                );
            }
            assert_eq!(
                call.get("requestBody").is_some(),
                method == "post",
                "{method} {path}"
            );
            let instance = call["parameters"].as_array().into_iter().flatten();
            let instance = instance.filter(|p| p["name"] == "instance").count();
            assert_eq!(instance == 1, path.contains("{instance}"), "{path}");
        }
    }
    assert_eq!(
        calls,
        [
            "DELETE /api/chat/assignTag/{instance}",
            "POST /api/chat/assignTag/{instance}",
            "GET /api/chat/contacts/{instance}",
            "GET /api/chat/contactsByLabel/{instance}",
            "DELETE /api/chat/tag/{instance}",
            "GET /api/chat/tag/{instance}",
            "POST /api/chat/tag/{instance}",
            "GET /api/events/getWebhook/{instance}",
            "GET /api/events/getWebsocket/{instance}",
            "GET /api/events/webhook/{instance}",
            "POST /api/events/webhook/{instance}",
            "POST /api/events/websocket/{instance}",
            "GET /api/instance/connect/{instance}",
            "DELETE /api/instance/delete/{instance}",
            "GET /api/instance/getSettings/{instance}",
            "GET /api/instance/list",
            "DELETE /api/instance/logout/{instance}",
            "POST /api/instance/new",
            "POST /api/instance/settings/{instance}",
            "POST /api/message/text/{instance}",
            "GET /api/profile/getAccount/{instance}",
        ]
    );
    assert_eq!(
        document["security"],
        serde_json::json!([{"token": []}, {"bearer": []}, {"query": []}])
    );
    assert!(matches!(
        document["components"]["schemas"],
        Value::Object(_)
    ));
    stage.close().await;
}

#[tokio::test]
async fn a_method_that_is_not_there_says_which_are() {
    let stage = Stage::empty().await;
    let request = crate::stage::request("PUT", "/api/chat/tag/shop", &stage.account, None);
    let response = stage.send(request).await;
    assert_eq!(response.status(), 405);
    let allow = response.headers()["allow"].to_str().expect("text");
    for method in ["GET", "POST", "DELETE"] {
        assert!(allow.contains(method), "{allow}");
    }
    stage.close().await;
}
