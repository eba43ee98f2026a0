use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use labelwire_domain::change::{Association, LabelOrder, MessageLabel, Record, RecordKey};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::collection::{Batch, Version};
use labelwire_domain::event::Kind;
use labelwire_domain::ids::{CommandId, InstanceKey};
use labelwire_domain::label::Label;
use labelwire_domain::past::Past;
use labelwire_store::checkpoints::{self, Seen};
use labelwire_store::testing::{self, TestDb};
use labelwire_store::{Db, chat_labels, label_orders, labels, lid_map, log, message_labels};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{View, load, store};
use crate::error::Error;
use crate::ingest::{self, Asker, Attribution};
use crate::retention::{Prune, prunable, prune};
use crate::timeline::Untold;

/// Nobody here asked for anything.
struct Nobody;

impl Attribution for Nobody {
    fn is_idle(&self) -> bool {
        true
    }

    fn claim(&mut self, _: &Record) -> Option<Asker> {
        None
    }

    fn finished(&mut self) -> Vec<CommandId> {
        Vec::new()
    }
}

type On = BTreeMap<String, BTreeSet<(String, i64)>>;

/// What is so at some row.
#[derive(Debug, PartialEq, Clone)]
struct Truth {
    labels: Vec<Label>,
    chats: On,
    messages: BTreeSet<(String, String, String, i64)>,
    order: Vec<i32>,
}

async fn truth(db: &Db, instance: InstanceKey) -> Truth {
    let mut reader = db.reader().await.unwrap();
    let mut known = labels::all(reader.conn(), instance).await.unwrap();
    known.sort_by(|a, b| a.id.cmp(&b.id));
    let live: BTreeSet<String> = known
        .iter()
        .filter(|l| !l.deleted)
        .map(|l| l.id.clone())
        .collect();
    let mut chats = On::new();
    for record in chat_labels::all(reader.conn(), instance).await.unwrap() {
        if record.labeled && live.contains(&record.label_id) {
            let on = chats.entry(record.chat_jid.to_string()).or_default();
            on.insert((record.label_id, record.changed_at.0));
        }
    }
    let messages = message_labels::all(reader.conn(), instance).await.unwrap();
    let messages = messages.into_iter().filter(|m| m.labeled).map(|m| {
        (
            m.label_id,
            m.chat_jid.to_string(),
            m.message_id,
            m.changed_at.0,
        )
    });
    let order = label_orders::find(reader.conn(), instance).await.unwrap();
    for label in &mut known {
        label.changed_at = Timestamp(0);
    }
    Truth {
        labels: known,
        chats,
        messages: messages.collect(),
        order: order.map(|order| order.ids).unwrap_or_default(),
    }
}

fn told(past: &Past) -> Truth {
    let mut labels = past.labels();
    labels.sort_by(|a, b| a.id.cmp(&b.id));
    Truth {
        labels,
        chats: past
            .carriers()
            .map(|(chat, on)| {
                let on = on.map(|(id, at)| (id.to_owned(), at.0)).collect();
                (chat.to_owned(), on)
            })
            .collect(),
        messages: past
            .labeled_messages()
            .map(|(label, chat, message, at)| {
                (label.to_owned(), chat.to_owned(), message.to_owned(), at.0)
            })
            .collect(),
        order: past.order().to_vec(),
    }
}

fn batch(version: u64, complete: bool, records: Vec<Record>) -> Batch {
    Batch {
        through: version,
        complete,
        whole: true,
        removed: false,
        macs: Vec::new(),
        version: Version {
            number: version,
            state: Arc::from([]),
            mismatch: false,
        },
        records,
    }
}

