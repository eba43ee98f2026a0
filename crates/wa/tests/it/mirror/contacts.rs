//! What chats are called, and texts to them.

use std::time::Duration;

use labelwire_app::contacts::Contact;
use labelwire_app::{Error, Kind};
use labelwire_sim::fixture;
use labelwire_store::testing::TestDb;

use super::both;
use super::gateway::{Gateway, INSTANCE, PHONE, Town, eventually};

const SOON: Duration = Duration::from_secs(20);

impl Gateway {
    async fn contact(&self, chat: &str) -> Contact {
        self.app
            .contact(&self.caller, INSTANCE, chat)
            .await
            .unwrap()
    }

    async fn becomes(&self, chat: &str, is: impl Fn(&Contact) -> bool) -> Contact {
        eventually("the name arrives", SOON, async || {
            is(&self.contact(chat).await)
        })
        .await;
        self.contact(chat).await
    }
}

fn chats(town: &Town) -> Vec<fixture::Contact> {
    town.world()
        .with_account(PHONE, |a| a.contacts.clone())
        .unwrap()
}

both!(
    every_chat_of_history_has_its_name_under_either_id,
    async |db: TestDb| {
        let town = Town::new(db, 60, 3, 60).await;
        let gateway = town.paired(true).await;
        let chats = chats(&town);
        for chat in &chats {
            let known = gateway.becomes(&chat.jid, |c| c.found).await;
            assert_eq!(known.display_name(), Some(chat.name.as_str()));
            assert_eq!(known.jid, chat.jid);
            assert_eq!(known.lid, chat.lid);
            if chat.jid.ends_with("@g.us") {
                assert_eq!(known.subject.as_ref(), Some(&chat.name));
                assert_eq!((known.name, known.phone), (None, None));
            } else {
                assert_eq!(known.phone.as_deref(), chat.jid.split('@').next());
                assert_eq!(known.name.as_ref(), Some(&chat.name));
                assert_eq!(known.push_name.as_ref(), Some(&chat.name));
            }
            if let Some(lid) = &chat.lid {
                let mut same = gateway.contact(&chat.jid).await;
                same.found = true;
                assert_eq!(gateway.contact(lid).await, same);
            }
        }
        // Each person once, in pages; and all names at one go, by either id.
        let mut listed = Vec::new();
        loop {
            let after = listed.last().map(|c: &Contact| c.jid.clone());
            let page = gateway
                .app
                .contacts(&gateway.caller, INSTANCE, after.as_deref(), 7)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        let mut shown: Vec<_> = listed.iter().map(|c| c.jid.as_str()).collect();
        let mut people: Vec<_> = chats
            .iter()
            .map(|c| c.jid.as_str())
            .filter(|jid| !jid.ends_with("@g.us") && !jid.starts_with(PHONE))
            .collect();
        shown.retain(|jid| !jid.starts_with(PHONE));
        shown.sort_unstable();
        people.sort_unstable();
        assert_eq!(shown, people);
        let asked: Vec<String> = chats
            .iter()
            .flat_map(|c| std::iter::once(c.jid.clone()).chain(c.lid.clone()))
            .collect();
        let handle = gateway
            .app
            .instance(
                &gateway.caller,
                labelwire_domain::token::Scope::Read,
                INSTANCE,
            )
            .unwrap();
        let names = gateway.app.names_of(&handle, &asked).await.unwrap();
        for chat in &chats {
            assert_eq!(names.get(&chat.jid), Some(&chat.name));
            if let Some(lid) = &chat.lid {
                assert_eq!(names.get(lid), Some(&chat.name));
            }
        }
        assert_eq!(names.len(), asked.len());
        let nobody = gateway.contact("4917000000000").await;
        assert!(!nobody.found);
        assert_eq!(nobody.jid, "4917000000000@s.whatsapp.net");
        town.close(gateway).await;
    }
);

both!(
    names_follow_the_address_book_and_what_people_call_themselves,
    async |db: TestDb| {
        let town = Town::new(db, 12, 2, 5).await;
        let gateway = town.paired(true).await;
        let person = chats(&town).into_iter().find(|c| c.lid.is_some()).unwrap();
        let lid = person.lid.clone().unwrap();
        gateway.becomes(&person.jid, |c| c.found).await;

        // Saved otherwise on the phone: the address book wins over history.
        town.world()
            .save_contact(PHONE, &person.jid, "Ada O'Neill \u{1f600}", Some("Ada"))
            .unwrap();
        let known = gateway.becomes(&lid, |c| c.first_name.is_some()).await;
        assert_eq!(known.name.as_deref(), Some("Ada O'Neill \u{1f600}"));
        assert_eq!(known.first_name.as_deref(), Some("Ada"));

        // A message under the LID brings a push name; the saved name stays the shown one.
        let rename = |name: &str| {
            let changed = fixture::Contact {
                name: name.into(),
                ..person.clone()
            };
            town.world()
                .with_account(PHONE, |a| a.add_contact(changed))
                .unwrap();
        };
        rename("ada!!");
        town.world().send_text(PHONE, &lid, "hello").await.unwrap();
        let known = gateway
            .becomes(&person.jid, |c| c.push_name.as_deref() == Some("ada!!"))
            .await;
        assert_eq!(known.display_name(), Some("Ada O'Neill \u{1f600}"));
        // Under the number, later: the last one counts.
        rename("Ada again");
        town.world()
            .send_text(PHONE, &person.jid, "hello")
            .await
            .unwrap();
        gateway
            .becomes(&lid, |c| c.push_name.as_deref() == Some("Ada again"))
            .await;

        // Somebody whom only a message tells of, with Brazil's ninth digit or without.
        town.world()
            .with_account(PHONE, |a| {
                a.add_contact(fixture::Contact {
                    jid: "551187654321@s.whatsapp.net".into(),
                    lid: Some("700700700@lid".into()),
                    name: "Zoe".into(),
                });
            })
            .unwrap();
        town.world()
            .send_text(PHONE, "551187654321@s.whatsapp.net", "oi")
            .await
            .unwrap();
        let known = gateway.becomes("+55 11 98765-4321", |c| c.found).await;
        assert_eq!(known.jid, "551187654321@s.whatsapp.net");
        assert_eq!(known.display_name(), Some("Zoe"));
        assert_eq!(known.lid.as_deref(), Some("700700700@lid"));
        assert_eq!(known.name, None);

        // All of it is there after a restart.
        gateway.stop().await;
        let gateway = town.gateway().await;
        let again = gateway.contact("700700700@lid").await;
        assert_eq!(again, known);
        town.close(gateway).await;
    }
);

both!(
    a_text_reaches_the_person_as_it_was_written,
    async |db: TestDb| {
        let town = Town::new(db, 12, 2, 5).await;
        let gateway = town.paired(true).await;
        let person = chats(&town).into_iter().find(|c| c.lid.is_some()).unwrap();
        let lid = person.lid.clone().unwrap();
        let send = async |gateway: &Gateway, chat: &str, text: &str, reply_to: Option<&str>| {
            gateway
                .app
                .send_text(&gateway.caller, INSTANCE, chat, text, reply_to)
                .await
        };
        let inbox = || {
            town.world()
                .with_account(PHONE, |a| a.inbox.clone())
                .unwrap()
        };
        let text = "  Gr\u{fc}\u{df}e \"\\ \u{1f469}\u{200d}\u{1f373}\nsecond line ";
        for (chat, reply_to) in [
            (person.jid.as_str(), None),
            (lid.as_str(), None),
            (person.jid.as_str(), Some("false_111@c.us_AAAA")),
        ] {
            let sent = send(&gateway, chat, text, reply_to).await.unwrap();
            assert_eq!(sent.chat, person.jid);
            assert!(sent.timestamp_s > 1_700_000_000);
            // WhatsApp took it before the answer came.
            let arrived = inbox().into_iter().find(|r| r.id == sent.id).unwrap();
            assert_eq!(arrived.text, text);
            assert_eq!(
                inbox().len(),
                inbox().iter().filter(|r| r.text == text).count()
            );
        }
        assert_eq!(inbox().len(), 3);

        // The form of a Brazilian number that is known is the one written to.
        town.world()
            .with_account(PHONE, |a| {
                a.add_contact(fixture::Contact {
                    jid: "551187654321@s.whatsapp.net".into(),
                    lid: None,
                    name: "Zoe".into(),
                });
            })
            .unwrap();
        town.world()
            .send_text(PHONE, "551187654321@s.whatsapp.net", "oi")
            .await
            .unwrap();
        gateway.becomes("5511987654321", |c| c.found).await;
        let sent = send(&gateway, "5511987654321", "oi", None).await.unwrap();
        assert_eq!(sent.chat, "551187654321@s.whatsapp.net");
        assert_eq!(inbox().last().unwrap().to, sent.chat);

        for bad in ["", " \n", &"x".repeat(65_537)] {
            let refused = send(&gateway, &person.jid, bad, None).await.unwrap_err();
            assert!(matches!(refused, Error::TextInvalid), "{refused}");
        }
        let refused = send(&gateway, "bob", "hello", None).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Invalid);
        gateway
            .app
            .logout_instance(&gateway.caller, INSTANCE)
            .await
            .unwrap();
        let refused = send(&gateway, &person.jid, "hello", None)
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), Kind::NotConnected);
        town.close(gateway).await;
    }
);

