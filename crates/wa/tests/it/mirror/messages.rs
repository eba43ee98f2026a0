//! Messages as they pass: to the webhooks that ask for them, with the labels of their chat.

use std::time::Duration;

use labelwire_app::writes::NewLabel;
use labelwire_domain::event::{Event, Kind};
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::{Config, Dialect, Filter, Schedule};
use labelwire_sim::fixture;
use labelwire_store::deliveries;
use labelwire_store::testing::TestDb;

use super::both;
use super::gateway::{Gateway, INSTANCE, PHONE, Town, eventually};

const SOON: Duration = Duration::from_secs(20);

fn config(events: Vec<Kind>, labels: Vec<String>, message_text: bool) -> Config {
    Config {
        url: "https://hooks.example/in".into(),
        filter: Filter {
            events,
            labels,
            ..Filter::default()
        },
        by_event: false,
        headers: Vec::new(),
        secrets: Vec::new(),
        retries: Schedule::Standard,
        message_text,
        extra: serde_json::Value::Null,
    }
}

impl Gateway {
    async fn hook(&self, name: &str, config: Config) -> String {
        let put =
            self.app
                .put_webhook(&self.caller, INSTANCE, Dialect::Native, name, true, &config);
        put.await.unwrap().id
    }

    /// The messages that wait for a webhook, in order.
    async fn queued(&self, hook: &str) -> Vec<Event> {
        let mut reader = self.db.reader().await.unwrap();
        let rows = deliveries::page_pending(reader.conn(), hook, 0, 100)
            .await
            .unwrap();
        rows.iter()
            .filter(|row| row.kind == Kind::MessageReceived.as_str())
            .map(|row| {
                let event: Event = serde_json::from_str(row.event.as_ref().unwrap()).unwrap();
                assert_eq!((&row.event_id, row.seq), (&event.id, None));
                assert_eq!(row.lane, event.chat.as_ref().unwrap().jid);
                event
            })
            .collect()
    }
}

both!(
    a_text_reaches_the_webhooks_that_ask_with_its_chats_labels,
    async |db: TestDb| {
        let town = Town::new(db, 12, 2, 5).await;
        let gateway = town.paired(true).await;
        let (app, me) = (&gateway.app, &gateway.caller);
        let chats: Vec<fixture::Contact> = town
            .world()
            .with_account(PHONE, |a| a.contacts.clone())
            .unwrap();
        let person = chats.into_iter().find(|c| c.lid.is_some()).unwrap();
        let lid = person.lid.clone().unwrap();
        let new = NewLabel {
            name: "Hot ☕".into(),
            color: Some(4),
        };
        let label = app.create_label(me, INSTANCE, new).await.unwrap();

        // Nobody asks: nothing is written.
        let quiet = gateway.hook("quiet", config(vec![], vec![], true)).await;
        let handle = app.instance(me, Scope::Read, INSTANCE).unwrap();
        let mut passing = handle.passing();
        let world = town.world();
        world.send_text(PHONE, &lid, "unheard").await.unwrap();
        let passed = tokio::time::timeout(SOON, passing.recv()).await.unwrap();
        assert_eq!(passed.unwrap().details["text"], "unheard");

        let asks = vec![Kind::MessageReceived];
        let texts = gateway
            .hook("texts", config(asks.clone(), vec![], true))
            .await;
        let silent = gateway
            .hook("silent", config(asks.clone(), vec![], false))
            .await;
        let hot = gateway
            .hook("hot", config(asks, vec!["hot ☕".into()], false))
            .await;
        world.send_text(PHONE, &person.jid, "one 🍰").await.unwrap();
        eventually("the first is queued", SOON, async || {
            gateway.queued(&texts).await.len() == 1
        })
        .await;
        app.set_chat_label(me, INSTANCE, &label.id, &person.jid, true)
            .await
            .unwrap();
        world.send_text(PHONE, &lid, "two").await.unwrap();
        eventually("the second is queued", SOON, async || {
            gateway.queued(&texts).await.len() == 2
        })
        .await;
        // What we write ourselves is told too, once.
        let sent = app
            .send_text(me, INSTANCE, &person.jid, "three", None)
            .await
            .unwrap();
        eventually("the third is queued", SOON, async || {
            gateway.queued(&texts).await.len() == 3
        })
        .await;

        let told = gateway.queued(&texts).await;
        let said: Vec<_> = told.iter().map(|e| e.details["text"].as_str()).collect();
        assert_eq!(said, [Some("one 🍰"), Some("two"), Some("three")]);
        for event in &told {
            let chat = event.chat.as_ref().unwrap();
            assert_eq!(chat.jid, person.jid, "under its shown name");
            assert_eq!(chat.lid.as_ref(), Some(&lid));
            assert_eq!(event.details["type"], "text");
            assert_eq!(event.instance, INSTANCE);
        }
        assert_eq!(told[0].details["from"], person.jid.as_str());
        assert_eq!(told[1].details["from"], person.jid.as_str());
        assert_eq!(told[0].details["push_name"], person.name.as_str());
        let labels = |event: &Event| event.details["labels"].as_array().unwrap().clone();
        let of = |event: &Event, id: &str| labels(event).into_iter().find(|l| l["id"] == id);
        assert_eq!(of(&told[0], &label.id), None);
        let there = serde_json::json!({"id": label.id, "name": "Hot ☕", "color": 4});
        assert_eq!(of(&told[1], &label.id), Some(there));
        assert_eq!(told[2].details["from_me"], true);
        assert_eq!(told[2].message_id.as_ref(), Some(&sent.id));
        assert_eq!(
            told[2].details["from"],
            format!("{PHONE}@s.whatsapp.net").as_str()
        );

        // Without the text unless it is asked for, and only what the filter lets pass.
        let rows = gateway.queued(&silent).await;
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|e| e.details.get("text").is_none()));
        let ids = |events: &[Event]| events.iter().map(|e| e.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&rows), ids(&told));
        assert_eq!(ids(&gateway.queued(&hot).await), ids(&told)[1..]);
        assert!(gateway.queued(&quiet).await.is_empty());
        town.close(gateway).await;
    }
);
