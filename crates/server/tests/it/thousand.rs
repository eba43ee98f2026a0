//! A thousand writes in the words of all dialects, while the phone and another
//! linked device change labels too: whatever was answered with success is on the
//! phone at that moment, and in the end every reader sees what the phone holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use labelwire_sim::labels;
use labelwire_sim::truth::{Truth, TruthLabel};
use labelwire_store::testing::TestDb;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::dialect::{self, Dialect, Label, Write};
use crate::process::{Gateway, Town};
use crate::witness::Witness;

/// Labels that are never deleted: chats of other lanes may carry them.
const KEPT: [&str; 4] = ["1", "2", "3", "4"];
/// The phone itself renames and recolours this one.
const PHONES_OWN: &str = "5";
const PATIENCE: Duration = Duration::from_secs(60);

/// A chat by all its ids.
#[derive(Clone, Debug)]
struct Chat {
    keys: Vec<String>,
    /// How callers may write it.
    forms: Vec<String>,
}

impl Chat {
    fn new(jid: &str, lid: Option<&str>) -> Self {
        let mut forms = vec![jid.to_owned()];
        if let Some(number) = jid.strip_suffix("@s.whatsapp.net") {
            forms.push(number.to_owned());
            forms.push(format!("{number}@c.us"));
            forms.push(format!("+{number}"));
        }
        forms.extend(lid.map(str::to_owned));
        Self {
            keys: [Some(jid), lid]
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .collect(),
            forms,
        }
    }

    /// Labels on it, under whichever key.
    fn held(&self, truth: &Truth) -> BTreeSet<String> {
        let on = truth.associations.iter();
        on.filter(|a| self.keys.contains(&a.chat_jid))
            .map(|a| a.label_id.clone())
            .collect()
    }

    fn form(&self, rng: &mut StdRng) -> String {
        self.forms.choose(rng).unwrap().clone()
    }
}

fn truth_of(town: &Town) -> Truth {
    town.world()
        .with_account(town.phone(), |a| a.truth())
        .unwrap()
}

fn order_of(town: &Town) -> Vec<i32> {
    let index = ["label_reordering".to_owned()];
    town.world()
        .with_account(town.phone(), |a| {
            let record = a.regular().get(&index)?;
            let order = record.action().label_reordering_action.into_option()?;
            Some(order.sorted_label_ids)
        })
        .unwrap()
        .unwrap_or_default()
}

fn live(truth: &Truth) -> Vec<&TruthLabel> {
    truth.labels.iter().filter(|l| !l.deleted).collect()
}

fn find<'a>(truth: &'a Truth, id: &str) -> &'a TruthLabel {
    truth.labels.iter().find(|l| l.id == id).unwrap()
}

/// One client: it alone writes to its chats.
struct Lane {
    town: Arc<Town>,
    gateway: Arc<Gateway>,
    rng: StdRng,
    chats: Vec<Chat>,
    /// Whether it changes labels themselves too.
    labels_too: bool,
    made: u32,
    done: Arc<watch::Sender<u32>>,
    calls: BTreeMap<String, u32>,
}

impl Lane {
    async fn run(mut self, writes: u32) -> BTreeMap<String, u32> {
        for _ in 0..writes {
            let write = self.next();
            let can: Vec<Dialect> = Dialect::ALL
                .into_iter()
                .filter(|d| d.knows(&write))
                .collect();
            let dialect = *can.choose(&mut self.rng).unwrap();
            self.write(dialect, write).await;
            self.done.send_modify(|done| *done += 1);
        }
        self.calls
    }

