use std::collections::BTreeMap;

use labelwire_domain::change::Association;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::event::{Kind, Origin};
use labelwire_store::log::{self, NewEntry};
use labelwire_store::testing::{self, TestDb};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

const LABELS: u32 = 6;
const ORDERS: [ChatOrder; 3] = [
    ChatOrder::Chat,
    ChatOrder::OldestFirst,
    ChatOrder::NewestFirst,
];

/// What the test thinks there is: times of labels by chat and label.
type Truth = BTreeMap<String, BTreeMap<String, i64>>;

fn labels() -> Arc<Labels> {
    let all = (1..=LABELS).map(|id| Label {
        id: id.to_string(),
        name: format!("n{}", id / 2),
        deleted: id == LABELS,
        ..Label::default()
    });
    Arc::new(Labels::of(0, all.collect()))
}

fn chat(n: u32) -> String {
    let server = ["s.whatsapp.net", "g.us", "lid", "newsletter"][(n % 7).min(3) as usize];
    format!("{}@{server}", 1_000 + n * 37 % 1_009)
}

async fn put(db: &Db, instance: InstanceKey, records: &[(String, String, bool, i64)]) {
    let mut tx = db.begin().await.unwrap();
    for (chat, label, labeled, at) in records {
        let record = Association {
            label_id: label.clone(),
            chat_jid: ChatJid::from_app_state(chat.clone()),
            labeled: *labeled,
            changed_at: Timestamp(*at),
        };
        chat_labels::set_many(&mut tx, instance, &[record])
            .await
            .unwrap();
        let body = serde_json::json!({});
        let entry = NewEntry {
            chat_jid: Some(chat.clone()),
            label_id: Some(label.clone()),
            ..NewEntry::new(Timestamp(*at), Kind::ChatLabeled, Origin::Phone, &body)
        };
        log::append(&mut tx, instance, Timestamp(*at), &[entry])
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

fn random_selection(rng: &mut StdRng) -> Selection {
    let mut some = |most: u32| -> Vec<String> {
        (0..rng.random_range(0..=most))
            .map(|_| rng.random_range(1..=LABELS + 1).to_string())
            .collect()
    };
    let (any, all, none) = (some(3), some(1), some(1));
    Selection {
        any: (!any.is_empty()).then_some(any),
        all,
        none,
        kinds: if rng.random_range(0..3) == 0 {
            vec![ChatKind::Person]
        } else {
            Vec::new()
        },
    }
}

/// The plain reading of a selection.
fn naive(truth: &Truth, selection: &Selection, order: ChatOrder) -> Vec<(String, i64)> {
    let mut found: Vec<(String, i64)> = truth
        .iter()
        .filter_map(|(chat, all)| {
            let live: BTreeMap<&str, i64> = all
                .iter()
                .filter(|(id, _)| **id != LABELS.to_string())
                .map(|(id, at)| (id.as_str(), *at))
                .collect();
            let has = |id: &String| live.contains_key(id.as_str());
            let kind_fits =
                selection.kinds.is_empty() || selection.kinds.contains(&ChatKind::of(chat));
            let fits = !live.is_empty()
                && kind_fits
                && selection.any.as_ref().is_none_or(|any| any.iter().any(has))
                && selection.all.iter().all(has)
                && !selection.none.iter().any(has);
            let asked = |id: &str| {
                (selection.any.is_none() && selection.all.is_empty())
                    || selection
                        .any
                        .iter()
                        .flatten()
                        .chain(&selection.all)
                        .any(|a| a == id)
            };
            let at = live
                .iter()
                .filter(|(id, _)| asked(id))
                .map(|(_, at)| *at)
                .max();
            fits.then(|| (chat.clone(), at.unwrap_or_default()))
        })
        .collect();
    found.sort_by_key(|(chat, at)| match order {
        ChatOrder::Chat => (0, chat.clone()),
        ChatOrder::OldestFirst => (*at, chat.clone()),
        ChatOrder::NewestFirst => (-at, chat.clone()),
    });
    found
}

fn pager<'a>(
    db: &'a Db,
    instance: InstanceKey,
    selection: &Selection,
    order: ChatOrder,
) -> Pager<'a> {
    let labels = labels();
    Pager {
        db,
        instance,
        order,
        resolved: selection.resolve(&labels.all),
        labels,
    }
}

