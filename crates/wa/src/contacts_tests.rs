use super::*;

#[test]
fn a_number_is_no_name() {
    for text in ["", " ", "-", "+49 1511 222-333", "(0151) 1.2"] {
        assert_eq!(saved_name(Some(text)), None, "{text}");
    }
    for text in ["Ada", "R2D2", "\u{1f600}", "+49 Ada", "\u{5c71}\u{7530}"] {
        assert_eq!(saved_name(Some(text)).as_deref(), Some(text));
    }
    assert_eq!(saved_name(None), None);
}

#[test]
fn conversations_tell_names_of_people_and_subjects_of_groups() {
    let of = |id: &str, name: &str| {
        of_conversation(&wa::Conversation {
            id: id.into(),
            name: Some(name.into()),
            ..Default::default()
        })
    };
    let person = of("4915111222@s.whatsapp.net", "Ada").unwrap();
    assert_eq!((person.name.as_deref(), person.old), (Some("Ada"), true));
    assert_eq!(person.subject, None);
    let group = of("1203631@g.us", "Market day 1").unwrap();
    assert_eq!(group.subject.as_deref(), Some("Market day 1"));
    assert_eq!(group.name, None);
    // A group may be called by a number, a person not.
    assert!(of("1203631@g.us", "2026").is_some());
    assert!(of("4915111222@s.whatsapp.net", "+49 15111222").is_none());
    assert!(of("status@broadcast", "x").is_none());
    assert!(of("", "x").is_none());
}

#[test]
fn a_message_tells_its_senders_names_and_our_own_tell_none() {
    use whatsapp_rust::types::message::MessageSource;
    use whatsapp_rust::wacore::stanza::business::VerifiedName;

    let info = |sender: &str, is_from_me: bool| MessageInfo {
        source: MessageSource {
            chat: "1203631@g.us".parse().unwrap(),
            sender: sender.parse().unwrap(),
            is_from_me,
            ..MessageSource::default()
        },
        push_name: " Ada ".into(),
        verified_name: Some(Box::new(VerifiedName {
            name: Some("Ada's Shop".into()),
            serial: None,
            issuer: None,
            certificate: None,
        })),
        ..MessageInfo::default()
    };
    let told = of_message(&info("77700:12@lid", false)).unwrap();
    assert_eq!(told.chat.as_str(), "77700@lid");
    assert_eq!(told.push_name.as_deref(), Some("Ada"));
    assert_eq!(told.business_name.as_deref(), Some("Ada's Shop"));
    assert!(!told.old);
    assert!(of_message(&info("77700:12@lid", true)).is_none());
    assert!(of_message(&info("status@broadcast", false)).is_none());
}
