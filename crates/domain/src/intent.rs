//! What a caller wants of an account's labels, and which records say so.
//!
//! An intent is resolved against the mirror as it stands, again after every
//! conflict: so a link knows the key its chat exists under, an edit keeps what
//! it did not mean to change, a new label's id is above all others, and what is
//! already as wanted costs nothing. Resolving to no record means "it is so".

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::change::{Association, LabelOrder, MessageLabel, Record};
use crate::chat::ChatJid;
use crate::clock::Timestamp;
use crate::label::{Label, PALETTE, fold, id_order, is_visible};

/// What a label may look like; the operator's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRules {
    /// Live labels an account may have; WhatsApp Business shows 20. `None`: no limit of ours.
    pub max_labels: Option<usize>,
    /// Characters of a name, after blanks at its ends are cut off.
    pub name_chars: usize,
    /// Whether two live labels may have one name (by case folding).
    pub unique_names: bool,
}

impl LabelRules {
    /// Rules that allow whatever WhatsApp does.
    #[must_use]
    pub const fn lenient() -> Self {
        Self {
            max_labels: None,
            name_chars: usize::MAX,
            unique_names: false,
        }
    }
}

impl Default for LabelRules {
    fn default() -> Self {
        Self {
            max_labels: Some(20),
            name_chars: 100,
            unique_names: true,
        }
    }
}

/// A chat to write to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The chat's one shown name.
    pub chat: String,
    /// The key a record gets where the chat has none yet.
    pub key: String,
}

/// What a caller wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Intent {
    /// A new label; its id is chosen when it is written.
    CreateLabel {
        /// Its name.
        name: String,
        /// Palette index; `None`: the first one no label has.
        color: Option<i32>,
        /// The id it got.
        id: Option<String>,
    },
    /// Another name or colour; all else stays.
    EditLabel {
        /// Which.
        id: String,
        /// The new name.
        name: Option<String>,
        /// The new palette index.
        color: Option<i32>,
    },
    /// No such label any more.
    DeleteLabel {
        /// Which.
        id: String,
    },
    /// These labels first, in this order; the others after them as they stand.
    Reorder {
        /// Label ids.
        ids: Vec<String>,
    },
    /// Labels put on chats and taken off.
    LabelChats {
        /// The chats.
        chats: Vec<Target>,
        /// Label ids to put on.
        add: Vec<String>,
        /// Label ids to take off.
        remove: Vec<String>,
    },
    /// A chat carries exactly these labels.
    SetChat {
        /// The chat.
        chat: Target,
        /// Label ids.
        labels: Vec<String>,
    },
    /// A label put on a message or taken off.
    LabelMessage {
        /// The message's chat.
        chat: Target,
        /// The message.
        message_id: String,
        /// The label.
        label_id: String,
        /// On or off.
        labeled: bool,
    },
}

/// Why an intent cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// No live label of that id.
    #[error("there is no label `{0}` on this account")]
    LabelNotFound(String),
    /// A live label has that name.
    #[error("label `{id}` is already named `{name}`")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// As many labels as may be.
    #[error("an account may have {0} labels, and this one has them; delete one first")]
    LimitReached(usize),
    /// A name outside of the rule.
    #[error(
        "a label name is 1 to {0} characters, none of them a control character, and not all of them blank"
    )]
    NameInvalid(usize),
    /// No such colour.
    #[error("a label colour is an index of WhatsApp's palette, 0 to 19")]
    ColorInvalid,
    /// A list the phone keeps by itself.
    #[error(
        "`{id}` is a list of type {kind}, which the phone keeps by itself; only custom labels can be changed"
    )]
    NotEditable {
        /// Which.
        id: String,
        /// Its type.
        kind: String,
    },
    /// Every number a label id may be is taken.
    #[error("no label id is left on this account")]
    NoIdLeft,
}

/// The mirror, as far as intents need it.
#[derive(Debug, Default, Clone)]
pub struct View {
    /// All labels, tombstones too.
    pub labels: HashMap<String, Label>,
    /// The account's order.
    pub order: Vec<i32>,
    /// The highest label id ever seen or given out.
    pub highest_id: i32,
    /// All records of the chats in question, by shown name.
    pub held: HashMap<String, Vec<Association>>,
    /// All records of the messages in question, by shown name of their chat:
    /// another chat may have a message of the same id.
    pub messages: HashMap<String, Vec<MessageLabel>>,
    /// Now.
    pub now: Timestamp,
}

