//! THE door: every change of the mirror passes [`apply`], every change of an
//! instance's state passes [`set_state`], each in one transaction with its
//! history and, for the mirror, the collection's version and MACs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use labelwire_domain::change::{
    Association, Change, LabelOrder, MessageLabel, Mirror, Record, RecordKey, last_of_each,
};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::collection::Batch;
use labelwire_domain::event::{Kind, Origin};
use labelwire_domain::ids::{CommandId, InstanceKey};
use labelwire_domain::instance::{Profile, State};
use labelwire_domain::label::Label;
use labelwire_store::log::NewEntry;
use labelwire_store::{
    Error, Tx, chat_labels, collections, commands, instances, label_orders, labels, message_labels,
};
use serde_json::json;

use crate::identity;

mod baseline;
mod entries;
mod record;

use baseline::baseline;
use entries::entry;
pub(crate) use record::record;

/// The collection labels live in.
pub const REGULAR: &str = "regular";

/// Pairs that are merged one by one; for more, all chats are looked through once.
const FEW_PAIRS: usize = 64;

/// Records one bulk statement takes.
const CHUNK: usize = 4_000;

/// What a transaction changed, for those who keep rendered answers.
#[derive(Debug, Default, Clone)]
pub struct Applied {
    /// Shown names of chats whose labels changed.
    pub chats: BTreeSet<String>,
    /// Labels were made, renamed, deleted…; chats that carry them are in `chats`.
    pub labels: bool,
    /// More changed than is worth naming.
    pub everything: bool,
    /// The last row of history this made.
    pub recorded: Option<i64>,
    /// Commands whose last record came with this; their rows are finished.
    pub commands: Vec<CommandId>,
}

impl Applied {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chats.is_empty() && !self.labels && !self.everything
    }

    fn merge(&mut self, other: Self) {
        self.chats.extend(other.chats);
        self.labels |= other.labels;
        self.everything |= other.everything;
        self.recorded = other.recorded.or(self.recorded);
        self.commands.extend(other.commands);
    }
}

/// Who asked for a change, where somebody here did.
pub trait Attribution: Send {
    /// Whether nothing is expected at all.
    fn is_idle(&self) -> bool;

    /// Who asked for this record, if somebody did; asked once for each.
    fn claim(&mut self, record: &Record) -> Option<Asker>;

    /// The commands whose last record was claimed since this was asked before.
    fn finished(&mut self) -> Vec<CommandId>;
}

/// Who is behind a change, where one of ours is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// `token:tok_…`.
    pub actor: String,
    /// The command.
    pub command: CommandId,
    /// The request.
    pub request_id: Option<String>,
}

type Attributed = (Change, Option<Asker>);

/// Applies batches in order and writes, in the same transaction, their history
/// and the version and MACs they lead to.
///
/// # Errors
/// The database's; nothing happened then.
pub async fn apply(
    tx: &mut Tx,
    instance: InstanceKey,
    batches: &mut Vec<Batch>,
    asked: &mut dyn Attribution,
    now: Timestamp,
) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    for batch in std::mem::take(batches) {
        let Batch {
            complete,
            whole,
            macs,
            version,
            records,
            ..
        } = batch;
        applied.merge(if complete {
            replay(tx, instance, records, whole, asked, now).await?
        } else {
            follow(tx, instance, records, asked, now).await?
        });
        collections::apply_macs(tx, instance, REGULAR, complete, &macs).await?;
        collections::set_version(tx, instance, REGULAR, version.number, &version.state).await?;
    }
    // Here, so that a command is done exactly if what it asked for is in the mirror.
    applied.commands = asked.finished();
    for command in &applied.commands {
        commands::finish(tx, command, None, now).await?;
    }
    Ok(applied)
}

