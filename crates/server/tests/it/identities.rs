//! One person, two ids: 400 chats, 300 of them known by number and by hidden id,
//! are each found by either, counted once, and written under the key they have.

mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use labelwire_sim::fixture::Contact;
use labelwire_sim::labels;
use labelwire_store::testing::TestDb;
use tokio::time::Instant;

use crate::dialect::{self, Dialect, Pair, Write};
use crate::process::{Gateway, Town};
use people::{Chat, chats, labelled, twin};

const PATIENCE: Duration = Duration::from_secs(60);
/// On every chat.
const ALL: &str = "1";
/// On every other one.
const SOME: &str = "2";
/// On every fifth one, under the key that label 1 is not under.
const CROSSED: &str = "3";
/// On none.
const NONE: &str = "4";

struct Stage {
    town: Town,
    gateway: Gateway,
    db: TestDb,
    chats: Vec<Chat>,
}

impl Stage {
    async fn new(db: TestDb) -> Self {
        let town = Town::new(0, 6, 0).await;
        let chats = chats();
        town.world()
            .with_account(town.phone(), |account| {
                for chat in chats.iter().filter(|c| c.jid.is_some()) {
                    account.add_contact(Contact {
                        jid: chat.shown().to_owned(),
                        lid: chat.lid.clone(),
                        name: "Somebody".into(),
                    });
                }
            })
            .unwrap();
        town.world().change(town.phone(), labelled(&chats)).unwrap();
        let gateway = Gateway::start(&town, &db).await;
        gateway.pair(&town).await;
        let stage = Self {
            town,
            gateway,
            db,
            chats,
        };
        stage.agrees("after pairing").await;
        stage
    }

    async fn close(self) {
        self.gateway.kill().await;
        self.town.stop().await;
        self.db.remove().await.unwrap();
    }

    fn both(&self) -> impl Iterator<Item = (usize, &Chat)> {
        self.chats.iter().enumerate().filter(|(_, c)| c.is_both())
    }

    fn version(&self) -> u64 {
        self.town
            .world()
            .with_account(self.town.phone(), |a| a.regular().version())
            .unwrap()
    }

    /// Chats by their shown names, as the phone's records say.
    fn truth(&self) -> BTreeSet<Pair> {
        self.town.truth()
    }

    /// Waits until the gateway shows what the phone holds, in every dialect.
    async fn agrees(&self, when: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Some(difference) = self.differs().await {
            assert!(Instant::now() < deadline, "{when}: {difference}");
            tokio::task::yield_now().await;
        }
    }

    async fn differs(&self) -> Option<String> {
        let truth = self.truth();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (_, label) in &truth {
            *counts.entry(label.clone()).or_default() += 1;
        }
        let labels = Dialect::Native.labels(&self.gateway).await;
        for dialect in Dialect::ALL {
            let Some(read) = dialect.pairs(&self.gateway, &labels).await else {
                continue;
            };
            if read != truth {
                let missing: Vec<_> = truth.difference(&read).take(3).collect();
                let too_many: Vec<_> = read.difference(&truth).take(3).collect();
                return Some(format!(
                    "{dialect:?}: missing {missing:?}, too many {too_many:?}"
                ));
            }
            for (id, ..) in &labels {
                let carriers = dialect.carriers(&self.gateway, id).await?;
                let count = counts.get(id).copied().unwrap_or_default();
                if carriers.len() as u64 != count {
                    return Some(format!("{dialect:?}: {} chats of {id}", carriers.len()));
                }
            }
        }
        let mut counted = dialect::counts(&self.gateway).await;
        counted.retain(|_, chats| *chats > 0);
        (counted != counts).then(|| format!("counts {counted:?}, not {counts:?}"))
    }

    async fn link(&self, n: usize, label: &str, chat: &str, on: bool) {
        let write = Write::Link {
            label: label.to_owned(),
            chat: chat.to_owned(),
            on,
        };
        let can: Vec<Dialect> = Dialect::ALL
            .into_iter()
            .filter(|d| d.knows(&write))
            .collect();
        can[n % can.len()].write(&self.gateway, &write).await;
    }

