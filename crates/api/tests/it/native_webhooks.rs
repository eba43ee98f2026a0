//! The native API's webhooks: golden calls and errors.

use axum::http::header::AUTHORIZATION;

use crate::stage::{Stage, request, text};

/// The id of the webhook last spoken of.
fn hook_of(said: &str) -> String {
    said.split('"')
        .rfind(|word| word.starts_with("whk_"))
        .expect("an id")
        .to_owned()
}

#[tokio::test]
async fn webhooks_are_made_changed_rotated_and_deleted() {
    let (stage, own) = Stage::shop().await;
    let account = stage.account.clone();
    let mut said = stage
        .talk(
            &account,
            &[
                "GET /v1/instances/shop/webhooks",
                r#"POST /v1/instances/shop/webhooks {"name":"crm","url":"https://crm.example.org/in","events":["chat.labeled","chat.unlabeled"],"labels":["VIP","1"],"chats":["person"],"headers":{"X-Team":"blue"},"retries":{"policy":"linear","delay_s":2,"attempts":4}}"#,
                r#"POST /v1/instances/shop/webhooks {"name":"crm","url":"https://crm.example.org/in"}"#,
                r#"POST /v1/instances/shop/webhooks {"name":"own","url":"http://10.0.0.1/","enabled":false,"message_text":true,"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#,
                r#"POST /v1/instances/shop/webhooks {"name":"x","url":"ftp://crm.example.org/"}"#,
                r#"POST /v1/instances/shop/webhooks {"name":"x","url":"https://a.example.org/","events":["label.exploded"]}"#,
                r#"POST /v1/instances/shop/webhooks {"name":"x","url":"https://a.example.org/","headers":{"bad name":"x"}}"#,
                r#"POST /v1/instances/shop/webhooks {"name":"x","url":"https://a.example.org/","secret":"short"}"#,
                r#"POST /v1/instances/shop/webhooks {"name":"x","url":"https://a.example.org/","retries":{"policy":"constant","delay_s":0,"attempts":1}}"#,
                r#"POST /v1/instances/shop/webhooks {"name":"x","url":"https://a.example.org/","more":1}"#,
                "GET /v1/instances/shop/webhooks",
            ],
        )
        .await;
    let id = hook_of(&said);
    let at = format!("/v1/instances/shop/webhooks/{id}");
    said += &stage
        .talk(
            &account,
            &[
                &format!("GET {at}"),
                &format!(r#"PATCH {at} {{"url":"https://other.example.org/","events":[],"retries":{{"policy":"standard"}}}}"#),
                &format!("POST {at}/rotate"),
                &format!(r#"POST {at}/rotate {{"grace_s":60}}"#),
                &format!(r#"POST {at}/rotate {{"grace_s":999999}}"#),
                &format!("POST {at}/test"),
                &format!(r#"PATCH {at} {{"enabled":true}}"#),
                &format!("POST {at}/test"),
                &format!("GET {at}"),
                &format!("GET {at}/deliveries"),
                &format!("GET {at}/deliveries?state=pending&limit=1"),
                &format!("GET {at}/deliveries?state=lost"),
                &format!("GET {at}/deliveries/1"),
                &format!("GET {at}/deliveries/9"),
                &format!("GET {at}/deliveries/x"),
                &format!("POST {at}/deliveries/1/replay"),
                &format!("POST {at}/deliveries/9/replay"),
                &format!(r#"POST {at}/replay {{}}"#),
                &format!(r#"POST {at}/replay {{"state":"pending"}}"#),
                "GET /v1/instances/shop/webhooks/whk_0",
                "GET /v1/instances/nobody/webhooks",
                &format!("DELETE {at}"),
                &format!("DELETE {at}"),
            ],
        )
        .await;
    insta::assert_snapshot!("native_webhooks", said);
    // They hold secrets: only who may administrate sees them.
    let made = stage
        .talk(
            &account,
            &[r#"POST /v1/tokens {"name":"reader","scopes":["read","label","send"],"instance":"shop"}"#],
        )
        .await;
    let reader = made
        .split(r#""text":""#)
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a token");
    let refused = stage
        .talk(reader, &["GET /v1/instances/shop/webhooks"])
        .await;
    assert!(refused.contains("\n  403 "), "{refused}");
    let seen = stage.talk(&own, &["GET /v1/instances/shop/webhooks"]).await;
    assert!(seen.contains("\n  200 "), "{seen}");
    stage.close().await;
}

#[tokio::test]
async fn a_webhooks_secret_is_shown_when_made_only() {
    let (stage, _) = Stage::shop().await;
    let mut ask = request(
        "POST",
        "/v1/instances/shop/webhooks",
        "",
        Some(r#"{"name":"a","url":"https://a.example.org/"}"#),
    );
    let bearer = format!("Bearer {}", stage.account);
    ask.headers_mut()
        .insert(AUTHORIZATION, bearer.parse().expect("a value"));
    let made = text(stage.send(ask).await).await;
    let secret = made.split('"').find(|word| word.starts_with("whsec_"));
    let secret = secret.expect("a secret");
    let id = hook_of(&made);
    let said = stage
        .talk(
            &stage.account,
            &[
                "GET /v1/instances/shop/webhooks",
                &format!("GET /v1/instances/shop/webhooks/{id}"),
                &format!(r#"PATCH /v1/instances/shop/webhooks/{id} {{"enabled":false}}"#),
            ],
        )
        .await;
    assert!(!said.contains("whsec_"), "{said}");
    let rotated = stage
        .talk(
            &stage.account,
            &[&format!("POST /v1/instances/shop/webhooks/{id}/rotate")],
        )
        .await;
    assert!(rotated.contains("whsec_") && !rotated.contains(secret));
    stage.close().await;
}
