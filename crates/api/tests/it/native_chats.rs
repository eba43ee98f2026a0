//! Chats by label in the native API: set algebra, orders, pages, forms, tags.

use axum::http::header;
use http_body_util::BodyExt as _;
use labelwire_app::phone::PhoneEvent;
use labelwire_domain::change::{Association, Record};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::contact::ContactNews;
use labelwire_domain::token::Scope;
use serde_json::Value;

use crate::fake::label;
use crate::stage::{Stage, request};

fn put(label: &str, chat: &str, at_s: i64) -> Record {
    Record::Association(Association {
        label_id: label.into(),
        chat_jid: ChatJid::from_app_state(chat),
        labeled: true,
        changed_at: Timestamp(at_s * 1_000_000),
    })
}

const BASE: i64 = 1_700_000_000;

async fn shop() -> (Stage, String) {
    let stage = Stage::empty().await;
    let token = stage.instance("shop").await;
    stage
        .pair(
            "shop",
            vec![
                label("1", "Important", 0),
                label("2", "VIP", 5),
                label("3", "Paid", 7),
                label("10", "=Café; \"à deux\"", 19),
                put("1", "5511900000001@s.whatsapp.net", BASE + 5),
                put("2", "5511900000001@s.whatsapp.net", BASE + 1),
                put("2", "5511900000002@s.whatsapp.net", BASE + 9),
                put("3", "5511900000002@s.whatsapp.net", BASE + 2),
                put("1", "5511900000003@s.whatsapp.net", BASE + 3),
                put("10", "77777777777777@lid", BASE + 4),
                put("1", "120363021033254949@g.us", BASE + 8),
                put("10", "120363021033254949@g.us", BASE + 7),
                put("2", "120363144038483540@newsletter", 0),
            ],
        )
        .await;
    (stage, token)
}

async fn learn(stage: &Stage, names: &[(&str, &str)]) {
    let caller = stage.caller().await;
    let handle = stage
        .app
        .instance(&caller, Scope::Read, "shop")
        .expect("there");
    let news = names
        .iter()
        .map(|(chat, name)| ContactNews {
            push_name: Some((*name).to_owned()),
            ..ContactNews::of(ChatJid::from_app_state(*chat))
        })
        .collect();
    let before = handle.journal.version(true);
    stage.fake.tell(handle.key, PhoneEvent::Contacts(news));
    let learned = async {
        while handle.journal.version(true) == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), learned)
        .await
        .expect("in time");
}

#[tokio::test]
async fn chats_are_found_by_set_algebra() {
    let (stage, token) = shop().await;
    learn(
        &stage,
        &[
            ("5511900000001@s.whatsapp.net", "@Ana, \"the\" first"),
            ("120363021033254949@g.us", "Group"),
        ],
    )
    .await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /v1/instances/shop/chats",
                "GET /v1/instances/shop/chats?any=VIP,important&none=paid&names=false",
                "GET /v1/instances/shop/chats?all=1,2",
                "GET /v1/instances/shop/chats?all=1&none=2,10&names=0",
                "GET /v1/instances/shop/chats?any=1,nothing&kind=group&names=false",
                "GET /v1/instances/shop/chats?none=1,2,3,10",
                "GET /v1/instances/shop/chats?any=nothing",
                "GET /v1/instances/shop/chats?any=,",
                "GET /v1/instances/shop/chats?all=,",
                "GET /v1/instances/shop/chats?all=1,nothing",
                "GET /v1/instances/shop/chats?none=nothing&kind=channel,person&names=false&format=ndjson",
                "GET /v1/instances/shop/chats?sort=labeled_at&any=1,2&format=csv",
                "GET /v1/instances/shop/chats?sort=-labeled_at&format=csv&names=false",
                "GET /v1/instances/shop/chats?sort=-labeled_at&any=3&format=csv&limit=1",
            ],
        )
        .await;
    insta::assert_snapshot!("native_chats", said);
    stage.close().await;
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let (stage, token) = shop().await;
    let fresh = stage.instance("fresh").await;
    let (_, page) = stage.get("/v1/instances/shop/chats?limit=1&any=1,2").await;
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let mut said = stage
        .talk(
            &token,
            &[
                "GET /v1/instances/shop/chats?sort=name",
                "GET /v1/instances/shop/chats?kind=person,alien",
                "GET /v1/instances/shop/chats?kind=,",
                "GET /v1/instances/shop/chats?format=xml",
                "GET /v1/instances/shop/chats?names=maybe",
                "GET /v1/instances/shop/chats?limit=0",
                "GET /v1/instances/shop/chats?limit=1001",
                "GET /v1/instances/shop/chats?limit=many",
                "GET /v1/instances/shop/chats?cursor=nonsense",
                &format!("GET /v1/instances/shop/chats?cursor={cursor}"),
                &format!("GET /v1/instances/shop/chats?cursor={cursor}&any=1,2&sort=labeled_at"),
                &format!(
                    "GET /v1/instances/shop/chats?cursor={cursor}&any=1,2&limit=2&names=false"
                ),
            ],
        )
        .await;
    said += &stage.talk(&fresh, &["GET /v1/instances/fresh/chats"]).await;
    insta::assert_snapshot!("native_chats_refused", said);
    stage.close().await;
}