impl Intent {
    /// The chats whose records a [`View`] must hold.
    #[must_use]
    pub fn chats(&self) -> &[Target] {
        match self {
            Self::LabelChats { chats, .. } => chats,
            Self::SetChat { chat, .. } | Self::LabelMessage { chat, .. } => {
                std::slice::from_ref(chat)
            }
            _ => &[],
        }
    }

    /// The word for this intent in command rows.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CreateLabel { .. } => "create_label",
            Self::EditLabel { .. } => "edit_label",
            Self::DeleteLabel { .. } => "delete_label",
            Self::Reorder { .. } => "reorder",
            Self::LabelChats { .. } => "label_chats",
            Self::SetChat { .. } => "set_chat",
            Self::LabelMessage { .. } => "label_message",
        }
    }

    /// Whether another one asks for the same. Which id a new label got was not
    /// asked for.
    #[must_use]
    pub fn asks_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::CreateLabel { name, color, .. },
                Self::CreateLabel {
                    name: other_name,
                    color: other_color,
                    ..
                },
            ) => name == other_name && color == other_color,
            _ => self == other,
        }
    }

    /// The records that make it so, none where it is. The view takes them as if
    /// WhatsApp had accepted them, so that the next intent builds on this one.
    ///
    /// # Errors
    /// [`Reject`]; the view is as before then.
    pub fn resolve(&mut self, view: &mut View, rules: &LabelRules) -> Result<Vec<Record>, Reject> {
        match self {
            Self::CreateLabel { name, color, id } => view.create(name, *color, id, rules),
            Self::EditLabel { id, name, color } => view.edit(id, name.as_deref(), *color, rules),
            Self::DeleteLabel { id } => view.delete(id),
            Self::Reorder { ids } => view.reorder(ids),
            Self::LabelChats { chats, add, remove } => view.label_chats(chats, add, remove),
            Self::SetChat { chat, labels } => view.set_chat(chat, labels),
            Self::LabelMessage {
                chat,
                message_id,
                label_id,
                labeled,
            } => view.label_message(chat, message_id, label_id, *labeled),
        }
    }
}

impl View {
    fn live(&self, id: &str) -> Result<&Label, Reject> {
        self.labels
            .get(id)
            .filter(|l| !l.deleted)
            .ok_or_else(|| Reject::LabelNotFound(id.to_owned()))
    }

    fn editable(&self, id: &str) -> Result<&Label, Reject> {
        let label = self.live(id)?;
        if label.is_editable() {
            Ok(label)
        } else {
            Err(Reject::NotEditable {
                id: id.to_owned(),
                kind: label.type_name(),
            })
        }
    }

