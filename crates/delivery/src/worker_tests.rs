//! What is cleared away, and when.

use std::time::Duration;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::WebhookId;
use labelwire_domain::webhook::{Config, Dialect, Filter, Schedule};
use labelwire_store::deliveries::{self, NewDelivery, Record};
use labelwire_store::testing::{self, TestDb};
use labelwire_store::webhooks::{self, NewWebhook};

use crate::worker::sweep;

const DAY: Duration = Duration::from_hours(24);

async fn ended_deliveries_are_forgotten_in_time(home: TestDb) {
    let db = home.open().await.unwrap();
    let instance = testing::instance(&db, "shop").await.unwrap();
    let now = Timestamp::from_millis(1_750_000_000_000);
    let config = Config {
        url: "https://example.org/".into(),
        filter: Filter::default(),
        by_event: false,
        headers: Vec::new(),
        secrets: Vec::new(),
        retries: Schedule::Standard,
        message_text: false,
        extra: serde_json::Value::Null,
    };
    let ids = [WebhookId::new(now, [1; 10]), WebhookId::new(now, [2; 10])];
    let mut tx = db.begin().await.unwrap();
    for (id, enabled) in ids.iter().zip([true, false]) {
        let new = NewWebhook {
            id,
            dialect: Dialect::Native,
            name: id.as_str(),
            enabled,
            config: &config,
        };
        webhooks::insert(&mut tx, instance, &new, now)
            .await
            .unwrap();
    }
    let delivery = |id: &WebhookId| NewDelivery {
        webhook_id: id.to_string(),
        seq: None,
        event_id: "evt_1".into(),
        kind: "webhook.test",
        lane: "a".into(),
        event: Some("{}".into()),
    };
    let [on, off] = &ids;
    let queue = [on, on, on, off].map(delivery);
    deliveries::insert(&mut tx, instance, &queue, now)
        .await
        .unwrap();
    let record = |delivery, state| Record {
        delivery,
        state,
        attempts: 0,
        due_at: now,
        attempt: None,
    };
    let ended = [record(1, "done"), record(2, "dead")];
    deliveries::record(&mut tx, &ended, now).await.unwrap();
    tx.commit().await.unwrap();

    let left = async |days: u32| {
        sweep(&db, now.after(DAY * days)).await.unwrap();
        let mut reader = db.reader().await.unwrap();
        let mut left = Vec::new();
        for id in &ids {
            let page = deliveries::page(reader.conn(), id.as_str(), None, i64::MAX, 10);
            for delivery in page.await.unwrap() {
                left.push((delivery.delivery, delivery.state));
            }
        }
        left.sort();
        left
    };
    let is = |left: &[(i64, &str)]| -> Vec<(i64, String)> {
        left.iter().map(|(n, s)| (*n, (*s).to_owned())).collect()
    };
    let all = [(1, "done"), (2, "dead"), (3, "pending"), (4, "pending")];
    assert_eq!(left(1).await, is(&all));
    // What waits for one that is off is given up; what waits for its turn is not.
    let given_up = [(1, "done"), (2, "dead"), (3, "pending"), (4, "dead")];
    assert_eq!(left(4).await, is(&given_up));
    assert_eq!(left(8).await, is(&given_up[1..]));
    assert_eq!(left(31).await, is(&given_up[2..]));
    assert_eq!(left(40).await, is(&[(3, "pending")]));
    db.close().await;
    home.remove().await.unwrap();
}

#[tokio::test]
async fn ended_deliveries_are_forgotten_in_time_on_sqlite() {
    ended_deliveries_are_forgotten_in_time(TestDb::sqlite().unwrap()).await;
}

#[tokio::test]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn ended_deliveries_are_forgotten_in_time_on_postgres() {
    ended_deliveries_are_forgotten_in_time(TestDb::postgres().await.unwrap()).await;
}
