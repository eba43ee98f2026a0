use super::*;
use proptest::prelude::*;

fn label(id: i32, name: &str) -> Label {
    Label {
        id: id.to_string(),
        name: name.into(),
        ..Label::default()
    }
}

fn view(labels: &[Label]) -> View {
    View {
        labels: labels.iter().map(|l| (l.id.clone(), l.clone())).collect(),
        highest_id: labels
            .iter()
            .filter_map(|l| l.id.parse().ok())
            .max()
            .unwrap_or_default(),
        now: Timestamp(9),
        ..View::default()
    }
}

fn chat(name: &str) -> Target {
    Target {
        chat: name.into(),
        key: name.into(),
    }
}

fn create(name: &str) -> Intent {
    Intent::CreateLabel {
        name: name.into(),
        color: None,
        id: None,
    }
}

fn on(label: &str, key: &str, labeled: bool, at: i64) -> Association {
    Association {
        label_id: label.into(),
        chat_jid: ChatJid::from_app_state(key),
        labeled,
        changed_at: Timestamp(at),
    }
}

#[test]
fn two_labels_made_at_once_get_two_ids_above_all_tombstones() {
    let gone = Label {
        deleted: true,
        ..label(41, "gone")
    };
    let mut view = view(&[label(2, "a"), gone]);
    let rules = LabelRules::default();
    let (mut one, mut two) = (create("one"), create("two"));
    one.resolve(&mut view, &rules).unwrap();
    two.resolve(&mut view, &rules).unwrap();
    let id = |intent: &Intent| match intent {
        Intent::CreateLabel { id, .. } => id.clone(),
        _ => None,
    };
    assert_eq!((id(&one), id(&two)), (Some("42".into()), Some("43".into())));
    // Said again it is as wanted.
    assert_eq!(one.resolve(&mut view, &rules), Ok(vec![]));
}

#[test]
fn an_id_somebody_else_took_is_given_up() {
    let mut before = view(&[label(1, "a")]);
    let rules = LabelRules::default();
    let mut ours = create("ours");
    ours.resolve(&mut before, &rules).unwrap();
    let mut after = view(&[label(1, "a"), label(2, "theirs")]);
    let records = ours.resolve(&mut after, &rules).unwrap();
    assert!(matches!(&records[..], [Record::Label(l)] if l.id == "3" && l.name == "ours"));
}

#[test]
fn names_limits_and_colours_are_explicit() {
    let rules = LabelRules {
        max_labels: Some(2),
        name_chars: 5,
        unique_names: true,
    };
    let mut view = view(&[label(1, "VIP")]);
    let reject =
        |intent: Intent, view: &mut View| intent.clone().resolve(view, &rules).unwrap_err();
    assert!(matches!(
        reject(create(" vip "), &mut view),
        Reject::NameTaken { id, .. } if id == "1"
    ));
    assert_eq!(reject(create("  "), &mut view), Reject::NameInvalid(5));
    assert_eq!(reject(create("123456"), &mut view), Reject::NameInvalid(5));
    assert_eq!(reject(create("a\nb"), &mut view), Reject::NameInvalid(5));
    let green = Intent::CreateLabel {
        name: "x".into(),
        color: Some(20),
        id: None,
    };
    assert_eq!(reject(green, &mut view), Reject::ColorInvalid);
    create("two").resolve(&mut view, &rules).unwrap();
    assert_eq!(reject(create("three"), &mut view), Reject::LimitReached(2));
}

#[test]
fn an_edit_keeps_what_it_does_not_mean_and_may_keep_its_name() {
    let full = Label {
        predefined_id: Some(3),
        order_index: Some(7),
        list_type: Some(5),
        is_active: Some(true),
        mute_end_ms: Some(11),
        ..label(1, "VIP")
    };
    let mut view = view(std::slice::from_ref(&full));
    let mut edit = Intent::EditLabel {
        id: "1".into(),
        name: Some("VIP".into()),
        color: Some(4),
    };
    let records = edit.resolve(&mut view, &LabelRules::default()).unwrap();
    let wanted = Label {
        color: 4,
        changed_at: Timestamp(9),
        ..full
    };
    assert_eq!(records, [Record::Label(wanted)]);
    assert_eq!(edit.resolve(&mut view, &LabelRules::default()), Ok(vec![]));
}

#[test]
fn the_phones_own_lists_are_left_alone() {
    let unread = Label {
        list_type: Some(1),
        ..label(1, "Unread")
    };
    let mut view = view(&[unread]);
    let rules = LabelRules::default();
    let mut delete = Intent::DeleteLabel { id: "1".into() };
    assert!(matches!(
        delete.resolve(&mut view, &rules),
        Err(Reject::NotEditable { .. })
    ));
    let mut link = Intent::LabelChats {
        chats: vec![chat("1@lid")],
        add: vec!["1".into()],
        remove: vec![],
    };
    assert!(link.resolve(&mut view, &rules).is_err());
}

