//! How an account's labels stood at some row of its history: a stored whole state,
//! and what the rows behind it changed.
//!
//! A stored state is made of parts that say by their shape what they are: part 0 is
//! an array of label objects; a part that is an array of arrays holds `[label, chat,
//! 0|1, at]` for chats; an object holds either `messages`, an array of `[label, chat,
//! 0|1, at, message]`, or `order`, the label ids in the account's order.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::event::Kind;
use crate::label::{Label, id_order};

/// A part or a row that is not of the shape it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored state is unreadable")]
pub struct Unreadable;

/// What a record says of one label: whether it is on, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    label: u32,
    labeled: bool,
    at: i64,
}

#[derive(Debug, Clone)]
struct Slot {
    id: Box<str>,
    label: Option<Label>,
}

/// The labels of an account at one moment, and what carries them, by WhatsApp's keys.
#[derive(Debug, Clone, Default)]
pub struct Past {
    slots: Vec<Slot>,
    by_id: HashMap<Box<str>, u32>,
    chats: HashMap<Box<str>, Vec<Mark>>,
    messages: HashMap<(Box<str>, Box<str>), Vec<Mark>>,
    order: Vec<i32>,
    records: usize,
}

/// What one row of history changed.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The row's kind.
    pub kind: Kind,
    /// When on WhatsApp.
    pub at: Timestamp,
    /// The label.
    pub label_id: Option<&'a str>,
    /// The chat's key.
    pub chat: Option<&'a str>,
    /// The message.
    pub message: Option<&'a str>,
    /// The row's body, for labels and their order.
    pub body: Option<&'a str>,
}

#[derive(Deserialize)]
struct ChatRow<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    u8,
    i64,
);

#[derive(Deserialize)]
struct MessageRow<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    u8,
    i64,
    #[serde(borrow)] Cow<'a, str>,
);

#[derive(Deserialize)]
struct Other<'a> {
    #[serde(borrow)]
    messages: Option<Vec<MessageRow<'a>>>,
    order: Option<Vec<i32>>,
}

#[derive(Deserialize)]
struct Body<T> {
    after: T,
}

/// A label as history and stored states hold it.
#[must_use]
pub fn label_json(label: &Label) -> Value {
    json!({
        "id": label.id,
        "name": label.name,
        "color": label.color,
        "deleted": label.deleted,
        "predefined_id": label.predefined_id,
        "order": label.order_index,
        "type": label.list_type,
        "is_active": label.is_active,
        "is_immutable": label.is_immutable,
    })
}

#[derive(Deserialize)]
struct LabelRow {
    id: String,
    name: String,
    color: i32,
    #[serde(default)]
    deleted: bool,
    predefined_id: Option<i32>,
    order: Option<i32>,
    #[serde(rename = "type")]
    list_type: Option<i32>,
    is_active: Option<bool>,
    is_immutable: Option<bool>,
}

impl From<LabelRow> for Label {
    fn from(row: LabelRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            color: row.color,
            deleted: row.deleted,
            predefined_id: row.predefined_id,
            order_index: row.order,
            list_type: row.list_type,
            is_active: row.is_active,
            is_immutable: row.is_immutable,
            mute_end_ms: None,
            changed_at: Timestamp::default(),
        }
    }
}

