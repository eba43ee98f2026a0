//! What the library raises no event for: labels on messages, the order of labels,
//! and records that are dropped.

use std::collections::BTreeSet;
use std::time::Duration;

use labelwire_domain::change::Association;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::label::LabelFilter;
use labelwire_sim::collection::{Change, Op};
use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_sim::labels;
use labelwire_store::testing::TestDb;
use labelwire_store::{chat_labels, label_orders, log, message_labels};
use tokio::time::Instant;

use super::both;
use super::gateway::{Gateway, INSTANCE, PHONE, Town, eventually};

const SOON: Duration = Duration::from_secs(15);
const CHAT: &str = "5511777777777@s.whatsapp.net";

fn put(chat: u32, on: bool) -> Change {
    let chat = format!("55116666{chat:05}@s.whatsapp.net");
    labels::chat("1", &chat, on, 1_700_000_000_001)
}

fn message(label: &str, id: &str, on: bool) -> Change {
    labels::message(label, CHAT, id, on, 1_700_000_000_002)
}

fn order(ids: &[i32]) -> Change {
    labels::order(ids, 1_700_000_000_003)
}

fn removed(change: Change) -> Change {
    Change {
        op: Op::Remove,
        ..change
    }
}

/// The label's own record, as a phone would drop it.
fn definition(town: &Town, id: &str) -> Change {
    town.world()
        .with_account(PHONE, |a| {
            labels::edit(a.regular(), id, &labels::PatchLabel::default(), 1)
        })
        .unwrap()
}

/// Label and message, chats by the names the gateway shows.
type Messages = BTreeSet<(String, String, String)>;

fn true_messages(town: &Town) -> Messages {
    let truth = town.world().with_account(PHONE, |a| a.truth()).unwrap();
    let live = truth.message_associations.into_iter();
    live.map(|m| (m.label_id, m.chat_jid, m.message_id))
        .collect()
}

async fn messages(gateway: &Gateway) -> Messages {
    let labels = gateway
        .app
        .list_labels(&gateway.caller, INSTANCE)
        .await
        .unwrap();
    let mut all = Messages::new();
    for label in labels {
        // Two at a time, so that pages are turned.
        let mut after: Option<(String, String)> = None;
        loop {
            let behind = after.as_ref().map(|(c, m)| (c.as_str(), m.as_str()));
            let page = gateway
                .app
                .messages_of_label(&gateway.caller, INSTANCE, &label.id, behind, 2)
                .await
                .unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.chat.clone(), last.message_id.clone()));
            for m in page {
                assert!(all.insert((label.id.clone(), m.chat, m.message_id)));
            }
        }
    }
    all
}

fn true_order(town: &Town) -> Vec<i32> {
    let index = ["label_reordering".to_owned()];
    town.world()
        .with_account(PHONE, |a| {
            let record = a.regular().get(&index)?;
            let action = record.action().label_reordering_action.into_option()?;
            Some(action.sorted_label_ids)
        })
        .unwrap()
        .unwrap_or_default()
}

/// Waits until the gateway shows what the phone holds, messages and order too.
async fn agrees(town: &Town, gateway: &Gateway) {
    town.agrees(gateway, SOON).await;
    let deadline = Instant::now() + SOON;
    loop {
        let (truth, mirror) = (true_messages(town), messages(gateway).await);
        let (order, held) = (
            true_order(town),
            gateway
                .app
                .label_order(&gateway.caller, INSTANCE)
                .await
                .unwrap(),
        );
        if truth == mirror && order == held {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "messages: {truth:?} {mirror:?}; order: {order:?} {held:?}"
        );
        tokio::task::yield_now().await;
    }
}

/// A row WhatsApp does not have and no list shows: only a replay sweeps it.
fn unknown_to_whatsapp() -> [Association; 1] {
    [Association {
        label_id: "1".into(),
        chat_jid: ChatJid::from_app_state("404@lid"),
        labeled: false,
        changed_at: Timestamp(1),
    }]
}

