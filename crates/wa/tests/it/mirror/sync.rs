//! First syncs, live changes and what was missed while offline.

use std::time::Duration;

use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_sim::labels;
use labelwire_store::log;
use labelwire_store::testing::TestDb;

use super::both;
use super::gateway::{INSTANCE, PHONE, Town};
use labelwire_domain::token::Scope;

const SOON: Duration = Duration::from_secs(10);

fn label(town: &Town, id: &str, name: &str) -> labelwire_sim::collection::Change {
    town.world()
        .with_account(PHONE, |a| {
            let patch = labels::PatchLabel {
                name: Some(name.into()),
                color: Some(3),
                ..Default::default()
            };
            labels::edit(a.regular(), id, &patch, 1_700_000_000_000)
        })
        .unwrap()
}

fn put(label: &str, chat: &str, on: bool) -> labelwire_sim::collection::Change {
    labels::chat(label, chat, on, 1_700_000_000_001)
}

both!(
    a_snapshot_makes_the_mirror_equal_to_the_phone,
    async |db: TestDb| {
        let town = Town::new(db, 120, 8, 400).await;
        let gateway = town.paired(true).await;
        town.agrees(&gateway, SOON).await;

        // One row of history names the stored baseline; no event for each record.
        let handle = gateway
            .app
            .instance(&gateway.caller, Scope::Admin, INSTANCE)
            .unwrap();
        let mut reader = gateway.db.reader().await.unwrap();
        let history = log::page_after(reader.conn(), handle.key, 0, 1_000)
            .await
            .unwrap();
        let synced: Vec<_> = history
            .iter()
            .filter(|e| e.kind == "instance.synced")
            .collect();
        assert_eq!(synced.len(), 1);
        assert!(
            history.iter().all(|e| !e.kind.starts_with("chat.")),
            "{history:?}"
        );
        let parts = log::baseline(reader.conn(), synced[0].seq).await.unwrap();
        assert!(parts.len() >= 2);
        drop(reader);
        town.close(gateway).await;
    }
);

both!(
    patches_from_the_first_make_the_mirror_equal_to_the_phone,
    async |db: TestDb| {
        let town = Town::new(db, 60, 5, 200).await;
        let gateway = town.paired(false).await;
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    an_account_without_labels_is_synced_too,
    async |db: TestDb| {
        let town = Town::new(db, 3, 0, 0).await;
        let gateway = town.paired(true).await;
        town.agrees(&gateway, SOON).await;
        // And the first label of its life arrives.
        town.change(vec![label(&town, "1", "First")]);
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    what_the_phone_changes_is_in_the_mirror_at_once,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.change(vec![label(&town, "900", "Neu ✨")]);
        // An association may come before its label.
        town.change(vec![put("901", "5511777777777@s.whatsapp.net", true)]);
        town.change(vec![label(&town, "901", "Later")]);
        town.change(vec![put("900", "5511777777777@s.whatsapp.net", true)]);
        town.agrees(&gateway, SOON).await;
        town.change(vec![put("900", "5511777777777@s.whatsapp.net", false)]);
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    a_deleted_label_hides_its_chats_and_comes_back_with_them,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.change(vec![
            label(&town, "900", "Gone soon"),
            put("900", "5511777777777@s.whatsapp.net", true),
        ]);
        town.agrees(&gateway, SOON).await;
        let delete = town
            .world()
            .with_account(PHONE, |a| {
                let patch = labels::PatchLabel {
                    deleted: Some(true),
                    ..Default::default()
                };
                labels::edit(a.regular(), "900", &patch, 1_700_000_000_002)
            })
            .unwrap();
        town.change(vec![delete]);
        town.agrees(&gateway, SOON).await;
        let revive = town
            .world()
            .with_account(PHONE, |a| {
                let patch = labels::PatchLabel {
                    name: Some("Back".into()),
                    deleted: Some(false),
                    ..Default::default()
                };
                labels::edit(a.regular(), "900", &patch, 1_700_000_000_003)
            })
            .unwrap();
        town.change(vec![revive]);
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    two_changes_during_one_slow_sync_both_arrive,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.agrees(&gateway, SOON).await;
        town.world()
            .with_account(PHONE, |a| {
                a.faults.add(Fault::new(FaultKind::Delay).ms(400).times(1))
            })
            .unwrap();
        town.change(vec![put("1", "5511666666661@s.whatsapp.net", true)]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        town.change(vec![put("1", "5511666666662@s.whatsapp.net", true)]);
        town.agrees(&gateway, Duration::from_secs(2)).await;
        town.close(gateway).await;
    }
);

both!(
    what_changed_while_the_gateway_was_down_is_there_after_a_restart,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.change(vec![put("1", "5511666666661@s.whatsapp.net", true)]);
        town.agrees(&gateway, SOON).await;
        gateway.stop().await;

        town.change(vec![label(&town, "900", "Made while away")]);
        town.change(vec![put("900", "5511777777777@s.whatsapp.net", true)]);
        town.change(vec![put("1", "5511666666661@s.whatsapp.net", false)]);

        let gateway = town.gateway().await;
        gateway.connected().await;
        town.agrees(&gateway, Duration::from_secs(2)).await;
        town.close(gateway).await;
    }
);

both!(
    a_change_nobody_told_us_of_is_found_at_the_next_login,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.agrees(&gateway, SOON).await;
        town.world()
            .with_account(PHONE, |a| {
                a.faults
                    .add(Fault::new(FaultKind::WithholdServerSync).times(1))
            })
            .unwrap();
        town.change(vec![put("1", "5511666666661@s.whatsapp.net", true)]);
        town.world().disconnect(PHONE, 1, true).unwrap();
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);
