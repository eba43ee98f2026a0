use std::collections::BTreeSet;

use labelwire_domain::change::Association;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_store::testing::{self, TestDb};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use labelwire_domain::label::Label;

struct Plain;

impl Render for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn chat(&self, chat: &str, labels: &[&Label], out: &mut Vec<u8>) {
        out.extend_from_slice(chat.as_bytes());
        for label in labels {
            out.push(b'/');
            out.extend_from_slice(label.id.as_bytes());
            // As long as a real piece, so that lists have several segments.
            out.extend_from_slice(&[b'x'; 200]);
        }
    }
}

fn text(list: &ChatList) -> String {
    let text: Vec<u8> = list.pieces().flat_map(|p| p.to_vec()).collect();
    assert_eq!(text.len() as u64, list.bytes);
    String::from_utf8(text).unwrap()
}

fn label(id: u32, deleted: bool) -> Label {
    Label {
        id: id.to_string(),
        name: format!("n{id}"),
        deleted,
        ..Label::default()
    }
}

/// A list that was mended after each of many random changes is, byte for byte,
/// the list built anew.
#[tokio::test]
async fn a_mended_list_is_the_list_built_anew() {
    let test_db = TestDb::sqlite().unwrap();
    let db = test_db.open().await.unwrap();
    let key = testing::instance(&db, "one").await.unwrap();
    let mut rng = StdRng::seed_from_u64(11);
    let lists = Lists::new(db.clone(), Tasks::new(), usize::MAX);
    let labels = Labels {
        as_of: 0,
        all: (1..=4).map(|id| label(id, id == 4)).collect(),
    };
    let filters = [
        None,
        Some(vec!["1".to_owned()]),
        Some(vec!["2".to_owned(), "3".to_owned()]),
    ];
    let mut kept: Vec<ChatList> = vec![ChatList::default(); filters.len()];
    for round in 0..60 {
        // Some rounds change a few chats, some hundreds, one takes everything off.
        let count = [1, 3, 40, 400][round % 4];
        let mut set = BTreeSet::new();
        let mut changes = Vec::new();
        for _ in 0..count {
            let (l, c) = (rng.random_range(1..=4u32), rng.random_range(0..900u32));
            if set.insert((l, c)) {
                changes.push(Association {
                    label_id: l.to_string(),
                    chat_jid: ChatJid::from_app_state(format!("{c}@g.us")),
                    labeled: round != 40 && rng.random_bool(0.6),
                    changed_at: Timestamp(1),
                });
            }
        }
        if round == 41 {
            let mut reader = db.reader().await.unwrap();
            changes = chat_labels::all(reader.conn(), key).await.unwrap();
            changes.iter_mut().for_each(|a| a.labeled = false);
        }
        let mut tx = db.begin().await.unwrap();
        chat_labels::set_many(&mut tx, key, &changes).await.unwrap();
        tx.commit().await.unwrap();
        let chats: BTreeSet<String> = changes
            .iter()
            .map(|a| a.chat_jid.as_str().to_owned())
            .collect();
        for (filter, kept) in filters.iter().zip(&mut kept) {
            let filter = filter.as_deref();
            *kept = lists
                .mend(key, kept, &chats, &labels, filter, &Plain)
                .await
                .unwrap();
            let anew = lists
                .build(key, &labels, filter, &Plain)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(text(kept), text(&anew), "round {round}");
            assert_eq!((kept.chats, kept.rows), (anew.chats, anew.rows));
        }
        if round == 41 {
            assert!(kept.iter().all(|list| list.chats == 0 && list.bytes == 0));
        }
    }
    assert!(kept[0].segments.len() > 1);
}

#[tokio::test]
async fn what_was_asked_for_longest_ago_makes_room() {
    let test_db = TestDb::sqlite().unwrap();
    let lists = Lists::new(test_db.open().await.unwrap(), Tasks::new(), 1_000);
    for n in 0..5u32 {
        let key = Key {
            instance: InstanceKey(n.into()),
            render: "plain",
            labels: None,
        };
        let slot = Arc::new(Slot::default());
        slot.weight.store(400, Ordering::Relaxed);
        slot.used.store(n.into(), Ordering::Relaxed);
        lists.slots.lock().unwrap().insert(key, slot);
    }
    lists.make_room();
    let mut left: Vec<i64> = lists
        .slots
        .lock()
        .unwrap()
        .keys()
        .map(|k| k.instance.0)
        .collect();
    left.sort_unstable();
    assert_eq!(left, [3, 4]);
}

/// What is too large to be kept is streamed, and is the same text.
#[tokio::test]
async fn a_streamed_list_is_the_list_built_whole() {
    let test_db = TestDb::sqlite().unwrap();
    let db = test_db.open().await.unwrap();
    let key = testing::instance(&db, "one").await.unwrap();
    let labels = Labels {
        as_of: 0,
        all: (1..=4).map(|id| label(id, id == 4)).collect(),
    };
    let labels = Arc::new(labels);
    let mut rng = StdRng::seed_from_u64(5);
    let associations: Vec<Association> = (0..9_000u32)
        .flat_map(|chat| (1..=4u32).map(move |label| (chat, label)))
        .map(|(chat, label)| Association {
            label_id: label.to_string(),
            chat_jid: ChatJid::from_app_state(format!("{chat}@g.us")),
            labeled: rng.random_bool(0.7),
            changed_at: Timestamp(1),
        })
        .collect();
    let mut tx = db.begin().await.unwrap();
    chat_labels::set_many(&mut tx, key, &associations)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let lists = Lists::new(db.clone(), Tasks::new(), usize::MAX);
    let small = Lists::new(db, Tasks::new(), 4 * SEGMENT_BYTES);
    for filter in [None, Some(vec!["2".to_owned()])] {
        let whole = lists
            .build(key, &labels, filter.as_deref(), &Plain)
            .await
            .unwrap()
            .unwrap();
        assert!(
            small
                .build(key, &labels, filter.as_deref(), &Plain)
                .await
                .unwrap()
                .is_none()
        );
        let Answer::Streamed(mut streamed) = small.stream(key, Arc::clone(&labels), filter, &Plain)
        else {
            panic!("kept");
        };
        let mut sent = Vec::new();
        let end = loop {
            match streamed.next().await.unwrap().unwrap() {
                Part::Chats(piece) => sent.extend_from_slice(&piece),
                Part::End { chats, rows } => break (chats, rows),
            }
        };
        assert!(String::from_utf8(sent).unwrap() == text(&whole));
        assert_eq!(end, (whole.chats, whole.rows));
        assert!(streamed.next().await.is_none());
    }
}
