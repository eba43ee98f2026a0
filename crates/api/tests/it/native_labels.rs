//! The native API's writes: golden calls and errors.

use std::sync::atomic::Ordering;

use crate::fake::label;
use crate::stage::Stage;

#[tokio::test]
async fn labels_are_made_changed_ordered_and_deleted() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /v1/instances/shop/labels",
                "GET /v1/instances/shop/labels/2",
                "GET /v1/instances/shop/labels/counts",
                r#"POST /v1/instances/shop/labels {"name":" Straße ☎ ","color":7}"#,
                r##"POST /v1/instances/shop/labels {"name":"Red","color":"#FF9485"}"##,
                r#"POST /v1/instances/shop/labels {"name":"First free colour"}"#,
                r#"PATCH /v1/instances/shop/labels/2 {"color":3}"#,
                r#"PATCH /v1/instances/shop/labels/2 {"name":"Very important"}"#,
                r#"PATCH /v1/instances/shop/labels/2 {}"#,
                r#"PUT /v1/instances/shop/labels/order {"labels":["101","10"]}"#,
                r#"PATCH /v1/instances/shop/labels/2 {"order":1}"#,
                r#"PATCH /v1/instances/shop/labels/101 {"order":99,"color":11}"#,
                "GET /v1/instances/shop/labels",
                r#"PUT /v1/instances/shop/labels/order {"labels":["77"]}"#,
                "DELETE /v1/instances/shop/labels/1",
                "DELETE /v1/instances/shop/labels/1",
                "GET /v1/instances/shop/labels/1",
                "GET /v1/instances/shop/labels/counts",
            ],
        )
        .await;
    insta::assert_snapshot!("native_labels", said);
    stage.close().await;
}

#[tokio::test]
async fn labels_outside_of_the_rules_are_refused() {
    let stage = Stage::empty().await;
    let token = stage.instance("shop").await;
    let mut records: Vec<_> = (1..=19)
        .map(|n| label(&n.to_string(), &format!("n{n}"), n))
        .collect();
    let mut unread = label("50", "Unread", 0);
    if let labelwire_domain::change::Record::Label(unread) = &mut unread {
        unread.list_type = Some(1);
    }
    records.push(unread);
    stage.pair("shop", records).await;
    let said = stage
        .talk(
            &token,
            &[
                r#"POST /v1/instances/shop/labels {"name":"N5"}"#,
                r#"POST /v1/instances/shop/labels {"name":" "}"#,
                &format!(
                    r#"POST /v1/instances/shop/labels {{"name":"{}"}}"#,
                    "x".repeat(101)
                ),
                r#"POST /v1/instances/shop/labels {"name":"a","color":20}"#,
                r#"POST /v1/instances/shop/labels {"name":"a","color":"blue"}"#,
                r#"POST /v1/instances/shop/labels {"name":"a","color":[]}"#,
                r#"POST /v1/instances/shop/labels {"color":1}"#,
                r#"POST /v1/instances/shop/labels {"name":1}"#,
                "POST /v1/instances/shop/labels nonsense",
                r#"POST /v1/instances/shop/labels {"name":"twentieth"}"#,
                r#"POST /v1/instances/shop/labels {"name":"one too many"}"#,
                r#"PATCH /v1/instances/shop/labels/50 {"name":"Read"}"#,
                r#"PATCH /v1/instances/shop/labels/2 {"name":"n1"}"#,
                r#"PATCH /v1/instances/shop/labels/99 {"name":"x"}"#,
                "DELETE /v1/instances/shop/labels/50",
                "GET /v1/instances/shop/labels/99",
            ],
        )
        .await;
    insta::assert_snapshot!("native_labels_refused", said);
    stage.close().await;
}