/// Status, entity tag and text of an answer.
async fn ask(
    stage: &Stage,
    path: &str,
    headers: &[(header::HeaderName, &str)],
) -> (u16, String, String) {
    let mut request = request("GET", path, &stage.account, None);
    for (name, value) in headers {
        request
            .headers_mut()
            .append(name, value.parse().expect("a value"));
    }
    let response = stage.send(request).await;
    let status = response.status().as_u16();
    let tag = response.headers().get(header::ETAG);
    let tag = tag.map_or("", |t| t.to_str().expect("text")).to_owned();
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("whole")
        .to_bytes();
    (
        status,
        tag,
        String::from_utf8(bytes.to_vec()).expect("UTF-8"),
    )
}

#[tokio::test]
async fn an_answer_that_did_not_change_is_not_sent_again() {
    let (stage, token) = shop().await;
    let path = "/v1/instances/shop/chats?any=2";
    let (status, tag, body) = ask(&stage, path, &[]).await;
    assert_eq!(status, 200);
    assert!(tag.starts_with("W/\""), "{tag}");
    for tags in [
        tag.clone(),
        format!("\"other\", {tag}"),
        "*".into(),
        tag[2..].to_owned(),
    ] {
        let (status, again, none) = ask(&stage, path, &[(header::IF_NONE_MATCH, &tags)]).await;
        assert_eq!(
            (status, again, none),
            (304, tag.clone(), String::new()),
            "{tags}"
        );
    }
    // Another question, form or page is another answer.
    for other in [
        "/v1/instances/shop/chats?any=3",
        "/v1/instances/shop/chats?any=2&sort=labeled_at",
        "/v1/instances/shop/chats?any=2&format=csv",
        "/v1/instances/shop/chats?any=2&limit=1",
        "/v1/instances/shop/chats?any=2&names=false",
    ] {
        let (status, other_tag, _) = ask(&stage, other, &[(header::IF_NONE_MATCH, &tag)]).await;
        assert_eq!(status, 200, "{other}");
        assert_ne!(tag, other_tag);
    }
    let csv = [
        (header::IF_NONE_MATCH, tag.as_str()),
        (header::ACCEPT, "text/csv"),
    ];
    assert_eq!(ask(&stage, path, &csv).await.0, 200);
    // Each change is another answer: a link, a name, a label.
    let mut tag = tag;
    let chat = "/v1/instances/shop/chats/5511900000003/labels/2";
    for change in [
        format!("PUT {chat}"),
        String::new(),
        r#"PATCH /v1/instances/shop/labels/2 {"color":9}"#.to_owned(),
        "DELETE /v1/instances/shop/labels/2".to_owned(),
    ] {
        if change.is_empty() {
            learn(&stage, &[("5511900000003@s.whatsapp.net", "Cid")]).await;
        } else {
            stage.talk(&token, &[&change]).await;
        }
        let (status, now, _) = ask(&stage, path, &[(header::IF_NONE_MATCH, &tag)]).await;
        assert_eq!(status, 200, "{change}");
        assert_ne!(now, tag);
        tag = now;
        let (status, ..) = ask(&stage, path, &[(header::IF_NONE_MATCH, &tag)]).await;
        assert_eq!(status, 304, "{change}");
    }
    let (_, _, last) = ask(&stage, path, &[]).await;
    assert_ne!(last, body);
    // Another run of the program counts anew.
    let other = shop().await.0;
    let (status, ..) = ask(&other, path, &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(status, 200);
    other.close().await;
    stage.close().await;
}

#[tokio::test]
async fn streamed_pages_and_csv_are_the_same_list() {
    let stage = Stage::empty().await;
    stage.instance("shop").await;
    let mut records = vec![
        label("1", "Odd", 0),
        label("2", "Third", 1),
        label("3", "All", 2),
    ];
    for n in 0..9_500_i64 {
        let chat = format!("49151{:08}@s.whatsapp.net", n * 7_919 % 100_000_000);
        // The hundreds come in ties.
        let at = BASE + (n * 31 % 9_973) / 100;
        records.push(put("3", &chat, at - 1_000));
        if n % 2 == 1 {
            records.push(put("1", &chat, at));
        }
        if n % 3 == 0 {
            records.push(put("2", &chat, at + 5));
        }
    }
    stage.pair("shop", records).await;
    for (question, expected) in [
        ("any=1,2", 6_334),
        ("all=Odd&none=Third", 3_167),
        ("none=Odd", 4_750),
        ("", 9_500),
    ] {
        for sort in ["chat", "labeled_at", "-labeled_at"] {
            let path = format!("/v1/instances/shop/chats?{question}&sort={sort}&names=false");
            let (_, _, whole) = ask(&stage, &path, &[]).await;
            let whole: Value = serde_json::from_str(&whole).expect("JSON");
            let whole = whole["chats"].as_array().expect("chats").clone();
            assert_eq!(whole.len(), expected, "{path}");
            let mut paged = Vec::new();
            let mut cursor = String::new();
            loop {
                let (status, page) = stage.get(&format!("{path}&limit=977{cursor}")).await;
                assert_eq!(status, 200, "{page}");
                paged.extend(page["chats"].as_array().expect("chats").iter().cloned());
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert!(paged == whole, "{path}: pages are another list");
            let (_, _, lines) =
                ask(&stage, &path, &[(header::ACCEPT, "application/x-ndjson")]).await;
            let lines: Vec<Value> = lines
                .lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect();
            assert!(lines == whole, "{path}: NDJSON is another list");
            let (_, _, rows) = ask(&stage, &path, &[(header::ACCEPT, "text/csv")]).await;
            let mut rows = rows.split_terminator("\r\n");
            assert_eq!(rows.next(), Some("chat,kind,labeled_at,label_ids,labels"));
            let ids = |chat: &Value| -> Vec<String> {
                let labels = chat["labels"].as_array().expect("labels");
                labels
                    .iter()
                    .map(|l| l["id"].as_str().expect("id").to_owned())
                    .collect()
            };
            let rows_are_chats = rows.zip(&whole).all(|(row, chat)| {
                let cells: Vec<&str> = row.split(',').collect();
                cells[0] == chat["chat"]
                    && cells[2] == chat["labeled_at"]
                    && cells[3] == ids(chat).join(";")
            });
            assert!(rows_are_chats, "{path}: CSV is another list");
        }
    }
    stage.close().await;
}
