//! Events in each dialect's words: golden bodies of webhooks configured through its own
//! calls.

use std::fmt::Write as _;
use std::sync::Arc;

use labelwire_api::words;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Event, EventChat, EventLabel, Kind, Origin, event_id};
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::{Dialect, Hook, Words};
use serde_json::{Value, json};

use crate::stage::Stage;

/// Something of everything that can happen.
fn events() -> Vec<Event> {
    let label = |deleted| json!({"id": "3", "name": "Café ☕", "color": 14, "deleted": deleted, "predefined_id": 7});
    let on = |labeled| Some(json!({"labeled": labeled}));
    let message = json!({
        "from": "5511988887777@s.whatsapp.net",
        "from_me": false,
        "push_name": "Ana",
        "type": "text",
        "text": "olá \"mundo\"",
        "labels": [{"id": "3", "name": "Café ☕", "color": 14}],
    });
    let own = json!({"from": "5511900000000@s.whatsapp.net", "from_me": true, "type": "image", "labels": []});
    let state = |state: &str, reason: &str| json!({"state": state, "reason": reason});
    let group = Some("120363021033254949@g.us");
    let person = Some("5511988887777@s.whatsapp.net");
    [
        (
            Kind::LabelCreated,
            None,
            None,
            Some(label(false)),
            json!({}),
        ),
        (
            Kind::LabelChanged,
            None,
            Some(label(false)),
            Some(label(false)),
            json!({}),
        ),
        (
            Kind::LabelDeleted,
            None,
            Some(label(false)),
            Some(label(true)),
            json!({}),
        ),
        (
            Kind::LabelsReordered,
            None,
            None,
            Some(json!([3, 1])),
            json!({}),
        ),
        (Kind::ChatLabeled, person, on(false), on(true), json!({})),
        (Kind::ChatUnlabeled, group, on(true), on(false), json!({})),
        (Kind::MessageLabeled, person, on(false), on(true), json!({})),
        (Kind::MessageReceived, person, None, None, message.clone()),
        (Kind::MessageReceived, group, None, None, message),
        (Kind::MessageReceived, person, None, None, own),
        (
            Kind::InstanceOnline,
            None,
            None,
            None,
            state("connected", ""),
        ),
        (
            Kind::InstanceConnecting,
            None,
            None,
            None,
            state("connecting", "connection lost"),
        ),
        (
            Kind::InstanceOffline,
            None,
            None,
            None,
            state("disconnected", "stopped by the API"),
        ),
        (
            Kind::InstanceLoggedOut,
            None,
            None,
            None,
            state("loggedout", "logged out by the API"),
        ),
        (Kind::InstanceSynced, None, None, None, json!({"labels": 3})),
        (Kind::WebhookTest, None, None, None, json!({})),
    ]
    .into_iter()
    .zip(1..)
    .map(|((kind, chat, before, after, details), seq)| {
        let of_label = kind.as_str().starts_with("label.") || chat.is_some();
        let of_message = kind == Kind::MessageReceived;
        let seen_at = Timestamp::from_millis(1_750_000_000_123);
        Event {
            id: event_id(seen_at, seq),
            seq: (!of_message).then_some(seq),
            kind,
            instance: "shop".into(),
            at: Timestamp::from_millis(1_749_999_999_000),
            seen_at,
            origin: Origin::Phone,
            actor: None,
            cause: None,
            request_id: None,
            chat: chat.map(|jid| EventChat {
                jid: jid.into(),
                lid: None,
                key: jid.into(),
            }),
            label: (of_label && !of_message).then(|| EventLabel {
                id: "3".into(),
                name: Some("Café ☕".into()),
                color: Some(14),
            }),
            message_id: of_message.then(|| "3EB0AA".into()),
            before,
            after,
            details,
            initial: false,
        }
    })
    .collect()
}

/// The webhooks of a dialect as whoever delivers has them.
async fn hooks(stage: &Stage, dialect: Dialect) -> Vec<Hook> {
    let caller = stage.caller().await;
    let handle = stage
        .app
        .instance(&caller, Scope::Read, "shop")
        .expect("there");
    let all = stage
        .app
        .webhooks(&caller, "shop", Some(dialect))
        .await
        .expect("read");
    all.into_iter()
        .map(|w| Hook {
            id: w.id,
            dialect,
            name: w.name,
            config: w.config,
            instance: "shop".into(),
            instance_id: handle.id.clone(),
            profile: handle.status().profile,
        })
        .collect()
}

