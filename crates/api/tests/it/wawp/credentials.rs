//! Where credentials may be, and what they open.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::Request;
use labelwire_api::Rate;

use super::{said, short_id, talk};
use crate::stage::Stage;

#[tokio::test]
async fn credentials_are_taken_from_every_place() {
    let (stage, token) = Stage::shop().await;
    let id = short_id(&stage, "shop").await;
    let bearer = format!("Bearer {token}");
    let json = format!(r#"{{"instance_id":"{id}","access_token":"{token}"}}"#);
    let form = format!("instance_id={id}&access_token={token}");
    let asked = [
        Request::put(format!("/v2/labels/1/chats/5511900001111@c.us?{form}")).body(Body::empty()),
        Request::put("/v2/labels/1/chats/5511900001111@c.us").body(Body::from(json.clone())),
        Request::put("/v2/labels/1/chats/5511900001111@c.us")
            .header("content-type", "application/json")
            .body(Body::from(json.clone())),
        Request::put("/v2/labels/1/chats/5511900001111@c.us")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.clone())),
        // What `curl -d` says of JSON.
        Request::put("/v2/labels/1/chats/5511900001111@c.us")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(json.clone())),
        Request::get("/v2/labels")
            .header("authorization", &bearer)
            .header("x-instance-id", &id)
            .body(Body::empty()),
        Request::get(format!("/v2/labels?instance_id={id}"))
            .header("access-token", &token)
            .body(Body::empty()),
        Request::get("/v2/labels").body(Body::from(json.clone())),
        // Said everywhere, and the same.
        Request::put(format!("/v2/labels/1/chats/5511900001111@c.us?{form}"))
            .header("authorization", &bearer)
            .header("access-token", &token)
            .header("x-instance-id", &id)
            .body(Body::from(json.clone())),
    ];
    for request in asked {
        let request = request.expect("a request");
        let shown = format!("{request:?}");
        let (status, text) = said(&stage, request).await;
        assert_eq!(status, 200, "{text} for {shown}");
    }
    stage.close().await;
}

#[tokio::test]
async fn what_contradicts_itself_is_refused() {
    let (stage, token) = Stage::shop().await;
    let body = |text: &str| Body::from(text.to_owned());
    let get = |uri: &str| Request::get(uri);
    let asked = [
        get(&format!("/v2/labels?access_token={token}&instance_id=shop"))
            .header("access-token", &stage.account)
            .body(Body::empty()),
        get("/v2/labels?instance_id=shop")
            .header("access-token", &token)
            .header("authorization", "Bearer another")
            .body(Body::empty()),
        get("/v2/labels?instance_id=shop")
            .header("access-token", &token)
            .body(body(r#"{"access_token":"another"}"#)),
        get("/v2/labels?instance_id=shop")
            .header("access-token", &token)
            .body(body("instance_id=desk")),
        get("/v2/labels?instance_id=shop&instance_id=desk")
            .header("access-token", &token)
            .body(Body::empty()),
        get("/v2/labels?instance_id=shop")
            .header("access-token", &token)
            .header("x-instance-id", "desk")
            .body(Body::empty()),
        get("/v2/labels?instance_id=shop").body(body(r#"{"access_token":7}"#)),
    ];
    let mut transcript = String::new();
    for request in asked {
        let (status, text) = said(&stage, request.expect("a request")).await;
        let _ = writeln!(transcript, "{status} {text}");
    }
    insta::assert_snapshot!("wawp_contradictions", transcript);
    stage.close().await;
}

#[tokio::test]
async fn tokens_open_what_is_theirs_and_nothing_else() {
    let (stage, own) = Stage::shop().await;
    stage.instance("desk").await;
    let (_, other) = stage.app.create_account("other").await.expect("an account");
    let mut transcript = String::new();
    for (who, token) in [
        ("an instance's token", own.as_str()),
        ("another account's token", &other),
        ("an unknown token", "nonsense"),
        ("no token", ""),
    ] {
        let _ = writeln!(transcript, "── {who}");
        transcript += &talk(
            &stage,
            token,
            "",
            &[
                "GET /v2/labels/2?instance_id=shop",
                "GET /v2/labels/2?instance_id=desk",
                "GET /v2/labels/2?instance_id=nobody",
                "GET /v2/labels/2?instance_id=%20",
                "GET /v2/labels/2",
                "DELETE /v2/session/delete?instance_id=shop",
            ],
        )
        .await;
    }
    transcript += "── an instance's token makes none\n";
    transcript += &talk(&stage, &own, "", &["POST /v2/session/create"]).await;
    insta::assert_snapshot!("wawp_tokens", transcript);
    stage.close().await;
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let rate = Rate {
        calls: 2,
        creates: 1,
    };
    let (stage, token) = Stage::shop_with(|config| config.rate = rate).await;
    let lines = ["GET /v2/labels/2"; 3];
    let mut transcript = talk(&stage, &token, "shop", &lines).await;
    let create = Request::post("/v2/session/create")
        .header("access-token", &stage.account)
        .body(Body::empty());
    let answer = stage.send(create.expect("a request")).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["x-ratelimit-limit"], "1");
    transcript += &talk(&stage, &stage.account, "", &["POST /v2/session/create"]).await;
    insta::assert_snapshot!("wawp_rate", transcript);
    stage.close().await;
}
