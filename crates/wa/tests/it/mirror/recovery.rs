//! What the library cannot tell us, or gets wrong half way.

use std::time::Duration;

use labelwire_app::instance::Recovery;
use labelwire_domain::change::Association;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::instance::State;
use labelwire_domain::label::LabelFilter;
use labelwire_domain::token::Scope;
use labelwire_sim::collection::{Change, Op};
use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_sim::labels;
use labelwire_store::chat_labels;
use labelwire_store::testing::TestDb;

use super::both;
use super::gateway::{INSTANCE, PHONE, Town, eventually};

const SOON: Duration = Duration::from_secs(15);

fn put(chat: u32, on: bool) -> Change {
    labels::chat(
        "1",
        &format!("55116666{chat:05}@s.whatsapp.net"),
        on,
        1_700_000_000_001,
    )
}

both!(
    a_removed_record_disappears_though_no_event_tells_of_it,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.change(vec![put(1, true), put(2, true)]);
        town.agrees(&gateway, SOON).await;
        town.change(vec![Change {
            op: Op::Remove,
            ..put(1, true)
        }]);
        town.agrees(&gateway, SOON).await;
        // The base is whole: what follows is understood.
        town.change(vec![put(3, true)]);
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    a_refresh_mends_a_mirror_that_lost_and_invented_rows,
    async |db: TestDb| {
        let town = Town::new(db, 40, 5, 100).await;
        let gateway = town.paired(true).await;
        town.agrees(&gateway, SOON).await;
        let handle = gateway
            .app
            .instance(&gateway.caller, Scope::Admin, INSTANCE)
            .unwrap();
        let mut tx = gateway.db.begin().await.unwrap();
        let held = chat_labels::all(tx.conn(), handle.key).await.unwrap();
        chat_labels::delete_many(&mut tx, handle.key, &held[..20])
            .await
            .unwrap();
        let invented = Association {
            label_id: "1".into(),
            chat_jid: ChatJid::parse("5511000000000").unwrap(),
            labeled: true,
            changed_at: Timestamp(1),
        };
        chat_labels::set_many(&mut tx, handle.key, &[invented])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let refreshed = gateway.chats(&LabelFilter::default(), true).await;
        assert_eq!(refreshed, town.truth());
        town.close(gateway).await;
    }
);

both!(
    a_patch_that_fails_half_way_through_an_answer_loses_nothing,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.agrees(&gateway, SOON).await;
        gateway.stop().await;
        // The first patch of the answer is good, one of them has a wrong MAC.
        for chat in 0..5 {
            town.change(vec![put(chat, true)]);
        }
        town.world()
            .with_account(PHONE, |a| {
                a.faults.add(Fault::new(FaultKind::WrongPatchMac).times(1))
            })
            .unwrap();
        let gateway = town.gateway().await;
        gateway.connected().await;
        town.change(vec![put(9, true)]);
        town.agrees(&gateway, Duration::from_secs(30)).await;
        town.change(vec![put(10, true)]);
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    a_hash_that_disagrees_is_mended_by_a_snapshot,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.agrees(&gateway, SOON).await;
        town.world()
            .with_account(PHONE, |a| {
                a.faults
                    .add(Fault::new(FaultKind::WrongSnapshotMac).times(1))
            })
            .unwrap();
        let handle = gateway
            .app
            .instance(&gateway.caller, Scope::Admin, INSTANCE)
            .unwrap();
        let mut status = handle.watch();
        town.change(vec![put(1, true)]);
        let says = status.wait_for(|s| s.recovery == Recovery::ReadingSnapshot);
        tokio::time::timeout(SOON, says).await.unwrap().unwrap();
        town.agrees(&gateway, SOON).await;
        let says = status.wait_for(|s| s.recovery == Recovery::None);
        tokio::time::timeout(SOON, says).await.unwrap().unwrap();
        eventually("the flag is gone", SOON, async || {
            let mut reader = gateway.db.reader().await.unwrap();
            let stored = labelwire_store::collections::find(reader.conn(), handle.key, "regular")
                .await
                .unwrap()
                .unwrap();
            // Byte 9 of the stored state is the mismatch flag.
            stored.state[9] == 0
        })
        .await;
        town.change(vec![put(2, true)]);
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    an_unlinked_device_says_so_stays_readable_and_can_be_paired_anew,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.agrees(&gateway, SOON).await;
        town.world().unlink(PHONE, 1).await.unwrap();
        eventually("logged out", SOON, async || {
            gateway.state() == State::LoggedOut
        })
        .await;
        town.agrees(&gateway, SOON).await;

        town.change(vec![put(1, true)]);
        town.pair(&gateway, true).await;
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(a_withheld_key_is_asked_for, async |db: TestDb| {
    let town = Town::new(db, 20, 3, 30).await;
    town.world()
        .with_account(PHONE, |a| {
            a.faults
                .add(Fault::new(FaultKind::WithholdKeyShare).times(1))
        })
        .unwrap();
    let gateway = town.paired(true).await;
    town.agrees(&gateway, SOON).await;
    town.close(gateway).await;
});

both!(
    a_phone_that_withholds_its_keys_is_waited_for_and_the_status_says_so,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        town.world()
            .with_account(PHONE, |a| {
                a.faults.add(Fault::new(FaultKind::WithholdKeyShare));
            })
            .unwrap();
        let gateway = town.connecting(true).await;
        let handle = gateway
            .app
            .instance(&gateway.caller, Scope::Admin, INSTANCE)
            .unwrap();
        let mut status = handle.watch();
        let says = status.wait_for(|s| s.recovery == Recovery::AskingPhone);
        tokio::time::timeout(SOON, says).await.unwrap().unwrap();
        assert!(!handle.status().synced);
        town.world()
            .with_account(PHONE, |a| a.faults.remove(None))
            .unwrap();
        gateway
            .app
            .restart_instance(&gateway.caller, INSTANCE)
            .await
            .unwrap();
        let says = status.wait_for(|s| s.synced);
        tokio::time::timeout(SOON, says).await.unwrap().unwrap();
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);