fn record(random: &mut StdRng, at: i64) -> Record {
    let label = random.random_range(1..6_u32).to_string();
    let server = ["s.whatsapp.net", "lid", "g.us"][random.random_range(0..3)];
    let chat = ChatJid::from_app_state(format!("{}@{server}", random.random_range(10..20_u32)));
    let (labeled, changed_at) = (random.random_bool(0.6), Timestamp(at));
    match random.random_range(0..20_u32) {
        0..2 => Record::Label(Label {
            name: format!("n{}", random.random_range(0..3_u32)),
            color: random.random_range(0..20),
            deleted: random.random_bool(0.3),
            id: label,
            changed_at,
            ..Label::default()
        }),
        2 => Record::Order(LabelOrder {
            ids: vec![random.random_range(1..6), random.random_range(1..6)],
            changed_at,
        }),
        3 => Record::Removed(match random.random_range(0..3_u32) {
            0 => RecordKey::Label(label),
            1 => RecordKey::Order,
            _ => RecordKey::Association(label, chat),
        }),
        4..7 => Record::Message(MessageLabel {
            label_id: label,
            chat_jid: chat,
            message_id: format!("M{}", random.random_range(0..4_u32)),
            labeled,
            changed_at,
        }),
        _ => Record::Association(Association {
            label_id: label,
            chat_jid: chat,
            labeled,
            changed_at,
        }),
    }
}