/// A complete replay: the first is a baseline, a later one is compared.
async fn replay(
    tx: &mut Tx,
    instance: InstanceKey,
    records: Vec<Record>,
    whole: bool,
    asked: &mut dyn Attribution,
    now: Timestamp,
) -> Result<Applied, Error> {
    let first = instances::find(tx.conn(), instance)
        .await?
        .is_some_and(|row| row.synced_at.is_none());
    let known = labels::all(tx.conn(), instance).await?;
    let held = chat_labels::all(tx.conn(), instance).await?;
    let messages = message_labels::all(tx.conn(), instance).await?;
    let order = label_orders::find(tx.conn(), instance).await?;
    let mut mirror = Mirror::new(known, held)
        .with_messages(messages)
        .with_order(order);
    if first && mirror.is_empty() {
        let recorded = baseline(tx, instance, records, now).await?;
        return Ok(Applied {
            everything: true,
            labels: true,
            recorded: Some(recorded),
            ..Applied::default()
        });
    }
    let mut claims = HashMap::new();
    if !asked.is_idle() {
        for record in &records {
            if let Some(actor) = asked.claim(record) {
                claims.insert(record.key(), actor);
            }
        }
    }
    let changes = mirror
        .replace(last_of_each(records), whole)
        .into_iter()
        .map(|change| {
            let actor = claims.remove(&change.key());
            (change, actor)
        })
        .collect();
    if first {
        instances::set_synced(tx, instance, now).await?;
    }
    write(tx, instance, &mirror, changes, Origin::Sync, now).await
}

/// What the mirror must know to judge records: the keys of chats' and messages'
/// ones, each once, and whether the order is among them.
#[derive(Default)]
struct Keys {
    associations: BTreeSet<(String, ChatJid)>,
    messages: BTreeSet<(String, ChatJid, String)>,
    order: bool,
}

impl Keys {
    fn of(records: &[Record]) -> Self {
        let mut keys = Self::default();
        for record in records {
            match record.key() {
                RecordKey::Association(label, chat) => {
                    keys.associations.insert((label, chat));
                }
                RecordKey::Message(label, chat, message) => {
                    keys.messages.insert((label, chat, message));
                }
                RecordKey::Order => keys.order = true,
                RecordKey::Label(_) => {}
            }
        }
        keys
    }

    /// The mirror as far as these keys go, and all labels.
    async fn mirror(self, tx: &mut Tx, instance: InstanceKey) -> Result<Mirror, Error> {
        let mut mirror = Mirror::new(labels::all(tx.conn(), instance).await?, []);
        if !self.associations.is_empty() {
            let keys: Vec<_> = self.associations.into_iter().map(unsaid).collect();
            let held = chat_labels::find_many(tx.conn(), instance, &keys).await?;
            mirror = mirror.with_associations(held);
        }
        if !self.messages.is_empty() {
            let keys: Vec<_> = self.messages.into_iter().map(unsaid_message).collect();
            let held = message_labels::find_many(tx.conn(), instance, &keys).await?;
            mirror = mirror.with_messages(held);
        }
        if self.order {
            mirror = mirror.with_order(label_orders::find(tx.conn(), instance).await?);
        }
        Ok(mirror)
    }
}

/// A key as the store is asked for it.
fn unsaid((label_id, chat_jid): (String, ChatJid)) -> Association {
    Association {
        label_id,
        chat_jid,
        labeled: false,
        changed_at: Timestamp(0),
    }
}

fn unsaid_message((label_id, chat_jid, message_id): (String, ChatJid, String)) -> MessageLabel {
    MessageLabel {
        label_id,
        chat_jid,
        message_id,
        labeled: false,
        changed_at: Timestamp(0),
    }
}

/// Changes on top of what is known.
async fn follow(
    tx: &mut Tx,
    instance: InstanceKey,
    records: Vec<Record>,
    asked: &mut dyn Attribution,
    now: Timestamp,
) -> Result<Applied, Error> {
    if records.is_empty() {
        return Ok(Applied::default());
    }
    let mut mirror = Keys::of(&records).mirror(tx, instance).await?;
    let changes = records
        .into_iter()
        .filter_map(|record| {
            // Asked also where nothing changes: the echo may have come before.
            let actor = asked.claim(&record);
            mirror.apply(record).map(|change| (change, actor))
        })
        .collect();
    write(tx, instance, &mirror, changes, Origin::Phone, now).await
}