#[test]
fn a_label_comes_off_under_every_key_and_goes_on_under_the_chats_own() {
    let mut view = view(&[label(1, "a"), label(2, "b")]);
    view.held.insert(
        "55@s.whatsapp.net".into(),
        vec![
            on("1", "9@lid", true, 5),
            on("1", "55@s.whatsapp.net", true, 4),
        ],
    );
    let target = chat("55@s.whatsapp.net");
    let mut set = Intent::SetChat {
        chat: target,
        labels: vec!["2".into()],
    };
    let records = set.resolve(&mut view, &LabelRules::default()).unwrap();
    let said: Vec<_> = records
        .iter()
        .map(|r| match r {
            Record::Association(a) => (a.label_id.as_str(), a.chat_jid.as_str(), a.labeled),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        said,
        [
            ("2", "9@lid", true),
            ("1", "9@lid", false),
            ("1", "55@s.whatsapp.net", false),
        ]
    );
}

#[test]
fn a_new_order_keeps_the_labels_it_does_not_name() {
    let mut view = view(&[label(1, "a"), label(2, "b"), label(3, "c")]);
    view.order = vec![2, 3, 1];
    let mut reorder = Intent::Reorder {
        ids: vec!["1".into()],
    };
    let records = reorder.resolve(&mut view, &LabelRules::default()).unwrap();
    assert!(matches!(&records[..], [Record::Order(o)] if o.ids == [1, 2, 3]));
}

proptest! {
    /// Whatever was asked: once written, asking again writes nothing.
    #[test]
    fn what_is_written_is_so(
        held in proptest::collection::vec((1u8..4, 0u8..3, any::<bool>(), 0i64..5), 0..12),
        add in proptest::collection::vec(1u8..4, 0..3),
        whole in any::<bool>(),
    ) {
        let mut view = view(&[label(1, "a"), label(2, "b"), label(3, "c")]);
        for (l, key, labeled, at) in held {
            let (l, key) = (l.to_string(), format!("{key}@lid"));
            let records = view.held.entry("c".into()).or_default();
            records.retain(|a| a.label_id != l || a.chat_jid.as_str() != key);
            records.push(on(&l, &key, labeled, at));
        }
        let add: Vec<String> = add.iter().map(ToString::to_string).collect();
        let mut intent = if whole {
            Intent::SetChat { chat: chat("c"), labels: add.clone() }
        } else {
            let remove = ["1", "2", "3"].iter().filter(|l| !add.iter().any(|a| a == **l));
            Intent::LabelChats {
                chats: vec![chat("c")],
                remove: remove.map(|l| (*l).to_owned()).collect(),
                add: add.clone(),
            }
        };
        intent.resolve(&mut view, &LabelRules::default()).unwrap();
        prop_assert_eq!(intent.resolve(&mut view, &LabelRules::default()), Ok(vec![]));
        let live: HashSet<_> = view.held.get("c").into_iter().flatten().filter(|a| a.labeled).map(|a| a.label_id.clone()).collect();
        prop_assert_eq!(live, add.into_iter().collect::<HashSet<_>>());
    }
}

#[test]
fn what_was_asked_does_not_include_the_id_it_came_to() {
    let create = |name: &str, color, id: Option<&str>| Intent::CreateLabel {
        name: name.into(),
        color,
        id: id.map(str::to_owned),
    };
    let asked = create("VIP", None, None);
    assert!(create("VIP", None, Some("7")).asks_same(&asked));
    assert!(!create("vip", None, None).asks_same(&asked));
    assert!(!create("VIP", Some(1), None).asks_same(&asked));
    let delete = |id: &str| Intent::DeleteLabel { id: id.into() };
    assert!(delete("1").asks_same(&delete("1")));
    assert!(!delete("1").asks_same(&delete("2")));
    assert!(!delete("1").asks_same(&asked));
}

#[test]
fn messages_of_two_chats_may_share_an_id() {
    let mut view = view(&[label(1, "a")]);
    for name in ["1@lid", "2@lid"] {
        let mut intent = Intent::LabelMessage {
            chat: chat(name),
            message_id: "3EB0".into(),
            label_id: "1".into(),
            labeled: true,
        };
        let records = intent.resolve(&mut view, &LabelRules::default()).unwrap();
        assert!(matches!(&records[..], [Record::Message(m)] if m.chat_jid.as_str() == name));
        assert_eq!(
            intent.resolve(&mut view, &LabelRules::default()),
            Ok(vec![])
        );
    }
}