/// Whatever is done to labels, each moment is told as it was: with states stored on
/// the way, after a replay, after history was dropped.
async fn each_moment_is_told_as_it_was(db: Db, seed: u64, steps: i64) {
    let instance = testing::instance(&db, "one").await.unwrap();
    let other = testing::instance(&db, "two").await.unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    let mut truths: BTreeMap<i64, Truth> = BTreeMap::new();
    for step in 1..=steps {
        let now = Timestamp(step * 1_000);
        let mut records: Vec<Record> = (0..random.random_range(1..5))
            .map(|_| record(&mut random, step))
            .collect();
        let complete = step == 1 || random.random_bool(0.02);
        if complete {
            records.retain(|record| !matches!(record, Record::Removed(_)));
            records.extend((0..20).map(|_| record(&mut random, step)));
            records.retain(|record| !matches!(record, Record::Removed(_)));
        }
        let version = u64::try_from(step).unwrap();
        let mut tx = db.begin().await.unwrap();
        let mut batches = vec![batch(version, complete, records)];
        ingest::apply(&mut tx, instance, &mut batches, &mut Nobody, now)
            .await
            .unwrap();
        if random.random_bool(0.3) {
            // Rows of another instance lie between.
            let mut batches = vec![batch(version, step < 5, vec![record(&mut random, step)])];
            ingest::apply(&mut tx, other, &mut batches, &mut Nobody, now)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        let mut reader = db.reader().await.unwrap();
        let last = log::last_seq(reader.conn(), instance).await.unwrap();
        drop(reader);
        truths.insert(last, truth(&db, instance).await);
        if random.random_bool(0.05) {
            let past = load(&db, instance, last).await.unwrap();
            let at = Seen {
                seq: last,
                seen_at: now.0,
            };
            let mut tx = db.begin().await.unwrap();
            store(&mut tx, instance, at, &past, false).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
    for (seq, truth) in &truths {
        let past = load(&db, instance, *seq).await.unwrap();
        assert_eq!(told(&past), *truth, "row {seq}");
    }
    // Times lead to the rows they were seen in.
    let mut reader = db.reader().await.unwrap();
    let rows = log::page_after(reader.conn(), instance, 0, i64::MAX)
        .await
        .unwrap();
    for moment in (0..=steps).map(|step| step * 1_000 + step % 2) {
        let naive = rows
            .iter()
            .rev()
            .find(|row| row.seen_at <= moment)
            .map(|row| row.seq);
        let found = checkpoints::seen_by(reader.conn(), instance, moment)
            .await
            .unwrap();
        assert_eq!(found.map(|row| row.seq), naive, "{moment}");
    }
    drop(reader);
    // Half of it is dropped.
    let ask = Prune {
        before: Timestamp(steps * 500),
        kinds: &prunable(),
        actor: "test",
    };
    let now = Timestamp(steps * 1_000 + 1);
    let dropped = prune(&db, instance, &ask, now).await.unwrap();
    let gone = rows.iter().filter(|row| row.seen_at < steps * 500).count();
    assert_eq!(dropped.rows, u64::try_from(gone).unwrap());
    assert_eq!(prune(&db, instance, &ask, now).await.unwrap().rows, 0);
    let mut reader = db.reader().await.unwrap();
    let cut = checkpoints::cut(reader.conn(), instance)
        .await
        .unwrap()
        .unwrap();
    let left = log::page_after(reader.conn(), instance, 0, i64::MAX)
        .await
        .unwrap();
    let notes = left
        .iter()
        .filter(|row| row.kind == Kind::HistoryPruned.as_str());
    assert_eq!((left.len(), notes.count()), (rows.len() - gone + 1, 1));
    drop(reader);
    for (seq, truth) in &truths {
        match load(&db, instance, *seq).await {
            Ok(past) => assert_eq!((told(&past), *seq >= cut.seq), (truth.clone(), true)),
            Err(Error::Timeline(Untold::Pruned(_))) => assert!(*seq < cut.seq),
            Err(error) => panic!("{error}"),
        }
    }
    // Nothing but that may change the log.
    let mut tx = db.begin().await.unwrap();
    let kinds = [Kind::ChatLabeled.as_str()];
    let refused = labelwire_store::prune::delete(&mut tx, instance, i64::MAX, &kinds, 1).await;
    assert!(refused.is_err(), "the log is locked again");
}

async fn one_person_is_one_chat_by_what_is_known_today(db: Db) {
    let instance = testing::instance(&db, "one").await.unwrap();
    let on = |label: &str, chat: &str, at| {
        Record::Association(Association {
            label_id: label.into(),
            chat_jid: ChatJid::from_app_state(chat),
            labeled: true,
            changed_at: Timestamp(at),
        })
    };
    let label = |id: &str| {
        Record::Label(Label {
            id: id.into(),
            name: id.into(),
            ..Label::default()
        })
    };
    let records = vec![
        label("1"),
        label("2"),
        on("1", "77@lid", 9),
        on("1", "5511@s.whatsapp.net", 5),
        on("2", "5511@s.whatsapp.net", 7),
    ];
    let mut tx = db.begin().await.unwrap();
    let mut batches = vec![batch(1, true, records)];
    ingest::apply(&mut tx, instance, &mut batches, &mut Nobody, Timestamp(1))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let past = load(&db, instance, 1).await.unwrap();
    let place = Seen { seq: 1, seen_at: 1 };
    let view = View::of_past(&db, instance, place, &past).await.unwrap();
    assert_eq!(view.len(), 2);
    let mut tx = db.begin().await.unwrap();
    let mapping = lid_map::Mapping {
        lid: "77".into(),
        phone: "5511".into(),
        created_at: 1,
        updated_at: 1,
        learning_source: "test".into(),
    };
    lid_map::put_many(&mut tx, instance, &[mapping])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let view = View::of_past(&db, instance, place, &past).await.unwrap();
    assert_eq!(view.len(), 1);
    let counts: Vec<u64> = view.counts().into_iter().map(|(_, chats)| chats).collect();
    assert_eq!(counts, [1, 1]);
    let ids: Vec<String> = view
        .labels_of("5511@s.whatsapp.net")
        .into_iter()
        .map(|l| l.id)
        .collect();
    assert_eq!(ids, ["1", "2"]);
}

#[tokio::test]
async fn each_moment_is_told_as_it_was_sqlite() {
    for seed in 0..3 {
        let home = TestDb::sqlite().unwrap();
        each_moment_is_told_as_it_was(home.open().await.unwrap(), seed, 120).await;
    }
}

#[tokio::test]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn each_moment_is_told_as_it_was_postgres() {
    let home = TestDb::postgres().await.unwrap();
    let db = home.open().await.unwrap();
    each_moment_is_told_as_it_was(db.clone(), 7, 120).await;
    db.close().await;
    home.remove().await.unwrap();
}

#[tokio::test]
async fn one_person_is_one_chat_sqlite() {
    let home = TestDb::sqlite().unwrap();
    one_person_is_one_chat_by_what_is_known_today(home.open().await.unwrap()).await;
}

#[tokio::test]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn one_person_is_one_chat_postgres() {
    let home = TestDb::postgres().await.unwrap();
    let db = home.open().await.unwrap();
    one_person_is_one_chat_by_what_is_known_today(db.clone()).await;
    db.close().await;
    home.remove().await.unwrap();
}