#[tokio::test]
async fn labels_are_put_on_chats_and_messages_and_taken_off() {
    let (stage, token) = Stage::shop().await;
    let chat = "/v1/instances/shop/chats/5511966665555";
    let said = stage
        .talk(
            &token,
            &[
                &format!("PUT {chat}/labels/2"),
                &format!("PUT {chat}/labels/vip"),
                &format!("PUT {chat}/labels/important"),
                &format!("GET {chat}/labels"),
                &format!("DELETE {chat}/labels/2"),
                &format!("DELETE {chat}/labels/2"),
                &format!(r#"PUT {chat}/labels {{"labels":["2","café \"à deux\""]}}"#),
                &format!(r#"PUT {chat}/labels {{"labels":[]}}"#),
                &format!("PUT {chat}/messages/3EB0AA/labels/2"),
                &format!("PUT {chat}/messages/3EB0AA/labels/important"),
                &format!("PUT {chat}/messages/3EB0AB/labels/vip"),
                "PUT /v1/instances/shop/chats/120363021033254949@g.us/messages/3EB0/labels/vip",
                &format!("GET {chat}/messages/3EB0AA/labels"),
                &format!("GET {chat}/messages/3EB0FF/labels"),
                "GET /v1/instances/shop/labels/2/messages?limit=2",
                "GET /v1/instances/shop/labels/10/messages",
                "GET /v1/instances/shop/labels/99/messages",
                "GET /v1/instances/shop/labels/2/messages?limit=0",
                "GET /v1/instances/shop/labels/2/messages?cursor=x",
                &format!("DELETE {chat}/messages/3EB0AA/labels/vip"),
                "GET /v1/instances/shop/labels/2/messages",
                r#"POST /v1/instances/shop/chats/labels {"chats":["5511966665555","+55 11 96666-5555","120363021033254949@g.us"],"add":["1","VIP"],"remove":["10"]}"#,
                r#"POST /v1/instances/shop/chats/labels {"chats":["5511966665555"],"add":["1"]}"#,
                "GET /v1/instances/shop/chats/120363021033254949@g.us/labels",
            ],
        )
        .await;
    insta::assert_snapshot!("native_links", said);
    stage.close().await;
}

#[tokio::test]
async fn links_that_cannot_be_are_refused() {
    let (stage, token) = Stage::shop().await;
    stage.instance("fresh").await;
    let chat = "/v1/instances/shop/chats/5511966665555";
    let mut said = stage
        .talk(
            &token,
            &[
                &format!("PUT {chat}/labels/99"),
                &format!("PUT {chat}/labels/nobody"),
                "PUT /v1/instances/shop/chats/bob/labels/2",
                &format!(r#"PUT {chat}/labels {{"labels":["99"]}}"#),
                &format!(r#"PUT {chat}/labels {{"labels":"2"}}"#),
                &format!("PUT {chat}/messages/a%20b/labels/2"),
                &format!("PATCH {chat}/labels/2"),
                r#"POST /v1/instances/shop/chats/labels {"chats":["5511966665555","bob"],"add":["1"]}"#,
                r#"POST /v1/instances/shop/chats/labels {"chats":["5511966665555"],"add":["99"]}"#,
                r#"POST /v1/instances/shop/chats/labels {"add":["1"]}"#,
                "GET /v1/instances/shop/commands/cmd_0",
            ],
        )
        .await;
    said += &stage
        .talk(
            &stage.account.clone(),
            &["PUT /v1/instances/fresh/chats/5511966665555/labels/2"],
        )
        .await;
    stage.fake.refusing.store(true, Ordering::Relaxed);
    said += &stage.talk(&token, &[&format!("PUT {chat}/labels/2")]).await;
    stage.offline("shop").await;
    said += &stage
        .talk(
            &token,
            &[
                &format!("PUT {chat}/labels/2"),
                r#"POST /v1/instances/shop/labels {"name":"x"}"#,
                &format!("GET {chat}/labels"),
            ],
        )
        .await;
    insta::assert_snapshot!("native_links_refused", said);
    stage.close().await;
}

#[tokio::test]
async fn a_name_of_two_labels_is_ambiguous_to_write_and_either_to_read() {
    let stage = Stage::empty().await;
    let token = stage.instance("shop").await;
    stage
        .pair(
            "shop",
            vec![
                label("1", "Twin", 1),
                label("2", "twin", 2),
                crate::fake::on("2", "5511966665555@s.whatsapp.net"),
            ],
        )
        .await;
    let said = stage
        .talk(
            &token,
            &[
                "PUT /v1/instances/shop/chats/5511966665555/labels/twin",
                "PUT /v1/instances/shop/chats/5511966665555/labels/1",
                "GET /v1/instances/shop/chats?all=TWIN&format=csv",
            ],
        )
        .await;
    insta::assert_snapshot!("native_ambiguous", said);
    stage.close().await;
}

#[tokio::test]
async fn a_write_has_a_command_that_tells_of_it() {
    let (stage, token) = Stage::shop().await;
    let said = stage
        .talk(
            &token,
            &[r#"POST /v1/instances/shop/chats/labels {"chats":["5511966665555"],"add":["1"]}"#],
        )
        .await;
    let id = said
        .split('"')
        .find(|word| word.starts_with("cmd_"))
        .expect("a command");
    let path = format!("/v1/instances/shop/commands/{id}");
    let (status, command) = stage.get(&path).await;
    assert_eq!(status, 200);
    insta::assert_json_snapshot!("native_command", command);
    stage.close().await;
}

#[tokio::test]
async fn messages_of_a_label_come_in_pages() {
    let (stage, token) = Stage::shop().await;
    for n in 0..7 {
        let path = format!(
            "PUT /v1/instances/shop/chats/551196666555{}/messages/M{n}/labels/2",
            n % 3
        );
        stage.talk(&token, &[&path]).await;
    }
    let path = "/v1/instances/shop/labels/2/messages?limit=3";
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = stage.get(&format!("{path}{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let messages = page["messages"].as_array().expect("messages");
        found.extend(
            messages
                .iter()
                .map(|m| (m["chat"].to_string(), m["message"].to_string())),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found.len(), 7);
    assert!(found.is_sorted());
    let other = format!("/v1/instances/shop/labels/1/messages?{}", &cursor[1..]);
    let (status, problem) = stage.get(&other).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (400, Some("cursor_mismatch"))
    );
    stage.close().await;
}
