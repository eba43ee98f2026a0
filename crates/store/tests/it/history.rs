//! Pages of history, snapshots, and the erasure of a person.

use labelwire_domain::change::Association;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Kind, Origin};
use labelwire_domain::ids::{InstanceKey, SnapshotId};
use labelwire_store::checkpoints::{self, Seen};
use labelwire_store::events::{self, Rows};
use labelwire_store::log::{self, NewEntry};
use labelwire_store::snapshots::{self, NewSnapshot};
use labelwire_store::testing::{TestDb, instance};
use labelwire_store::{Db, chat_labels, erasure, prune};
use serde_json::json;

use crate::on_both;

const KINDS: [Kind; 3] = [Kind::ChatLabeled, Kind::ChatUnlabeled, Kind::LabelChanged];

/// 60 rows of one instance with rows of another in between.
async fn history(db: &Db) -> InstanceKey {
    let one = instance(db, "one").await.expect("an instance");
    let two = instance(db, "two").await.expect("an instance");
    for n in 0..60_usize {
        let body = json!({});
        let chat = format!("{}@lid", 10 + n % 4);
        let entry = NewEntry {
            chat_jid: Some(chat.clone()).filter(|_| n % 3 < 2),
            chat: Some(chat.clone()).filter(|_| n % 3 < 2),
            lid: Some(chat).filter(|_| n % 3 < 2),
            label_id: Some((n % 5).to_string()),
            actor: Some(format!("token:{}", n % 2)).filter(|_| n % 7 > 0),
            ..NewEntry::new(Timestamp(5), KINDS[n % 3], Origin::Phone, &body)
        };
        let mut tx = db.begin().await.expect("begun");
        let at = i64::try_from(n).expect("small");
        log::append(&mut tx, one, Timestamp(at), std::slice::from_ref(&entry))
            .await
            .expect("appended");
        if n % 2 == 0 {
            log::append(&mut tx, two, Timestamp(at), &[entry])
                .await
                .expect("appended");
        }
        tx.commit().await.expect("committed");
    }
    one
}

on_both!(rows_are_those_asked_for, |db: Db| async move {
    let one = history(&db).await;
    let mut reader = db.reader().await.expect("a reader");
    let all = log::page_after(reader.conn(), one, 0, 1_000)
        .await
        .expect("read");
    assert_eq!(all.len(), 60);
    for case in 0..64_usize {
        let has = |bit: usize| case >> bit & 1 == 1;
        let rows = Rows {
            behind: if has(0) { 20 } else { 0 },
            through: 70,
            kinds: has(1).then_some(&["chat.labeled", "label.changed"]),
            labels: has(2).then_some(&["1", "3", "9"]),
            actor: has(3).then_some("token:1"),
            chats: has(4).then_some(&["10@lid", "12@lid"]),
            latest_first: has(5),
        };
        let mut naive: Vec<i64> = all
            .iter()
            .filter(|row| row.seq > rows.behind && row.seq <= rows.through)
            .filter(|row| rows.kinds.is_none_or(|k| k.contains(&row.kind.as_str())))
            .filter(|row| {
                let id = row.label_id.as_deref();
                rows.labels
                    .is_none_or(|l| id.is_some_and(|id| l.contains(&id)))
            })
            .filter(|row| rows.actor.is_none_or(|a| row.actor.as_deref() == Some(a)))
            .filter(|row| {
                let chat = row.chat_jid.as_deref();
                rows.chats
                    .is_none_or(|c| chat.is_some_and(|chat| c.contains(&chat)))
            })
            .map(|row| row.seq)
            .collect();
        if rows.latest_first {
            naive.reverse();
        }
        naive.truncate(7);
        let found = events::page(reader.conn(), one, &rows, 7)
            .await
            .expect("read");
        let found: Vec<i64> = found.into_iter().map(|row| row.seq).collect();
        assert_eq!(found, naive, "{rows:?}");
    }
});