    fn next(&mut self) -> Write {
        let truth = truth_of(&self.town);
        let roll = self.rng.random_range(0..100);
        match roll {
            0..30 if self.labels_too => self.change_of_labels(&truth),
            0..55 => {
                let label = self.label();
                let chat = self.chat();
                // Mostly what changes something.
                let on = self.rng.random_bool(0.1) || !chat.held(&truth).contains(&label);
                let chat = chat.form(&mut self.rng);
                Write::Link { label, chat, on }
            }
            55..75 => {
                let count = self.rng.random_range(0..=3);
                let labels = KEPT.sample(&mut self.rng, count);
                let labels = labels.map(|id| (*id).to_owned()).collect();
                let chat = self.chat().form(&mut self.rng);
                Write::Set { chat, labels }
            }
            75..90 => Write::Message {
                label: self.label(),
                chat: self.chat().form(&mut self.rng),
                message: format!("3EB0{:04}", self.rng.random_range(0..30)),
                on: self.rng.random_bool(0.7),
            },
            _ => {
                let chats = (0..self.rng.random_range(1..6))
                    .map(|_| self.chat().form(&mut self.rng))
                    .collect();
                let mut ids = KEPT.to_vec();
                ids.shuffle(&mut self.rng);
                Write::Many {
                    chats,
                    add: ids[0].to_owned(),
                    remove: ids[1].to_owned(),
                }
            }
        }
    }

    fn change_of_labels(&mut self, truth: &Truth) -> Write {
        let live = live(truth);
        let own: Vec<&&TruthLabel> = live
            .iter()
            .filter(|l| !KEPT.contains(&l.id.as_str()) && l.id != PHONES_OWN)
            .collect();
        let some = own
            .choose(&mut self.rng)
            .map(|l| (l.id.clone(), l.name.clone()));
        match (self.rng.random_range(0..10), some) {
            (0..2, Some((id, _))) if live.len() > 9 => Write::Delete { id },
            (2..4, Some((id, known))) => Write::Edit {
                id,
                name: self.rng.random_bool(0.6).then(|| self.name()),
                color: Some(self.rng.random_range(0..20)),
                known,
            },
            (4..5, Some((id, known))) => Write::Edit {
                id,
                name: None,
                color: Some(self.rng.random_range(0..20)),
                known,
            },
            (5..7, _) => {
                let mut ids: Vec<String> = live.iter().map(|l| l.id.clone()).collect();
                ids.shuffle(&mut self.rng);
                ids.truncate(self.rng.random_range(1..=ids.len()));
                Write::Reorder { ids }
            }
            (_, Some((id, _))) if live.len() > 18 => Write::Delete { id },
            _ => Write::Create {
                name: self.name(),
                color: self.rng.random_range(0..20),
            },
        }
    }

    fn name(&mut self) -> String {
        self.made += 1;
        let word = ["Orçamento 🧾", "Größe", "VIP", "待办", "a/b, c;d"];
        format!("{} {}", word.choose(&mut self.rng).unwrap(), self.made)
    }

    fn label(&mut self) -> String {
        (*KEPT.choose(&mut self.rng).unwrap()).to_owned()
    }

    fn chat(&mut self) -> Chat {
        self.chats.choose(&mut self.rng).unwrap().clone()
    }

    fn named(&self, form: &str) -> &Chat {
        let chat = self
            .chats
            .iter()
            .find(|c| c.forms.iter().any(|f| f == form));
        chat.unwrap()
    }