impl Past {
    /// Takes a part of a stored state.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(&mut self, part: i32, body: &str) -> Result<(), Unreadable> {
        if part == 0 {
            let labels: Vec<LabelRow> = parse(body)?;
            for row in labels {
                self.label(row.into());
            }
        } else if body.starts_with('[') {
            let rows: Vec<ChatRow<'_>> = parse(body)?;
            self.chats.reserve(rows.len());
            for ChatRow(label, chat, labeled, at) in rows {
                self.chat(&label, &chat, labeled == 1, at);
            }
        } else {
            let other: Other<'_> = parse(body)?;
            for MessageRow(label, chat, labeled, at, message) in other.messages.unwrap_or_default()
            {
                self.message(&label, &chat, &message, labeled == 1, at);
            }
            if let Some(order) = other.order {
                self.order = order;
            }
        }
        Ok(())
    }

    /// Takes what a row of history changed; rows that change nothing here pass by.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn step(&mut self, step: Step<'_>) -> Result<(), Unreadable> {
        let at = step.at.0;
        match step.kind {
            Kind::ChatLabeled | Kind::ChatUnlabeled => {
                let label = step.label_id.ok_or(Unreadable)?;
                let chat = step.chat.ok_or(Unreadable)?;
                self.chat(label, chat, step.kind == Kind::ChatLabeled, at);
            }
            Kind::MessageLabeled | Kind::MessageUnlabeled => {
                let label = step.label_id.ok_or(Unreadable)?;
                let chat = step.chat.ok_or(Unreadable)?;
                let message = step.message.ok_or(Unreadable)?;
                self.message(label, chat, message, step.kind == Kind::MessageLabeled, at);
            }
            Kind::LabelCreated | Kind::LabelChanged | Kind::LabelDeleted => {
                let body: Body<LabelRow> = parse(step.body.ok_or(Unreadable)?)?;
                self.label(body.after.into());
            }
            Kind::LabelsReordered => {
                let body: Body<Vec<i32>> = parse(step.body.ok_or(Unreadable)?)?;
                self.order = body.after;
            }
            _ => {}
        }
        Ok(())
    }

    fn slot(&mut self, id: &str) -> u32 {
        if let Some(at) = self.by_id.get(id) {
            return *at;
        }
        let at = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot {
            id: id.into(),
            label: None,
        });
        self.by_id.insert(id.into(), at);
        at
    }

    fn label(&mut self, label: Label) {
        let at = self.slot(&label.id) as usize;
        self.slots[at].label = Some(label);
    }

    fn chat(&mut self, label: &str, chat: &str, labeled: bool, at: i64) {
        let mark = Mark {
            label: self.slot(label),
            labeled,
            at,
        };
        let marks = match self.chats.get_mut(chat) {
            Some(marks) => marks,
            None => self.chats.entry(chat.into()).or_default(),
        };
        self.records += put(marks, mark);
    }

    fn message(&mut self, label: &str, chat: &str, message: &str, labeled: bool, at: i64) {
        let mark = Mark {
            label: self.slot(label),
            labeled,
            at,
        };
        let marks = self.messages.entry((chat.into(), message.into()));
        self.records += put(marks.or_default(), mark);
    }

    /// How many records it is made of, those that say "not labeled" too.
    #[must_use]
    pub const fn records(&self) -> usize {
        self.records
    }

    /// All labels, deleted ones too, by id.
    #[must_use]
    pub fn labels(&self) -> Vec<Label> {
        let mut labels: Vec<Label> = self.slots.iter().filter_map(|s| s.label.clone()).collect();
        labels.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
        labels
    }

    /// The account's order of labels; empty where it has none.
    #[must_use]
    pub fn order(&self) -> &[i32] {
        &self.order
    }

    /// Chats by key, each with the live labels its last records say are on it: the
    /// label's id and since when. Chats without any are left out.
    pub fn carriers(
        &self,
    ) -> impl Iterator<Item = (&str, impl Iterator<Item = (&str, Timestamp)>)> {
        let live: Vec<bool> = self
            .slots
            .iter()
            .map(|slot| slot.label.as_ref().is_some_and(|label| !label.deleted))
            .collect();
        let live = std::rc::Rc::new(live);
        self.chats.iter().filter_map(move |(chat, marks)| {
            let live = std::rc::Rc::clone(&live);
            let mut on = marks
                .iter()
                .filter(move |mark| mark.labeled && live[mark.label as usize])
                .map(|mark| (&*self.slots[mark.label as usize].id, Timestamp(mark.at)))
                .peekable();
            on.peek()?;
            Some((&**chat, on))
        })
    }

    /// Messages that carry a label: its id, the chat's key, the message, since when.
    pub fn labeled_messages(&self) -> impl Iterator<Item = (&str, &str, &str, Timestamp)> {
        self.messages.iter().flat_map(move |((chat, id), marks)| {
            let on = marks.iter().filter(|mark| mark.labeled);
            on.map(move |mark| {
                let label = &*self.slots[mark.label as usize].id;
                (label, &**chat, &**id, Timestamp(mark.at))
            })
        })
    }

    /// The parts it is stored in, of at most so many records each.
    #[must_use]
    pub fn parts(&self, most: usize) -> Vec<String> {
        let text = |text: &str| Value::from(text).to_string();
        let label = |mark: &Mark| text(&self.slots[mark.label as usize].id);
        let labels: Vec<Value> = self
            .slots
            .iter()
            .filter_map(|slot| slot.label.as_ref().map(label_json))
            .collect();
        let mut parts = vec![Value::from(labels).to_string()];
        let chats: Vec<String> = self
            .chats
            .iter()
            .flat_map(|(chat, marks)| {
                let chat = text(chat);
                marks.iter().map(move |mark| {
                    let (on, at) = (u8::from(mark.labeled), mark.at);
                    format!("[{},{chat},{on},{at}]", label(mark))
                })
            })
            .collect();
        parts.extend(
            chats
                .chunks(most)
                .map(|rows| format!("[{}]", rows.join(","))),
        );
        let messages: Vec<String> = self
            .messages
            .iter()
            .flat_map(|((chat, id), marks)| {
                let (chat, id) = (text(chat), text(id));
                marks.iter().map(move |mark| {
                    let (on, at) = (u8::from(mark.labeled), mark.at);
                    format!("[{},{chat},{on},{at},{id}]", label(mark))
                })
            })
            .collect();
        let messages = messages.chunks(most);
        parts.extend(messages.map(|rows| format!("{{\"messages\":[{}]}}", rows.join(","))));
        if !self.order.is_empty() {
            parts.push(json!({ "order": self.order }).to_string());
        }
        parts
    }
}