/// Writes changes and their history rows.
async fn write(
    tx: &mut Tx,
    instance: InstanceKey,
    mirror: &Mirror,
    changes: Vec<Attributed>,
    origin: Origin,
    now: Timestamp,
) -> Result<Applied, Error> {
    let mut entries = Vec::with_capacity(changes.len());
    let mut writes = Writes::default();
    for (change, asker) in changes {
        let origin = if asker.is_some() { Origin::Api } else { origin };
        let entry = entry(mirror, &change, origin);
        entries.extend(entry.map(|entry| match asker {
            None => entry,
            Some(asker) => NewEntry {
                actor: Some(asker.actor),
                cause: Some(asker.command.to_string()),
                request_id: asker.request_id,
                ..entry
            },
        }));
        writes.take(change);
    }
    let mut applied = writes.write(tx, instance).await?;
    applied.recorded = record(tx, instance, entries, now).await?;
    Ok(applied)
}

/// The rows a transaction writes: of each key what it is in the end.
#[derive(Default)]
struct Writes {
    labels: Vec<Label>,
    /// Whether the row stays.
    associations: BTreeMap<(String, ChatJid), (bool, Association)>,
    messages: BTreeMap<(String, ChatJid, String), (bool, MessageLabel)>,
    order: Option<LabelOrder>,
}

impl Writes {
    fn take(&mut self, change: Change) {
        match change {
            Change::Label { after, .. } => self.labels.push(after),
            Change::Association { after, .. } => self.association(after, true),
            Change::Forgotten { before } => self.association(before, false),
            Change::Message { after, .. } => self.message(after, true),
            Change::ForgottenMessage { before } => self.message(before, false),
            Change::Order { after, .. } => self.order = Some(after),
        }
    }

    fn association(&mut self, row: Association, stays: bool) {
        let key = (row.label_id.clone(), row.chat_jid.clone());
        self.associations.insert(key, (stays, row));
    }

    fn message(&mut self, row: MessageLabel, stays: bool) {
        let key = (
            row.label_id.clone(),
            row.chat_jid.clone(),
            row.message_id.clone(),
        );
        self.messages.insert(key, (stays, row));
    }

    async fn write(self, tx: &mut Tx, instance: InstanceKey) -> Result<Applied, Error> {
        let mut applied = Applied {
            labels: !self.labels.is_empty() || self.order.is_some(),
            ..Applied::default()
        };
        for label in &self.labels {
            labels::set(tx, instance, label).await?;
            // Chats that carry it are shown otherwise from now on.
            let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
            let carriers =
                chat_labels::chats_of_label(tx.conn(), instance, &label.id, limit).await?;
            applied.everything |= carriers.len() >= CHUNK;
            applied.chats.extend(carriers);
        }
        let (sets, gone) = split(self.associations.into_values());
        for chunk in sets.chunks(CHUNK) {
            chat_labels::set_many(tx, instance, chunk).await?;
        }
        for chunk in gone.chunks(CHUNK) {
            chat_labels::delete_many(tx, instance, chunk).await?;
        }
        if sets.len() + gone.len() > CHUNK {
            applied.everything = true;
        } else {
            let jids = sets.iter().chain(&gone).map(|a| &a.chat_jid);
            let names = identity::shown_many(tx.conn(), instance, jids).await?;
            applied.chats.extend(names);
        }
        let (sets, gone) = split(self.messages.into_values());
        for chunk in sets.chunks(CHUNK) {
            message_labels::set_many(tx, instance, chunk).await?;
        }
        for chunk in gone.chunks(CHUNK) {
            message_labels::delete_many(tx, instance, chunk).await?;
        }
        if let Some(order) = &self.order {
            label_orders::set(tx, instance, order).await?;
        }
        Ok(applied)
    }
}