    /// Writes, and looks at the phone the moment success is told.
    async fn write(&mut self, dialect: Dialect, write: Write) {
        let before = truth_of(&self.town);
        let answer = dialect.write(&self.gateway, &write).await;
        let truth = truth_of(&self.town);
        let said = format!("{dialect:?} {write:?}");
        let call = said.split(' ').take(2).collect::<Vec<_>>().join(" ");
        *self.calls.entry(call).or_default() += 1;
        match &write {
            Write::Create { name, color } => {
                let id = dialect.made(&answer);
                let label = find(&truth, &id);
                assert_eq!(
                    (&label.name, label.color, label.deleted),
                    (name, Some(*color), false),
                    "{said}"
                );
                let number = |l: &TruthLabel| l.id.parse::<i32>().unwrap();
                let highest = before.labels.iter().map(number).max();
                assert!(Some(number(label)) > highest, "{said}: id {id}");
            }
            Write::Edit {
                id, name, color, ..
            } => {
                let was = find(&before, id);
                let expected = TruthLabel {
                    name: name.clone().unwrap_or_else(|| was.name.clone()),
                    color: color.or(was.color),
                    ..was.clone()
                };
                assert_eq!(*find(&truth, id), expected, "{said}");
            }
            Write::Delete { id } => assert!(find(&truth, id).deleted, "{said}"),
            Write::Link { label, chat, on } => {
                let held = self.named(chat).held(&truth);
                assert_eq!(held.contains(label), *on, "{said}");
            }
            Write::Set { chat, labels } => {
                let held = self.named(chat).held(&truth);
                assert_eq!(held, labels.iter().cloned().collect(), "{said}");
            }
            Write::Message {
                label,
                chat,
                message,
                on,
            } => {
                let keys = &self.named(chat).keys;
                let is_on = truth.message_associations.iter().any(|m| {
                    m.label_id == *label && m.message_id == *message && keys.contains(&m.chat_jid)
                });
                assert_eq!(is_on, *on, "{said}");
            }
            Write::Reorder { ids } => {
                let order: Vec<String> = order_of(&self.town).iter().map(i32::to_string).collect();
                assert_eq!(order[..ids.len()], ids[..], "{said}");
                let all: BTreeSet<&str> = live(&truth).iter().map(|l| l.id.as_str()).collect();
                let ordered: BTreeSet<&str> = order.iter().map(String::as_str).collect();
                assert_eq!(ordered, all, "{said}");
                assert_eq!(ordered.len(), order.len(), "{said}");
            }
            Write::Many { chats, add, remove } => {
                for chat in chats {
                    let held = self.named(chat).held(&truth);
                    assert!(
                        held.contains(add) && !held.contains(remove),
                        "{said}: {chat}"
                    );
                }
            }
        }
    }
}

/// What other devices do meanwhile, as the writes go on.
struct Others {
    town: Arc<Town>,
    second: Arc<Gateway>,
    rng: StdRng,
    phones: Vec<Chat>,
    seconds: Vec<Chat>,
}

impl Others {
    async fn run(mut self, mut done: watch::Receiver<u32>, writes: u32) {
        loop {
            let next = *done.borrow_and_update();
            if next >= writes {
                return;
            }
            self.phone(next);
            if next.is_multiple_of(3) {
                let chat = self.seconds.choose(&mut self.rng).unwrap().clone();
                let label = *KEPT.choose(&mut self.rng).unwrap();
                let on = !chat.held(&truth_of(&self.town)).contains(label);
                let write = Write::Link {
                    label: label.to_owned(),
                    chat: chat.form(&mut self.rng),
                    on,
                };
                Dialect::Native.write(&self.second, &write).await;
                let held = chat.held(&truth_of(&self.town));
                assert_eq!(held.contains(label), on, "the second device's {write:?}");
            }
            // A breath: the phone does not change something at every write.
            let more = next + 2;
            if done.wait_for(|now| *now >= more.min(writes)).await.is_err() {
                return;
            }
        }
    }

    fn phone(&mut self, n: u32) {
        let at = 1_760_000_000_000 + i64::from(n);
        let rng = &mut self.rng;
        let chat = self.phones.choose(rng).unwrap();
        let key = chat.keys.choose(rng).unwrap();
        let label = *KEPT.choose(rng).unwrap();
        let mut changes = vec![labels::chat(label, key, rng.random_bool(0.6), at)];
        if n.is_multiple_of(10) {
            let message = format!("PHONE{}", rng.random_range(0..9));
            changes.push(labels::message(
                label,
                key,
                &message,
                rng.random_bool(0.6),
                at,
            ));
        }
        let recolour = n.is_multiple_of(7).then(|| labels::PatchLabel {
            name: Some(format!("Telefon {n}")),
            color: Some(rng.random_range(0..20)),
            ..Default::default()
        });
        self.town
            .world()
            .change_with(self.town.phone(), |account| {
                if let Some(patch) = recolour {
                    changes.push(labels::edit(account.regular(), PHONES_OWN, &patch, at));
                }
                Ok(changes)
            })
            .unwrap();
    }
}

