//! What the state folder brings back.

use std::fs;
use std::path::Path;

use labelwire_sim::{Options, Server, labels};
use reqwest::Method;
use serde_json::{Value, json};

use super::Api;
use crate::client::{Companion, PHONE, account};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn kept_in(dir: &Path) -> Options {
    Options {
        state_dir: Some(dir.to_owned()),
        ..Options::default()
    }
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = || kept_in(dir.path());
    let api = Api::start(options()).await;
    api.account(30, 3, 40).await;
    api.phone(Method::POST, "/labels", json!({"name": "Late", "color": 3}))
        .await;
    api.phone(Method::PUT, "/labels/4/chats/1@lid", Value::Null)
        .await;
    let before = (api.truth().await, api.server.world().root_key_hex());
    api.server.stop().await;

    let api = Api::start(options()).await;
    assert_eq!(
        (api.truth().await, api.server.world().root_key_hex()),
        before
    );
    api.phone(Method::DELETE, "/labels/4/chats/1@lid", Value::Null)
        .await;
    let before = api.truth().await;
    api.server.stop().await;
    let api = Api::start(options()).await;
    assert_eq!(api.truth().await, before);
}

/// A copy of the folder, taken while the server runs, is what `kill -9` leaves behind.
#[tokio::test]
async fn whatever_was_answered_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let api = Api::start(kept_in(&dir.path().join("live"))).await;
    api.account(20, 2, 20).await;
    for round in 0..5 {
        let chat = format!("/labels/1/chats/{round}@lid");
        api.phone(Method::PUT, &chat, Value::Null).await;
        let left = dir.path().join(format!("left-{round}"));
        copy(&dir.path().join("live"), &left);
        let truth = api.truth().await;
        let back = Api::start(kept_in(&left)).await;
        assert_eq!(back.truth().await, truth);
        assert_eq!(
            back.server.world().root_key_hex(),
            api.server.world().root_key_hex()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_client_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(kept_in(dir.path())).await.unwrap();
    server
        .world()
        .create_account(account(PHONE, 20, 2, 20))
        .unwrap();
    let client = Companion::start(&server).await;
    client.link(&server, PHONE, true).await;
    client.mirrors(server.world(), PHONE).await;
    let (address, before) = (server.address(), client.seen());
    server.stop().await;

    let again = Options {
        listen: address,
        ..kept_in(dir.path())
    };
    let server = Server::start(again).await.unwrap();
    let world = server.world();
    world
        .change(
            PHONE,
            vec![labels::chat("1", "15550001111@s.whatsapp.net", true, 1)],
        )
        .unwrap();
    client.connected_after(before).await;
    client.mirrors(world, PHONE).await;
    let chat = "15550002222@s.whatsapp.net".parse().unwrap();
    client
        .client
        .labels()
        .add_chat_label("2", &chat)
        .await
        .unwrap();
    let truth = world
        .with_account(PHONE, |account| account.truth())
        .unwrap();
    assert!(
        truth
            .associations
            .iter()
            .any(|one| one.chat_jid == chat.to_string())
    );
    client.mirrors(world, PHONE).await;

    // The phone starts a new Signal session from what the client left with the server.
    let sender = truth.chats[0].jid.clone();
    world
        .send_text(PHONE, &sender, "Still there?")
        .await
        .unwrap();
    assert_eq!(client.text("Still there?").await, sender);
}
