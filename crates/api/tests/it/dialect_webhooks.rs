//! Webhooks of the dialects: golden calls and errors.

use crate::keyed;
use crate::stage::Stage;

#[tokio::test]
async fn ryze_webhooks_are_set_by_label() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /api/events/getWebhook/shop",
                "GET /api/events/getWebhook/shop?label=",
                r#"POST /api/events/webhook/shop {"enabled":true,"url":"https://hooks.example/in","authorization":"Bearer svc","byEvents":true,"events":["label.update","message.exchange"],"mediaBase64":true}"#,
                r#"POST /api/events/webhook/shop {"label":"crm","enabled":true,"url":"https://crm.example/in","authorization":null}"#,
                r#"POST /api/events/webhook/shop {"label":"bi","url":"https://bi.example/in"}"#,
                r#"POST /api/events/webhook/shop {"label":"more","enabled":true,"url":"https://more.example/in"}"#,
                r#"POST /api/events/webhook/shop {"label":"bi","enabled":false}"#,
                r#"POST /api/events/webhook/shop {"label":"more","enabled":true,"url":"https://more.example/in"}"#,
                r#"POST /api/events/webhook/shop {"label":"crm","enabled":true,"url":"https://crm.example/other","events":["instance.state"]}"#,
                "GET /api/events/getWebhook/shop",
                "GET /api/events/webhook/shop?label=crm",
                "GET /api/events/getWebhook/shop?label=",
                "GET /api/events/getWebhook/shop?label=nobody",
                "GET /api/instance/list",
                r#"POST /api/events/webhook/shop {"enabled":true}"#,
                r#"POST /api/events/webhook/shop {"enabled":true,"url":"nowhere"}"#,
                r#"POST /api/events/webhook/shop {"enabled":true,"url":"https://hooks.example/in","events":["label.updated"]}"#,
                r#"POST /api/events/webhook/shop {"enabled":"yes"}"#,
                r#"POST /api/events/webhook/shop {"authorization":"a\nb","url":"https://hooks.example/in"}"#,
                r#"POST /api/events/webhook/nobody {"enabled":true,"url":"https://hooks.example/in"}"#,
                r#"POST /api/events/webhook/ {"enabled":true}"#,
                "GET /api/events/getWebhook/nobody",
            ],
        )
        .await;
    insta::assert_snapshot!("ryze_webhooks", said);
    stage.close().await;
}

#[tokio::test]
async fn the_ryze_websocket_is_configured() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /api/events/getWebsocket/shop",
                r#"POST /api/events/websocket/shop {"enabled":true,"events":["message.exchange"]}"#,
                "GET /api/events/getWebsocket/shop",
                r#"POST /api/events/websocket/shop {"enabled":true,"mediaBase64":true}"#,
                r#"POST /api/events/websocket/shop {"enabled":false,"events":["label.update"]}"#,
                "GET /api/events/getWebsocket/shop",
                r#"POST /api/events/websocket/shop {"enabled":true,"events":["all"]}"#,
                "POST /api/events/websocket/shop []",
                "GET /api/events/getWebsocket/nobody",
            ],
        )
        .await;
    insta::assert_snapshot!("ryze_websocket", said);
    stage.close().await;
}

#[tokio::test]
async fn waha_sessions_are_configured() {
    let (stage, _) = Stage::shop().await;
    let caller = stage.account.clone();
    let said = keyed::talk(
        &stage,
        ("x-api-key", &caller),
        &[
            "GET /api/sessions/shop",
            r#"PUT /api/sessions/shop {"config":{"metadata":{"user.id":"123"},"debug":false,"noweb":{"store":{"enabled":true}},"webhooks":[{"url":"https://b.example/in","events":["message","session.status"],"hmac":{"key":"secret-key"},"retries":{"policy":"constant","delaySeconds":2,"attempts":15},"customHeaders":[{"name":"X-My","value":"1"}]},{"url":"https://a.example/in","events":["*"],"hmac":null}]}}"#,
            "GET /api/sessions/shop",
            "GET /api/sessions?all=true",
            "PUT /api/sessions/shop {}",
            r#"PUT /api/sessions/shop {"config":{"webhooks":[{"url":"https://a.example/in","events":["label.upsert"],"retries":{"delaySeconds":5}}]}}"#,
            r#"PUT /api/sessions/shop {"config":{}}"#,
            r#"POST /api/sessions {"name":"other","start":false,"config":{"metadata":{"a":"b"},"webhooks":[{"url":"https://c.example/in","events":["label.chat.added"]}]}}"#,
            "GET /api/sessions/other",
            r#"PUT /api/sessions/shop {"config":{"webhooks":[{"events":["*"]}]}}"#,
            r#"PUT /api/sessions/shop {"config":{"webhooks":[{"url":"ftp://a.example","events":["*"]}]}}"#,
            r#"PUT /api/sessions/shop {"config":{"webhooks":[{"url":"https://a.example","events":["Label Upsert"]}]}}"#,
            r#"PUT /api/sessions/shop {"config":{"webhooks":[{"url":"https://a.example","events":[],"retries":{"policy":"never"}}]}}"#,
            r#"PUT /api/sessions/shop {"config":{"metadata":{"a":1}}}"#,
            r#"PUT /api/sessions/nobody {"config":{}}"#,
            r#"POST /api/sessions {"name":"bad","start":false,"config":{"webhooks":[{"url":"nowhere","events":["*"]}]}}"#,
            "GET /api/sessions/bad",
        ],
    )
    .await;
    insta::assert_snapshot!("waha_config", said);
    stage.close().await;
}

