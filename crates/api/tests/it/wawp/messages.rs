//! Contacts, names of chats, and texts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use labelwire_app::phone::PhoneEvent;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::contact::ContactNews;

use super::talk;
use crate::stage::Stage;

/// Tells names and waits until they are known.
async fn learn(stage: &Stage, token: &str) {
    let caller = stage.caller().await;
    let scope = labelwire_domain::token::Scope::Read;
    let key = stage
        .app
        .instance(&caller, scope, "shop")
        .expect("there")
        .key;
    let of = |jid: &str| ContactNews::of(ChatJid::from_app_state(jid));
    let some = |text: &str| Some(text.to_owned());
    let news = vec![
        ContactNews {
            name: some("John Doe"),
            first_name: some("John"),
            push_name: some("johnny"),
            ..of("5511999999999@s.whatsapp.net")
        },
        ContactNews {
            business_name: some("Doe & Sons"),
            push_name: some("Doe"),
            ..of("5511988887777@s.whatsapp.net")
        },
        ContactNews {
            push_name: some("hidden"),
            ..of("77777777777777@lid")
        },
        ContactNews {
            subject: some("Customers"),
            ..of("120363021033254949@g.us")
        },
    ];
    stage.fake.tell(key, PhoneEvent::Contacts(news));
    let known = async {
        while !talk(stage, token, "shop", &["GET /v2/labels/10/chats"])
            .await
            .contains("Customers")
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), known)
        .await
        .expect("in time");
}

#[tokio::test]
async fn chats_have_names_and_contacts_are_told() {
    let (stage, token) = Stage::shop().await;
    learn(&stage, &token).await;
    let said = talk(
        &stage,
        &token,
        "shop",
        &[
            "GET /v2/labels/1/chats",
            "GET /v2/labels/10/chats",
            "GET /v2/contacts?contactId=5511999999999@c.us",
            "GET /v2/contacts?contactId=5511988887777",
            "GET /v2/contacts?contactId=77777777777777@lid",
            "GET /v2/contacts?contactId=120363021033254949@g.us",
            "GET /v2/contacts?contactId=5511900000000@c.us",
            "GET /v2/contacts?contactId=201234567890@c.us",
            "GET /v2/contacts",
            "GET /v2/contacts?contactId=bob",
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_contacts", said);
    stage.close().await;
}

#[tokio::test]
async fn texts_are_sent_as_they_are() {
    let (stage, token) = Stage::shop().await;
    let long = "ä".repeat(4_096);
    let mut said = talk(
        &stage,
        &token,
        "shop",
        &[
            r#"POST /v2/send/text {"chatId":"201234567890@c.us","message":" Hello,\nyou "}"#,
            "POST /v2/send/text chatId=%2B20+123+456+7890&message=a+form",
            "GET /v2/send/text?chatId=+201234567890&message=a%20query",
            r#"POST /v2/send/text {"chatId":"120363021033254949@g.us","message":"x","reply_to":"3EB0AAAA"}"#,
            r#"POST /v2/send/text {"chatId":"201234567890@c.us"}"#,
            r#"POST /v2/send/text {"chatId":"201234567890@c.us","message":" "}"#,
            r#"POST /v2/send/text {"message":"x"}"#,
            r#"POST /v2/send/text {"chatId":201234567890,"message":"x"}"#,
            r#"POST /v2/send/text {"chatId":"bob","message":"x"}"#,
        ],
    )
    .await;
    let texts = |n: usize| {
        let line = format!(
            r#"POST /v2/send/text {{"chatId":"201234567890@c.us","message":"{}"}}"#,
            "ä".repeat(n)
        );
        let (stage, token) = (&stage, &token);
        async move { talk(stage, token, "shop", &[&line]).await }
    };
    assert!(texts(4_096).await.contains(r#""success":true"#));
    assert!(texts(4_097).await.contains("at most 4096 characters"));
    stage.fake.refusing.store(true, Ordering::Relaxed);
    let one = [r#"POST /v2/send/text {"chatId":"201234567890@c.us","message":"x"}"#];
    said += "── refused\n";
    said += &talk(&stage, &token, "shop", &one).await;
    stage.offline("shop").await;
    said += "── offline\n";
    said += &talk(&stage, &token, "shop", &one).await;
    insta::assert_snapshot!("wawp_texts", said);
    let sent = std::mem::take(&mut *stage.fake.texts.lock().expect("lock"));
    let person = "201234567890@s.whatsapp.net";
    let expected = [
        (person, " Hello,\nyou ", None),
        (person, "a form", None),
        (person, "a query", None),
        ("120363021033254949@g.us", "x", Some("3EB0AAAA")),
        (person, &long, None),
    ];
    let expected = expected.map(|(chat, text, reply_to)| {
        (
            chat.to_owned(),
            text.to_owned(),
            reply_to.map(str::to_owned),
        )
    });
    assert_eq!(sent, expected);
    stage.close().await;
}
