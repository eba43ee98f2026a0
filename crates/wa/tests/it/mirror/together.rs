//! Writes that meet: on one chat at once, and with what happens while they are
//! under way.

use std::time::Duration;

use labelwire_app::Error;
use labelwire_app::writes::LabelChats;
use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_sim::labels::{self, PatchLabel};
use labelwire_store::testing::TestDb;

use super::both;
use super::gateway::{Gateway, INSTANCE, PHONE, Town, eventually};

const SOON: Duration = Duration::from_secs(15);
const CHATS: u32 = 450;

fn bulk(label: &str) -> LabelChats {
    LabelChats {
        chats: (0..CHATS).map(|n| format!("49177{n:07}")).collect(),
        add: vec![label.to_owned()],
        remove: Vec::new(),
    }
}

/// Chats the phone has under a label.
fn carriers(town: &Town, label: &str) -> usize {
    let truth = town.world().with_account(PHONE, |a| a.truth()).unwrap();
    let on = truth.associations.iter();
    on.filter(|a| a.label_id == label).count()
}

/// Begins a write of three patches, each answered late, and returns when the phone
/// has the first.
async fn begun(town: &Town, gateway: &Gateway, label: &'static str) -> Writing {
    town.world()
        .with_account(PHONE, |a| {
            a.faults.add(Fault::new(FaultKind::Delay).ms(300));
        })
        .unwrap();
    let before = carriers(town, label);
    let (app, me) = (gateway.app.clone(), gateway.caller.clone());
    let writing =
        tokio::spawn(async move { app.label_chats(&me, INSTANCE, bulk(label)).await.map(drop) });
    eventually("the first patch", SOON, async || {
        carriers(town, label) > before
    })
    .await;
    writing
}

type Writing = tokio::task::JoinHandle<Result<(), Error>>;

both!(
    writes_on_one_chat_at_once_are_all_done_and_the_last_stays,
    async |db: TestDb| {
        let town = Town::new(db, 20, 4, 30).await;
        let gateway = town.paired(true).await;
        let chat = "4917700000001";
        for round in 0..4 {
            let mut writes = tokio::task::JoinSet::new();
            for n in 0..8u32 {
                let (app, me) = (gateway.app.clone(), gateway.caller.clone());
                let label = (n % 4 + 1).to_string();
                writes.spawn(async move {
                    match (n + round) % 2 {
                        0 => app
                            .set_labels_of_chat(&me, INSTANCE, chat, vec![label])
                            .await
                            .map(drop),
                        _ => app
                            .set_chat_label(&me, INSTANCE, &label, chat, n < 4)
                            .await
                            .map(drop),
                    }
                });
            }
            while let Some(done) = writes.join_next().await {
                done.unwrap().unwrap();
            }
            town.agrees(&gateway, SOON).await;
        }
        town.close(gateway).await;
    }
);

both!(
    a_bulk_that_ends_on_the_way_says_how_far_it_came,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        let before = carriers(&town, "1");
        let writing = begun(&town, &gateway, "3").await;
        town.world()
            .with_account(PHONE, |a| {
                a.faults.add(Fault::new(FaultKind::Status).code(400));
            })
            .unwrap();
        let ended = writing.await.unwrap();
        let Err(Error::WritePartly { mutations, .. }) = ended else {
            panic!("{ended:?}")
        };
        let on = (0..CHATS)
            .filter(|n| {
                let jid = format!("49177{n:07}@s.whatsapp.net");
                town.truth().contains(&(jid, "3".to_owned()))
            })
            .count();
        assert_eq!(mutations, on as u64);
        assert!(on > 0 && on < CHATS as usize, "{on}");
        assert_eq!(carriers(&town, "1"), before);
        town.world()
            .with_account(PHONE, |a| a.faults.remove(None))
            .unwrap();
        town.agrees(&gateway, SOON).await;
        // Asked again, the rest is done.
        let (app, me) = (&gateway.app, &gateway.caller);
        let done = app.label_chats(me, INSTANCE, bulk("3")).await.unwrap();
        assert_eq!(done.mutations, (CHATS as usize - on) as u64);
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    a_bulk_ends_where_its_label_is_deleted,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        let writing = begun(&town, &gateway, "3").await;
        let gone = PatchLabel {
            deleted: Some(true),
            ..PatchLabel::default()
        };
        town.world()
            .change_with(PHONE, |a| {
                Ok(vec![labels::edit(a.regular(), "3", &gone, 9)])
            })
            .unwrap();
        let ended = writing.await.unwrap();
        assert!(
            matches!(&ended, Err(Error::WritePartly { why, .. }) if why.contains("no label")),
            "{ended:?}"
        );
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);