async fn fill(db: &Db, instance: InstanceKey, rng: &mut StdRng, chats: u32) -> Truth {
    let mut truth = Truth::new();
    let mut records = Vec::new();
    for n in 0..chats {
        for label in 1..=LABELS {
            // Label 1 is common, label 5 rare.
            if rng.random_range(0..label * label) == 0 {
                let labeled = rng.random_range(0..8) > 0;
                // Few different times, so that there are ties.
                let at = rng.random_range(0..40);
                records.push((chat(n), label.to_string(), labeled, at));
                if labeled {
                    truth
                        .entry(chat(n))
                        .or_default()
                        .insert(label.to_string(), at);
                }
            }
        }
    }
    put(db, instance, &records).await;
    truth
}

async fn pages_are_the_whole_list(db: Db, rounds: u32) {
    let instance = testing::instance(&db, "one").await.unwrap();
    let other = testing::instance(&db, "two").await.unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    let truth = fill(&db, instance, &mut rng, 300).await;
    fill(&db, other, &mut rng, 20).await;
    for round in 0..rounds {
        let selection = random_selection(&mut rng);
        for order in ORDERS {
            let pager = pager(&db, instance, &selection, order);
            let limit = rng.random_range(1..=120);
            let (mut found, mut behind) = (Vec::new(), None);
            loop {
                let page = pager.page(behind.as_ref(), limit).await.unwrap();
                assert!(page.chats.len() <= limit);
                assert!(page.next.is_none() || page.chats.len() == limit);
                found.extend(page.chats.into_iter().map(|c| (c.chat, c.labeled_at.0)));
                behind = page.next;
                if behind.is_none() {
                    break;
                }
            }
            let wanted = naive(&truth, &selection, order);
            assert_eq!(found, wanted, "round {round}: {selection:?} {order:?}");
        }
    }
}

async fn changes_between_pages_repeat_and_lose_nothing(db: Db, rounds: u32) {
    let instance = testing::instance(&db, "one").await.unwrap();
    let mut rng = StdRng::seed_from_u64(5);
    let mut truth = fill(&db, instance, &mut rng, 120).await;
    for round in 0..rounds {
        let selection = random_selection(&mut rng);
        let order = ORDERS[(round % 3) as usize];
        let pager = pager(&db, instance, &selection, order);
        let limit = rng.random_range(1..=25);
        let before = naive(&truth, &selection, order);
        let (mut found, mut behind) = (Vec::new(), None);
        let mut touched = HashSet::new();
        loop {
            let page = pager.page(behind.as_ref(), limit).await.unwrap();
            found.extend(page.chats.into_iter().map(|c| c.chat));
            behind = page.next;
            if behind.is_none() {
                break;
            }
            for _ in 0..rng.random_range(0..4) {
                let (chat, label) = (chat(rng.random_range(0..130)), rng.random_range(1..=LABELS));
                let (label, at) = (label.to_string(), rng.random_range(0..40));
                let labeled = rng.random();
                put(&db, instance, &[(chat.clone(), label.clone(), labeled, at)]).await;
                let all = truth.entry(chat.clone()).or_default();
                if labeled {
                    all.insert(label, at);
                } else {
                    all.remove(&label);
                }
                touched.insert(chat);
            }
        }
        let unique: HashSet<&String> = found.iter().collect();
        assert_eq!(
            unique.len(),
            found.len(),
            "round {round}: {selection:?} {order:?}"
        );
        let steady = |chats: Vec<String>| -> Vec<String> {
            chats.into_iter().filter(|c| !touched.contains(c)).collect()
        };
        let before = before.into_iter().map(|(chat, _)| chat).collect();
        assert_eq!(
            steady(found),
            steady(before),
            "round {round}: {selection:?} {order:?}"
        );
    }
}

#[tokio::test]
async fn sqlite_pages_are_the_whole_list() {
    let test_db = TestDb::sqlite().unwrap();
    pages_are_the_whole_list(test_db.open().await.unwrap(), 60).await;
}

