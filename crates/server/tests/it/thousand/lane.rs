//! A client of the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use labelwire_sim::truth::{Truth, TruthLabel};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use tokio::sync::watch;

use super::truth::{Chat, find, live, order_of, truth_of};
use super::{KEPT, PHONES_OWN};
use crate::dialect::{Dialect, Write};
use crate::process::{Gateway, Town};

/// One client: it alone writes to its chats.
pub(super) struct Lane {
    pub(super) town: Arc<Town>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) rng: StdRng,
    pub(super) chats: Vec<Chat>,
    /// Whether it changes labels themselves too.
    pub(super) labels_too: bool,
    pub(super) made: u32,
    pub(super) done: Arc<watch::Sender<u32>>,
    pub(super) calls: BTreeMap<String, u32>,
}

impl Lane {
    pub(super) async fn run(mut self, writes: u32) -> BTreeMap<String, u32> {
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
