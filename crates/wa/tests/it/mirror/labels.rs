//! Labels made, changed, ordered and deleted here, as the phone then holds them.

use std::time::Duration;

use labelwire_app::Error;
use labelwire_app::writes::{LabelChats, LabelEdit, NewLabel};
use labelwire_domain::intent::Reject;
use labelwire_sim::labels::{self, PatchLabel};
use labelwire_sim::truth::TruthLabel;
use labelwire_store::testing::TestDb;

use super::both;
use super::gateway::{INSTANCE, PHONE, Town, eventually};

const SOON: Duration = Duration::from_secs(10);

fn true_label(town: &Town, id: &str) -> Option<TruthLabel> {
    let truth = town.world().with_account(PHONE, |a| a.truth()).unwrap();
    truth.labels.into_iter().find(|l| l.id == id)
}

fn new(name: &str, color: i32) -> NewLabel {
    NewLabel {
        name: name.into(),
        color: Some(color),
    }
}

both!(
    labels_are_made_changed_and_deleted_on_the_phone,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        let (app, me) = (&gateway.app, &gateway.caller);
        let made = app
            .create_label(me, INSTANCE, new(" Café ☕ ", 7))
            .await
            .unwrap();
        let held = true_label(&town, &made.id).unwrap();
        assert_eq!(
            (held.name.as_str(), held.color, held.deleted),
            ("Café ☕", Some(7), false)
        );

        // What an edit does not mean stays: the fields a phone set.
        let fields = PatchLabel {
            order: Some(9),
            is_active: Some(true),
            kind: Some(5),
            predefined_id: Some(2),
            mute_end_time_ms: Some(77),
            ..PatchLabel::default()
        };
        let change = town
            .world()
            .with_account(PHONE, |a| labels::edit(a.regular(), &made.id, &fields, 5))
            .unwrap();
        town.change(vec![change]);
        town.agrees(&gateway, SOON).await;
        let edit = LabelEdit {
            color: Some(3),
            name: Some("Café ☕".into()),
        };
        eventually("the phone's edit is here", SOON, async || {
            let label = app.label(me, INSTANCE, &made.id).await.unwrap();
            label.order_index == Some(9)
        })
        .await;
        app.edit_label(me, INSTANCE, &made.id, edit).await.unwrap();
        let held = true_label(&town, &made.id).unwrap();
        assert_eq!(
            (held.color, held.order, held.predefined_id, held.kind),
            (Some(3), Some(9), Some(2), Some(5))
        );

        // A deleted label's id is never given again, and its chats are hidden.
        let chat = "5511888888888";
        app.set_chat_label(me, INSTANCE, &made.id, chat, true)
            .await
            .unwrap();
        app.delete_label(me, INSTANCE, &made.id).await.unwrap();
        assert!(true_label(&town, &made.id).unwrap().deleted);
        let again = app.delete_label(me, INSTANCE, &made.id).await;
        assert!(matches!(again, Err(Error::LabelNotFound(_))));
        let (_, of_chat) = app.labels_of_chat(me, INSTANCE, chat).await.unwrap();
        assert!(of_chat.is_empty());
        let next = app
            .create_label(me, INSTANCE, new("Café ☕", 7))
            .await
            .unwrap();
        assert!(next.id.parse::<i32>().unwrap() > made.id.parse::<i32>().unwrap());
        town.agrees(&gateway, SOON).await;
        town.close(gateway).await;
    }
);

both!(
    labels_made_at_once_get_ids_of_their_own_and_the_limit_holds,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        let (app, me) = (&gateway.app, &gateway.caller);
        let names: Vec<String> = (0..30).map(|n| format!("label {n}")).collect();
        let made = futures_util::future::join_all(
            names
                .iter()
                .map(|name| app.create_label(me, INSTANCE, new(name, 1))),
        )
        .await;
        let ids: std::collections::BTreeSet<String> = made
            .iter()
            .filter_map(|m| m.as_ref().ok())
            .map(|l| l.id.clone())
            .collect();
        let limited = made
            .iter()
            .filter(|m| matches!(m, Err(Error::Rejected(Reject::LimitReached(20)))))
            .count();
        assert_eq!((ids.len(), limited), (17, 13), "{made:?}");
        assert_eq!(gateway.labels().await, town.true_labels());
        let taken = app.create_label(me, INSTANCE, new("LABEL 3", 1)).await;
        assert!(matches!(
            taken,
            Err(Error::Rejected(
                Reject::NameTaken { .. } | Reject::LimitReached(_)
            ))
        ));
        town.close(gateway).await;
    }
);

