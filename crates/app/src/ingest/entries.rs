//! Changes as rows of history.

use labelwire_domain::change::{Association, LabelOrder, MessageLabel, Mirror};
use labelwire_domain::label::Label;
use labelwire_store::log::NewEntry;
use serde_json::json;

pub(super) fn label_json(label: &Label) -> serde_json::Value {
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

pub(super) fn label_entry(before: Option<&Label>, after: &Label, origin: &'static str) -> NewEntry {
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

pub(super) fn association_entry(
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

pub(super) fn message_entry(
    mirror: &Mirror,
    message: &MessageLabel,
    labeled: bool,
    origin: &'static str,
    actor: Option<String>,
) -> NewEntry {
    let kind = if labeled {
        "message.labeled"
    } else {
        "message.unlabeled"
    };
    NewEntry {
        at: message.changed_at,
        kind,
        origin,
        actor,
        chat_jid: Some(message.chat_jid.as_str().to_owned()),
        label_id: Some(message.label_id.clone()),
        label_name: mirror.label_name(&message.label_id).map(str::to_owned),
        body: json!({ "labeled": labeled, "message_id": message.message_id }).to_string(),
    }
}

pub(super) fn order_entry(
    before: Option<&[i32]>,
    after: &LabelOrder,
    origin: &'static str,
    actor: Option<String>,
) -> NewEntry {
    NewEntry {
        at: after.changed_at,
        kind: "labels.reordered",
        origin,
        actor,
        chat_jid: None,
        label_id: None,
        label_name: None,
        body: json!({ "before": before, "after": after.ids }).to_string(),
    }
}