#[tokio::test]
async fn wawp_webhooks_are_known_by_their_urls() {
    let (stage, token) = Stage::shop().await;
    let said = keyed::talk(
        &stage,
        ("access-token", &token),
        &[
            "GET /v2/session/webhook?instance_id=shop",
            r#"POST /v2/webhook/set?instance_id=shop {"url":"https://b.example/in","events":["label.upsert","label.chat.removed"],"hmac":"secret","retries":{"delay":3,"attempts":4}}"#,
            r#"POST /v2/webhook/set {"instance_id":"shop","url":"https://a.example/in","events":["*"],"is_active":0}"#,
            r#"POST /v2/webhook/set?instance_id=shop&url=https://b.example/in&events=label.deleted,message&retries=%7B%22delay%22:1%7D"#,
            "GET /v2/session/webhook?instance_id=shop",
            r#"PATCH /v2/webhook/update {"instance_id":"shop","url":"https://a.example/in","is_active":true,"name":"mine"}"#,
            r#"PATCH /v2/webhook/update {"instance_id":"shop","url":"https://nobody.example/in"}"#,
            "GET /v2/webhook/list?instance_id=shop",
            "POST /v2/session/info?instance_id=shop",
            "DELETE /v2/webhook/delete?instance_id=shop&url=https://b.example/in",
            r#"POST /v2/session/webhook {"instance_id":"shop","webhooks":"[{\"url\":\"https://c.example/in\",\"events\":[\"label.upsert\"],\"is_active\":true}]"}"#,
            "GET /v2/session/webhook?instance_id=shop",
            r#"POST /v2/session/webhook {"instance_id":"shop","webhooks":[{"events":["*"]}]}"#,
            r#"POST /v2/session/webhook {"instance_id":"shop","webhooks":{"url":"https://c.example/in"}}"#,
            r#"POST /v2/session/webhook {"instance_id":"shop"}"#,
            r#"POST /v2/webhook/set {"instance_id":"shop","url":"nowhere","events":["*"]}"#,
            r#"POST /v2/webhook/set {"instance_id":"shop","url":"https://d.example","events":[]}"#,
            r#"POST /v2/webhook/set {"instance_id":"shop","url":"https://d.example"}"#,
            r#"POST /v2/webhook/set {"instance_id":"shop","url":"https://d.example","events":["*"],"is_active":2}"#,
            r#"POST /v2/webhook/set {"instance_id":"shop","url":"https://d.example","events":["*"],"retries":{"delay":0}}"#,
            r#"POST /v2/session/webhook {"instance_id":"shop","webhooks":[]}"#,
            "GET /v2/session/webhook?instance_id=shop",
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_webhooks", said);
    stage.close().await;
}

#[tokio::test]
async fn the_evolution_webhook_is_set_and_found() {
    let (stage, token) = Stage::shop().await;
    let said = keyed::talk(
        &stage,
        ("apikey", &token),
        &[
            "GET /webhook/find/shop",
            r#"POST /webhook/set/shop {"webhook":{"enabled":true,"url":"https://a.example/in","byEvents":true,"base64":true,"headers":{"authorization":"Bearer svc"},"events":["LABELS_EDIT","LABELS_ASSOCIATION"]}}"#,
            "GET /webhook/find/shop",
            r#"POST /webhook/set/shop {"enabled":true,"url":"https://a.example/in","webhookByEvents":false,"webhookBase64":false,"events":[]}"#,
            r#"POST /webhook/set/shop {"webhook":{"enabled":false,"url":""}}"#,
            "GET /webhook/find/shop",
            r#"POST /webhook/set/shop {"webhook":{}}"#,
            r#"POST /webhook/set/shop {"webhook":{"enabled":"yes","url":1,"events":["LABELS"],"headers":{"a":1}}}"#,
            r#"POST /webhook/set/shop {"webhook":[]}"#,
            r#"POST /webhook/set/shop {"webhook":{"enabled":true,"url":"nowhere"}}"#,
            r#"POST /webhook/set/nobody {"webhook":{"enabled":true,"url":"https://a.example/in"}}"#,
            "GET /webhook/find/nobody",
            "GET /webhook/nothing",
        ],
    )
    .await;
    insta::assert_snapshot!("evolution_webhooks", said);
    stage.close().await;
}
