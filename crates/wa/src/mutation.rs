//! From records to mutations, as patches carry them. Pure; `waproto` begins here.

use labelwire_domain::change::Record;
use serde_json::json;
use whatsapp_rust::buffa::{Enumeration as _, MessageField};
use whatsapp_rust::waproto::whatsapp::{self as wa, sync_action_value as action};

/// Schema version of every label action.
const ACTION_VERSION: i32 = 3;

/// A record as a patch carries it: index JSON, value and action version
/// (`protocol.md`, label mutations). `None` for what is never written.
pub(crate) fn of(record: &Record) -> Option<(Vec<u8>, wa::SyncActionValue, i32)> {
    let empty = wa::SyncActionValue::default;
    let (index, value, at) = match record {
        Record::Label(l) => {
            let action = action::LabelEditAction {
                name: Some(l.name.clone()),
                color: Some(l.color),
                predefined_id: l.predefined_id,
                deleted: Some(l.deleted),
                order_index: l.order_index,
                is_active: l.is_active,
                r#type: l
                    .list_type
                    .and_then(action::label_edit_action::ListType::from_i32),
                is_immutable: l.is_immutable,
                mute_end_time_ms: l.mute_end_ms,
            };
            let value = wa::SyncActionValue {
                label_edit_action: MessageField::some(action),
                ..empty()
            };
            (json!(["label_edit", l.id]), value, l.changed_at)
        }
        Record::Association(a) => {
            let value = wa::SyncActionValue {
                label_association_action: labeled(a.labeled),
                ..empty()
            };
            let index = json!(["label_jid", a.label_id, a.chat_jid.as_str()]);
            (index, value, a.changed_at)
        }
        Record::Message(m) => {
            let value = wa::SyncActionValue {
                label_association_action: labeled(m.labeled),
                ..empty()
            };
            let chat = m.chat_jid.as_str();
            let index = json!(["label_message", m.label_id, chat, m.message_id, "0", "0"]);
            (index, value, m.changed_at)
        }
        Record::Order(o) => {
            let action = action::LabelReorderingAction {
                sorted_label_ids: o.ids.clone(),
            };
            let value = wa::SyncActionValue {
                label_reordering_action: MessageField::some(action),
                ..empty()
            };
            (json!(["label_reordering"]), value, o.changed_at)
        }
        Record::Removed(_) => return None,
    };
    let value = wa::SyncActionValue {
        timestamp: Some(at.as_millis()),
        ..value
    };
    Some((index.to_string().into_bytes(), value, ACTION_VERSION))
}

fn labeled(labeled: bool) -> MessageField<action::LabelAssociationAction> {
    MessageField::some(action::LabelAssociationAction {
        labeled: Some(labeled),
        ..Default::default()
    })
}
