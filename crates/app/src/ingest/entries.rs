//! Changes as rows of history.

use labelwire_domain::change::{Association, Change, LabelOrder, MessageLabel, Mirror};
use labelwire_domain::event::{Kind, Origin};
use labelwire_domain::label::Label;
use labelwire_domain::past::label_json;
use labelwire_store::log::NewEntry;
use serde_json::{Value, json};

/// The row of history a change makes; `None` where nothing happened: a first record
/// that says "not labeled" is known from now on, and that is all.
pub(super) fn entry(mirror: &Mirror, change: &Change, origin: Origin) -> Option<NewEntry> {
    let entry = match change {
        Change::Label { before, after } => label_entry(before.as_ref(), after, origin),
        Change::Association { before, after } if before.is_some() || after.labeled => {
            association_entry(mirror, after, after.labeled, origin)
        }
        Change::Forgotten { before } if before.labeled => {
            association_entry(mirror, before, false, origin)
        }
        Change::Message { before, after } if before.is_some() || after.labeled => {
            message_entry(mirror, after, after.labeled, origin)
        }
        Change::ForgottenMessage { before } if before.labeled => {
            message_entry(mirror, before, false, origin)
        }
        Change::Order { before, after } => order_entry(before.as_deref(), after, origin),
        _ => return None,
    };
    Some(entry)
}

fn label_entry(before: Option<&Label>, after: &Label, origin: Origin) -> NewEntry {
    let kind = match before {
        _ if after.deleted => Kind::LabelDeleted,
        None => Kind::LabelCreated,
        Some(known) if known.deleted => Kind::LabelCreated,
        Some(_) => Kind::LabelChanged,
    };
    let body = json!({ "before": before.map(label_json), "after": label_json(after) });
    NewEntry {
        label_id: Some(after.id.clone()),
        label_name: Some(after.name.clone()),
        ..NewEntry::new(after.changed_at, kind, origin, &body)
    }
}

fn association_entry(
    mirror: &Mirror,
    association: &Association,
    labeled: bool,
    origin: Origin,
) -> NewEntry {
    let kind = if labeled {
        Kind::ChatLabeled
    } else {
        Kind::ChatUnlabeled
    };
    let body = on_off(mirror, &association.label_id, labeled);
    NewEntry {
        chat_jid: Some(association.chat_jid.as_str().to_owned()),
        label_id: Some(association.label_id.clone()),
        label_name: mirror.label_name(&association.label_id).map(str::to_owned),
        ..NewEntry::new(association.changed_at, kind, origin, &body)
    }
}

fn message_entry(
    mirror: &Mirror,
    message: &MessageLabel,
    labeled: bool,
    origin: Origin,
) -> NewEntry {
    let kind = if labeled {
        Kind::MessageLabeled
    } else {
        Kind::MessageUnlabeled
    };
    let body = on_off(mirror, &message.label_id, labeled);
    NewEntry {
        chat_jid: Some(message.chat_jid.as_str().to_owned()),
        label_id: Some(message.label_id.clone()),
        label_name: mirror.label_name(&message.label_id).map(str::to_owned),
        message_id: Some(message.message_id.clone()),
        ..NewEntry::new(message.changed_at, kind, origin, &body)
    }
}

fn order_entry(before: Option<&[i32]>, after: &LabelOrder, origin: Origin) -> NewEntry {
    let body = json!({ "before": before, "after": after.ids });
    NewEntry::new(after.changed_at, Kind::LabelsReordered, origin, &body)
}

fn on_off(mirror: &Mirror, label_id: &str, labeled: bool) -> Value {
    json!({
        "before": { "labeled": !labeled },
        "after": { "labeled": labeled },
        "color": mirror.label_color(label_id),
    })
}
