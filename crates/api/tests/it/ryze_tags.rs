//! Tags made and deleted: golden calls and errors.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::fake::label;
use crate::stage::Stage;

#[tokio::test]
async fn tags_are_made_and_deleted() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[
                r#"POST /api/chat/tag/shop {"name":"  Novo ☎ é ","color":5}"#,
                r#"POST /api/chat/tag/shop {"name":"plain"}"#,
                r#"POST /api/chat/tag/shop {"name":"eleven","color":11,"more":true}"#,
                r#"POST /api/chat/tag/shop {"name":"below","color":-3}"#,
                "GET /api/chat/tag/shop",
                r#"POST /api/chat/assignTag/shop {"number":"5511966665555","tagId":"100"}"#,
                "GET /api/chat/contactsByLabel/shop?labelNames=novo%20%E2%98%8E%20%C3%89",
                "DELETE /api/chat/tag/shop?tagId=100",
                "GET /api/chat/contactsByLabel/shop?labelIds=100",
                "DELETE /api/chat/tag/shop?tagId=100",
                "DELETE /api/chat/tag/shop?tagId=99",
                "DELETE /api/chat/tag/shop?tagId=%202%20",
                "GET /api/chat/tag/shop",
                r#"POST /api/chat/tag/shop {"name":"after"}"#,
            ],
        )
        .await;
    insta::assert_snapshot!("tags_made", said);
    stage.close().await;
}

#[tokio::test]
async fn a_tag_that_cannot_be_is_refused_with_the_reason() {
    let (stage, token) = Stage::shop().await;
    let long = format!(
        r#"POST /api/chat/tag/shop {{"name":"{}"}}"#,
        "x".repeat(101)
    );
    let mut said = stage
        .talk(
            &token,
            &[
                r#"POST /api/chat/tag/shop {"name":"vip"}"#,
                r#"POST /api/chat/tag/shop {"name":" "}"#,
                r#"POST /api/chat/tag/shop {"color":1}"#,
                r#"POST /api/chat/tag/shop {"name":null}"#,
                r#"POST /api/chat/tag/shop {"name":7}"#,
                r#"POST /api/chat/tag/shop {"name":"x","color":"red"}"#,
                r#"POST /api/chat/tag/shop {"name":"x","color":1.5}"#,
                r#"POST /api/chat/tag/shop {"name":"a\u0007b"}"#,
                &long,
                r#"POST /api/chat/tag/shop {"name":"#,
                "POST /api/chat/tag/shop",
                r#"POST /api/chat/tag/nobody {"name":"x"}"#,
                r#"POST /api/chat/tag/%20 {"name":"x"}"#,
                r#"POST /api/chat/tag {"name":"x"}"#,
                "DELETE /api/chat/tag/shop",
                "DELETE /api/chat/tag/shop?tagId=%20",
                "DELETE /api/chat/tag/nobody?tagId=1",
                "DELETE /api/chat/tag/?tagId=1",
            ],
        )
        .await;
    stage.fake.refusing.store(true, Ordering::Relaxed);
    said += "── WhatsApp refuses\n";
    said += &stage
        .talk(
            &token,
            &[
                r#"POST /api/chat/tag/shop {"name":"new"}"#,
                "DELETE /api/chat/tag/shop?tagId=1",
            ],
        )
        .await;
    stage.fake.refusing.store(false, Ordering::Relaxed);
    said += "── an unknown token, and none\n";
    let call = [r#"POST /api/chat/tag/shop {"name":"new"}"#];
    said += &stage.talk("nonsense", &call).await;
    said += &stage.talk("", &call).await;
    stage.offline("shop").await;
    let fresh = stage.instance("fresh").await;
    said += "── offline\n";
    said += &stage
        .talk(
            &token,
            &[
                r#"POST /api/chat/tag/shop {"name":"new"}"#,
                "DELETE /api/chat/tag/shop?tagId=99",
            ],
        )
        .await;
    said += "── never paired\n";
    said += &stage
        .talk(
            &fresh,
            &[
                r#"POST /api/chat/tag/fresh {"name":"new"}"#,
                "DELETE /api/chat/tag/fresh?tagId=1",
            ],
        )
        .await;
    insta::assert_snapshot!("tags_refused", said);
    stage.close().await;
}

#[tokio::test]
async fn the_twenty_first_tag_is_refused_until_one_is_deleted() {
    let stage = Stage::empty().await;
    let token = stage.instance("shop").await;
    let held = (1..=20).map(|n| label(&n.to_string(), &format!("label {n}"), n % 20));
    stage.pair("shop", held.collect()).await;
    let said = stage
        .talk(
            &token,
            &[
                r#"POST /api/chat/tag/shop {"name":"one too many"}"#,
                "DELETE /api/chat/tag/shop?tagId=20",
                r#"POST /api/chat/tag/shop {"name":"as many as may be"}"#,
            ],
        )
        .await;
    insta::assert_snapshot!("tags_limit", said);
    let (_, tags) = stage.get("/api/chat/tag/shop").await;
    assert_eq!(tags["total"], json!(20));
    stage.close().await;
}
