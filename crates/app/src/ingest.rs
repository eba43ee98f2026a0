//! THE door: every change of the mirror passes [`apply`], every change of an
//! instance's state passes [`set_state`], each in one transaction with its
//! history and, for the mirror, the collection's version and MACs.

use std::collections::{BTreeSet, HashMap};

use labelwire_domain::change::{Association, Change, Mirror, Record, last_of_each};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::collection::Batch;
use labelwire_domain::ids::{CommandId, InstanceKey};
use labelwire_domain::instance::{Profile, State};
use labelwire_domain::label::Label;
use labelwire_store::log::NewEntry;
use labelwire_store::{Error, Tx, chat_labels, collections, commands, instances, labels, log};
use serde_json::json;

use crate::identity;

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
        self.commands.extend(other.commands);
    }
}

/// Who asked for a change, where somebody here did.
pub trait Attribution: Send {
    /// Whether nothing is expected at all.
    fn is_idle(&self) -> bool;

    /// The actor who asked for this record, if one did; asked once for each.
    fn claim(&mut self, record: &Record) -> Option<String>;

    /// The commands whose last record was claimed since this was asked before.
    fn finished(&mut self) -> Vec<CommandId>;
}

/// A change and the actor behind it, where one of ours is.
type Attributed = (Change, Option<String>);

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
            macs,
            version,
            records,
            ..
        } = batch;
        applied.merge(if complete {
            replay(tx, instance, records, asked, now).await?
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
    asked: &mut dyn Attribution,
    now: Timestamp,
) -> Result<Applied, Error> {
    let first = instances::find(tx.conn(), instance)
        .await?
        .is_some_and(|row| row.synced_at.is_none());
    let known = labels::all(tx.conn(), instance).await?;
    let held = chat_labels::all(tx.conn(), instance).await?;
    if first && known.is_empty() && held.is_empty() {
        baseline(tx, instance, records, now).await?;
        return Ok(Applied {
            everything: true,
            labels: true,
            ..Applied::default()
        });
    }
    let mut mirror = Mirror::new(known, held);
    let mut claims = HashMap::new();
    if !asked.is_idle() {
        for record in &records {
            if let Some(actor) = asked.claim(record) {
                claims.insert(record.key(), actor);
            }
        }
    }
    let changes = mirror
        .replace(last_of_each(records))
        .into_iter()
        .map(|change| {
            let actor = claims.remove(&change.key());
            (change, actor)
        })
        .collect();
    if first {
        instances::set_synced(tx, instance, now).await?;
    }
    write(tx, instance, &mirror, changes, "sync", now).await
}

/// The first sync: one history row that names a stored baseline, not an event
/// for each of its records.
async fn baseline(
    tx: &mut Tx,
    instance: InstanceKey,
    records: Vec<Record>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut label_records = Vec::new();
    let mut associations = Vec::new();
    for record in records {
        match record {
            Record::Label(label) => label_records.push(Record::Label(label)),
            Record::Association(association) => associations.push(association),
            Record::Message(_) | Record::Order(_) | Record::Removed(_) => {}
        }
    }
    let label_records: Vec<Label> = last_of_each(label_records)
        .into_iter()
        .filter_map(|r| match r {
            Record::Label(label) => Some(label),
            _ => None,
        })
        .collect();
    for label in &label_records {
        labels::set(tx, instance, label).await?;
    }
    // In the order of the index, which saves a third of the inserts' time; the last
    // record of each key first, so that it is the one that stays.
    associations.reverse();
    associations.sort_by(|a, b| (&a.chat_jid, &a.label_id).cmp(&(&b.chat_jid, &b.label_id)));
    associations.dedup_by(|a, b| a.chat_jid == b.chat_jid && a.label_id == b.label_id);
    let body = json!({
        "labels": label_records.len(),
        "associations": associations.len(),
    });
    let entry = NewEntry {
        at: now,
        kind: "instance.synced",
        origin: "sync",
        actor: None,
        chat_jid: None,
        label_id: None,
        label_name: None,
        body: body.to_string(),
    };
    let id = log::append(tx, instance, now, &[entry])
        .await?
        .unwrap_or_default();
    let shown: Vec<_> = label_records.iter().map(label_json).collect();
    log::insert_baseline(tx, id, 0, &serde_json::Value::from(shown).to_string()).await?;
    for (part, chunk) in (1..).zip(associations.chunks(CHUNK)) {
        chat_labels::set_many(tx, instance, chunk).await?;
        log::insert_baseline(tx, id, part, &chat_labels::to_json(chunk)).await?;
    }
    instances::set_synced(tx, instance, now).await
}

/// The associations among records, the last of each key.
fn last_associations(records: Vec<Record>) -> Vec<Association> {
    last_of_each(records)
        .into_iter()
        .filter_map(|record| match record {
            Record::Association(association) => Some(association),
            _ => None,
        })
        .collect()
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
    let keys = last_associations(records.clone());
    let held = chat_labels::find_many(tx.conn(), instance, &keys).await?;
    let mut mirror = Mirror::new(labels::all(tx.conn(), instance).await?, held);
    let changes = records
        .into_iter()
        .filter_map(|record| {
            // Asked also where nothing changes: the echo may have come before.
            let actor = asked.claim(&record);
            mirror.apply(record).map(|change| (change, actor))
        })
        .collect();
    write(tx, instance, &mirror, changes, "phone", now).await
}

/// Writes changes and their history rows.
async fn write(
    tx: &mut Tx,
    instance: InstanceKey,
    mirror: &Mirror,
    changes: Vec<Attributed>,
    origin: &'static str,
    now: Timestamp,
) -> Result<Applied, Error> {
    let mut entries = Vec::with_capacity(changes.len());
    let mut sets = Vec::new();
    let mut gone = Vec::new();
    let mut label_sets: Vec<Label> = Vec::new();
    for (change, actor) in changes {
        let origin = if actor.is_some() { "api" } else { origin };
        match change {
            Change::Label { before, after } => {
                entries.push(NewEntry {
                    actor,
                    ..label_entry(before.as_ref(), &after, origin)
                });
                label_sets.push(after);
            }
            Change::Association { before, after } => {
                // A first record that says "not labeled" is known now, but nothing happened.
                if before.is_some() || after.labeled {
                    entries.push(association_entry(
                        mirror,
                        &after,
                        after.labeled,
                        origin,
                        actor,
                    ));
                }
                sets.push(Record::Association(after));
            }
            Change::Forgotten { before } => {
                if before.labeled {
                    entries.push(association_entry(mirror, &before, false, origin, None));
                }
                gone.push(before);
            }
        }
    }
    let mut applied = Applied {
        labels: !label_sets.is_empty(),
        ..Applied::default()
    };
    for label in &label_sets {
        labels::set(tx, instance, label).await?;
        // Chats that carry it are shown otherwise from now on.
        let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
        let carriers = chat_labels::chats_of_label(tx.conn(), instance, &label.id, limit).await?;
        applied.everything |= carriers.len() >= CHUNK;
        applied.chats.extend(carriers);
    }
    let sets = last_associations(sets);
    for chunk in sets.chunks(CHUNK) {
        chat_labels::set_many(tx, instance, chunk).await?;
    }
    for chunk in gone.chunks(CHUNK) {
        chat_labels::delete_many(tx, instance, chunk).await?;
    }
    if sets.len() + gone.len() > CHUNK {
        applied.everything = true;
    } else {
        for association in sets.iter().chain(&gone) {
            let jid = &association.chat_jid;
            applied
                .chats
                .insert(identity::shown(tx.conn(), instance, jid).await?);
        }
    }
    log::append(tx, instance, now, &entries).await?;
    Ok(applied)
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
pub async fn synced_empty(tx: &mut Tx, instance: InstanceKey, now: Timestamp) -> Result<(), Error> {
    baseline(tx, instance, Vec::new(), now).await
}

/// Writes an instance's state with its history row.
///
/// # Errors
/// The database's.
pub async fn set_state(
    tx: &mut Tx,
    instance: InstanceKey,
    state: State,
    reason: &str,
    now: Timestamp,
) -> Result<(), Error> {
    instances::set_state(tx, instance, state, reason).await?;
    let kind = match state {
        State::Connected => "instance.online",
        State::Connecting => "instance.connecting",
        State::Disconnected => "instance.offline",
        State::LoggedOut => "instance.logged_out",
    };
    let entry = NewEntry {
        at: now,
        kind,
        origin: "sync",
        actor: None,
        chat_jid: None,
        label_id: None,
        label_name: None,
        body: json!({ "state": state.as_str(), "reason": reason }).to_string(),
    };
    log::append(tx, instance, now, &[entry]).await?;
    Ok(())
}

fn label_json(label: &Label) -> serde_json::Value {
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

fn label_entry(before: Option<&Label>, after: &Label, origin: &'static str) -> NewEntry {
    let kind = match before {
        _ if after.deleted => "label.deleted",
        None => "label.created",
        Some(known) if known.deleted => "label.created",
        Some(_) => "label.changed",
    };
    NewEntry {
        at: after.changed_at,
        kind,
        origin,
        actor: None,
        chat_jid: None,
        label_id: Some(after.id.clone()),
        label_name: Some(after.name.clone()),
        body: json!({ "before": before.map(label_json), "after": label_json(after) }).to_string(),
    }
}

fn association_entry(
    mirror: &Mirror,
    association: &Association,
    labeled: bool,
    origin: &'static str,
    actor: Option<String>,
) -> NewEntry {
    let kind = if labeled {
        "chat.labeled"
    } else {
        "chat.unlabeled"
    };
    NewEntry {
        at: association.changed_at,
        kind,
        origin,
        actor,
        chat_jid: Some(association.chat_jid.as_str().to_owned()),
        label_id: Some(association.label_id.clone()),
        label_name: mirror.label_name(&association.label_id).map(str::to_owned),
        body: json!({ "labeled": labeled }).to_string(),
    }
}
