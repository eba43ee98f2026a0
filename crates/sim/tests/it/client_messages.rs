//! Pairing codes and texts.

use std::collections::BTreeMap;

use labelwire_sim::{Error, Kind, NewAccount, Received};
use whatsapp_rust::prelude::MessageBuilderExt as _;
use whatsapp_rust::wacore::types::events::Event;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::client::{Companion, PHONE, account, linked, server_with, until};

async fn code_shown(companion: &Companion) -> String {
    companion
        .wait("pairing code", |events| {
            events.iter().find_map(|event| match &**event {
                Event::PairingCode(code) => Some(code.code.clone()),
                _ => None,
            })
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_pairs_by_code() {
    let server = server_with(10, 2, 5).await;
    let companion = Companion::start_with_code(&server, PHONE, "ABCD1234").await;
    assert_eq!(code_shown(&companion).await, "ABCD1234");
    let device = server
        .world()
        .enter_pair_code(PHONE, "abcd-1234", true)
        .await
        .unwrap();
    assert_eq!(device, 1);
    companion.connected().await;
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_code_links_nothing() {
    let server = server_with(10, 2, 5).await;
    let companion = Companion::start_with_code(&server, PHONE, "ABCD1234").await;
    code_shown(&companion).await;
    let entered = server
        .world()
        .enter_pair_code(PHONE, "ABCD1235", true)
        .await;
    assert!(matches!(entered, Err(Error::WrongCode)), "{entered:?}");
    let devices = server
        .world()
        .with_account(PHONE, |account| account.devices.len());
    assert_eq!(devices.unwrap(), 0);
    let nobody = server
        .world()
        .enter_pair_code("4900", "ABCD1234", true)
        .await;
    assert!(
        matches!(nobody, Err(Error::UnknownAccount(_))),
        "{nobody:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_go_both_ways_by_phone_number_and_by_hidden_id() {
    let server = server_with(24, 2, 5).await;
    let (companion, device) = linked(&server, PHONE).await;
    let person = server.world().with_account(PHONE, |account| {
        account
            .contacts
            .iter()
            .find(|contact| contact.lid.is_some())
            .cloned()
            .unwrap()
    });
    let person = person.unwrap();
    let lid = person.lid.clone().unwrap();

    for (from, text) in [
        (&person.jid, "by number"),
        (&lid, "by id"),
        (&person.jid, "again"),
    ] {
        server.world().send_text(PHONE, from, text).await.unwrap();
        let sender = companion.text(text).await;
        assert_eq!(&sender, from);
    }

    let sent = [(&person.jid, "to a number"), (&lid, "to an id")];
    for (to, text) in sent {
        let jid = to.parse().unwrap();
        companion
            .client
            .send_message(&jid, wa::Message::text(text))
            .await
            .unwrap();
    }
    let inbox = |account: &mut labelwire_sim::Account| account.inbox.clone();
    until("arrival of the texts", || {
        server.world().with_account(PHONE, inbox).unwrap().len() == sent.len()
    })
    .await;
    let arrived: Vec<Received> = server.world().with_account(PHONE, inbox).unwrap();
    let texts: Vec<&str> = arrived
        .iter()
        .map(|received| received.text.as_str())
        .collect();
    assert_eq!(texts, ["to a number", "to an id"]);
    assert!(arrived.iter().all(|received| received.device == device));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_device_sends_its_siblings_see() {
    let server = server_with(24, 2, 5).await;
    let (first, _) = linked(&server, PHONE).await;
    let (second, number) = linked(&server, PHONE).await;
    let to = "15550001111@s.whatsapp.net".parse().unwrap();
    first
        .client
        .send_message(&to, wa::Message::text("from the first"))
        .await
        .unwrap();
    assert_eq!(
        second.text("from the first").await,
        format!("{PHONE}@s.whatsapp.net")
    );
    // And the other way, when one more was linked and one is gone.
    let (third, _) = linked(&server, PHONE).await;
    second
        .client
        .send_message(&to, wa::Message::text("from the second"))
        .await
        .unwrap();
    third.text("from the second").await;
    first.text("from the second").await;
    server.world().unlink(PHONE, number).await.unwrap();
    second.logged_out().await;
    first
        .client
        .send_message(&to, wa::Message::text("only two left"))
        .await
        .unwrap();
    third.text("only two left").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_brings_all_names_and_hidden_ids() {
    let server = server_with(4_500, 1, 1).await;
    let companion = Companion::start(&server).await;
    companion.link(&server, PHONE, true).await;
    let contacts = server
        .world()
        .with_account(PHONE, |account| account.contacts.clone())
        .unwrap();
    let (mut names, mut done) = (BTreeMap::new(), 0);
    companion
        .wait("history", |events| {
            for event in &events[done..] {
                if let Event::HistorySync(history) = &**event
                    && let Some(history) = history.get()
                {
                    for chat in &history.conversations {
                        names.insert(chat.id.clone(), chat.name.clone().unwrap_or_default());
                    }
                }
            }
            done = events.len();
            (names.len() == contacts.len()).then_some(())
        })
        .await;
    for contact in &contacts {
        assert_eq!(names.get(&contact.jid), Some(&contact.name));
    }
    let person = contacts
        .iter()
        .rev()
        .find(|contact| contact.lid.is_some())
        .unwrap();
    let entry = companion
        .client
        .get_lid_pn_entry(&person.jid.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(entry.map(|entry| format!("{}@lid", entry.lid)), person.lid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_personal_phone_says_so() {
    let server = server_with(1, 1, 1).await;
    for (phone, kind, platform) in [
        ("491700000011", Kind::Business, "smba"),
        ("491700000012", Kind::Personal, "android"),
    ] {
        let new = NewAccount {
            kind,
            ..account(phone, 1, 1, 1)
        };
        server.world().create_account(new).unwrap();
        let companion = Companion::start(&server).await;
        companion.link(&server, phone, true).await;
        let told = companion.wait("PairSuccess", |events| {
            events.iter().find_map(|event| match &**event {
                Event::PairSuccess(success) => Some(success.platform.clone()),
                _ => None,
            })
        });
        assert_eq!(told.await, platform);
    }
}
