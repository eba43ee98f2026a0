//! From the library's events and decoded records to ours. Pure; `waproto` ends here.

use labelwire_domain::change::{Association, LabelOrder, MessageLabel, Record, RecordKey};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::label::Label;
use whatsapp_rust::Jid;
use whatsapp_rust::buffa::Enumeration as _;
use whatsapp_rust::types::events::{LabelAssociationUpdate, LabelEditUpdate};
use whatsapp_rust::wacore::appstate::Mutation;
use whatsapp_rust::waproto::whatsapp::sync_action_value::LabelEditAction;
use whatsapp_rust::waproto::whatsapp::syncd_mutation::SyncdOperation;

/// A label's definition (`label_edit`).
pub(crate) fn label(update: &LabelEditUpdate) -> Record {
    let at = Timestamp::from_millis(update.timestamp.timestamp_millis());
    definition(update.label_id.clone(), &update.action, at)
}

/// A label on a chat (`label_jid`), under the key the record has.
pub(crate) fn association(update: &LabelAssociationUpdate) -> Record {
    Record::Association(Association {
        label_id: update.label_id.clone(),
        chat_jid: ChatJid::from_app_state(update.chat_jid.to_string()),
        labeled: update.action.labeled.unwrap_or_default(),
        changed_at: Timestamp::from_millis(update.timestamp.timestamp_millis()),
    })
}

/// A decoded record, if labels are made of it. What the library raises as an event
/// comes out as that event does.
pub(crate) fn record(mutation: &Mutation) -> Option<Record> {
    let key = key(&mutation.index)?;
    if mutation.operation == SyncdOperation::REMOVE {
        return Some(Record::Removed(key));
    }
    let value = mutation.action_value.as_ref()?;
    let changed_at = Timestamp::from_millis(value.timestamp.unwrap_or_default());
    let labeled = || {
        let action = value.label_association_action.as_option()?;
        Some(action.labeled.unwrap_or_default())
    };
    Some(match key {
        RecordKey::Label(id) => definition(id, value.label_edit_action.as_option()?, changed_at),
        RecordKey::Association(label_id, chat_jid) => Record::Association(Association {
            labeled: labeled()?,
            label_id,
            chat_jid,
            changed_at,
        }),
        RecordKey::Message(label_id, chat_jid, message_id) => Record::Message(MessageLabel {
            labeled: labeled()?,
            label_id,
            chat_jid,
            message_id,
            changed_at,
        }),
        RecordKey::Order => Record::Order(LabelOrder {
            ids: value
                .label_reordering_action
                .as_option()?
                .sorted_label_ids
                .clone(),
            changed_at,
        }),
    })
}

/// What an index is about: `["label_edit", label]`, `["label_jid", label, chat]`,
/// `["label_message", label, chat, message, "0", "0"]`, `["label_reordering"]`. All
/// known clients write them so; of the last two parts of a message's, none reads
/// anything.
fn key(index: &[String]) -> Option<RecordKey> {
    let (kind, parts) = index.split_first()?;
    Some(match (kind.as_str(), parts) {
        ("label_edit", [label, ..]) => RecordKey::Label(storable(label)),
        ("label_jid", [label, chat, ..]) => {
            RecordKey::Association(storable(label), chat_jid(chat)?)
        }
        ("label_message", [label, chat, message, ..]) => {
            RecordKey::Message(storable(label), chat_jid(chat)?, storable(message))
        }
        ("label_reordering", _) => RecordKey::Order,
        _ => return None,
    })
}

/// A chat as the library writes it in its events.
fn chat_jid(text: &str) -> Option<ChatJid> {
    let jid: Jid = text.parse().ok()?;
    Some(ChatJid::from_app_state(jid.to_string()))
}

/// PostgreSQL's text refuses NUL, and message ids are the sender's to choose.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn definition(id: String, action: &LabelEditAction, changed_at: Timestamp) -> Record {
    Record::Label(Label {
        id,
        name: action.name.as_deref().map(storable).unwrap_or_default(),
        color: action.color.unwrap_or_default(),
        deleted: action.deleted.unwrap_or_default(),
        predefined_id: action.predefined_id,
        order_index: action.order_index,
        list_type: action.r#type.map(|t| t.to_i32()),
        is_active: action.is_active,
        is_immutable: action.is_immutable,
        mute_end_ms: action.mute_end_time_ms,
        changed_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|&p| p.to_owned()).collect()
    }

    #[test]
    fn an_index_names_what_its_record_is_about() {
        let chat = ChatJid::from_app_state("5511@s.whatsapp.net");
        let message = index(&[
            "label_message",
            "3",
            "5511@s.whatsapp.net",
            "3EB0",
            "0",
            "0",
        ]);
        assert_eq!(
            key(&message),
            Some(RecordKey::Message("3".into(), chat.clone(), "3EB0".into()))
        );
        assert_eq!(
            key(&index(&["label_jid", "3", "5511@s.whatsapp.net"])),
            Some(RecordKey::Association("3".into(), chat))
        );
        assert_eq!(key(&index(&["label_reordering"])), Some(RecordKey::Order));
        for other in [
            &[][..],
            &["label_edit"],
            &["label_jid", "3"],
            &["label_message", "3", "5511@s.whatsapp.net"],
            &["label_sublist", "3", "5511@s.whatsapp.net"],
        ] {
            assert_eq!(key(&index(other)), None, "{other:?}");
        }
    }
}
