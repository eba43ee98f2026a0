//! History and what follows from it: rows of the log, and a delivery for each
//! webhook that asked for them, in the transaction of the change.

use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::event_id;
use labelwire_domain::ids::InstanceKey;
use labelwire_store::deliveries::{self, NewDelivery};
use labelwire_store::log::NewEntry;
use labelwire_store::{Error, Tx, log, webhooks};

use crate::identity;

/// Appends facts in order and queues their deliveries; returns the last one's place
/// in the log.
pub(crate) async fn record(
    tx: &mut Tx,
    instance: InstanceKey,
    mut entries: Vec<NewEntry>,
    now: Timestamp,
) -> Result<Option<i64>, Error> {
    if entries.is_empty() {
        return Ok(None);
    }
    name_chats(tx, instance, &mut entries).await?;
    let last = log::append(tx, instance, now, &entries).await?;
    let hooks: Vec<_> = webhooks::all(tx.conn(), instance)
        .await?
        .into_iter()
        .filter(|hook| hook.enabled)
        .collect();
    if let (Some(last), false) = (last, hooks.is_empty()) {
        let first = last + 1 - i64::try_from(entries.len()).unwrap_or_default();
        let mut queue = Vec::new();
        for hook in hooks {
            let filter = hook.config()?.filter;
            for (seq, entry) in (first..).zip(&entries) {
                let label = entry.label_id.as_deref();
                let label = label.map(|id| (id, entry.label_name.as_deref()));
                if filter.passes(entry.kind, label, entry.chat.as_deref()) {
                    queue.push(NewDelivery {
                        webhook_id: hook.webhook_id.clone(),
                        seq: Some(seq),
                        event_id: event_id(now, seq),
                        kind: entry.kind.as_str(),
                        lane: lane(entry),
                        event: None,
                    });
                }
            }
        }
        deliveries::insert(tx, instance, &queue, now).await?;
    }
    Ok(last)
}

/// What events are told in the order of: a chat's among themselves, a label's among
/// themselves, the instance's among themselves.
fn lane(entry: &NewEntry) -> String {
    match (&entry.chat, &entry.label_id) {
        (Some(chat), _) => chat.clone(),
        (None, Some(label)) => format!("label:{label}"),
        (None, None) => "instance".to_owned(),
    }
}

/// Both ids of each chat, as they are known now.
async fn name_chats(
    tx: &mut Tx,
    instance: InstanceKey,
    entries: &mut [NewEntry],
) -> Result<(), Error> {
    let jids: Vec<ChatJid> = entries
        .iter()
        .filter_map(|e| e.chat_jid.clone().map(ChatJid::from_app_state))
        .collect();
    if jids.is_empty() {
        return Ok(());
    }
    let mut ids = identity::both_ids(tx.conn(), instance, &jids)
        .await?
        .into_iter();
    for entry in entries.iter_mut().filter(|e| e.chat_jid.is_some()) {
        if let Some((shown, lid)) = ids.next() {
            entry.chat = Some(shown);
            entry.lid = lid;
        }
    }
    Ok(())
}