    fn check_name(&self, name: &str, own: Option<&str>, rules: &LabelRules) -> Result<(), Reject> {
        if !is_visible(name)
            || name.chars().count() > rules.name_chars
            || name.chars().any(char::is_control)
        {
            return Err(Reject::NameInvalid(rules.name_chars));
        }
        let wanted = fold(name);
        let holder = self
            .labels
            .values()
            .find(|l| !l.deleted && Some(l.id.as_str()) != own && fold(&l.name) == wanted);
        match holder {
            Some(holder) if rules.unique_names => Err(Reject::NameTaken {
                name: name.to_owned(),
                id: holder.id.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn create(
        &mut self,
        name: &str,
        color: Option<i32>,
        id: &mut Option<String>,
        rules: &LabelRules,
    ) -> Result<Vec<Record>, Reject> {
        let name = name.trim();
        if let Some(made) = id.as_deref().and_then(|id| self.labels.get(id)) {
            if made.name == name && !made.deleted && color.is_none_or(|c| c == made.color) {
                return Ok(Vec::new());
            }
            // Somebody else took the number in the meantime.
            *id = None;
        }
        check_color(color)?;
        self.check_name(name, None, rules)?;
        let ours = |l: &&Label| !l.deleted && l.is_editable();
        let count = self.labels.values().filter(ours).count();
        if let Some(max) = rules.max_labels
            && count >= max
        {
            return Err(Reject::LimitReached(max));
        }
        let number = match id.as_deref().and_then(|id| id.parse::<i32>().ok()) {
            Some(number) => number,
            None => self.highest_id.checked_add(1).ok_or(Reject::NoIdLeft)?,
        };
        self.highest_id = self.highest_id.max(number);
        let color = color.unwrap_or_else(|| self.free_color());
        let label = Label {
            id: number.to_string(),
            name: name.to_owned(),
            color,
            list_type: Some(5),
            is_active: Some(true),
            order_index: Some(self.next_order_index()),
            changed_at: self.now,
            ..Label::default()
        };
        *id = Some(label.id.clone());
        self.labels.insert(label.id.clone(), label.clone());
        Ok(vec![Record::Label(label)])
    }

    fn free_color(&self) -> i32 {
        let used: HashSet<i32> = self
            .labels
            .values()
            .filter(|l| !l.deleted)
            .map(|l| l.color)
            .collect();
        let palette = i32::try_from(PALETTE.len()).unwrap_or_default();
        (0..palette).find(|c| !used.contains(c)).unwrap_or_default()
    }

    fn next_order_index(&self) -> i32 {
        self.labels
            .values()
            .filter(|l| !l.deleted)
            .filter_map(|l| l.order_index)
            .max()
            .map_or(0, |last| last.saturating_add(1))
    }

    fn edit(
        &mut self,
        id: &str,
        name: Option<&str>,
        color: Option<i32>,
        rules: &LabelRules,
    ) -> Result<Vec<Record>, Reject> {
        let mut label = self.editable(id)?.clone();
        check_color(color)?;
        let name = name.map(str::trim);
        if let Some(name) = name
            && name != label.name
        {
            self.check_name(name, Some(id), rules)?;
            name.clone_into(&mut label.name);
        }
        label.color = color.unwrap_or(label.color);
        if self.labels.get(id) == Some(&label) {
            return Ok(Vec::new());
        }
        label.changed_at = self.now;
        self.labels.insert(label.id.clone(), label.clone());
        Ok(vec![Record::Label(label)])
    }

    fn delete(&mut self, id: &str) -> Result<Vec<Record>, Reject> {
        match self.labels.get(id) {
            None => return Err(Reject::LabelNotFound(id.to_owned())),
            // Deleted is what was wanted; whether it may be asked twice is the caller's question.
            Some(label) if label.deleted => return Ok(Vec::new()),
            Some(_) => {}
        }
        let label = Label {
            deleted: true,
            changed_at: self.now,
            ..self.editable(id)?.clone()
        };
        self.labels.insert(label.id.clone(), label.clone());
        Ok(vec![Record::Label(label)])
    }

    fn reorder(&mut self, ids: &[String]) -> Result<Vec<Record>, Reject> {
        let mut order: Vec<i32> = Vec::new();
        for id in ids {
            self.live(id)?;
            let number = id
                .parse()
                .map_err(|_| Reject::LabelNotFound(id.to_owned()))?;
            if !order.contains(&number) {
                order.push(number);
            }
        }
        let mut others: Vec<&Label> = self.labels.values().filter(|l| !l.deleted).collect();
        others.sort_by_key(|l| label_place(l, &self.order));
        for label in others {
            if let Ok(number) = label.id.parse()
                && !order.contains(&number)
            {
                order.push(number);
            }
        }
        if order == self.order {
            return Ok(Vec::new());
        }
        self.order.clone_from(&order);
        Ok(vec![Record::Order(LabelOrder {
            ids: order,
            changed_at: self.now,
        })])
    }

    fn label_chats(
        &mut self,
        chats: &[Target],
        add: &[String],
        remove: &[String],
    ) -> Result<Vec<Record>, Reject> {
        for id in add.iter().chain(remove) {
            self.linkable(id)?;
        }
        let mut records = Vec::new();
        for chat in chats {
            // On first: the chat's key is the one its labels are under now.
            for label in add {
                self.put_on(chat, label, &mut records);
            }
            for label in remove.iter().filter(|l| !add.contains(l)) {
                self.take_off(chat, label, &mut records);
            }
        }
        Ok(records)
    }

    fn set_chat(&mut self, chat: &Target, labels: &[String]) -> Result<Vec<Record>, Reject> {
        for id in labels {
            self.linkable(id)?;
        }
        let mut gone: Vec<String> = self
            .held
            .get(&chat.chat)
            .into_iter()
            .flatten()
            .filter(|a| a.labeled && !labels.contains(&a.label_id))
            // Lists of the phone's own, and what a deleted label hides, are not ours to clear.
            .filter(|a| self.linkable(&a.label_id).is_ok())
            .map(|a| a.label_id.clone())
            .collect();
        gone.sort_by(|a, b| id_order(a).cmp(&id_order(b)));
        gone.dedup();
        let mut records = Vec::new();
        for label in labels {
            self.put_on(chat, label, &mut records);
        }
        for label in &gone {
            self.take_off(chat, label, &mut records);
        }
        Ok(records)
    }

    /// A live label chats may be put under by hand.
    fn linkable(&self, id: &str) -> Result<(), Reject> {
        let label = self.live(id)?;
        if label.is_editable() || label.list_type == Some(3) || label.is_custom_list() {
            Ok(())
        } else {
            Err(Reject::NotEditable {
                id: id.to_owned(),
                kind: label.type_name(),
            })
        }
    }

    fn put_on(&mut self, chat: &Target, label: &str, records: &mut Vec<Record>) {
        let held = self.held.entry(chat.chat.clone()).or_default();
        if held.iter().any(|a| a.label_id == label && a.labeled) {
            return;
        }
        // The key this label had, else the one the chat's latest record has, else
        // the one the caller's id comes to (which one WhatsApp wants is not
        // provable: `protocol.md` A6).
        let latest = |of: &dyn Fn(&Association) -> bool| {
            held.iter()
                .filter(|a| of(a))
                .max_by_key(|a| a.changed_at)
                .map(|a| a.chat_jid.clone())
        };
        let key = latest(&|a| a.label_id == label)
            .or_else(|| latest(&|a| a.labeled))
            .or_else(|| latest(&|_| true))
            .unwrap_or_else(|| ChatJid::from_app_state(chat.key.clone()));
        let record = Association {
            label_id: label.to_owned(),
            chat_jid: key,
            labeled: true,
            changed_at: self.now,
        };
        held.retain(|a| !(a.label_id == label && a.chat_jid == record.chat_jid));
        held.push(record.clone());
        records.push(Record::Association(record));
    }

    /// Off under every key it is on.
    fn take_off(&mut self, chat: &Target, label: &str, records: &mut Vec<Record>) {
        let now = self.now;
        let held = self.held.entry(chat.chat.clone()).or_default();
        for a in held.iter_mut().filter(|a| a.label_id == label && a.labeled) {
            a.labeled = false;
            a.changed_at = now;
            records.push(Record::Association(a.clone()));
        }
    }

    fn label_message(
        &mut self,
        chat: &Target,
        message_id: &str,
        label_id: &str,
        labeled: bool,
    ) -> Result<Vec<Record>, Reject> {
        self.linkable(label_id)?;
        let about = |m: &&mut MessageLabel| m.label_id == label_id && m.message_id == message_id;
        let now = self.now;
        let mut records = Vec::new();
        let mut known = None;
        let messages = self.messages.entry(chat.chat.clone()).or_default();
        for m in messages.iter_mut().filter(about) {
            known = Some(m.chat_jid.clone());
            if m.labeled && labeled {
                return Ok(Vec::new());
            }
            if m.labeled && !labeled {
                m.labeled = false;
                m.changed_at = now;
                records.push(Record::Message(m.clone()));
            }
        }
        if labeled {
            let key = known
                .or_else(|| {
                    let held = self.held.get(&chat.chat)?;
                    held.iter()
                        .max_by_key(|a| (a.labeled, a.changed_at))
                        .map(|a| a.chat_jid.clone())
                })
                .unwrap_or_else(|| ChatJid::from_app_state(chat.key.clone()));
            let record = MessageLabel {
                label_id: label_id.to_owned(),
                chat_jid: key,
                message_id: message_id.to_owned(),
                labeled: true,
                changed_at: now,
            };
            messages.push(record.clone());
            records.push(Record::Message(record));
        }
        Ok(records)
    }
}

/// Where a label stands in the account's order: by the order record, then by
/// its own index, then by id.
#[must_use]
pub fn label_place(label: &Label, order: &[i32]) -> (usize, i32, u64) {
    let by_order = label
        .id
        .parse::<i32>()
        .ok()
        .and_then(|id| order.iter().position(|o| *o == id))
        .unwrap_or(usize::MAX);
    (
        by_order,
        label.order_index.unwrap_or(i32::MAX),
        id_order(&label.id).0,
    )
}

fn check_color(color: Option<i32>) -> Result<(), Reject> {
    match color {
        Some(c) if usize::try_from(c).ok().is_none_or(|c| c >= PALETTE.len()) => {
            Err(Reject::ColorInvalid)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "intent_tests.rs"]
mod tests;