/// From here on, [`was_replayed`] tells whether the collection was replayed.
async fn watch_for_replays(gateway: &Gateway) {
    let handle = gateway
        .app
        .instance(
            &gateway.caller,
            labelwire_domain::token::Scope::Read,
            INSTANCE,
        )
        .unwrap();
    let mut tx = gateway.db.begin().await.unwrap();
    chat_labels::set_many(&mut tx, handle.key, &unknown_to_whatsapp())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn was_replayed(gateway: &Gateway) -> bool {
    // A write waits for a replay that is under way.
    gateway
        .app
        .set_chat_label(&gateway.caller, INSTANCE, "1", "5511888888888", true)
        .await
        .unwrap();
    let handle = gateway
        .app
        .instance(
            &gateway.caller,
            labelwire_domain::token::Scope::Read,
            INSTANCE,
        )
        .unwrap();
    let mut reader = gateway.db.reader().await.unwrap();
    chat_labels::find_many(reader.conn(), handle.key, &unknown_to_whatsapp())
        .await
        .unwrap()
        .is_empty()
}

async fn kinds(gateway: &Gateway) -> Vec<String> {
    let handle = gateway
        .app
        .instance(
            &gateway.caller,
            labelwire_domain::token::Scope::Read,
            INSTANCE,
        )
        .unwrap();
    let mut reader = gateway.db.reader().await.unwrap();
    let rows = log::page_after(reader.conn(), handle.key, 0, 10_000).await;
    let rows = rows.unwrap().into_iter();
    rows.map(|row| row.kind)
        .filter(|kind| !kind.starts_with("instance."))
        .collect()
}

both!(a_label_on_a_message_comes_and_goes, async |db: TestDb| {
    let town = Town::new(db, 20, 3, 30).await;
    let gateway = town.paired(true).await;
    agrees(&town, &gateway).await;
    watch_for_replays(&gateway).await;

    // With others in one patch, and before its label is on a chat.
    town.change(vec![
        message("1", "3EB0A1", true),
        put(1, true),
        message("1", "3EB0A2", true),
        message("2", "3EB0A1", true),
        message("1", "3EB0A3", false),
    ]);
    agrees(&town, &gateway).await;
    let app = &gateway.app;
    let of_message = app
        .labels_of_message(&gateway.caller, INSTANCE, CHAT, "3EB0A1")
        .await
        .unwrap();
    let ids: Vec<&str> = of_message.iter().map(|l| l.id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);

    town.change(vec![message("1", "3EB0A1", false)]);
    agrees(&town, &gateway).await;
    // What is said again is no news.
    town.change(vec![
        message("1", "3EB0A1", false),
        message("1", "3EB0A4", true),
    ]);
    agrees(&town, &gateway).await;
    assert_eq!(messages(&gateway).await.len(), 3);
    assert!(!was_replayed(&gateway).await, "read without a snapshot");
    let kinds = kinds(&gateway).await;
    let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
    assert_eq!(
        (count("message.labeled"), count("message.unlabeled")),
        (4, 1)
    );
    town.close(gateway).await;
});

both!(the_order_of_labels_is_followed, async |db: TestDb| {
    let town = Town::new(db, 20, 3, 30).await;
    let gateway = town.paired(true).await;
    town.change(vec![order(&[3, 1, 2])]);
    agrees(&town, &gateway).await;
    town.change(vec![order(&[2, 1, 3]), put(1, true)]);
    agrees(&town, &gateway).await;
    town.change(vec![removed(order(&[]))]);
    agrees(&town, &gateway).await;
    let kinds = kinds(&gateway).await;
    let told = kinds.iter().filter(|k| *k == "labels.reordered").count();
    assert_eq!(told, 3);
    town.close(gateway).await;
});

both!(
    what_the_phone_drops_is_gone_without_a_replay,
    async |db: TestDb| {
        let town = Town::new(db, 20, 4, 30).await;
        let gateway = town.paired(true).await;
        town.change(vec![put(1, true), put(2, true), message("1", "3EB0", true)]);
        agrees(&town, &gateway).await;
        watch_for_replays(&gateway).await;

        // An association, put on again in the next patch; a message's; and a label
        // with whatever carries it.
        let label = definition(&town, "2");
        town.change(vec![removed(put(1, true))]);
        town.change(vec![put(1, true), removed(put(2, true))]);
        town.change(vec![removed(message("1", "3EB0", true)), removed(label)]);
        agrees(&town, &gateway).await;
        assert!(!was_replayed(&gateway).await);
        assert!(!gateway.labels().await.iter().any(|l| l.0 == "2"));
        // The base is whole: what follows is understood.
        town.change(vec![put(3, true)]);
        agrees(&town, &gateway).await;
        assert!(!was_replayed(&gateway).await);
        town.close(gateway).await;
    }
);

both!(
    a_first_snapshot_holds_messages_and_the_order,
    async |db: TestDb| {
        let town = Town::new(db, 120, 8, 400).await;
        town.change(vec![order(&[3, 1, 2]), message("1", "3EB0A1", true)]);
        town.change(vec![
            message(
                "2",
                "A long id, as some clients make them: 0123456789ABCDEF",
                true,
            ),
            message("2", "3EB0A2", true),
            message("3", "3EB0A3", false),
            message("2", "3EB0A4", true),
        ]);
        town.change(vec![removed(message("2", "3EB0A2", true))]);
        let label = definition(&town, "4");
        town.change(vec![removed(message("2", "3EB0A4", true)), removed(label)]);
        let gateway = town.paired(true).await;
        agrees(&town, &gateway).await;
        assert_eq!(messages(&gateway).await.len(), 2);

        // One row of history, and a baseline that holds them.
        assert_eq!(kinds(&gateway).await, [""; 0]);
        let handle = gateway
            .app
            .instance(
                &gateway.caller,
                labelwire_domain::token::Scope::Read,
                INSTANCE,
            )
            .unwrap();
        let mut reader = gateway.db.reader().await.unwrap();
        let rows = log::page_after(reader.conn(), handle.key, 0, 100).await;
        let rows = rows.unwrap();
        let synced = rows.iter().find(|e| e.kind == "instance.synced").unwrap();
        let parts = log::baseline(reader.conn(), synced.seq).await.unwrap();
        assert!(parts.iter().any(|part| part == r#"{"order":[3,1,2]}"#));
        let told: usize = parts
            .iter()
            .filter(|part| part.starts_with(r#"{"messages":"#))
            .map(|part| part.matches("3EB0A").count() + part.matches("A long id").count())
            .sum();
        assert_eq!(told, 3, "{parts:?}");
        drop(reader);

        // And live changes on top.
        town.change(vec![message("1", "3EB0A1", false), order(&[1])]);
        agrees(&town, &gateway).await;
        town.close(gateway).await;
    }
);

both!(
    patches_from_the_first_hold_messages_and_what_was_dropped,
    async |db: TestDb| {
        let town = Town::new(db, 30, 4, 60).await;
        town.change(vec![
            order(&[2, 1]),
            message("1", "3EB0A1", true),
            put(1, true),
        ]);
        town.change(vec![removed(put(1, true)), message("1", "3EB0A2", true)]);
        let label = definition(&town, "2");
        town.change(vec![removed(label), removed(message("1", "3EB0A1", true))]);
        let gateway = town.paired(false).await;
        agrees(&town, &gateway).await;
        town.close(gateway).await;
    }
);

both!(
    a_refresh_sweeps_messages_and_the_order,
    async |db: TestDb| {
        let town = Town::new(db, 40, 5, 100).await;
        let gateway = town.paired(true).await;
        town.change(vec![
            message("1", "3EB0A1", true),
            message("1", "3EB0A2", true),
        ]);
        agrees(&town, &gateway).await;
        let handle = gateway
            .app
            .instance(
                &gateway.caller,
                labelwire_domain::token::Scope::Read,
                INSTANCE,
            )
            .unwrap();
        let mut tx = gateway.db.begin().await.unwrap();
        let mut held = message_labels::all(tx.conn(), handle.key).await.unwrap();
        message_labels::delete_many(&mut tx, handle.key, &held[..1])
            .await
            .unwrap();
        held[0].message_id = "invented".into();
        message_labels::set_many(&mut tx, handle.key, &held[..1])
            .await
            .unwrap();
        let invented = labelwire_domain::change::LabelOrder {
            ids: vec![9, 8],
            ..Default::default()
        };
        label_orders::set(&mut tx, handle.key, &invented)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        gateway.chats(&LabelFilter::default(), true).await;
        assert_eq!(messages(&gateway).await, true_messages(&town));
        agrees(&town, &gateway).await;
        town.close(gateway).await;
    }
);

both!(
    what_was_missed_and_what_failed_half_way_is_read_too,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.change(vec![put(1, true), message("1", "3EB0A1", true)]);
        agrees(&town, &gateway).await;
        watch_for_replays(&gateway).await;
        gateway.stop().await;
        town.change(vec![removed(put(1, true)), message("1", "3EB0A2", true)]);
        town.change(vec![removed(message("1", "3EB0A1", true)), order(&[2])]);
        let gateway = town.gateway().await;
        gateway.connected().await;
        agrees(&town, &gateway).await;
        assert!(!was_replayed(&gateway).await);

        town.world()
            .with_account(PHONE, |a| {
                a.faults.add(Fault::new(FaultKind::WrongPatchMac).times(1))
            })
            .unwrap();
        town.change(vec![message("1", "3EB0A3", true), removed(order(&[]))]);
        agrees(&town, &gateway).await;
        town.close(gateway).await;
    }
);

both!(
    a_message_is_found_by_either_id_of_its_chat,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let truth = town.world().with_account(PHONE, |a| a.truth()).unwrap();
        let person = truth.chats.iter().find(|c| c.lid.is_some()).unwrap();
        let lid = person.lid.clone().unwrap();
        let gateway = town.paired(true).await;
        town.change(vec![
            labels::message("1", &lid, "3EB0A1", true, 1),
            labels::message("1", &person.jid, "3EB0A1", true, 1),
        ]);
        for chat in [&lid, &person.jid] {
            eventually("one label", SOON, async || {
                let labels = gateway
                    .app
                    .labels_of_message(&gateway.caller, INSTANCE, chat, "3EB0A1")
                    .await
                    .unwrap();
                labels.len() == 1
            })
            .await;
        }
        let page = gateway
            .app
            .messages_of_label(&gateway.caller, INSTANCE, "1", None, 10)
            .await
            .unwrap();
        assert_eq!(page.len(), 1, "{page:?}");
        assert_eq!(page[0].chat, person.jid);
        town.close(gateway).await;
    }
);
