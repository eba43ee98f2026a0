#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use labelwire_domain::chat::ChatJid;

use super::*;
use crate::lid_map::{self, Mapping};
use crate::testing::{self, TestDb};
use crate::{Db, instances};

const NOON: Timestamp = Timestamp(1_700_000_000_000_000);

fn news(chat: &str) -> ContactNews {
    ContactNews::of(ChatJid::from_app_state(chat))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

async fn write(db: &Db, instance: InstanceKey, what: &[ContactNews], at: i64) {
    let mut tx = db.begin().await.unwrap();
    set_many(&mut tx, instance, what, Timestamp(NOON.0 + at))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn read(db: &Db, instance: InstanceKey, chat: &str) -> Option<Names> {
    let mut reader = db.reader().await.unwrap();
    let mut found = find_many(reader.conn(), instance, &[chat]).await.unwrap();
    assert!(found.len() < 2);
    found.pop()
}

async fn only_what_is_told_is_written(db: &Db) {
    let (one, other) = (
        testing::instance(db, "one").await.unwrap(),
        testing::instance(db, "two").await.unwrap(),
    );
    let chat = "5511999@s.whatsapp.net";
    let odd = "O'Brien \"\\\n\u{1f600}";
    let old = ContactNews {
        name: some("History"),
        push_name: some("Past"),
        old: true,
        ..news(chat)
    };
    write(db, one, std::slice::from_ref(&old), 0).await;
    let known = read(db, one, chat).await.unwrap();
    assert_eq!((known.named_at, known.updated_at), (0, 0));
    assert_eq!(known.name, some("History"));

    let push = ContactNews {
        push_name: some(odd),
        ..news(chat)
    };
    let named = ContactNews {
        name: some("Ada"),
        first_name: some("A"),
        ..news(chat)
    };
    write(db, one, &[push], 1).await;
    write(db, one, &[named], 2).await;
    // History again, in one batch with news: it replaces nothing.
    let business = ContactNews {
        business_name: some("Shop"),
        ..news(chat)
    };
    write(db, one, &[old, business], 3).await;
    let known = read(db, one, chat).await.unwrap();
    assert_eq!(known.name, some("Ada"));
    assert_eq!(known.first_name, some("A"));
    assert_eq!(known.push_name, some(odd));
    assert_eq!(known.business_name, some("Shop"));
    assert_eq!(known.subject, None);
    assert_eq!((known.named_at, known.updated_at), (NOON.0 + 2, NOON.0 + 3));
    assert!(read(db, other, chat).await.is_none());

    let mut tx = db.begin().await.unwrap();
    instances::forget_mirror(&mut tx, one).await.unwrap();
    tx.commit().await.unwrap();
    assert!(read(db, one, chat).await.is_none());
}

async fn all_are_paged(db: &Db) {
    let instance = testing::instance(db, "one").await.unwrap();
    let told: Vec<_> = [
        "1@lid",
        "2@lid",
        "3@lid",
        "4@lid",
        "5@lid",
        "77@s.whatsapp.net",
        "9@g.us",
        "8@newsletter",
    ]
    .into_iter()
    .map(|chat| ContactNews {
        push_name: some("x"),
        ..news(chat)
    })
    .collect();
    write(db, instance, &told, 0).await;
    let mapping = |lid: &str, phone: &str| Mapping {
        lid: lid.into(),
        phone: phone.into(),
        created_at: 1,
        updated_at: 1,
        learning_source: "test".into(),
    };
    let mut tx = db.begin().await.unwrap();
    let map = [
        mapping("1", "77"),
        mapping("2", "88"),
        mapping("3", "99"),
        mapping("4", "99"),
    ];
    lid_map::put_many(&mut tx, instance, &map).await.unwrap();
    tx.commit().await.unwrap();
    let mut reader = db.reader().await.unwrap();
    let (mut seen, mut behind) = (Vec::new(), String::new());
    loop {
        let page = page(reader.conn(), instance, &behind, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        behind.clone_from(last);
        seen.extend(page);
    }
    let mut all: Vec<_> = told.iter().map(|n| n.chat.as_str()).collect();
    all.sort_unstable();
    assert_eq!(seen, all);
    let of = lid_map::find_by_phones(reader.conn(), instance, &["99", "88"])
        .await
        .unwrap();
    assert_eq!(of.len(), 3);
    let of = lid_map::find_by_lids(reader.conn(), instance, &["1", "6"])
        .await
        .unwrap();
    assert_eq!(of[0].phone, "77");
}

macro_rules! both {
    ($name:ident) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn sqlite() {
                let home = TestDb::sqlite().unwrap();
                super::$name(&home.open().await.unwrap()).await;
            }

            #[tokio::test]
            #[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
            async fn postgres() {
                let home = TestDb::postgres().await.unwrap();
                let db = home.open().await.unwrap();
                super::$name(&db).await;
                db.close().await;
                home.remove().await.unwrap();
            }
        }
    };
}

both!(only_what_is_told_is_written);
both!(all_are_paged);
