//! Bad input is answered with advice.

use labelwire_sim::Options;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Api, PHONE};

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_the_answer_says_what_would() {
    let api = Api::start(Options::default()).await;
    api.account(2, 1, 1).await;
    let (status, answer) = api
        .call(Method::GET, "/accounts/999/truth", Value::Null)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        answer["error"],
        "there is no account `999`; GET /accounts lists the accounts"
    );

    for (body, expected) in [
        (json!({"phone": PHONE, "name": "Again"}), 409),
        (json!({"phone": "+49", "name": "X"}), 400),
        (json!({"phone": "../..", "name": "X"}), 400),
        (json!({"phone": "49", "name": "X", "kind": "car"}), 400),
        (
            json!({"phone": "49", "name": "X", "chats": 2, "labels": 1, "associations": 3}),
            400,
        ),
        (json!({"name": "X"}), 400),
    ] {
        let (status, answer) = api.call(Method::POST, "/accounts", body.clone()).await;
        assert_eq!(status.as_u16(), expected, "{body} {answer}");
        assert!(answer["error"].is_string());
    }
    let (status, answer) = api
        .raw(Method::POST, "/accounts", Some("{".to_owned()))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["error"].as_str().unwrap().contains("openapi.json"));

    let none = Value::Null;
    api.refuses(
        Method::POST,
        "/labels",
        json!({"name": " ", "color": 1}),
        400,
    )
    .await;
    api.refuses(
        Method::POST,
        "/labels",
        json!({"name": "A", "color": 20}),
        400,
    )
    .await;
    api.refuses(
        Method::POST,
        "/labels",
        json!({"id": "x", "name": "A", "color": 1}),
        400,
    )
    .await;
    api.refuses(
        Method::POST,
        "/labels",
        json!({"id": "1", "name": "A", "color": 1}),
        409,
    )
    .await;
    api.refuses(Method::PATCH, "/labels/9", json!({"name": "A"}), 404)
        .await;
    api.refuses(Method::PATCH, "/labels/1", json!({}), 400)
        .await;
    api.refuses(Method::PATCH, "/labels/1", json!({"nam": "A"}), 400)
        .await;
    api.refuses(Method::DELETE, "/labels/9", none.clone(), 404)
        .await;
    api.refuses(Method::DELETE, "/labels/-1", none.clone(), 400)
        .await;
    api.refuses(Method::PUT, "/labels/9/chats/1@lid", none.clone(), 404)
        .await;
    let hint = api
        .refuses(
            Method::PUT,
            "/labels/1/chats/4915112345678",
            none.clone(),
            400,
        )
        .await;
    assert!(hint.contains("@s.whatsapp.net"), "{hint}");
    api.refuses(Method::PUT, "/labels/1/chats/%FF%FE", none.clone(), 400)
        .await;
    api.refuses(
        Method::PUT,
        "/labels/1/messages/1@lid/a%20b",
        none.clone(),
        400,
    )
    .await;
    api.refuses(Method::PUT, "/labels/order", json!({"ids": []}), 400)
        .await;
    api.refuses(
        Method::PUT,
        "/labels/order",
        json!({"ids": ["1", "1"]}),
        400,
    )
    .await;
    api.refuses(
        Method::PUT,
        "/labels/order",
        json!({"ids": ["1", "77"]}),
        404,
    )
    .await;
    api.refuses(Method::POST, "/scan", json!({"qr": "hello"}), 400)
        .await;
    api.refuses(Method::POST, "/pair-code", json!({"code": "ABCDEFGH"}), 409)
        .await;
    api.refuses(Method::POST, "/pair-code", json!({"code": "x"}), 400)
        .await;
    api.refuses(
        Method::POST,
        "/messages",
        json!({"from": "nobody", "text": "hi"}),
        400,
    )
    .await;
    for path in ["unlink", "disconnect", "replace"] {
        api.refuses(
            Method::POST,
            &format!("/devices/9/{path}"),
            none.clone(),
            404,
        )
        .await;
        api.refuses(
            Method::POST,
            &format!("/devices/x/{path}"),
            none.clone(),
            400,
        )
        .await;
    }
    api.phone(Method::POST, "/dirty", none.clone()).await;
    api.refuses(Method::GET, "/nothing", none.clone(), 404)
        .await;
    api.refuses(Method::POST, "/truth", none.clone(), 405).await;
    assert_eq!(api.truth().await["version"], 1, "nothing was written");
}
