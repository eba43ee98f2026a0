//! The native API: golden calls and errors.

use http_body_util::BodyExt as _;

use crate::stage::{Stage, request};

#[tokio::test]
async fn a_chats_labels_are_shown() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /v1/instances/shop/chats/5511988887777@s.whatsapp.net/labels",
                "GET /v1/instances/shop/chats/+55%2011%2098888-7777/labels",
                "GET /v1/instances/shop/chats/551188887777/labels",
                "GET /v1/instances/shop/chats/120363021033254949%40g.us/labels",
                "GET /v1/instances/shop/chats/77777777777777@lid/labels",
                "GET /v1/instances/shop/chats/4915100000000/labels",
                "GET /v1/health",
            ],
        )
        .await;
    insta::assert_snapshot!("native", said);
    stage.close().await;
}

#[tokio::test]
async fn errors_are_problem_documents() {
    let (stage, token) = Stage::shop().await;
    let fresh = stage.instance("fresh").await;
    let chat = "chats/5511988887777/labels";
    let mut said = stage
        .talk(
            &token,
            &[
                "GET /v1/instances/shop/chats/bob/labels",
                &format!("GET /v1/instances/fresh/{chat}"),
                &format!("GET /v1/instances/nobody/{chat}"),
                &format!("GET /v1/instances/%20/{chat}"),
                &format!("GET /v1/instances//{chat}"),
                &format!("GET /v1/instances/%FF/{chat}"),
                &format!("POST /v1/instances/shop/{chat}"),
                "GET /v1/nothing",
            ],
        )
        .await;
    said += &stage
        .talk(&fresh, &[&format!("GET /v1/instances/fresh/{chat}")])
        .await;
    said += &stage
        .talk("nonsense", &[&format!("GET /v1/instances/shop/{chat}")])
        .await;
    said += &stage
        .talk(
            "",
            &[&format!("GET /v1/instances/shop/{chat}"), "GET /v1/health"],
        )
        .await;
    insta::assert_snapshot!("problems", said);
    stage.close().await;
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with() {
    let stage = Stage::empty().await;
    for (given, kept) in [("trace-1.2_x", true), ("no blanks", false), ("", false)] {
        let mut request = request("GET", "/v1/instances/shop/chats/1/labels", "", None);
        request
            .headers_mut()
            .insert("x-request-id", given.parse().expect("a value"));
        let answer = stage.send(request).await;
        let id = answer.headers()["x-request-id"]
            .to_str()
            .expect("text")
            .to_owned();
        let bytes = answer
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(problem["request_id"], id);
        assert_eq!(id == given, kept, "{id}");
    }
    stage.close().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let stage = Stage::empty().await;
    for (method, path, allowed) in [
        ("PATCH", "/v1/instances", "GET,HEAD,POST"),
        ("POST", "/v1/instances/shop/chats", "GET,HEAD"),
        ("TRACE", "/v1/health", "GET,HEAD"),
    ] {
        let answer = stage
            .send(request(method, path, &stage.account, None))
            .await;
        assert_eq!(answer.status(), 405, "{method} {path}");
        assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
    }
    // A call that does not exist takes no key, whatever the key came with before.
    for method in ["PATCH", "DELETE", "PUT"] {
        let mut request = request(method, "/v1/instances", &stage.account, None);
        let key = axum::http::HeaderValue::from_static("k");
        request.headers_mut().insert("idempotency-key", key);
        assert_eq!(stage.send(request).await.status(), 405, "{method}");
    }
    stage.close().await;
}

#[tokio::test]
async fn every_call_has_a_name_of_its_own_and_its_problems() {
    let stage = Stage::empty().await;
    let (_, document) = stage.get("/v1/openapi.json").await;
    let mut names = std::collections::BTreeSet::new();
    for (path, calls) in document["paths"].as_object().expect("paths") {
        for (method, call) in calls.as_object().expect("calls") {
            let name = call["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{name} twice");
            if path == "/v1/health" {
                continue;
            }
            for status in ["400", "401", "403", "404", "429", "500", "503", "504"] {
                let problem = &call["responses"][status]["content"]["application/problem+json"];
                assert!(problem.is_object(), "{method} {path} {status}");
            }
        }
    }
    assert!(names.len() > 30);
    stage.close().await;
}

/// `UPDATE_OPENAPI=1` writes the file anew.
#[tokio::test]
async fn the_native_document_is_the_one_checked_in() {
    let stage = Stage::empty().await;
    let (status, document) = stage.get("/v1/openapi.json").await;
    assert_eq!(status, 200);
    let now = format!("{document:#}\n");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/native.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::create_dir_all(std::path::Path::new(file).parent().expect("a folder"))
            .expect("made");
        std::fs::write(file, &now).expect("written");
    }
    let checked_in = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        now == checked_in,
        "openapi/native.json is not what is served; run this test with UPDATE_OPENAPI=1 and look at the difference"
    );
    stage.close().await;
}
