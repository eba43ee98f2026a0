//! Contacts, profiles and texts: golden calls and errors.

use std::sync::atomic::Ordering;
use std::time::Duration;

use labelwire_app::phone::PhoneEvent;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::contact::ContactNews;
use labelwire_domain::token::Scope;

use crate::stage::Stage;

/// Tells names and waits until they are known.
async fn told(stage: &Stage, name: &str) {
    let caller = stage.caller().await;
    let handle = stage.app.instance(&caller, Scope::Admin, name);
    let handle = handle.expect("there");
    let of = |jid: &str| ContactNews::of(ChatJid::from_app_state(jid));
    let some = |text: &str| Some(text.to_owned());
    stage.fake.tell(
        handle.key,
        PhoneEvent::Contacts(vec![
            ContactNews {
                name: some("Ana Souza"),
                first_name: some("Ana"),
                push_name: some("aninha ☎"),
                ..of("5511999999999@s.whatsapp.net")
            },
            ContactNews {
                business_name: some("Bakery \"Pão\""),
                ..of("77777777777777@lid")
            },
            ContactNews {
                subject: some("Família"),
                ..of("120363021033254949@g.us")
            },
        ]),
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let group = "120363021033254949@g.us";
        let known = stage.app.contact(&caller, name, group).await;
        if known.expect("an answer").found {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "never learned");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn contacts_are_listed_and_looked_up() {
    let (stage, token) = Stage::shop().await;
    told(&stage, "shop").await;
    stage.offline("shop").await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /api/chat/contacts/shop",
                "GET /api/chat/contacts/shop?number=%2B55%2011%2099999-9999",
                "GET /api/chat/contacts/shop?number=551199999999",
                "GET /api/chat/contacts/shop?number=77777777777777@lid",
                "GET /api/chat/contacts/shop?number=120363021033254949@g.us",
                "GET /api/chat/contacts/shop?number=5511000000000@c.us",
                "GET /api/chat/contacts/shop?number=",
                "GET /api/chat/contacts/shop?number=bob",
                "GET /api/chat/contacts/nobody",
                "GET /api/chat/contacts/",
                "POST /api/chat/contacts/shop",
            ],
        )
        .await;
    insta::assert_snapshot!("contacts", said);
    stage.close().await;
}

#[tokio::test]
async fn a_profile_is_ones_own_or_somebodys() {
    let (stage, token) = Stage::shop().await;
    told(&stage, "shop").await;
    let mut said = stage
        .talk(
            &token,
            &[
                "GET /api/profile/getAccount/shop",
                "GET /api/profile/getAccount/shop?number=5511999999999",
                "GET /api/profile/getAccount/shop?number=77777777777777@lid",
                "GET /api/profile/getAccount/shop?number=bob",
                "GET /api/profile/getAccount/nobody",
                "GET /api/profile/getAccount/",
            ],
        )
        .await;
    stage.offline("shop").await;
    said += "── offline\n";
    said += &stage
        .talk(&token, &["GET /api/profile/getAccount/shop"])
        .await;
    let fresh = stage.instance("fresh").await;
    said += "── never paired\n";
    said += &stage
        .talk(&fresh, &["GET /api/profile/getAccount/fresh"])
        .await;
    insta::assert_snapshot!("profiles", said);
    stage.close().await;
}

#[tokio::test]
async fn a_text_is_sent_as_documented() {
    let (stage, token) = Stage::shop().await;
    told(&stage, "shop").await;
    let mut said = stage
        .talk(
            &token,
            &[
                r#"POST /api/message/text/shop {"number":"5511999999999","message":" Olá ☎\n"}"#,
                r#"POST /api/message/text/shop {"number":"+55 11 99999-9999","message":"re","replyTo":"3EB0AAAA","delay":0,"linkPreview":true,"replyPrivate":false,"mention":["5511988887777"],"mentionAll":false,"source":"crm","more":1}"#,
                r#"POST /api/message/text/shop {"number":"120363021033254949@g.us","message":"to all"}"#,
            ],
        )
        .await;
    let texts = stage.fake.texts.lock().expect("lock").clone();
    said += &format!("── sent\n{texts:#?}\n");
    insta::assert_snapshot!("texts", said);
    let long = format!(
        r#"POST /api/message/text/shop {{"number":"5511999999999","message":"{}"}}"#,
        "x".repeat(65_537)
    );
    let refused = stage.talk(&token, &[&long]).await;
    assert!(refused.contains("\n  400 application/json\n"), "too long");
    assert!(refused.contains(r#"{"message":"Message is invalid: 1 to 65536 characters"}"#));
    let mut said = stage
        .talk(
            &token,
            &[
                r#"POST /api/message/text/shop {"message":"x"}"#,
                r#"POST /api/message/text/shop {"number":" ","message":"x"}"#,
                r#"POST /api/message/text/shop {"number":"5511999999999"}"#,
                r#"POST /api/message/text/shop {"number":"5511999999999","message":" \n"}"#,
                r#"POST /api/message/text/shop {"number":"bob","message":"x"}"#,
                r#"POST /api/message/text/shop {"number":"status@broadcast","message":"x"}"#,
                r#"POST /api/message/text/shop {"number":"5511999999999","message":"x","delay":61}"#,
                r#"POST /api/message/text/shop {"number":"5511999999999","message":"x","delay":-1}"#,
                r#"POST /api/message/text/shop {"number":"5511999999999","message":"x","mention":"all"}"#,
                r#"POST /api/message/text/shop {"number":"5511999999999","message":"x","replyTo":"no id"}"#,
                r#"POST /api/message/text/shop {"number":5511999999999,"message":"x"}"#,
                "POST /api/message/text/shop nonsense",
                r#"POST /api/message/text/nobody {"number":"5511999999999","message":"x"}"#,
                r#"POST /api/message/text/ {"number":"5511999999999","message":"x"}"#,
                "GET /api/message/text/shop",
            ],
        )
        .await;
    let call = [r#"POST /api/message/text/shop {"number":"5511999999999","message":"x"}"#];
    stage.fake.refusing.store(true, Ordering::Relaxed);
    said += "── WhatsApp refuses\n";
    said += &stage.talk(&token, &call).await;
    stage.offline("shop").await;
    said += "── offline\n";
    said += &stage.talk(&token, &call).await;
    assert_eq!(stage.fake.texts.lock().expect("lock").len(), 3);
    insta::assert_snapshot!("texts_refused", said);
    stage.close().await;
}
