//! Pages of other origins.

use axum::body::Body;
use axum::http::{Request, Response};

use crate::stage::{Stage, header_of, request};

async fn ask(stage: &Stage, method: &str, origin: &str) -> Response<Body> {
    let mut asked = request(method, "/api/instance/list", "", None);
    let headers = asked.headers_mut();
    headers.insert("origin", origin.parse().expect("a value"));
    if method == "OPTIONS" {
        headers.insert(
            "access-control-request-method",
            "GET".parse().expect("a value"),
        );
        headers.insert(
            "access-control-request-headers",
            "token".parse().expect("a value"),
        );
    } else {
        headers.insert("token", stage.account.parse().expect("a value"));
    }
    let asked: Request<Body> = asked;
    stage.send(asked).await
}

#[tokio::test]
async fn only_pages_that_were_named_may_call() {
    let stage = Stage::with_config(|config| {
        config.cors = "https://app.example".parse().expect("an origin");
        config.rate = labelwire_api::Rate::default();
    })
    .await;
    let preflight = ask(&stage, "OPTIONS", "https://app.example").await;
    assert_eq!(preflight.status(), 200, "no token is needed");
    let allowed = header_of(&preflight, "access-control-allow-headers");
    for name in [
        "content-type",
        "authorization",
        "token",
        "x-api-key",
        "apikey",
        "access-token",
        "x-instance-id",
        "idempotency-key",
    ] {
        assert!(
            allowed.split(',').any(|n| n.trim() == name),
            "{name} in {allowed}"
        );
    }
    let answer = ask(&stage, "GET", "https://app.example").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        header_of(&answer, "access-control-allow-origin"),
        "https://app.example"
    );
    assert_eq!(header_of(&answer, "access-control-allow-credentials"), "");
    let exposed = header_of(&answer, "access-control-expose-headers");
    for name in [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "etag",
    ] {
        assert!(
            exposed.split(',').any(|n| n.trim() == name),
            "{name} in {exposed}"
        );
    }
    for method in ["OPTIONS", "GET"] {
        let other = ask(&stage, method, "https://evil.example").await;
        assert_eq!(
            header_of(&other, "access-control-allow-origin"),
            "",
            "{method}"
        );
    }
    stage.close().await;
}

#[tokio::test]
async fn no_page_may_call_by_default_and_every_page_with_a_star() {
    let closed = Stage::empty().await;
    for method in ["OPTIONS", "GET"] {
        let answer = ask(&closed, method, "https://app.example").await;
        assert_eq!(
            header_of(&answer, "access-control-allow-origin"),
            "",
            "{method}"
        );
    }
    closed.close().await;
    let open = Stage::with_config(|config| config.cors = "*".parse().expect("a star")).await;
    let answer = ask(&open, "GET", "https://app.example").await;
    assert_eq!(header_of(&answer, "access-control-allow-origin"), "*");
    open.close().await;
}