on_both!(snapshots_are_kept_and_forgotten, |db: Db| async move {
    let one = instance(&db, "one").await.expect("an instance");
    let mut tx = db.begin().await.expect("begun");
    for n in 1..=6_u8 {
        let now = Timestamp(i64::from(n) * 1_000_000);
        let id = SnapshotId::new(now, [n; 10]);
        let new = NewSnapshot {
            id: &id,
            name: "x",
            seq: 1,
            actor: if n % 2 == 0 { "job" } else { "token:1" },
            selection: "{}",
            body: "[]",
        };
        snapshots::insert(&mut tx, one, &new, now)
            .await
            .expect("new");
    }
    snapshots::delete_surplus(&mut tx, one, 1)
        .await
        .expect("done");
    tx.commit().await.expect("committed");
    let mut reader = db.reader().await.expect("a reader");
    let all = snapshots::all(reader.conn(), one).await.expect("read");
    let times: Vec<i64> = all.iter().map(|s| s.created_at / 1_000_000).collect();
    assert_eq!(times, [1, 3, 5, 6]);
    let body = snapshots::body(reader.conn(), one, &all[0].snapshot_id).await;
    assert_eq!(body.expect("read").as_deref(), Some("[]"));
    drop(reader);
    let mut tx = db.begin().await.expect("begun");
    let id = &all[0].snapshot_id;
    assert!(snapshots::delete(&mut tx, one, id).await.expect("done"));
    assert!(!snapshots::delete(&mut tx, one, id).await.expect("done"));
});

on_both!(
    a_person_is_renamed_wherever_it_stands,
    |db: Db| async move {
        let one = history(&db).await;
        let on = Association {
            label_id: "1".into(),
            chat_jid: ChatJid::from_app_state("10@lid"),
            labeled: true,
            changed_at: Timestamp(1),
        };
        let other = Association {
            chat_jid: ChatJid::from_app_state("110@lid"),
            ..on.clone()
        };
        let mut tx = db.begin().await.expect("begun");
        let body = chat_labels::to_json(&[on, other]);
        log::insert_baseline(&mut tx, 3, 0, "[]")
            .await
            .expect("put");
        log::insert_baseline(&mut tx, 3, 1, &body)
            .await
            .expect("put");
        let at = Seen { seq: 3, seen_at: 2 };
        checkpoints::insert(&mut tx, one, at, false)
            .await
            .expect("put");
        let now = Timestamp(1_000_000);
        let id = SnapshotId::new(now, [1; 10]);
        let new = NewSnapshot {
            id: &id,
            name: "x",
            seq: 3,
            actor: "job",
            selection: "{}",
            body: r#"{"chats":[["10@lid",[]],["110@lid",[]]]}"#,
        };
        snapshots::insert(&mut tx, one, &new, now)
            .await
            .expect("put");
        tx.commit().await.expect("committed");
        let renamed = [("10@lid".to_owned(), "erased-1@lid".to_owned())];
        let mut tx = db.begin().await.expect("begun");
        prune::unlock(&mut tx).await.expect("unlocked");
        let rows = erasure::log(&mut tx, one, &renamed).await.expect("done");
        prune::lock(&mut tx).await.expect("locked");
        assert_eq!(rows, 10);
        assert_eq!(
            erasure::contacts(&mut tx, one, &renamed)
                .await
                .expect("done"),
            0
        );
        assert_eq!(
            erasure::texts(&mut tx, one, &renamed).await.expect("done"),
            1
        );
        let mut place = (i64::MIN, i32::MIN);
        while let Some(part) = checkpoints::part_behind(tx.conn(), one, place)
            .await
            .expect("read")
        {
            place = (part.baseline_id, part.part);
            if let Some(body) = erasure::replaced(&part.body, &renamed) {
                checkpoints::set_part(&mut tx, part.baseline_id, part.part, &body)
                    .await
                    .expect("done");
            }
        }
        tx.commit().await.expect("committed");
        assert_eq!(place, (3, 1));
        let mut reader = db.reader().await.expect("a reader");
        let rows = log::page_after(reader.conn(), one, 0, 1_000)
            .await
            .expect("read");
        let names = |of: &str| {
            rows.iter()
                .filter(|r| r.chat.as_deref() == Some(of))
                .count()
        };
        assert_eq!(
            (names("10@lid"), names("erased-1@lid"), names("11@lid")),
            (0, 10, 10)
        );
        let parts = log::baseline(reader.conn(), 3).await.expect("read");
        assert!(parts[1].contains("erased-1@lid") && parts[1].contains("110@lid"));
        assert!(!parts[1].contains("\"10@lid"));
        let body = snapshots::body(reader.conn(), one, id.as_str())
            .await
            .expect("read");
        assert_eq!(
            body.as_deref(),
            Some(r#"{"chats":[["erased-1@lid",[]],["110@lid",[]]]}"#)
        );
        drop(reader);
        let mut tx = db.begin().await.expect("begun");
        assert!(
            erasure::log(&mut tx, one, &[("11@lid".into(), "x".into())])
                .await
                .is_err()
        );
    }
);