both!(
    many_chats_are_labelled_in_few_patches,
    async |db: TestDb| {
        let town = Town::new(db, 20, 3, 30).await;
        let gateway = town.paired(true).await;
        let (app, me) = (&gateway.app, &gateway.caller);
        let chats: Vec<String> = (0..1_000).map(|n| format!("5521900{n:06}")).collect();
        let ask = LabelChats {
            chats: chats.clone(),
            add: vec!["1".into(), "2".into()],
            remove: vec![],
        };
        let done = app.label_chats(me, INSTANCE, ask.clone()).await.unwrap();
        assert_eq!(
            (done.chats, done.mutations, done.patches),
            (1_000, 2_000, 10)
        );
        assert_eq!(gateway.mirror().await, town.truth());
        let command = app
            .command(me, INSTANCE, &done.command.unwrap())
            .await
            .unwrap();
        assert_eq!(command.state, "done");
        // Said again it costs nothing.
        let again = app.label_chats(me, INSTANCE, ask).await.unwrap();
        assert_eq!(
            (again.mutations, again.patches, again.command),
            (0, 0, None)
        );

        let (_, labels) = app
            .set_labels_of_chat(me, INSTANCE, &chats[0], vec!["3".into()])
            .await
            .unwrap();
        assert_eq!(
            labels.iter().map(|l| l.id.as_str()).collect::<Vec<_>>(),
            ["3"]
        );
        assert_eq!(gateway.mirror().await, town.truth());
        let wrong = LabelChats {
            chats: vec![chats[1].clone()],
            add: vec!["3".into(), "4711".into()],
            remove: vec![],
        };
        let refused = app.label_chats(me, INSTANCE, wrong).await;
        assert!(matches!(refused, Err(Error::LabelNotFound(_))));
        assert_eq!(gateway.mirror().await, town.truth());
        town.close(gateway).await;
    }
);

both!(the_order_of_labels_reaches_the_phone, async |db: TestDb| {
    let town = Town::new(db, 5, 3, 5).await;
    let gateway = town.paired(true).await;
    let (app, me) = (&gateway.app, &gateway.caller);
    app.reorder_labels(me, INSTANCE, vec!["3".into(), "1".into()])
        .await
        .unwrap();
    let order = town
        .world()
        .with_account(PHONE, |a| {
            a.regular()
                .records_of("label_reordering")
                .map(|r| r.action())
                .filter_map(|a| a.label_reordering_action.into_option())
                .flat_map(|o| o.sorted_label_ids)
                .collect::<Vec<_>>()
        })
        .unwrap();
    assert_eq!(order, [3, 1, 2]);
    app.set_message_label(me, INSTANCE, "2", "5511888888888", "3EB0AA", true)
        .await
        .unwrap();
    let truth = town.world().with_account(PHONE, |a| a.truth()).unwrap();
    let on: Vec<_> = truth
        .message_associations
        .iter()
        .map(|m| (m.label_id.as_str(), m.message_id.as_str()))
        .collect();
    assert_eq!(on, [("2", "3EB0AA")]);
    town.close(gateway).await;
});

both!(
    the_first_label_of_an_account_that_has_none_is_made_here,
    async |db: TestDb| {
        let town = Town::new(db, 5, 0, 0).await;
        let gateway = town.paired(true).await;
        let made = gateway
            .app
            .create_label(&gateway.caller, INSTANCE, new("First", 0))
            .await
            .unwrap();
        assert_eq!(made.id, "1");
        assert_eq!(gateway.labels().await, town.true_labels());
        town.close(gateway).await;
    }
);
