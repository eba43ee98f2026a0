//! The Evolution API dialect: golden calls and errors.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::fake::{label, on};
use crate::keyed::{compare_document, send, talk};
use crate::stage::Stage;

const KEY: &str = "apikey";

#[tokio::test]
async fn labels_are_found_put_on_and_taken_off() {
    let stage = Stage::empty().await;
    let token = stage.instance("shop").await;
    stage
        .pair(
            "shop",
            vec![
                label("1", "Orçamento 🧾", 0),
                label("2", "عميل", 19),
                on("1", "5511988887777@s.whatsapp.net"),
            ],
        )
        .await;
    let said = talk(
        &stage,
        (KEY, &token),
        &[
            "GET /label/findLabels/shop",
            r#"POST /label/handleLabel/shop {"number":"5511999999999","labelId":"1","action":"add"}"#,
            r#"POST /label/handleLabel/shop {"number":"+5511999999999","labelId":"1","action":"add"}"#,
            r#"PUT /label/handleLabel/shop {"number":"5511999999999@c.us","labelId":"2","action":"add"}"#,
            r#"PUT /label/handleLabel/shop {"number":"5511999999999@s.whatsapp.net","labelId":"2","action":"remove"}"#,
            r#"POST /label/handleLabel/shop {"number":"120363021033254949@g.us","labelId":"2","action":"add"}"#,
            r#"POST /label/handleLabel/shop {"number":"77777777777777@lid","labelId":"2","action":"add"}"#,
            r#"POST /label/handleLabel/shop {"number":"5511900001111","labelId":"2","action":"remove"}"#,
        ],
    )
    .await;
    insta::assert_snapshot!("evolution_labels", said);
    let mut labels = Vec::new();
    for chat in [
        "5511999999999",
        "120363021033254949@g.us",
        "77777777777777@lid",
    ] {
        let (_, answer) = stage
            .get(&format!("/v1/instances/shop/chats/{chat}/labels"))
            .await;
        let ids = answer["labels"].as_array().expect("labels").iter();
        labels.push(ids.map(|l| l["id"].clone()).collect::<Vec<_>>());
    }
    assert_eq!(json!(labels), json!([["1"], ["2"], ["2"]]));
    stage.close().await;
}

#[tokio::test]
async fn a_call_that_makes_no_sense_is_refused() {
    let (stage, token) = Stage::shop().await;
    let said = talk(
        &stage,
        (KEY, &token),
        &[
            "POST /label/handleLabel/shop {}",
            r#"POST /label/handleLabel/shop {"number":5511999999999,"labelId":"1","action":"add"}"#,
            r#"POST /label/handleLabel/shop {"number":"5511999999999","labelId":" ","action":"put"}"#,
            r#"POST /label/handleLabel/shop {"number":"bob","labelId":"1","action":"add"}"#,
            r#"POST /label/handleLabel/shop {"number":"5511999999999","labelId":"99","action":"add"}"#,
            r#"PUT /label/handleLabel/shop {"number":"5511999999999","labelId":"99","action":"remove"}"#,
            r#"POST /label/handleLabel/nobody {"number":"5511999999999","labelId":"1","action":"add"}"#,
            "POST /label/handleLabel/shop nonsense",
            "POST /label/handleLabel/shop",
            "POST /label/handleLabel/shop []",
            "GET /label/handleLabel/shop",
            "GET /label/findLabels/nobody",
            "GET /label/findLabels/%FF",
            "GET /label/findLabels",
            "GET /label/nothing/shop",
            "GET /instance/nothing",
            "GET /instance/connectionState/nobody",
            "GET /instance/fetchInstances?instanceName=nobody",
        ],
    )
    .await;
    insta::assert_snapshot!("evolution_refused", said);
    stage.fake.refusing.store(true, Ordering::Relaxed);
    let said = talk(
        &stage,
        (KEY, &token),
        &[
            r#"POST /label/handleLabel/shop {"number":"5511966665555","labelId":"1","action":"add"}"#,
            r#"POST /label/handleLabel/shop {"number":"5511999999999","labelId":"1","action":"remove"}"#,
        ],
    )
    .await;
    insta::assert_snapshot!("evolution_phone_refused", said);
    stage.close().await;
}

#[tokio::test]
async fn an_instance_that_is_offline_says_so() {
    let (stage, _) = Stage::shop().await;
    stage.offline("shop").await;
    stage.instance("fresh").await;
    let said = talk(
        &stage,
        (KEY, &stage.account),
        &[
            "GET /label/findLabels/shop",
            r#"POST /label/handleLabel/shop {"number":"5511999999999","labelId":"2","action":"add"}"#,
            "GET /label/findLabels/fresh",
            r#"POST /label/handleLabel/fresh {"number":"5511999999999","labelId":"2","action":"add"}"#,
            "GET /instance/connectionState/shop",
            "GET /instance/connectionState/fresh",
        ],
    )
    .await;
    insta::assert_snapshot!("evolution_offline", said);
    stage.close().await;
}

#[tokio::test]
async fn a_key_opens_what_is_its_own() {
    let (stage, own) = Stage::shop().await;
    stage.instance("desk").await;
    let (_, other) = stage.app.create_account("other").await.expect("an account");
    let mut said = String::new();
    for (who, key) in [
        ("the account's key", stage.account.as_str()),
        ("an instance's key", own.as_str()),
        ("another account's key", &other),
        ("an unknown key", "nonsense"),
        ("no key", ""),
    ] {
        said += &format!("── {who}\n");
        said += &talk(
            &stage,
            (KEY, key),
            &[
                "GET /label/findLabels/desk",
                "GET /instance/connectionState/shop",
                "GET /instance/fetchInstances",
                "GET /instance/fetchInstances?instanceName=desk",
                r#"POST /label/handleLabel/desk {"number":"5511999999999","labelId":"2","action":"add"}"#,
            ],
        )
        .await;
    }
    insta::assert_snapshot!("evolution_keys", said);
    let request = Request::builder()
        .uri("/label/findLabels/shop")
        .header("Authorization", format!("Bearer {own}"))
        .body(Body::empty())
        .expect("a request");
    let (status, _, body) = send(&stage, request).await;
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((status, &body[2]["id"]), (200, &json!("10")));
    stage.close().await;
}

#[tokio::test]
async fn the_document_is_the_one_checked_in() {
    compare_document("/evolution/openapi.json", "evolution.json").await;
}