/// What each webhook is told of each event its filter lets pass.
fn told(words: &Arc<dyn Words>, hooks: &[Hook]) -> String {
    let mut said = String::new();
    for hook in hooks {
        let _ = writeln!(said, "── {}", hook.config.url);
        for event in events() {
            let label = event
                .label
                .as_ref()
                .map(|l| (l.id.as_str(), l.name.as_deref()));
            let chat = event.chat.as_ref().map(|c| c.jid.as_str());
            let passes = hook.config.filter.passes(event.kind, label, chat);
            let _ = match words.tell(hook, &event) {
                Some(told) => {
                    assert!(passes, "{} is told and not queued", event.kind.as_str());
                    let body: Value = serde_json::from_str(&told.body).expect("JSON");
                    assert!(body.is_object());
                    writeln!(
                        said,
                        "{} as {}\n  {}",
                        event.kind.as_str(),
                        told.name,
                        told.body
                    )
                }
                None => writeln!(said, "{} is not told", event.kind.as_str()),
            };
        }
    }
    said
}

async fn golden(dialect: Dialect, name: &str, calls: &[(&str, &str, &str)]) {
    let (stage, _) = Stage::shop().await;
    for (method, path, body) in calls {
        let mut request = crate::stage::request(method, path, &stage.account, Some(body));
        let token = stage.account.parse().expect("a header");
        let places = ["x-api-key", "apikey", "access-token"];
        for place in places {
            request
                .headers_mut()
                .insert(place, axum::http::HeaderValue::clone(&token));
        }
        let json = axum::http::HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", json);
        let response = stage.send(request).await;
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
    }
    let said = told(
        &words(Some("https://labels.example.org")),
        &hooks(&stage, dialect).await,
    );
    // The run's version is no part of what is told.
    let said = said.replace(
        concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\""),
        "\"version\":\"…\"",
    );
    let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
    insta::assert_snapshot!(name, said.replace(&platform, "os/arch"));
    stage.close().await;
}

#[tokio::test]
async fn ryze_webhooks_are_told_in_its_words() {
    let set = "/api/events/webhook/shop";
    golden(
        Dialect::Ryze,
        "ryze_told",
        &[
            ("POST", set, r#"{"url":"https://a.example/all","byEvents":true}"#),
            ("POST", set, r#"{"label":"crm","url":"https://b.example/labels","events":["label.update","call.update"]}"#),
            ("POST", set, r#"{"label":"none","url":"https://c.example/none","events":["call.update"]}"#),
        ],
    )
    .await;
}

#[tokio::test]
async fn waha_webhooks_are_told_in_its_words() {
    let body = r#"{"config":{"metadata":{"user.id":"123"},"webhooks":[
        {"url":"https://a.example/all","events":["*"]},
        {"url":"https://b.example/some","events":["label.chat.deleted","message.any","group.v2.join"]},
        {"url":"https://c.example/in","events":["message"]}]}}"#;
    golden(
        Dialect::Waha,
        "waha_told",
        &[("PUT", "/api/sessions/shop", body)],
    )
    .await;
}

#[tokio::test]
async fn wawp_webhooks_are_told_in_its_words() {
    let body = r#"{"instance_id":"shop","webhooks":[
        {"url":"https://a.example/all","events":["*"],"is_active":true},
        {"url":"https://b.example/seed","events":["label.chat.removed","label.upsert"],"is_active":1}]}"#;
    golden(
        Dialect::Wawp,
        "wawp_told",
        &[("POST", "/v2/session/webhook", body)],
    )
    .await;
}

#[tokio::test]
async fn evolution_webhooks_are_told_in_its_words() {
    let body =
        r#"{"webhook":{"enabled":true,"url":"https://a.example/all","byEvents":true,"events":[]}}"#;
    golden(
        Dialect::Evolution,
        "evolution_told",
        &[("POST", "/webhook/set/shop", body)],
    )
    .await;
}