/// Everything a dialect can be asked, against the phone's truth; what differs first.
async fn differs(town: &Town, gateway: &Gateway) -> Option<String> {
    let truth = truth_of(town);
    let labels: BTreeSet<Label> = live(&truth)
        .iter()
        .map(|l| (l.id.clone(), l.name.clone(), l.color.unwrap_or_default()))
        .collect();
    let pairs = town.truth();
    for dialect in Dialect::ALL {
        let read = dialect.labels(gateway).await;
        if read != labels {
            let differences: Vec<_> = read.symmetric_difference(&labels).collect();
            return Some(format!("{dialect:?} labels: {differences:?}"));
        }
        if let Some(read) = dialect.pairs(gateway, &labels).await
            && read != pairs
        {
            let differences: Vec<_> = read.symmetric_difference(&pairs).collect();
            return Some(format!("{dialect:?} chats: {differences:?}"));
        }
        for chat in &truth.chats {
            let held = Chat::new(&chat.jid, chat.lid.as_deref()).held(&truth);
            if let Some(read) = dialect.labels_of(gateway, &chat.jid).await
                && read != held
            {
                return Some(format!("{dialect:?} {}: {read:?}, not {held:?}", chat.jid));
            }
        }
    }
    let mut counts = BTreeMap::new();
    for (id, ..) in &labels {
        counts.insert(id.clone(), 0);
    }
    for (_, label) in &pairs {
        *counts.entry(label.clone()).or_default() += 1;
    }
    if dialect::counts(gateway).await != counts {
        return Some("counts".into());
    }
    let numbers = town.numbers();
    for (id, ..) in &labels {
        let of_label = truth
            .message_associations
            .iter()
            .filter(|m| m.label_id == *id);
        let on: BTreeSet<(String, String)> = of_label
            .map(|m| {
                let chat = numbers.get(&m.chat_jid).unwrap_or(&m.chat_jid);
                (chat.clone(), m.message_id.clone())
            })
            .collect();
        let read = dialect::messages(gateway, id).await;
        if read != on {
            let differences: Vec<_> = read.symmetric_difference(&on).collect();
            return Some(format!("messages of {id}: {differences:?}"));
        }
    }
    let of_phone: Vec<String> = order_of(town).iter().map(i32::to_string).collect();
    let order: Vec<String> = dialect::order(gateway).await;
    let of_phone: Vec<&String> = of_phone.iter().filter(|id| order.contains(id)).collect();
    let begins = order.iter().take(of_phone.len()).eq(of_phone);
    (!begins).then(|| "the order of labels".into())
}

async fn agrees(town: &Town, gateway: &Gateway, when: &str) {
    let deadline = Instant::now() + PATIENCE;
    while let Some(difference) = differs(town, gateway).await {
        assert!(Instant::now() < deadline, "{when}: {difference}");
        tokio::task::yield_now().await;
    }
}

