//! Absence: queues, restarts, removal and ends of connections.

use std::sync::Arc;

use labelwire_sim::labels;
use labelwire_sim::{Options, Server};
use whatsapp_rust::prelude::MessageBuilderExt as _;
use whatsapp_rust::wacore::types::events::Event;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::client::{Companion, Mirror, PHONE, account, linked, server_with, until};

const CHAT: &str = "15550001111@s.whatsapp.net";

fn change(server: &Server, label: &str, labeled: bool) {
    let change = labels::chat(label, CHAT, labeled, 1_760_000_000_000);
    server.world().change(PHONE, vec![change]).unwrap();
}

fn connected(server: &Server, device: u16) -> bool {
    let connected = |account: &mut labelwire_sim::Account| {
        account
            .devices
            .get(&device)
            .is_some_and(labelwire_sim::device::Device::connected)
    };
    server.world().with_account(PHONE, connected).unwrap()
}

async fn gone(server: &Server, device: u16) {
    until("end of the connection", || !connected(server, device)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_while_a_device_is_offline_waits_for_it() {
    let server = server_with(10, 3, 5).await;
    let (companion, device) = linked(&server, PHONE).await;
    // What it learned before it went away, to compare with afterwards.
    let backend = companion.stop().await;
    gone(&server, device).await;
    change(&server, "1", true);
    change(&server, "2", true);
    server
        .world()
        .send_text(PHONE, CHAT, "while you were out")
        .await
        .unwrap();
    let queued = |account: &mut labelwire_sim::Account| account.devices[&device].queued();
    // Two changes make one notification.
    assert_eq!(server.world().with_account(PHONE, queued).unwrap(), 2);

    let companion = Companion::with_backend(&server, backend, None).await;
    companion.text("while you were out").await;
    companion.associated("1", CHAT).await;
    companion.associated("2", CHAT).await;
    until("acknowledgements", || {
        server.world().with_account(PHONE, queued).unwrap() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unlinked_device_is_logged_out_and_stays_out() {
    let server = server_with(10, 2, 5).await;
    let (first, number) = linked(&server, PHONE).await;
    let (second, _) = linked(&server, PHONE).await;
    server.world().unlink(PHONE, number).await.unwrap();
    first.logged_out().await;
    let first = first.restart().await;
    first.logged_out().await;
    assert!(server.world().unlink(PHONE, number).await.is_err());
    change(&server, "1", true);
    second.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_unlink_itself() {
    let server = server_with(10, 2, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    let _ = companion.client.logout().await;
    until("removal of the device", || {
        server
            .world()
            .with_account(PHONE, |account| account.devices.is_empty())
            .unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_stream_is_not_taken_up_again() {
    let server = server_with(10, 2, 5).await;
    let (companion, device) = linked(&server, PHONE).await;
    server.world().replace_stream(PHONE, device).unwrap();
    companion
        .wait("StreamReplaced", |events| {
            let replaced = |event: &Arc<Event>| matches!(&**event, Event::StreamReplaced(_));
            events.iter().any(replaced).then_some(())
        })
        .await;
    gone(&server, device).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_comes_back_after_any_end_of_its_connection() {
    let server = server_with(10, 3, 5).await;
    let (companion, device) = linked(&server, PHONE).await;
    for (label, clean) in [("1", true), ("2", false)] {
        let seen = companion.seen();
        server.world().disconnect(PHONE, device, clean).unwrap();
        companion.connected_after(seen).await;
        change(&server, label, true);
        companion.mirrors(server.world(), PHONE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dirty_bit_makes_a_client_catch_up() {
    let server = server_with(10, 3, 5).await;
    let (companion, device) = linked(&server, PHONE).await;
    let silent =
        labelwire_sim::faults::Fault::new(labelwire_sim::faults::FaultKind::WithholdServerSync);
    crate::client::fault(&server, silent.times(1));
    change(&server, "1", true);
    server.world().mark_dirty(PHONE, device).unwrap();
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_knows_its_accounts_and_devices() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Server::start(Options {
            state_dir: Some(folder.path().to_owned()),
            ..Options::default()
        })
    };
    let server = start().await.unwrap();
    server
        .world()
        .create_account(account(PHONE, 40, 4, 30))
        .unwrap();
    let (companion, device) = linked(&server, PHONE).await;
    companion
        .client
        .labels()
        .create_label("9", "Before", 4)
        .await
        .unwrap();
    let root = server.world().root_key_hex();
    let backend = companion.stop().await;
    gone(&server, device).await;
    change(&server, "1", true);
    let truth = Mirror::of(server.world(), PHONE);
    server.stop().await;

    let server = start().await.unwrap();
    assert_eq!(server.world().root_key_hex(), root);
    assert_eq!(Mirror::of(server.world(), PHONE), truth);
    let companion = Companion::with_backend(&server, backend, None).await;
    companion.connected().await;
    companion.associated("1", CHAT).await;
    companion
        .client
        .labels()
        .create_label("9", "After", 5)
        .await
        .unwrap();
    server
        .world()
        .send_text(PHONE, CHAT, "still here")
        .await
        .unwrap();
    companion.text("still here").await;
    let to = CHAT.parse().unwrap();
    companion
        .client
        .send_message(&to, wa::Message::text("me too"))
        .await
        .unwrap();
    until("arrival of the text", || {
        let inbox = server
            .world()
            .with_account(PHONE, |account| account.inbox.clone())
            .unwrap();
        inbox.iter().any(|received| received.text == "me too")
    })
    .await;
    // Another new device finds everything.
    let (second, number) = linked(&server, PHONE).await;
    assert_eq!(number, device + 1);
    change(&server, "2", true);
    second.mirrors(server.world(), PHONE).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_devices_of_many_accounts_are_served_at_once() {
    const ACCOUNTS: usize = 4;
    const DEVICES: usize = 8;
    let server = server_with(1, 1, 1).await;
    let phones: Vec<String> = (0..ACCOUNTS).map(|n| format!("4916000000{n:02}")).collect();
    let mut companions = Vec::new();
    for phone in &phones {
        server
            .world()
            .create_account(account(phone, 20, 3, 20))
            .unwrap();
        for _ in 0..DEVICES {
            companions.push((phone, linked(&server, phone).await.0));
        }
    }
    for phone in &phones {
        let change = labels::chat("2", CHAT, true, 1_760_000_000_000);
        server.world().change(phone, vec![change]).unwrap();
    }
    for (phone, companion) in &companions {
        companion.mirrors(server.world(), phone).await;
    }
}