/// Puts a mark in the place of the one of its label; 1 where there was none.
fn put(marks: &mut Vec<Mark>, mark: Mark) -> usize {
    match marks.iter_mut().find(|known| known.label == mark.label) {
        Some(known) => {
            *known = mark;
            0
        }
        None => {
            marks.push(mark);
            1
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use proptest::prelude::*;

    type Seen = BTreeMap<String, BTreeSet<(String, i64)>>;

    fn seen(past: &Past) -> Seen {
        past.carriers()
            .map(|(chat, on)| {
                let on = on.map(|(id, at)| (id.to_owned(), at.0)).collect();
                (chat.to_owned(), on)
            })
            .collect()
    }

    #[test]
    fn what_is_read_is_what_was_stored() {
        let mut past = Past::default();
        past.read(
            0,
            r#"[{"id":"1","name":"ü\"","color":3},{"id":"2","name":"b","color":1,"deleted":true}]"#,
        )
        .expect("labels");
        past.read(
            1,
            r#"[["1","a@g.us",1,5],["2","a@g.us",1,6],["9","b\n@lid",1,7]]"#,
        )
        .expect("chats");
        past.read(2, r#"{"messages":[["1","a@g.us",1,8,"M1"]]}"#)
            .expect("messages");
        past.read(3, r#"{"order":[2,1]}"#).expect("order");
        assert_eq!(
            seen(&past),
            Seen::from([("a@g.us".into(), BTreeSet::from([("1".into(), 5)]))])
        );
        let mut again = Past::default();
        for (n, part) in (0..).zip(past.parts(2)) {
            again.read(n, &part).expect("a part");
        }
        assert_eq!(seen(&again), seen(&past));
        assert_eq!(
            (again.labels(), again.order()),
            (past.labels(), past.order())
        );
        assert_eq!(again.records(), 4);
        assert_eq!(
            again.labeled_messages().collect::<Vec<_>>(),
            [("1", "a@g.us", "M1", Timestamp(8))]
        );
        // A label that comes back brings its chats back.
        again
            .step(Step {
                kind: Kind::LabelCreated,
                at: Timestamp(9),
                label_id: Some("2"),
                chat: None,
                message: None,
                body: Some(r#"{"before":null,"after":{"id":"2","name":"b","color":1}}"#),
            })
            .expect("a row");
        assert_eq!(seen(&again)["a@g.us"].len(), 2);
        assert_eq!(again.read(1, "[[1]]"), Err(Unreadable));
    }

    proptest! {
        /// A state stored half way and read again leads to the same end.
        #[test]
        fn it_does_not_matter_where_a_state_is_stored(
            steps in proptest::collection::vec((0u8..4, 0u8..6, any::<bool>()), 0..60),
            cut in 0usize..60,
        ) {
            let step = |n: usize, (label, chat, on): (u8, u8, bool), past: &mut Past| {
                past.step(Step {
                    kind: if on { Kind::ChatLabeled } else { Kind::ChatUnlabeled },
                    at: Timestamp(i64::try_from(n).expect("small")),
                    label_id: Some(&label.to_string()),
                    chat: Some(&format!("{chat}@lid")),
                    message: None,
                    body: None,
                }).expect("a row");
            };
            let labels = r#"[{"id":"0","name":"a","color":0},{"id":"1","name":"b","color":0},{"id":"2","name":"c","color":0,"deleted":true}]"#;
            let (mut straight, mut broken) = (Past::default(), Past::default());
            straight.read(0, labels).expect("labels");
            broken.read(0, labels).expect("labels");
            let mut naive: Seen = Seen::new();
            for (n, one) in steps.iter().enumerate() {
                if n == cut {
                    let mut read = Past::default();
                    for (at, part) in (0..).zip(broken.parts(3)) {
                        read.read(at, &part).expect("a part");
                    }
                    broken = read;
                }
                step(n, *one, &mut straight);
                step(n, *one, &mut broken);
                let (label, chat, on) = *one;
                let of = naive.entry(format!("{chat}@lid")).or_default();
                of.retain(|(id, _)| *id != label.to_string());
                if on && label < 2 {
                    of.insert((label.to_string(), i64::try_from(n).expect("small")));
                }
            }
            naive.retain(|_, on| !on.is_empty());
            prop_assert_eq!(seen(&straight), naive.clone());
            prop_assert_eq!(seen(&broken), naive);
        }
    }
}
