//! Labels and the chats that carry them: golden calls and errors.

use std::sync::atomic::Ordering;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::fake::{label, on};
use crate::stage::{Stage, request};

#[tokio::test]
async fn tags_and_chats_are_listed_as_documented() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /api/chat/tag/shop",
                "GET /api/chat/contactsByLabel/shop",
                "GET /api/chat/contactsByLabel/shop?labelIds=1",
                "GET /api/chat/contactsByLabel/shop?labelIds=%2010%20,1,10",
                "GET /api/chat/contactsByLabel/shop?labelNames=vip",
                "GET /api/chat/contactsByLabel/shop?labelIds=10&labelNames=IMPORTANT,nothing",
                "GET /api/chat/contactsByLabel/shop?labelNames=CAF%C3%89%20%22%C3%80%20DEUX%22",
                "GET /api/chat/contactsByLabel/shop?labelIds=99",
                "GET /api/chat/contactsByLabel/shop?labelNames=nothing",
                "GET /api/chat/contactsByLabel/shop?labelIds=,",
                "GET /api/chat/contactsByLabel/shop?labelIds=&labelNames=&refresh=0",
                "GET /api/chat/contactsByLabel/shop?refresh=true&labelIds=2",
            ],
        )
        .await;
    insta::assert_snapshot!("lists", said);
    stage.close().await;
}

#[tokio::test]
async fn a_list_says_how_long_it_is_before_it_is_sent() {
    let stage = Stage::empty().await;
    stage.instance("shop").await;
    let mut records = vec![label("1", "All", 0)];
    records.extend((0..5_000).map(|n| on("1", &format!("49151{n:08}@s.whatsapp.net"))));
    stage.pair("shop", records).await;
    let path = "/api/chat/contactsByLabel/shop?labelIds=1";
    let answer = stage.send(request("GET", path, &stage.account, None)).await;
    let announced = answer.body().size_hint().exact().expect("an exact length");
    let mut body = answer.into_body();
    let (mut frames, mut bytes) = (0, Vec::new());
    while let Some(frame) = body.frame().await {
        frames += 1;
        bytes.extend_from_slice(frame.expect("whole").data_ref().expect("data"));
    }
    assert_eq!(announced, bytes.len() as u64);
    assert!(frames > 3, "{frames} frames");
    let answer: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let chats = answer["chats"].as_array().expect("chats");
    assert_eq!((chats.len(), &answer["total_rows"]), (5_000, &json!(5_000)));
    assert!(chats.is_sorted_by_key(|c| c["chat_jid"].as_str()));
    stage.close().await;
}

#[tokio::test]
async fn refresh_sees_what_was_removed_meanwhile() {
    let (stage, _) = Stage::shop().await;
    stage.fake.hold(vec![
        label("1", "Important", 0),
        on("1", "5511999999999@s.whatsapp.net"),
    ]);
    let (_, before) = stage.get("/api/chat/contactsByLabel/shop").await;
    assert_eq!(
        (&before["total_chats"], &before["refreshed"]),
        (&json!(4), &json!(false))
    );
    let (_, after) = stage.get("/api/chat/contactsByLabel/shop?refresh=1").await;
    assert_eq!(
        (&after["total_chats"], &after["refreshed"]),
        (&json!(1), &json!(true))
    );
    stage.close().await;
}

#[tokio::test]
async fn tags_are_put_on_and_taken_off() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[
                r#"POST /api/chat/assignTag/shop {"number":"5511966665555","tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"number":"+55 11 96666-5555","tagId":" 2 "}"#,
                "GET /api/chat/contactsByLabel/shop?labelIds=2",
                "DELETE /api/chat/assignTag/shop?number=5511966665555&tagId=2",
                "DELETE /api/chat/assignTag/shop?number=5511966665555@s.whatsapp.net&tagId=2",
                "GET /api/chat/contactsByLabel/shop?labelIds=2",
                r#"POST /api/chat/assignTag/shop {"number":" ","tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"number":"5511966665555"}"#,
                r#"POST /api/chat/assignTag/shop {"number":5511966665555,"tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"number":"bob","tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"number":"1@g.us","tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"number":"status@broadcast","tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"number":"120363021033254949@newsletter","tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"number":"5511966665555","tagId":"99"}"#,
                r#"POST /api/chat/assignTag/nobody {"number":"5511966665555","tagId":"2"}"#,
                "POST /api/chat/assignTag/shop nonsense",
                "DELETE /api/chat/assignTag/shop?tagId=2",
                "DELETE /api/chat/assignTag/shop?number=status@broadcast&tagId=2",
                "DELETE /api/chat/assignTag/shop?number=5511966665555&tagId=",
                "DELETE /api/chat/assignTag/shop?number=5511966665555&tagId=99",
                "PUT /api/chat/assignTag/shop",
            ],
        )
        .await;
    insta::assert_snapshot!("assign", said);
    stage.fake.refusing.store(true, Ordering::Relaxed);
    let said = stage
        .talk(
            &token,
            &[r#"POST /api/chat/assignTag/shop {"number":"5511966665555","tagId":"2"}"#],
        )
        .await;
    insta::assert_snapshot!("assign_refused", said);
    stage.close().await;
}