    async fn labels_of(&self, chat: &str, expected: &BTreeSet<String>) {
        for dialect in Dialect::ALL {
            if let Some(read) = dialect.labels_of(&self.gateway, chat).await {
                assert_eq!(read, *expected, "{dialect:?} {chat}");
            }
        }
    }
}

async fn either_id_finds_a_chat_counted_once(db: TestDb) {
    let stage = Stage::new(db).await;
    assert_eq!(stage.both().count(), 300);
    assert_eq!(dialect::counts(&stage.gateway).await[ALL], 400);
    for dialect in Dialect::ALL {
        if let Some(carriers) = dialect.carriers(&stage.gateway, ALL).await {
            let shown = stage.chats.iter().map(|c| c.shown().to_owned());
            assert_eq!(carriers, shown.collect(), "{dialect:?}");
        }
    }
    let truth = stage.truth();
    for (n, chat) in stage.chats.iter().enumerate() {
        let labels = [ALL, SOME, CROSSED].into_iter();
        let carried: BTreeSet<String> = labels
            .filter(|l| truth.contains(&(chat.shown().to_owned(), (*l).to_owned())))
            .map(str::to_owned)
            .collect();
        assert!(carried.contains(ALL));
        for form in chat.forms(n) {
            stage.labels_of(&form, &carried).await;
        }
        if matches!(n, 0..20 | 300..310) {
            stage.labels_of(&twin(chat.shown()), &carried).await;
        }
    }
    stage.close().await;
}

async fn either_id_writes_a_chat_under_its_key(db: TestDb) {
    let stage = Stage::new(db).await;

    // What is on stays as it is, whichever id it is asked for.
    let version = stage.version();
    for (n, chat) in stage.both() {
        let form = if n % 2 == 0 {
            chat.lid.clone().unwrap()
        } else {
            chat.number(n)
        };
        stage.link(n, ALL, &form, true).await;
    }
    assert_eq!(stage.version(), version, "a second record was made");

    // A new label has one record, by whichever id it is asked for twice.
    for (n, chat) in stage.both().filter(|(n, _)| n % 5 == 1) {
        let mut forms = chat.forms(n);
        if n % 2 == 0 {
            forms.reverse();
        }
        stage.link(n, NONE, &forms[0], true).await;
        let on = chat.on(&stage.town, NONE);
        assert_eq!(on.len(), 1, "{chat:?}");
        stage.link(n + 1, NONE, &forms[1], true).await;
        assert_eq!(chat.on(&stage.town, NONE), on, "{chat:?}");
    }
    stage.agrees("after linking").await;

    // Taken off by the id it is not under, or by either where it is under both.
    for (n, chat) in stage.chats.iter().enumerate() {
        let on = chat.on(&stage.town, ALL);
        assert!(!on.is_empty());
        let forms = chat.forms(n);
        let by = match on.as_slice() {
            [one] if forms.len() == 2 && one.ends_with("@lid") => &forms[0],
            [_] => &forms[forms.len() - 1],
            _ => &forms[n % forms.len()],
        };
        if n % 5 == 4 {
            // The whole list, as WAHA and others set it.
            let keep = if n % 2 == 0 {
                vec![SOME.into()]
            } else {
                vec![]
            };
            let write = Write::Set {
                chat: by.clone(),
                labels: keep,
            };
            let dialect = [Dialect::Waha, Dialect::Native, Dialect::Wawp][n % 3];
            dialect.write(&stage.gateway, &write).await;
        } else {
            stage.link(n, ALL, by, false).await;
        }
        assert_eq!(chat.on(&stage.town, ALL), [""; 0], "{chat:?} by {by}");
    }
    stage.agrees("after unlinking").await;
    assert_eq!(dialect::counts(&stage.gateway).await[ALL], 0);

    // Put on again by any id: one record a chat, on a key it has had.
    for (n, chat) in stage.chats.iter().enumerate() {
        let forms = chat.forms(n);
        stage.link(n + 2, ALL, &forms[n % forms.len()], true).await;
        assert_eq!(chat.on(&stage.town, ALL).len(), 1, "{chat:?}");
    }
    stage.agrees("after linking again").await;
    assert_eq!(dialect::counts(&stage.gateway).await[ALL], 400);
    stage.close().await;
}

