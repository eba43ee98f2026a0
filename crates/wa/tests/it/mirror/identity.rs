//! LID and phone number are one chat.

use std::time::Duration;

use labelwire_sim::labels;
use labelwire_store::lid_map::{self, Mapping};
use labelwire_store::testing::TestDb;

use super::both;
use super::gateway::{Gateway, INSTANCE, PHONE, Town, eventually};
use labelwire_domain::token::Scope;

const SOON: Duration = Duration::from_secs(10);

both!(
    a_chat_is_found_under_either_id_and_counted_once,
    async |db: TestDb| {
        let town = Town::new(db, 40, 3, 60).await;
        let gateway = town.paired(true).await;
        let contact = town
            .world()
            .with_account(PHONE, |a| {
                a.truth()
                    .chats
                    .into_iter()
                    .find(|c| c.lid.is_some())
                    .unwrap()
            })
            .unwrap();
        let lid = contact.lid.clone().unwrap();
        // One label under the number, another under the LID, a third under both.
        town.change(vec![
            labels::chat("1", &contact.jid, true, 1),
            labels::chat("2", &lid, true, 1),
            labels::chat("3", &contact.jid, true, 1),
            labels::chat("3", &lid, true, 1),
        ]);
        town.agrees(&gateway, SOON).await;
        for id in [&contact.jid, &lid] {
            let (shown, found) = gateway
                .app
                .labels_of_chat(&gateway.caller, INSTANCE, id)
                .await
                .unwrap();
            assert_eq!(shown, contact.jid);
            let ids: Vec<_> = found.iter().map(|l| l.id.as_str()).collect();
            assert_eq!(ids, ["1", "2", "3"]);
        }
        town.close(gateway).await;
    }
);

both!(
    a_mapping_learned_while_nobody_looked_is_merged_at_the_next_start,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 20).await;
        let gateway = town.paired(true).await;
        town.change(vec![labels::chat("1", "777000777@lid", true, 1)]);
        let of_lid = async |gateway: &Gateway| {
            gateway
                .app
                .labels_of_chat(&gateway.caller, INSTANCE, "777000777@lid")
                .await
                .unwrap()
        };
        eventually("labeled", SOON, async || {
            !of_lid(&gateway).await.1.is_empty()
        })
        .await;
        assert_eq!(of_lid(&gateway).await.0, "777000777@lid");
        let key = gateway
            .app
            .instance(&gateway.caller, Scope::Admin, INSTANCE)
            .unwrap()
            .key;
        let mut tx = gateway.db.begin().await.unwrap();
        let mapping = Mapping {
            lid: "777000777".into(),
            phone: "5511777000777".into(),
            created_at: 1,
            updated_at: 1,
            learning_source: "test".into(),
        };
        lid_map::put_many(&mut tx, key, &[mapping]).await.unwrap();
        tx.commit().await.unwrap();
        gateway.stop().await;

        let gateway = town.gateway().await;
        gateway.connected().await;
        let (shown, found) = of_lid(&gateway).await;
        assert_eq!(
            (shown.as_str(), found.len()),
            ("5511777000777@s.whatsapp.net", 1)
        );
        town.close(gateway).await;
    }
);
