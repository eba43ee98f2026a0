//! Settings of an instance: golden calls and errors.

use crate::stage::{Stage, request};

#[tokio::test]
async fn settings_are_read_and_changed_in_part() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /api/instance/getSettings/shop",
                r#"POST /api/instance/settings/shop {"autoRejectCalls":true,"callRejectMessage":"Não \"agora\" ☎"}"#,
                r#"POST /api/instance/settings/shop {"ignoreStatus":true,"disableHistorySync":false,"more":[1]}"#,
                r#"POST /api/instance/settings/shop {"autoRejectCalls":false}"#,
                "GET /api/instance/getSettings/shop",
                "GET /api/instance/list",
                "POST /api/instance/settings/shop {}",
                r#"POST /api/instance/settings/shop {"more":1}"#,
                r#"POST /api/instance/settings/shop {"ignoreStatus":null}"#,
                r#"POST /api/instance/settings/shop {"ignoreStatus":"yes"}"#,
                r#"POST /api/instance/settings/shop [true]"#,
                "POST /api/instance/settings/shop",
                r#"POST /api/instance/settings/nobody {"ignoreStatus":true}"#,
                "GET /api/instance/getSettings/nobody",
                "GET /api/instance/getSettings/",
                r#"POST /api/instance/settings/ {"ignoreStatus":true}"#,
                "PUT /api/instance/settings/shop",
            ],
        )
        .await;
    insta::assert_snapshot!("settings", said);
    let call = ["GET /api/instance/getSettings/shop"];
    let mut said = stage.talk("nonsense", &call).await;
    said += &stage.talk("", &call).await;
    insta::assert_snapshot!("settings_unauthenticated", said);
    stage.close().await;
}

/// What `instance/new` takes is there from the beginning; secrets are not shown
/// where the documents do not show them, and what labelwire does not do is not
/// shown as done.
#[tokio::test]
async fn an_instance_is_made_with_all_its_settings() {
    let stage = Stage::empty().await;
    let said = stage
        .talk(
            &stage.account,
            &[
                r#"POST /api/instance/new {"name":"all","token":"a-token-of-my-own-1","proxyEnabled":true,"proxyHost":"proxy.example","proxyPort":"8080","proxyProtocol":"http","proxyUsername":"me","proxyPassword":"SECRET","webhookEnabled":true,"webhookURL":"https://hooks.example/in","webhookAuthorization":"Bearer svc","webhookByEvents":true,"webhookEvents":["label.update"],"webhookMediaBase64":true,"websocketEnabled":true,"websocketMediaBase64":true,"chatwootEnabled":true,"chatwootBaseUrl":"https://chat.example","chatwootAccountId":7,"chatwootApiToken":"SECRET","chatwootInboxName":"in","chatwootSignMessages":true,"chatwootIgnoreGroups":true,"chatwootStartAsPending":true,"chatwootReopenResolved":true,"autoRejectCalls":true,"callRejectMessage":"no","ignoreGroupMessages":true,"keepOnlineStatus":true,"autoReadMessages":true,"disableHistorySync":false,"ignoreStatus":true,"s3Enabled":true,"s3Region":"eu","s3Bucket":"b","s3AccessKey":"SECRET","s3SecretKey":"SECRET","s3Endpoint":"https://s3.example","s3PathPrefix":"p/","unheardOf":{"x":1}}"#,
                r#"POST /api/instance/new {"name":"off","webhookEnabled":false,"webhookURL":"https://hooks.example/in","webhookAuthorization":"Bearer svc","proxyHost":"proxy.example"}"#,
                "GET /api/instance/list",
                "GET /api/instance/getSettings/all",
                r#"POST /api/instance/new {"name":"bad","proxyPort":8080}"#,
                r#"POST /api/instance/new {"name":"bad","webhookEnabled":"yes"}"#,
                r#"POST /api/instance/new {"name":"bad","webhookEvents":"label.update"}"#,
                r#"POST /api/instance/new {"name":"null","proxyPort":null,"webhookEvents":null}"#,
            ],
        )
        .await;
    let answers: Vec<&str> = said.lines().filter(|l| l.starts_with("  {")).collect();
    assert!(answers.iter().all(|answer| !answer.contains("SECRET")));
    insta::assert_snapshot!("settings_new", said);
    // Deleted with the instance: one of the same name begins anew.
    let said = stage
        .talk(
            &stage.account,
            &[
                "DELETE /api/instance/delete/all",
                r#"POST /api/instance/new {"name":"all"}"#,
                "GET /api/instance/getSettings/all",
            ],
        )
        .await;
    insta::assert_snapshot!("settings_anew", said);
    stage.close().await;
}

/// Two who change different settings at once both have their way.
#[tokio::test]
async fn changes_made_at_once_are_all_kept() {
    let (stage, token) = Stage::shop().await;
    let path = "/api/instance/settings/shop";
    let change = |body| stage.send(request("POST", path, &token, Some(body)));
    let (one, two, three) = tokio::join!(
        change(r#"{"autoRejectCalls":true}"#),
        change(r#"{"ignoreStatus":true}"#),
        change(r#"{"keepOnlineStatus":true}"#),
    );
    for answer in [one, two, three] {
        assert_eq!(answer.status(), 200);
    }
    let (_, answer) = stage.get("/api/instance/getSettings/shop").await;
    for setting in ["autoRejectCalls", "ignoreStatus", "keepOnlineStatus"] {
        assert_eq!(answer["settings"][setting], true, "{setting}");
    }
    stage.close().await;
}