#[tokio::test]
async fn offline_reads_are_answered_and_writes_are_not() {
    let (stage, token) = Stage::shop().await;
    stage.offline("shop").await;
    let fresh = stage.instance("fresh").await;
    let mut said = stage
        .talk(
            &token,
            &[
                "GET /api/chat/contactsByLabel/shop?labelIds=2",
                "GET /api/chat/contactsByLabel/shop?labelIds=2&refresh=true",
                "GET /v1/instances/shop/chats/5511988887777/labels",
                r#"POST /api/chat/assignTag/shop {"number":"5511988887777","tagId":"2"}"#,
                "DELETE /api/chat/assignTag/shop?number=5511988887777&tagId=2",
            ],
        )
        .await;
    said += "── never paired\n";
    said += &stage
        .talk(
            &fresh,
            &[
                "GET /api/chat/contactsByLabel/fresh",
                "GET /api/chat/contactsByLabel/fresh?refresh=true",
                "GET /api/chat/tag/fresh",
                r#"POST /api/chat/assignTag/fresh {"number":"5511988887777","tagId":"2"}"#,
            ],
        )
        .await;
    insta::assert_snapshot!("offline", said);
    stage.close().await;
}

#[tokio::test]
async fn bad_input_gets_the_documented_error() {
    let (stage, _) = Stage::shop().await;
    let said = stage
        .talk(
            &stage.account,
            &[
                "GET /api/chat/contactsByLabel/shop?refresh=maybe",
                "GET /api/chat/contactsByLabel/shop?refresh=",
                "GET /api/chat/contactsByLabel/nobody",
                "GET /api/chat/contactsByLabel/",
                "GET /api/chat/contactsByLabel",
                "GET /api/chat/contactsByLabel/%20%20?labelIds=1",
                "GET /api/chat/contactsByLabel/%FF%FE",
                "GET /api/chat/tag/",
                "GET /api/chat/tag/%20",
                "GET /api/chat/tag/%C3%28",
                "POST /api/chat/assignTag/",
                "DELETE /api/chat/assignTag/%09",
                "GET /api/instance/connect/",
                "DELETE /api/instance/logout/",
                "DELETE /api/instance/delete/%20",
                "POST /api/instance/connect/shop",
                "GET /api/nothing",
                "GET /",
            ],
        )
        .await;
    insta::assert_snapshot!("bad_input", said);
    let many = (1..=2_100)
        .map(|n| format!("{n}"))
        .collect::<Vec<_>>()
        .join(",");
    assert!(many.len() > 9_000);
    let (status, answer) = stage
        .get(&format!(
            "/api/chat/contactsByLabel/shop?labelIds=777777,{many}"
        ))
        .await;
    assert_eq!(
        (status, &answer["filter_label_ids"]),
        (200, &json!(["1", "2", "10"]))
    );
    let ids = "9".repeat(10_000);
    let (status, answer) = stage
        .get(&format!("/api/chat/contactsByLabel/shop?labelIds={ids}"))
        .await;
    assert_eq!((status, &answer["total_chats"]), (200, &json!(0)));
    let long = format!(
        "/api/chat/contactsByLabel/shop?labelIds={}",
        "9".repeat(64_500)
    );
    let (status, answer) = stage.get(&long).await;
    assert_eq!(status, 414);
    assert_eq!(
        answer,
        json!({"success": false, "error": {"message": "URL is too long"}})
    );
    stage.close().await;
}

/// An account too large to be kept is streamed: whole, and the same JSON; and
/// where the database fails half way, the body ends with an error, which resets
/// the connection, never as a valid short answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_too_large_to_keep_is_streamed_and_never_cut_short_in_silence() {
    const CHATS: u32 = 25_000;
    let stage = Stage::with_list_budget(1).await;
    let token = stage.instance("shop").await;
    let mut records = vec![label("1", "All", 0)];
    records.extend((0..CHATS).map(|n| on("1", &format!("55119{n:08}@s.whatsapp.net"))));
    stage.pair("shop", records).await;
    let path = "/api/chat/contactsByLabel/shop?labelNames=all";

    let answer = stage.send(request("GET", path, &token, None)).await;
    assert_eq!(answer.headers().get("content-length"), None);
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a whole body")
        .to_bytes();
    let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(json["chats"].as_array().map(Vec::len), Some(CHATS as usize));
    assert_eq!(
        (&json["total_chats"], &json["total_rows"]),
        (&CHATS.into(), &CHATS.into())
    );
    assert_eq!(json["filter_label_ids"], serde_json::json!(["1"]));

    let answer = stage.send(request("GET", path, &token, None)).await;
    let mut body = answer.into_body();
    body.frame().await.expect("a frame").expect("the head");
    stage.db.close().await;
    let mut ended = None;
    while let Some(frame) = body.frame().await {
        ended = Some(frame);
    }
    assert!(
        ended.expect("more frames").is_err(),
        "a short answer looked whole"
    );
}
