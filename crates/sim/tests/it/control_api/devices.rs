//! Linked clients, handled over HTTP alone.

use labelwire_sim::Options;
use reqwest::Method;
use serde_json::{Value, json};
use whatsapp_rust::wacore::types::events::Event;

use super::{Api, PHONE};
use crate::client::Companion;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_linked_written_to_and_sent_away() {
    let api = Api::start(Options::default()).await;
    api.account(20, 2, 20).await;
    let client = Companion::start(&api.server).await;
    let qr = client.qr().await;
    let linked = api.phone(Method::POST, "/scan", json!({"qr": qr})).await;
    assert_eq!(linked, json!({"device": 1}));
    client.connected().await;
    api.phone(Method::PUT, "/labels/2/chats/77@lid", Value::Null)
        .await;
    client.mirrors(api.server.world(), PHONE).await;
    let truth = api.truth().await;
    let device = json!({
        "device": 1, "jid": format!("{PHONE}:1@s.whatsapp.net"), "connected": true, "snapshot": true,
    });
    assert_eq!(truth["devices"], json!([device]));

    let from = truth["chats"][0]["jid"].as_str().unwrap();
    let sent = api
        .phone(
            Method::POST,
            "/messages",
            json!({"from": from, "text": "Good morning"}),
        )
        .await;
    assert!(sent["id"].is_string());
    client.text("Good morning").await;

    for body in [Value::Null, json!({"clean": false})] {
        let before = client.seen();
        api.phone(Method::POST, "/devices/1/disconnect", body).await;
        client.connected_after(before).await;
    }
    api.phone(Method::POST, "/devices/1/unlink", Value::Null)
        .await;
    let logged_out = |event: &Event| matches!(event, Event::LoggedOut(_));
    client
        .wait("LoggedOut", |events| {
            events.iter().any(|event| logged_out(event)).then_some(())
        })
        .await;
    assert_eq!(api.truth().await["devices"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_linked_by_code_and_served_patches() {
    let api = Api::start(Options::default()).await;
    api.account(20, 2, 20).await;
    let client = Companion::start_with_code(&api.server, PHONE, "ABCD1234").await;
    client
        .wait("PairingCode", |events| {
            let shown = |event: &Event| matches!(event, Event::PairingCode(_));
            events.iter().any(|event| shown(event)).then_some(())
        })
        .await;
    let body = json!({"code": "abcd-1234", "snapshot": false});
    let linked = api.phone(Method::POST, "/pair-code", body).await;
    assert_eq!(linked, json!({"device": 1}));
    client.mirrors(api.server.world(), PHONE).await;
    assert_eq!(api.truth().await["devices"][0]["snapshot"], false);
}
