//! Records and the mirror, by example and by property.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn association(label: u8, chat: u8, labeled: bool) -> Record {
    Record::Association(Association {
        label_id: label.to_string(),
        chat_jid: ChatJid::from_app_state(format!("{chat}@lid")),
        labeled,
        changed_at: Timestamp(0),
    })
}

fn label(id: u8, color: i32, deleted: bool) -> Record {
    Record::Label(Label {
        id: id.to_string(),
        name: if deleted {
            String::new()
        } else {
            format!("n{id}")
        },
        color: if deleted { 0 } else { color },
        deleted,
        ..Label::default()
    })
}

fn message(label: u8, id: u8, labeled: bool) -> Record {
    Record::Message(MessageLabel {
        label_id: label.to_string(),
        chat_jid: ChatJid::from_app_state("1@lid"),
        message_id: format!("3EB0{id}"),
        labeled,
        changed_at: Timestamp(0),
    })
}

fn order(ids: Vec<i32>) -> Record {
    Record::Order(LabelOrder {
        ids,
        changed_at: Timestamp(0),
    })
}

fn set() -> impl Strategy<Value = Record> {
    prop_oneof![
        4 => (0u8..4, 0u8..6, any::<bool>()).prop_map(|(l, c, on)| association(l, c, on)),
        4 => (0u8..4, 0i32..3, any::<bool>()).prop_map(|(l, c, d)| label(l, c, d)),
        3 => (0u8..3, 0u8..4, any::<bool>()).prop_map(|(l, m, on)| message(l, m, on)),
        1 => proptest::collection::vec(0i32..3, 0..3).prop_map(order),
    ]
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let removed = set().prop_map(|record| Record::Removed(record.key()));
    proptest::collection::vec(prop_oneof![4 => set(), 1 => removed], 0..60)
}

/// Ids and whether they are deleted.
fn labels(mirror: &Mirror) -> BTreeMap<&str, bool> {
    let labels = mirror.labels.iter();
    labels.map(|(id, l)| (id.as_str(), l.deleted)).collect()
}

fn order_of(mirror: &Mirror) -> &[i32] {
    mirror.order.as_ref().map_or(&[], |order| &order.ids)
}

#[test]
fn a_removed_label_keeps_its_name_and_is_deleted() {
    let mut mirror = Mirror::default();
    mirror.apply(label(1, 2, false));
    let key = RecordKey::Label("1".into());
    let Some(Change::Label { after, .. }) = mirror.apply(Record::Removed(key.clone())) else {
        panic!("a removal is a change");
    };
    assert_eq!((after.name.as_str(), after.deleted), ("n1", true));
    assert_eq!(mirror.apply(Record::Removed(key)), None);
    let last = last_of_each(vec![
        label(1, 2, false),
        Record::Removed(RecordKey::Label("1".into())),
    ]);
    assert_eq!(last.len(), 2, "the name is in the record before");
}

#[test]
fn a_replay_that_does_not_tell_of_messages_leaves_them() {
    let mut mirror = Mirror::default();
    mirror.apply(message(1, 1, true));
    mirror.apply(order(vec![2, 1]));
    assert_eq!(mirror.replace(Vec::new(), false), []);
    assert_eq!(mirror.replace(Vec::new(), true).len(), 2);
    assert!(mirror.is_empty());
}

#[test]
fn a_deletion_keeps_the_name_for_history() {
    let mut mirror = Mirror::default();
    mirror.apply(label(1, 2, false));
    let Some(Change::Label { after, .. }) = mirror.apply(label(1, 0, true)) else {
        panic!("a deletion is a change");
    };
    assert_eq!(
        (after.name.as_str(), after.color, after.deleted),
        ("n1", 2, true)
    );
}

proptest! {
    #[test]
    fn saying_it_again_changes_nothing(records in records()) {
        let mut mirror = Mirror::default();
        for record in &records {
            mirror.apply(record.clone());
            prop_assert_eq!(mirror.apply(record.clone()), None);
        }
    }

    #[test]
    fn the_last_record_of_each_key_says_it_all(records in records()) {
        let (mut all, mut last) = (Mirror::default(), Mirror::default());
        for record in &records {
            all.apply(record.clone());
        }
        for record in last_of_each(records) {
            last.apply(record);
        }
        prop_assert_eq!(&all.associations, &last.associations);
        prop_assert_eq!(&all.messages, &last.messages);
        prop_assert_eq!(order_of(&all), order_of(&last));
        prop_assert_eq!(labels(&all), labels(&last));
    }

    #[test]
    fn its_records_make_it_again(records in records()) {
        let mut mirror = Mirror::default();
        for record in records {
            mirror.apply(record);
        }
        let mut again = Mirror::default();
        for record in mirror.clone().into_records() {
            again.apply(record);
        }
        prop_assert_eq!(mirror.labels, again.labels);
        prop_assert_eq!(mirror.associations, again.associations);
        prop_assert_eq!(mirror.messages, again.messages);
        prop_assert_eq!(mirror.order, again.order);
    }

    #[test]
    fn a_replay_leaves_exactly_its_live_associations(old in records(), new in records()) {
        let mut mirror = Mirror::default();
        for record in old {
            mirror.apply(record);
        }
        mirror.replace(new.clone(), true);
        let mut fresh = Mirror::default();
        for record in new {
            fresh.apply(record);
        }
        prop_assert_eq!(&mirror.associations, &fresh.associations);
        prop_assert_eq!(&mirror.messages, &fresh.messages);
        prop_assert_eq!(order_of(&mirror), order_of(&fresh));
        for (id, label) in &mirror.labels {
            match fresh.labels.get(id) {
                Some(expected) => prop_assert_eq!(label.deleted, expected.deleted),
                None => prop_assert!(label.deleted),
            }
        }
    }
}
