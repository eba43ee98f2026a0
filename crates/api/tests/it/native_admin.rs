//! The native API's instances and tokens: golden calls and errors.

use crate::stage::Stage;

#[tokio::test]
async fn instances_are_made_connected_and_deleted() {
    let (stage, _) = Stage::shop().await;
    let account = stage.account.clone();
    let said = stage
        .talk(
            &account,
            &[
                "GET /v1/instances",
                r#"POST /v1/instances {"name":"second"}"#,
                r#"POST /v1/instances {"name":"second"}"#,
                r#"POST /v1/instances {"name":"no blanks"}"#,
                r#"POST /v1/instances {}"#,
                "GET /v1/instances/second",
                r#"POST /v1/instances/second/connect {"number":"+55 11 90000-0000"}"#,
                r#"POST /v1/instances/second/connect {"number":"me"}"#,
                "POST /v1/instances/shop/connect",
                "POST /v1/instances/shop/stop",
                "POST /v1/instances/nobody/start",
                "POST /v1/instances/shop/logout",
                "GET /v1/instances/shop",
                "DELETE /v1/instances/second",
                "GET /v1/instances/second",
                "DELETE /v1/instances/second",
            ],
        )
        .await;
    insta::assert_snapshot!("native_instances", said);
    stage.instance("third").await;
    let started = stage
        .talk(
            &account,
            &[
                "POST /v1/instances/third/start",
                "POST /v1/instances/third/restart",
            ],
        )
        .await;
    assert_eq!(started.matches("\n  200 ").count(), 2, "{started}");
    let qr = stage
        .talk(&account, &["POST /v1/instances/third/connect"])
        .await;
    assert!(qr.contains(r#"{"outcome":"qr","qr":"2@fakeref,"#), "{qr}");
    assert!(qr.contains(r#""qr_image":"data:image/png;base64,"#));
    stage.close().await;
}

#[tokio::test]
async fn tokens_are_made_rotated_and_revoked() {
    let (stage, own) = Stage::shop().await;
    let account = stage.account.clone();
    let mut said = stage
        .talk(
            &account,
            &[
                r#"POST /v1/tokens {"name":"reader","scopes":["read"],"instance":"shop","expires_at":"2030-01-01T00:00:00Z"}"#,
                "GET /v1/tokens",
                "GET /v1/tokens/self",
                r#"POST /v1/tokens {"name":"x","scopes":[]}"#,
                r#"POST /v1/tokens {"name":"","scopes":["read"]}"#,
                r#"POST /v1/tokens {"name":"x","scopes":["everything"]}"#,
                r#"POST /v1/tokens {"name":"x","scopes":["read"],"expires_at":"2001-01-01T00:00:00Z"}"#,
                r#"POST /v1/tokens {"name":"x","scopes":["read"],"expires_at":"tomorrow"}"#,
                r#"POST /v1/tokens {"name":"x","scopes":["read"],"instance":"nobody"}"#,
                "GET /v1/tokens/tok_0",
                "DELETE /v1/tokens/tok_0",
                "POST /v1/tokens/tok_0/rotate",
                "POST /v1/tokens/tok_0/rotate?grace_s=-1",
            ],
        )
        .await;
    let text = said
        .split(r#""text":""#)
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a token")
        .to_owned();
    let id = said
        .split('"')
        .find(|word| word.starts_with("tok_"))
        .expect("an id")
        .to_owned();
    said += &stage
        .talk(
            &text,
            &[
                "GET /v1/instances/shop",
                "GET /v1/tokens/self",
                "GET /v1/tokens",
                "PUT /v1/instances/shop/chats/5511966665555/labels/2",
                r#"POST /v1/instances {"name":"more"}"#,
            ],
        )
        .await;
    said += &stage
        .talk(
            &account,
            &[
                &format!("GET /v1/tokens/{id}"),
                &format!("POST /v1/tokens/{id}/rotate?grace_s=60"),
                &format!("DELETE /v1/tokens/{id}"),
                &format!("DELETE /v1/tokens/{id}"),
            ],
        )
        .await;
    said += &stage.talk(&text, &["GET /v1/instances/shop"]).await;
    said += &stage
        .talk(
            &own,
            &[
                "GET /v1/tokens",
                r#"POST /v1/tokens {"name":"x","scopes":["read"]}"#,
            ],
        )
        .await;
    insta::assert_snapshot!("native_tokens", said);
    stage.close().await;
}

#[tokio::test]
async fn swagger_ui_is_served_from_the_binary() {
    let stage = Stage::empty().await;
    for (path, holds) in [
        ("/docs/", "<title>Swagger UI</title>"),
        ("/docs/swagger-initializer.js", "/v1/openapi.json"),
        ("/docs/swagger-initializer.js", "/api/openapi.json"),
        ("/docs/swagger-initializer.js", "/v2/openapi.json"),
        ("/docs/swagger-ui.css", ".swagger-ui"),
    ] {
        let said = stage.talk("", &[&format!("GET {path}")]).await;
        assert!(said.contains("\n  200 "), "{path}");
        assert!(said.contains(holds), "{path}");
        // Nothing is fetched from elsewhere.
        assert!(
            !said.contains("src=\"http") && !said.contains("href=\"http"),
            "{path}"
        );
    }
    stage.close().await;
}