/// Rows that stay, and rows that go.
fn split<T>(rows: impl Iterator<Item = (bool, T)>) -> (Vec<T>, Vec<T>) {
    let (mut sets, mut gone) = (Vec::new(), Vec::new());
    for (stays, row) in rows {
        if stays { &mut sets } else { &mut gone }.push(row);
    }
    (sets, gone)
}

/// A LID and a number turned out to be one person: their records get one shown
/// name, and keep the keys they exist under.
///
/// # Errors
/// The database's.
pub async fn merge_chats(
    tx: &mut Tx,
    instance: InstanceKey,
    pairs: &[(String, String)],
) -> Result<Applied, Error> {
    if pairs.len() > FEW_PAIRS {
        return merge_unmerged(tx, instance).await;
    }
    let mut applied = Applied::default();
    for (lid, phone) in pairs {
        let (lid_jid, phone_jid) = (format!("{lid}@lid"), format!("{phone}@s.whatsapp.net"));
        message_labels::merge(tx, instance, &lid_jid, &phone_jid).await?;
        if chat_labels::merge(tx, instance, &lid_jid, &lid_jid, &phone_jid).await? {
            applied.chats.insert(lid_jid);
            applied.chats.insert(phone_jid);
        }
    }
    Ok(applied)
}

/// Chats whose number was learned while nobody looked (a crash between learning
/// and merging): merged at start.
///
/// # Errors
/// The database's.
pub async fn merge_unmerged(tx: &mut Tx, instance: InstanceKey) -> Result<Applied, Error> {
    for row in message_labels::unmerged(tx.conn(), instance).await? {
        let phone_jid = format!("{}@s.whatsapp.net", row.phone);
        message_labels::merge(tx, instance, &row.lid_jid, &phone_jid).await?;
    }
    let mut merged = false;
    for row in chat_labels::unmerged(tx.conn(), instance).await? {
        let phone_jid = format!("{}@s.whatsapp.net", row.phone);
        merged |= chat_labels::merge(tx, instance, &row.lid_jid, &row.lid_jid, &phone_jid).await?;
    }
    Ok(Applied {
        everything: merged,
        ..Applied::default()
    })
}

/// Takes what pairing told. Another account's mirror goes before this one's comes.
///
/// # Errors
/// The database's.
pub async fn paired(tx: &mut Tx, instance: InstanceKey, profile: &Profile) -> Result<(), Error> {
    let before = instances::find(tx.conn(), instance).await?;
    let other = |row: &instances::Instance| row.jid.is_some() && row.jid != profile.jid;
    if profile.jid.is_some() && before.as_ref().is_some_and(other) {
        instances::forget_mirror(tx, instance).await?;
    }
    instances::set_profile(tx, instance, profile).await?;
    instances::set_wanted(tx, instance, true).await
}

/// The first sync found an account without labels: that is a baseline too.
///
/// # Errors
/// The database's.
pub async fn synced_empty(
    tx: &mut Tx,
    instance: InstanceKey,
    now: Timestamp,
) -> Result<i64, Error> {
    baseline(tx, instance, Vec::new(), now).await
}

/// Writes an instance's state with its history row; returns that row's place.
///
/// # Errors
/// The database's.
pub async fn set_state(
    tx: &mut Tx,
    instance: InstanceKey,
    state: State,
    reason: &str,
    now: Timestamp,
) -> Result<Option<i64>, Error> {
    instances::set_state(tx, instance, state, reason).await?;
    let kind = match state {
        State::Connected => Kind::InstanceOnline,
        State::Connecting => Kind::InstanceConnecting,
        State::Disconnected => Kind::InstanceOffline,
        State::LoggedOut => Kind::InstanceLoggedOut,
    };
    let body = json!({ "state": state.as_str(), "reason": reason });
    let entry = NewEntry::new(now, kind, Origin::Sync, &body);
    record(tx, instance, vec![entry], now).await
}
