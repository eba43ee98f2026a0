//! The phone towards its own companions: sync keys and history.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp as wa;
use waproto::whatsapp::message;
use waproto::whatsapp::message::protocol_message::Type;

use crate::Error;
use crate::account::Account;
use crate::faults::FaultKind;
use crate::fixture::Contact;
use crate::messages;
use crate::pairing::raw_id;
use crate::world::World;

/// Chats per history message, so that no single one grows past what clients take.
const HISTORY_CHUNK: usize = 2_000;

/// A companion uploaded its first pre-keys: the phone sends it keys and history.
pub(crate) fn greet(world: &World, account: &mut Account, device: u16) {
    share_keys(world, account, device);
    if let Err(error) = send_history(world, account, device) {
        tracing::debug!(device, %error, "no history was sent");
    }
}

/// Sends a companion all sync keys, unless a fault withholds them.
pub(crate) fn share_keys(world: &World, account: &mut Account, device: u16) {
    if account
        .faults
        .take(FaultKind::WithholdKeyShare, device)
        .is_some()
    {
        return;
    }
    let mut indexes = vec![0];
    indexes.extend(account.devices.keys().map(|id| u32::from(*id)));
    let current = account.devices.keys().last().map(|id| u32::from(*id));
    let raw_id = raw_id(account);
    let keys = account.keys.iter().map(|key| message::AppStateSyncKey {
        key_id: MessageField::some(message::AppStateSyncKeyId {
            key_id: Some(key.id.clone()),
        }),
        key_data: MessageField::some(message::AppStateSyncKeyData {
            key_data: Some(key.data.to_vec()),
            // A share without it is ignored by clients.
            fingerprint: MessageField::some(message::AppStateSyncKeyFingerprint {
                raw_id: Some(raw_id),
                current_index: current,
                device_indexes: indexes.clone(),
            }),
            timestamp: Some(key.timestamp),
        }),
    });
    let share = message::AppStateSyncKeyShare {
        keys: keys.collect(),
    };
    send(
        world,
        account,
        device,
        message::ProtocolMessage {
            r#type: Some(Type::APP_STATE_SYNC_KEY_SHARE),
            app_state_sync_key_share: MessageField::some(share),
            ..Default::default()
        },
    );
}

fn send_history(world: &World, account: &mut Account, device: u16) -> Result<(), Error> {
    let chunks = account.contacts.len().div_ceil(HISTORY_CHUNK).max(1);
    for order in 0..chunks {
        let from = order * HISTORY_CHUNK;
        let to = (from + HISTORY_CHUNK).min(account.contacts.len());
        let progress = u32::try_from((order + 1) * 100 / chunks).unwrap_or(100);
        let order = u32::try_from(order).unwrap_or(0);
        let payload = history(&account.contacts[from..to], order, progress)?;
        let notification = message::HistorySyncNotification {
            sync_type: Some(message::HistorySyncType::INITIAL_BOOTSTRAP),
            chunk_order: Some(order),
            progress: Some(progress),
            initial_hist_bootstrap_inline_payload: Some(payload),
            ..Default::default()
        };
        send(
            world,
            account,
            device,
            message::ProtocolMessage {
                r#type: Some(Type::HISTORY_SYNC_NOTIFICATION),
                history_sync_notification: MessageField::some(notification),
                ..Default::default()
            },
        );
    }
    Ok(())
}

/// Chat names and who has which hidden id, compressed.
fn history(contacts: &[Contact], order: u32, progress: u32) -> Result<Vec<u8>, Error> {
    let people = || {
        contacts
            .iter()
            .filter(|contact| contact.jid.ends_with("@s.whatsapp.net"))
    };
    let history = wa::HistorySync {
        sync_type: wa::history_sync::HistorySyncType::INITIAL_BOOTSTRAP,
        chunk_order: Some(order),
        progress: Some(progress),
        conversations: contacts
            .iter()
            .map(|contact| wa::Conversation {
                id: contact.jid.clone(),
                name: Some(contact.name.clone()),
                ..Default::default()
            })
            .collect(),
        pushnames: people()
            .map(|contact| wa::Pushname {
                id: Some(contact.jid.clone()),
                pushname: Some(contact.name.clone()),
            })
            .collect(),
        phone_number_to_lid_mappings: people()
            .filter(|contact| contact.lid.is_some())
            .map(|contact| wa::PhoneNumberToLIDMapping {
                pn_jid: Some(contact.jid.clone()),
                lid_jid: contact.lid.clone(),
            })
            .collect(),
        ..Default::default()
    };
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(&history.encode_to_vec())
        .and_then(|()| encoder.finish())
        .map_err(|error| Error::io("compressing history", error))
}

/// Handles what a companion told the phone.
pub(crate) fn receive(world: &World, account: &mut Account, device: u16, message: &wa::Message) {
    let Some(protocol) = message.protocol_message.as_option() else {
        return;
    };
    if protocol.r#type == Some(Type::APP_STATE_SYNC_KEY_REQUEST) {
        share_keys(world, account, device);
    }
}

fn send(world: &World, account: &mut Account, device: u16, protocol: message::ProtocolMessage) {
    let message = wa::Message {
        protocol_message: MessageField::some(protocol),
        ..Default::default()
    };
    let attrs = vec![
        ("from", account.jid()),
        ("type", "text".to_owned()),
        ("category", "peer".to_owned()),
        ("push_priority", "high".to_owned()),
    ];
    let sent = messages::compose(account, None, attrs, &message);
    messages::send(world, account, &sent, device);
}
