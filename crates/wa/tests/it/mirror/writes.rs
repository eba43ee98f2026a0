//! Changes made here reach the phone.

use std::time::Duration;

use labelwire_app::Error;
use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_store::log;
use labelwire_store::testing::TestDb;

use super::both;
use super::gateway::{Gateway, INSTANCE, PHONE, Town, eventually};
use labelwire_domain::token::Scope;

const SOON: Duration = Duration::from_secs(10);
const CHAT: &str = "5511888888888@s.whatsapp.net";

async fn put(gateway: &Gateway, label: &str, on: bool) -> Result<String, Error> {
    gateway
        .app
        .set_chat_label(&gateway.caller, INSTANCE, label, "+55 11 88888-8888", on)
        .await
}

fn on_phone(town: &Town) -> bool {
    town.truth().contains(&(CHAT.to_owned(), "1".to_owned()))
}

both!(
    a_write_is_on_the_phone_and_in_the_mirror_when_it_answers,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        put(&gateway, "1", true).await.unwrap();
        assert!(on_phone(&town));
        assert_eq!(gateway.mirror().await, town.truth());
        put(&gateway, "1", false).await.unwrap();
        assert!(!on_phone(&town));
        assert_eq!(gateway.mirror().await, town.truth());

        // History knows who asked, and our own echo made no second row.
        let key = gateway
            .app
            .instance(&gateway.caller, Scope::Admin, INSTANCE)
            .unwrap()
            .key;
        let mut reader = gateway.db.reader().await.unwrap();
        let history = log::page_after(reader.conn(), key, 0, 1_000).await.unwrap();
        let rows: Vec<_> = history
            .iter()
            .filter(|e| e.kind.starts_with("chat."))
            .map(|e| (e.kind.as_str(), e.origin.as_str(), e.actor.is_some()))
            .collect();
        assert_eq!(
            rows,
            [
                ("chat.labeled", "api", true),
                ("chat.unlabeled", "api", true)
            ]
        );
        drop(reader);
        town.close(gateway).await;
    }
);

both!(
    a_conflict_with_a_change_not_yet_seen_is_absorbed,
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
        town.change(vec![labelwire_sim::labels::chat("2", CHAT, true, 1)]);
        put(&gateway, "1", true).await.unwrap();
        assert!(on_phone(&town));
        assert_eq!(gateway.mirror().await, town.truth());
        town.close(gateway).await;
    }
);

both!(
    a_write_refused_by_whatsapp_is_no_success,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        town.world()
            .with_account(PHONE, |a| {
                a.faults
                    .add(Fault::new(FaultKind::Status).code(400).times(2))
            })
            .unwrap();
        // Once more on a collection read anew, then it is said.
        assert!(matches!(
            put(&gateway, "1", true).await,
            Err(Error::WriteFailed(_))
        ));
        assert!(!on_phone(&town));
        assert!(matches!(
            put(&gateway, "4711", true).await,
            Err(Error::LabelNotFound(_))
        ));
        put(&gateway, "1", true).await.unwrap();
        assert_eq!(gateway.mirror().await, town.truth());
        town.close(gateway).await;
    }
);

both!(
    a_deletion_finishes_though_whoever_asked_for_it_hangs_up,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        for round in 0..40u32 {
            let name = format!("short-lived-{round}");
            gateway
                .app
                .create_instance(&gateway.caller, &name, None)
                .await
                .unwrap();
            // Dropped wherever it has come to after so many polls.
            let deletion = gateway.app.delete_instance(&gateway.caller, &name);
            let mut deletion = Box::pin(deletion);
            for _ in 0..round / 8 {
                // A finished future must not be polled again.
                if futures_util::poll!(&mut deletion).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let begun = round >= 8;
            drop(deletion);
            if begun {
                eventually("deleted", SOON, async || {
                    gateway
                        .app
                        .create_instance(&gateway.caller, &name, None)
                        .await
                        .is_ok()
                })
                .await;
                let named = gateway.app.list_instances(&gateway.caller).unwrap();
                assert_eq!(named.iter().filter(|s| s.handle.name == name).count(), 1);
                gateway
                    .app
                    .instance(&gateway.caller, Scope::Admin, &name)
                    .unwrap();
            }
            gateway
                .app
                .delete_instance(&gateway.caller, &name)
                .await
                .unwrap();
        }
        town.close(gateway).await;
    }
);

both!(
    a_storm_of_changes_keeps_nobody_from_refreshing,
    async |db: TestDb| {
        let town = Town::new(db, 50, 4, 80).await;
        let gateway = town.paired(true).await;
        let storm = {
            let world = town.world().clone();
            tokio::spawn(async move {
                for n in 0..800u32 {
                    let chat = format!("55117{:08}@s.whatsapp.net", n % 40);
                    let on = (n / 40) % 2 == 0;
                    let change = labelwire_sim::labels::chat("2", &chat, on, 1);
                    world.change(PHONE, vec![change]).unwrap();
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            })
        };
        let mut rounds = 0;
        while !storm.is_finished() {
            let refreshes = (0..5).map(|_| {
                let app = gateway.app.clone();
                let caller = gateway.caller.clone();
                async move {
                    let handle = app.instance(&caller, Scope::Admin, INSTANCE).unwrap();
                    handle.refresh(Duration::from_secs(20)).await
                }
            });
            for refreshed in futures_util::future::join_all(refreshes).await {
                refreshed.unwrap();
            }
            // A write may lose every race for the next version, and then says so.
            let on = rounds % 2 == 0;
            match put(&gateway, "1", on).await {
                Ok(_) => assert_eq!(on_phone(&town), on),
                Err(error) => assert!(matches!(error, Error::Phone(_)), "{error}"),
            }
            rounds += 1;
        }
        storm.await.unwrap();
        assert!(rounds > 0);
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);
