//! Instances: golden calls and errors.

use labelwire_domain::token::Scope;
use std::sync::atomic::Ordering;

use crate::fake::QR;
use crate::stage::{Stage, request};

#[tokio::test]
async fn an_instance_is_made_listed_paired_logged_out_and_deleted() {
    let stage = Stage::empty().await;
    let made = stage
        .talk(
            &stage.account,
            &[
                "GET /api/instance/list",
                r#"POST /api/instance/new {"name":"shop","webhookEnabled":true}"#,
                r#"POST /api/instance/new {"name":"desk","token":"a-token-of-my-own-1"}"#,
                "GET /api/instance/list?instanceName=shop",
                "GET /api/instance/connect/shop?number=%2B55%2011%2099999-9999",
            ],
        )
        .await;
    insta::assert_snapshot!("made", made);
    let caller = stage.caller().await;
    let key = stage
        .app
        .instance(&caller, Scope::Admin, "shop")
        .expect("there")
        .key;
    stage.fake.hold(vec![]);
    stage.pair("shop", vec![]).await;
    let ended = stage
        .talk(
            &stage.account,
            &[
                "GET /api/instance/connect/shop",
                "GET /api/instance/list",
                "DELETE /api/instance/logout/shop",
                "GET /api/instance/list?instanceName=shop,nobody",
                "DELETE /api/instance/delete/shop",
                "GET /api/instance/list?instanceName=shop",
                "GET /api/instance/list?instanceName=shop,nobody",
                "DELETE /api/instance/delete/shop",
            ],
        )
        .await;
    insta::assert_snapshot!("ended", ended);
    assert!(
        stage.app.instance(&caller, Scope::Admin, "shop").is_err(),
        "{key} is gone"
    );
    stage.close().await;
}

#[tokio::test]
async fn connecting_shows_a_code_that_can_be_scanned() {
    let stage = Stage::empty().await;
    stage.instance("shop").await;
    let (status, answer) = stage.get("/api/instance/connect/shop").await;
    assert_eq!((status, &answer["status"]), (200, &"qr".into()));
    assert_eq!(answer["message"], "QR code generated");
    assert_eq!(answer["qrCode"], QR);
    let picture = answer["qrCodeBase64"].as_str().expect("a picture");
    assert!(
        picture.starts_with("data:image/png;base64,iVBORw0KGgo"),
        "{picture}"
    );
    let keys: Vec<&String> = answer.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        ["message", "qrCode", "qrCodeBase64", "status", "success"]
    );
    stage.close().await;
}

#[tokio::test]
async fn making_an_instance_refuses_what_makes_no_sense() {
    let stage = Stage::empty().await;
    stage.instance("shop").await;
    let said = stage
        .talk(
            &stage.account,
            &[
                r#"POST /api/instance/new {"name":"shop"}"#,
                r#"POST /api/instance/new {"name":"  "}"#,
                r#"POST /api/instance/new {"token":"a-token-of-my-own-1"}"#,
                r#"POST /api/instance/new {"name":"no blanks"}"#,
                r#"POST /api/instance/new {"name":"a/b"}"#,
                r#"POST /api/instance/new {"name":"x","token":"short"}"#,
                r#"POST /api/instance/new {"name":7}"#,
                r#"POST /api/instance/new {"name":"x","name":"y"}"#,
                r#"POST /api/instance/new {"name":"x","more":1,"more":2}"#,
                r#"POST /api/instance/new ["x"]"#,
                r#"POST /api/instance/new {"name":"#,
                "POST /api/instance/new",
                "GET /api/instance/new",
                "GET /api/instance/connect/shop?number=12",
                "GET /api/instance/connect/shop?history=week",
            ],
        )
        .await;
    insta::assert_snapshot!("new_refused", said);
    let large = format!(r#"{{"name":"x","more":"{}"}}"#, "y".repeat(1024 * 1024));
    let answer = stage
        .send(request(
            "POST",
            "/api/instance/new",
            &stage.account,
            Some(&large),
        ))
        .await;
    assert_eq!(answer.status(), 413);
    stage.fake.unreachable.store(true, Ordering::Relaxed);
    let said = stage
        .talk(&stage.account, &["GET /api/instance/connect/shop"])
        .await;
    insta::assert_snapshot!("unreachable", said);
    stage.close().await;
}

#[tokio::test]
async fn tokens_open_what_is_theirs_and_nothing_else() {
    let (stage, own) = Stage::shop().await;
    stage.instance("desk").await;
    let (_, other) = stage.app.create_account("other").await.expect("an account");
    let mut said = String::new();
    for (who, token) in [
        ("an instance's token", own.as_str()),
        ("another account's token", &other),
        ("an unknown token", "nonsense"),
        ("no token", ""),
    ] {
        said += &format!("── {who}\n");
        said += &stage
            .talk(
                token,
                &[
                    "GET /api/chat/tag/shop",
                    "GET /api/chat/tag/desk",
                    "GET /api/chat/tag/nobody",
                    "GET /api/instance/list?instanceName=desk",
                    r#"POST /api/instance/new {"name":"mine"}"#,
                    "DELETE /api/instance/delete/shop",
                    "DELETE /api/instance/logout/desk",
                    "GET /api/instance/connect/desk",
                ],
            )
            .await;
    }
    insta::assert_snapshot!("tokens", said);
    stage.close().await;
}

#[tokio::test]
async fn a_token_may_be_in_three_places() {
    let (stage, token) = Stage::shop().await;
    let get = |path: String| axum::http::Request::builder().uri(path);
    let path = || "/api/chat/tag/shop".to_owned();
    let body = axum::body::Body::empty;
    for (request, status) in [
        (get(path()).header("token", &token), 200),
        (
            get(path()).header("Authorization", format!("Bearer {token}")),
            200,
        ),
        (
            get(path()).header("Authorization", format!("Basic {token}")),
            401,
        ),
        (get(format!("{}?token={token}", path())), 200),
        (get(format!("{}?token=", path())), 401),
        (get(format!("{}?token=nonsense", path())), 401),
        (get(path()).header("token", [0xff, 0xfe].as_slice()), 401),
    ] {
        let request = request.body(body()).expect("a request");
        let shown = format!("{request:?}");
        assert_eq!(stage.send(request).await.status(), status, "{shown}");
    }
    stage.close().await;
}