async fn the_ninth_digit_makes_no_second_chat(db: TestDb) {
    let stage = Stage::new(db).await;
    let brazilians = stage.chats.iter().enumerate();
    for (n, chat) in brazilians.filter(|(n, _)| matches!(n, 0..20 | 300..310)) {
        let twin = twin(chat.shown());
        let version = stage.version();
        stage.link(n, ALL, &twin, true).await;
        assert_eq!(stage.version(), version, "{chat:?} by {twin}");
        stage.link(n, ALL, &twin, false).await;
        assert_eq!(chat.on(&stage.town, ALL), [""; 0], "{chat:?} by {twin}");
        stage.link(n + 1, NONE, &twin, true).await;
        assert_eq!(chat.on(&stage.town, NONE).len(), 1, "{chat:?} by {twin}");
        stage.link(n + 2, ALL, &twin, true).await;
        assert_eq!(chat.on(&stage.town, ALL).len(), 1, "{chat:?} by {twin}");
    }
    stage.agrees("after writing by the other form").await;
    assert_eq!(dialect::counts(&stage.gateway).await[ALL], 400);
    stage.close().await;
}

/// Somebody labelled under number and hidden id before anybody knew them for one
/// person writes a message, which tells it.
async fn a_mapping_learned_later_merges_without_loss(db: TestDb) {
    let stage = Stage::new(db).await;
    let late: Vec<Chat> = (0..6)
        .map(|n| Chat {
            jid: Some(format!("49160{n:08}@s.whatsapp.net")),
            lid: Some(format!("2000000000{n:05}@lid")),
        })
        .collect();
    for (n, chat) in late.iter().enumerate() {
        let (number, lid) = (chat.jid.as_deref().unwrap(), chat.lid.as_deref().unwrap());
        let mut changes = vec![
            labels::chat(SOME, number, true, 1_770_000_000_000),
            labels::chat(CROSSED, lid, true, 1_770_000_000_001),
        ];
        if n % 2 == 0 {
            changes.push(labels::chat(ALL, number, true, 1_770_000_000_002));
            changes.push(labels::chat(ALL, lid, true, 1_770_000_000_003));
        }
        stage
            .town
            .world()
            .change(stage.town.phone(), changes)
            .unwrap();
    }
    stage.agrees("as two chats each").await;
    assert_eq!(dialect::counts(&stage.gateway).await[ALL], 406);

    for (n, chat) in late.iter().enumerate() {
        let (number, lid) = (chat.jid.clone().unwrap(), chat.lid.clone().unwrap());
        stage
            .town
            .world()
            .with_account(stage.town.phone(), |account| {
                account.add_contact(Contact {
                    jid: number.clone(),
                    lid: Some(lid.clone()),
                    name: "Late".into(),
                });
            })
            .unwrap();
        let from = if n % 3 == 0 { &number } else { &lid };
        stage
            .town
            .world()
            .send_text(stage.town.phone(), from, "Oi")
            .await
            .unwrap();
    }
    // The truth names them by number from here on.
    stage.agrees("merged").await;
    assert_eq!(dialect::counts(&stage.gateway).await[ALL], 403);
    for (n, chat) in late.iter().enumerate() {
        let mut carried: BTreeSet<String> = [SOME.to_owned(), CROSSED.to_owned()].into();
        if n % 2 == 0 {
            carried.insert(ALL.to_owned());
        }
        for form in chat.forms(n) {
            stage.labels_of(&form, &carried).await;
        }
        // Each label comes off under the key it was put under.
        for (at, label) in carried.iter().enumerate() {
            let forms = chat.forms(n);
            stage.link(n, label, &forms[at % 2], false).await;
            assert_eq!(chat.on(&stage.town, label), [""; 0], "{chat:?}");
        }
    }
    stage.agrees("taken off").await;
    stage.close().await;
}

/// The same test on SQLite and on PostgreSQL.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            use labelwire_store::testing::TestDb;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(TestDb::sqlite().unwrap()).await;
            })*
        }

        mod postgres {
            use labelwire_store::testing::TestDb;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
            async fn $name() {
                super::$name(TestDb::postgres().await.unwrap()).await;
            })*
        }
    };
}

both!(
    either_id_finds_a_chat_counted_once,
    either_id_writes_a_chat_under_its_key,
    the_ninth_digit_makes_no_second_chat,
    a_mapping_learned_later_merges_without_loss,
);