both!(a_profile_is_told_from_what_is_known, async |db: TestDb| {
    let town = Town::new(db, 12, 2, 5).await;
    let gateway = town.paired(true).await;
    let profile = async |number: Option<&str>| {
        gateway
            .app
            .profile(&gateway.caller, INSTANCE, number)
            .await
            .unwrap()
    };
    let own = profile(None).await;
    assert_eq!(own.jid, format!("{PHONE}@s.whatsapp.net"));
    assert_eq!(own.phone.as_deref(), Some(PHONE));
    assert!(own.lid.is_some() && own.is_business);
    assert_eq!(own.name.as_deref(), Some("Corner Shop"));
    assert_eq!(profile(Some(PHONE)).await, own);
    let person = chats(&town).into_iter().find(|c| c.lid.is_some()).unwrap();
    gateway.becomes(&person.jid, |c| c.found).await;
    let other = profile(person.lid.as_deref()).await;
    assert_eq!(other.jid, person.jid);
    assert_eq!(other.name, Some(person.name));
    assert!(!other.is_business);
    // And from that alone where WhatsApp cannot be asked.
    gateway
        .app
        .logout_instance(&gateway.caller, INSTANCE)
        .await
        .unwrap();
    assert_eq!(profile(None).await.name, own.name);
    town.close(gateway).await;
});