#[tokio::test]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn postgres_pages_are_the_whole_list() {
    let test_db = TestDb::postgres().await.unwrap();
    pages_are_the_whole_list(test_db.open().await.unwrap(), 30).await;
    test_db.remove().await.unwrap();
}

#[tokio::test]
async fn sqlite_changes_between_pages_repeat_and_lose_nothing() {
    let test_db = TestDb::sqlite().unwrap();
    changes_between_pages_repeat_and_lose_nothing(test_db.open().await.unwrap(), 60).await;
}

#[tokio::test]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn postgres_changes_between_pages_repeat_and_lose_nothing() {
    let test_db = TestDb::postgres().await.unwrap();
    changes_between_pages_repeat_and_lose_nothing(test_db.open().await.unwrap(), 30).await;
    test_db.remove().await.unwrap();
}

/// Labels on few chats and labels on many are read in two ways.
#[tokio::test]
async fn a_label_on_many_chats_is_walked_through() {
    let test_db = TestDb::sqlite().unwrap();
    let db = test_db.open().await.unwrap();
    let instance = testing::instance(&db, "one").await.unwrap();
    let count = u32::try_from(FEW).unwrap() + 500;
    let record = |n: u32, label: &str| Association {
        label_id: label.into(),
        chat_jid: ChatJid::from_app_state(format!("{n:06}@s.whatsapp.net")),
        labeled: true,
        changed_at: Timestamp(i64::from(n)),
    };
    let mut records: Vec<Association> = (0..count).map(|n| record(n, "1")).collect();
    records.extend((0..count).step_by(250).map(|n| record(n, "2")));
    let mut tx = db.begin().await.unwrap();
    chat_labels::set_many(&mut tx, instance, &records)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for (any, all, expected) in [
        (vec!["1"], vec![], count),
        (vec!["1"], vec!["2"], count / 250),
        (vec!["1", "2"], vec![], count),
        (vec!["2"], vec![], count / 250),
    ] {
        let texts = |items: Vec<&str>| items.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let selection = Selection {
            any: Some(texts(any)),
            all: texts(all),
            ..Selection::default()
        };
        for order in ORDERS {
            let pager = pager(&db, instance, &selection, order);
            let (mut found, mut behind) = (Vec::new(), None);
            loop {
                let page = pager.page(behind.as_ref(), 999).await.unwrap();
                found.extend(page.chats.into_iter().map(|c| c.chat));
                behind = page.next;
                if behind.is_none() {
                    break;
                }
            }
            assert_eq!(found.len(), expected as usize);
            let mut sorted = found.clone();
            sorted.sort();
            sorted.dedup();
            if order == ChatOrder::NewestFirst {
                sorted.reverse();
            }
            assert_eq!(found, sorted);
        }
    }
}

#[tokio::test]
async fn a_person_under_two_ids_is_one_chat() {
    let test_db = TestDb::sqlite().unwrap();
    let db = test_db.open().await.unwrap();
    let instance = testing::instance(&db, "one").await.unwrap();
    let mut tx = db.begin().await.unwrap();
    labelwire_store::lid_map::put_many(
        &mut tx,
        instance,
        &[labelwire_store::lid_map::Mapping {
            lid: "77".into(),
            phone: "5511".into(),
            created_at: 1,
            updated_at: 1,
            learning_source: "test".into(),
        }],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let on = |chat: &str, label: &str, at| (chat.to_owned(), label.to_owned(), true, at);
    put(
        &db,
        instance,
        &[
            on("77@lid", "1", 9),
            on("5511@s.whatsapp.net", "1", 5),
            on("5511@s.whatsapp.net", "2", 7),
        ],
    )
    .await;
    for order in ORDERS {
        let page = pager(&db, instance, &Selection::default(), order)
            .page(None, 10)
            .await
            .unwrap();
        let [found] = page.chats.as_slice() else {
            panic!("{:?}", page.chats)
        };
        assert_eq!(
            (found.chat.as_str(), found.labeled_at),
            ("5511@s.whatsapp.net", Timestamp(9))
        );
        let puts: Vec<(&str, i64)> = found
            .labels
            .iter()
            .map(|p| (p.label.id.as_str(), p.labeled_at.0))
            .collect();
        assert_eq!(puts, [("1", 9), ("2", 7)]);
    }
}
