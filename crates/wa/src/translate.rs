//! From the library's events to records. Pure; `waproto` ends here.

use labelwire_domain::change::{Association, Record};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::label::Label;
use whatsapp_rust::buffa::Enumeration as _;
use whatsapp_rust::types::events::{LabelAssociationUpdate, LabelEditUpdate};

/// A label's definition (`label_edit`).
pub(crate) fn label(update: &LabelEditUpdate) -> Record {
    let action = &update.action;
    Record::Label(Label {
        id: update.label_id.clone(),
        name: action.name.clone().unwrap_or_default(),
        color: action.color.unwrap_or_default(),
        deleted: action.deleted.unwrap_or_default(),
        predefined_id: action.predefined_id,
        order_index: action.order_index,
        list_type: action.r#type.map(|t| t.to_i32()),
        is_active: action.is_active,
        is_immutable: action.is_immutable,
        mute_end_ms: action.mute_end_time_ms,
        changed_at: Timestamp::from_millis(update.timestamp.timestamp_millis()),
    })
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
