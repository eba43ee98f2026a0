//! What a first sync found, stored whole.

use labelwire_domain::change::{
    Association, LabelOrder, MessageLabel, Mirror, Record, last_of_each,
};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Kind, Origin};
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::label::Label;
use labelwire_domain::past::label_json;
use labelwire_store::log::NewEntry;
use labelwire_store::{
    Error, Tx, chat_labels, checkpoints, instances, label_orders, labels, log, message_labels,
};
use serde_json::json;

use super::CHUNK;
use super::record;

/// The first sync: one history row that names a stored baseline, not an event
/// for each of its records. Returns that row's place in the log.
///
/// The baseline's parts say by their shape what they are: part 0 is an array of
/// label objects; a part that is an array of arrays holds `[label, chat, 0|1, at]`
/// for chats; an object holds either `messages`, an array of `[label, chat, 0|1,
/// at, message]`, or `order`, the label ids in the account's order. Those not told
/// of are not there.
pub(super) async fn baseline(
    tx: &mut Tx,
    instance: InstanceKey,
    records: Vec<Record>,
    now: Timestamp,
) -> Result<i64, Error> {
    let Sorted {
        labels: label_records,
        mut associations,
        messages,
        order,
    } = Sorted::of(records);
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
        "messages": messages.len(),
    });
    let entry = NewEntry::new(now, Kind::InstanceSynced, Origin::Sync, &body);
    let id = record(tx, instance, vec![entry], now)
        .await?
        .unwrap_or_default();
    let at = checkpoints::Seen {
        seq: id,
        seen_at: now.0,
    };
    checkpoints::insert(tx, instance, at, false).await?;
    let shown: Vec<_> = label_records.iter().map(label_json).collect();
    log::insert_baseline(tx, id, 0, &serde_json::Value::from(shown).to_string()).await?;
    let mut parts = 1..;
    for (chunk, part) in associations.chunks(CHUNK).zip(&mut parts) {
        chat_labels::set_many(tx, instance, chunk).await?;
        log::insert_baseline(tx, id, part, &chat_labels::to_json(chunk)).await?;
    }
    for (chunk, part) in messages.chunks(CHUNK).zip(&mut parts) {
        message_labels::set_many(tx, instance, chunk).await?;
        let body = format!("{{\"messages\":{}}}", message_labels::to_json(chunk));
        log::insert_baseline(tx, id, part, &body).await?;
    }
    if let (Some(order), Some(part)) = (order, parts.next()) {
        label_orders::set(tx, instance, &order).await?;
        let body = json!({ "order": order.ids }).to_string();
        log::insert_baseline(tx, id, part, &body).await?;
    }
    instances::set_synced(tx, instance, now).await?;
    Ok(id)
}

/// Records by what they are about. Of chats each record, of all else the last of
/// each key.
#[derive(Default)]
struct Sorted {
    labels: Vec<Label>,
    associations: Vec<Association>,
    messages: Vec<MessageLabel>,
    order: Option<LabelOrder>,
}

impl Sorted {
    fn of(mut records: Vec<Record>) -> Self {
        // Patches behind a snapshot may take back what it holds: rare, so only then
        // is the whole worked out.
        if records.iter().any(|r| matches!(r, Record::Removed(_))) {
            let mut mirror = Mirror::default();
            for record in records {
                mirror.apply(record);
            }
            records = mirror.into_records();
        }
        let mut sorted = Self::default();
        let mut others = Vec::new();
        for record in records {
            match record {
                Record::Association(association) => sorted.associations.push(association),
                other => others.push(other),
            }
        }
        for record in last_of_each(others) {
            match record {
                Record::Label(label) => sorted.labels.push(label),
                Record::Message(message) => sorted.messages.push(message),
                Record::Order(order) => sorted.order = Some(order),
                Record::Association(_) | Record::Removed(_) => {}
            }
        }
        sorted
    }
}
