//! Label calls.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;
use labelwire_api::ListShape;

use super::{said, talk};
use crate::fake::{label, on};
use crate::stage::Stage;

#[tokio::test]
async fn labels_are_read_as_documented() {
    let (stage, token) = Stage::shop().await;
    let said = talk(
        &stage,
        &token,
        "shop",
        &[
            "GET /v2/labels",
            "GET /v2/labels/all",
            "GET /v2/labels/2",
            "GET /v2/labels/2?id=2&labelId=2",
            "GET /v2/labels/99",
            "GET /v2/labels/1/chats",
            "GET /v2/labels/10/chats",
            "GET /v2/labels/99/chats",
            "GET /v2/labels/chats/5511988887777@c.us",
            "GET /v2/labels/chats/%2B55%2011%2098888-7777",
            "GET /v2/labels/chats/77777777777777@lid",
            "GET /v2/labels/chats/120363021033254949@g.us",
            "GET /v2/labels/chats/5511900001111@c.us",
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_reads", said);
    stage.close().await;
}

#[tokio::test]
async fn lists_may_be_objects_keyed_by_number() {
    let stage = Stage::with_config(|c| c.wawp_list_shape = ListShape::KeyedObject).await;
    let token = stage.instance("shop").await;
    let chat = "5511999999999@s.whatsapp.net";
    let records = vec![label("1", "New", 0), label("2", "Old", 1), on("1", chat)];
    stage.pair("shop", records).await;
    let said = talk(
        &stage,
        &token,
        "shop",
        &[
            "GET /v2/labels",
            "GET /v2/labels/1/chats",
            "GET /v2/labels/2/chats",
            "GET /v2/labels/chats/5511999999999@c.us",
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_keyed", said);
    stage.close().await;
}

#[tokio::test]
async fn labels_are_made_changed_and_deleted() {
    let (stage, token) = Stage::shop().await;
    let said = talk(
        &stage,
        &token,
        "shop",
        &[
            r#"POST /v2/labels {"name":"Urgent","color":"3"}"#,
            r##"POST /v2/labels/create {"name":"Paid","color":"#FF9485"}"##,
            r#"POST /v2/labels {"name":"Só um café ☕"}"#,
            "POST /v2/labels/create name=From+a+form&color=19",
            "POST /v2/labels/create?name=From%20a%20query&color=7",
            r#"PUT /v2/labels/2 {"name":"Very Urgent","color":"0"}"#,
            r#"PUT /v2/labels/2 {"color":7}"#,
            r#"PUT /v2/labels/2 {"name":"Very Urgent","color":8}"#,
            r#"PUT /v2/labels/2/update {"name":"Urgent no more","color":null}"#,
            r#"POST /v2/labels/2/update {"labelId":"2","color":1}"#,
            "GET /v2/labels/2",
            "DELETE /v2/labels/2",
            "DELETE /v2/labels/2",
            "DELETE /v2/labels/10/delete",
            "GET /v2/labels",
            "GET /v2/labels/2/chats",
            "GET /v2/labels/chats/5511988887777@c.us",
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_edits", said);
    stage.close().await;
}

#[tokio::test]
async fn what_makes_no_label_is_refused() {
    let (stage, token) = Stage::shop().await;
    let mut said = talk(
        &stage,
        &token,
        "shop",
        &[
            "POST /v2/labels",
            "POST /v2/labels {}",
            r#"POST /v2/labels {"name":" "}"#,
            r#"POST /v2/labels {"name":7}"#,
            r#"POST /v2/labels {"name":"a\nb"}"#,
            r#"POST /v2/labels {"name":"x","color":20}"#,
            r#"POST /v2/labels {"name":"x","color":"red"}"#,
            r#"POST /v2/labels {"name":"important"}"#,
            r#"POST /v2/labels?name=y {"name":"x"}"#,
            r#"POST /v2/labels {"name":"x","name":"y"}"#,
            r#"POST /v2/labels {"name":"#,
            "PUT /v2/labels/2 {}",
            r#"PUT /v2/labels/2 {"name":"Important"}"#,
            r#"PUT /v2/labels/2 {"labelId":"3","name":"x"}"#,
            r#"PUT /v2/labels/99 {"name":"x"}"#,
            "DELETE /v2/labels/99",
            "PATCH /v2/labels/2",
            "GET /v2/labels/create",
            "GET /v2/labels/chats/bob",
            "GET /v2/labels/%FF/chats",
            "GET /v2/labels/%20/chats",
            "GET /v2/nothing",
            "GET /v2",
        ],
    )
    .await;
    for n in 4..=20 {
        let line = format!(r#"POST /v2/labels {{"name":"Number {n}"}}"#);
        talk(&stage, &token, "shop", &[&line]).await;
    }
    said += "── twenty labels\n";
    said += &talk(
        &stage,
        &token,
        "shop",
        &[r#"POST /v2/labels {"name":"One more"}"#],
    )
    .await;
    insta::assert_snapshot!("wawp_labels_refused", said);
    let long = Request::post("/v2/labels")
        .header("access-token", &token)
        .header("x-instance-id", "shop")
        .body(Body::from("y".repeat(1024 * 1024 + 1)))
        .expect("a request");
    assert_eq!(super::said(&stage, long).await.0, 413);
    let xml = Request::post("/v2/labels")
        .header("access-token", &token)
        .header("content-type", "application/xml")
        .body(Body::from("<a/>"))
        .expect("a request");
    insta::assert_snapshot!("wawp_xml", format!("{:?}", super::said(&stage, xml).await));
    stage.close().await;
}

#[tokio::test]
async fn labels_are_linked_and_unlinked() {
    let (stage, token) = Stage::shop().await;
    let said = talk(
        &stage,
        &token,
        "shop",
        &[
            "PUT /v2/labels/2/chats/201234567890@c.us",
            "PUT /v2/labels/2/chats/201234567890@c.us",
            r#"POST /v2/labels/1/chats/201234567890@c.us {"id":"1","chatId":"201234567890@c.us"}"#,
            "PUT /v2/labels/2/chats/120363021033254949@g.us",
            "GET /v2/labels/2/chats",
            "GET /v2/labels/chats/201234567890@c.us",
            "DELETE /v2/labels/2/chats/+20%201234567890",
            "DELETE /v2/labels/2/chats/201234567890@c.us",
            "GET /v2/labels/chats/201234567890@c.us",
            r#"PUT /v2/labels/chats/201234567890@c.us {"labels":[{"id":"2"},{"id":"10"}]}"#,
            "GET /v2/labels/chats/201234567890@c.us",
            "PUT /v2/labels/chats/201234567890@c.us?labels=%5B%7B%22id%22:%221%22%7D%5D",
            "GET /v2/labels/chats/201234567890@c.us",
            r#"PUT /v2/labels/chats/201234567890@c.us {"labels":[]}"#,
            "GET /v2/labels/chats/201234567890@c.us",
            "PUT /v2/labels/99/chats/201234567890@c.us",
            "DELETE /v2/labels/99/chats/201234567890@c.us",
            r#"PUT /v2/labels/chats/201234567890@c.us {"labels":[{"id":"99"}]}"#,
            r#"PUT /v2/labels/chats/201234567890@c.us {"labels":["1"]}"#,
            "PUT /v2/labels/chats/201234567890@c.us",
            "PUT /v2/labels/2/chats/bob",
            r#"PUT /v2/labels/2/chats/201234567890@c.us {"chatId":"201234567891@c.us"}"#,
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_links", said);
    stage.close().await;
}

#[tokio::test]
async fn writes_that_do_not_reach_whatsapp_say_so() {
    let (stage, token) = Stage::shop().await;
    let fresh = stage.instance("fresh").await;
    let writes = [
        r#"POST /v2/labels {"name":"Urgent"}"#,
        r#"PUT /v2/labels/2 {"color":3}"#,
        "DELETE /v2/labels/2",
        "PUT /v2/labels/2/chats/201234567890@c.us",
        r#"PUT /v2/labels/chats/201234567890@c.us {"labels":[]}"#,
    ];
    stage.fake.refusing.store(true, Ordering::Relaxed);
    let mut said = talk(&stage, &token, "shop", &writes[..4]).await;
    stage.fake.refusing.store(false, Ordering::Relaxed);
    stage.offline("shop").await;
    said += "── offline\n";
    said += &talk(&stage, &token, "shop", &writes).await;
    said += &talk(&stage, &token, "shop", &["GET /v2/labels/2/chats"]).await;
    said += "── never linked\n";
    said += &talk(&stage, &fresh, "fresh", &writes).await;
    said += &talk(
        &stage,
        &fresh,
        "fresh",
        &[
            "GET /v2/labels",
            "GET /v2/labels/1",
            "GET /v2/labels/1/chats",
            "GET /v2/labels/chats/201234567890@c.us",
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_unreached", said);
    stage.close().await;
}

/// As integrators do it: everything in a JSON body, or everything in a query.
#[tokio::test]
async fn everything_may_be_in_one_place() {
    let (stage, token) = Stage::shop().await;
    let body = format!(
        r#"{{"instance_id":"shop","access_token":"{token}","labelId":"2","name":"All in one","color":"4"}}"#
    );
    let request = Request::put("/v2/labels/2")
        .body(Body::from(body))
        .expect("a request");
    let (status, text) = said(&stage, request).await;
    assert_eq!(status, 200, "{text}");
    let query = format!("/v2/labels/2/chats?instance_id=shop&access_token={token}&labelId=2");
    let request = Request::get(query).body(Body::empty()).expect("a request");
    let (status, text) = said(&stage, request).await;
    assert_eq!(
        (status, text.as_str()),
        (200, r#"[{"id":"5511988887777@c.us","name":null}]"#)
    );
    stage.close().await;
}