async fn thousand_writes(db: TestDb, with_baileys: bool) {
    const WRITES: u32 = 1_000;
    let town = Arc::new(Town::new(60, 8, 100).await);
    let gateway = Arc::new(Gateway::start(&town, &db).await);
    gateway.pair(&town).await;
    let other_db = TestDb::sqlite().unwrap();
    let second = Arc::new(Gateway::start(&town, &other_db).await);
    second.pair(&town).await;
    let baileys = match with_baileys {
        true => Some(Witness::start(&town).await),
        false => None,
    };
    agrees(&town, &gateway, "before").await;

    let known = truth_of(&town).chats;
    let mut chats: Vec<Chat> = known
        .iter()
        .map(|c| Chat::new(&c.jid, c.lid.as_deref()))
        .collect();
    // Nobody has written with these yet.
    chats.extend((0..12).map(|n| Chat::new(&format!("5511700000{n:03}@s.whatsapp.net"), None)));
    let mut rng = StdRng::seed_from_u64(11);
    chats.shuffle(&mut rng);
    let mut hands = chats.chunks(12).map(<[Chat]>::to_vec);
    let done = Arc::new(watch::Sender::new(0));
    let others = Others {
        town: Arc::clone(&town),
        second: Arc::clone(&second),
        rng: StdRng::seed_from_u64(12),
        phones: hands.next().unwrap(),
        seconds: hands.next().unwrap(),
    };
    let of_baileys = hands.next().unwrap();
    let others = tokio::spawn(others.run(done.subscribe(), WRITES));
    let mut lanes = tokio::task::JoinSet::new();
    for (n, writes) in [WRITES / 2, WRITES / 4, WRITES / 4].into_iter().enumerate() {
        let lane = Lane {
            town: Arc::clone(&town),
            gateway: Arc::clone(&gateway),
            rng: StdRng::seed_from_u64(20 + n as u64),
            chats: hands.next().unwrap(),
            labels_too: n == 0,
            made: 0,
            done: Arc::clone(&done),
            calls: BTreeMap::new(),
        };
        lanes.spawn(lane.run(writes));
    }
    let mut calls: BTreeMap<String, u32> = BTreeMap::new();
    while let Some(lane) = lanes.join_next().await {
        for (call, times) in lane.unwrap() {
            *calls.entry(call).or_default() += times;
        }
    }
    assert_eq!(calls.values().sum::<u32>(), WRITES);
    // Every write that each dialect has was among them: native, RyzeAPI, Wawp, WAHA, Evolution.
    assert_eq!(calls.len(), 8 + 3 + 5 + 4 + 1, "{calls:?}");
    others.await.unwrap();

    agrees(&town, &gateway, "after").await;
    agrees(&town, &second, "the second device").await;
    if let Some(mut baileys) = baileys {
        witnessed(&town, &baileys).await;
        // It takes a conflict for success and reads nothing right afterwards, so it
        // writes when nobody else does.
        for chat in &of_baileys {
            let key = chat.keys.choose(&mut rng).unwrap();
            let label = *KEPT.choose(&mut rng).unwrap();
            let on = !chat.held(&truth_of(&town)).contains(label);
            baileys.link(key, label, on).await;
        }
        agrees(&town, &gateway, "after Baileys").await;
        witnessed(&town, &baileys).await;
    }
    for gateway in [gateway, second] {
        Arc::into_inner(gateway).unwrap().kill().await;
    }
    Arc::into_inner(town).unwrap().stop().await;
    db.remove().await.unwrap();
}

/// Baileys has seen what the phone holds.
async fn witnessed(town: &Town, baileys: &Witness) {
    let truth = truth_of(town);
    let labels: BTreeMap<String, (String, i64)> = live(&truth)
        .iter()
        .map(|l| (l.id.clone(), (l.name.clone(), l.color.unwrap_or(0).into())))
        .collect();
    let chats: BTreeSet<(String, String)> = truth
        .associations
        .iter()
        .map(|a| (a.chat_jid.clone(), a.label_id.clone()))
        .collect();
    let messages: BTreeSet<(String, String, String)> = truth
        .message_associations
        .iter()
        .map(|m| (m.chat_jid.clone(), m.message_id.clone(), m.label_id.clone()))
        .collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut seen = baileys.seen();
        // A deleted label's associations stay on: it is the reader that hides them.
        seen.chats.retain(|(_, label)| labels.contains_key(label));
        seen.messages
            .retain(|(_, _, label)| labels.contains_key(label));
        if seen.labels == labels && seen.chats == chats && seen.messages == messages {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "Baileys saw other labels: {:?} {:?}; chats: {:?}; messages: {:?}",
            seen.labels,
            labels,
            seen.chats.symmetric_difference(&chats).collect::<Vec<_>>(),
            seen.messages
                .symmetric_difference(&messages)
                .collect::<Vec<_>>(),
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mixed_writes_are_true_on_sqlite() {
    thousand_writes(TestDb::sqlite().unwrap(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn a_thousand_mixed_writes_are_true_on_postgres() {
    thousand_writes(TestDb::postgres().await.unwrap(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm ci in crates/sim/tests/baileys; run by make test"]
async fn a_thousand_mixed_writes_are_seen_by_baileys() {
    thousand_writes(TestDb::sqlite().unwrap(), true).await;
}
