//! One person, two ids: which chat a JID names, under which name it is shown, and
//! under which key it is written.

use std::collections::{HashMap, HashSet};

use labelwire_domain::chat::{ChatJid, LID_SERVER, PHONE_SERVER};
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::intent::Target;
use labelwire_store::{Conn, Error, Reader, chat_labels, lid_map};

/// The name a chat is shown under: its phone number's where the LID map knows
/// it (`ryzeapi.md` decision 12), else as it is.
///
/// # Errors
/// The database's.
pub async fn shown(conn: Conn<'_>, instance: InstanceKey, jid: &ChatJid) -> Result<String, Error> {
    if let Some(lid) = jid.as_str().strip_suffix("@lid")
        && let Some(mapping) = lid_map::find_by_lid(conn, instance, lid).await?
    {
        return Ok(format!("{}@{PHONE_SERVER}", mapping.phone));
    }
    Ok(jid.as_str().to_owned())
}

/// The LID of a chat known by number, where the map knows it.
///
/// # Errors
/// The database's.
pub async fn lid_of(
    conn: Conn<'_>,
    instance: InstanceKey,
    jid: &ChatJid,
) -> Result<Option<ChatJid>, Error> {
    let Some(phone) = jid.as_str().strip_suffix("@s.whatsapp.net") else {
        return Ok(None);
    };
    Ok(lid_map::find_by_phone(conn, instance, phone)
        .await?
        .map(|m| ChatJid::from_app_state(format!("{}@{LID_SERVER}", m.lid))))
}

/// The shown name of the chat a caller means. Brazil's numbers are known with and
/// without their ninth digit: where nothing is known of the one written, the other
/// is looked for.
///
/// # Errors
/// The database's.
pub async fn find(
    reader: &mut Reader,
    instance: InstanceKey,
    jid: &ChatJid,
) -> Result<String, Error> {
    let mut found = find_many(reader, instance, std::slice::from_ref(jid)).await?;
    Ok(found.pop().unwrap_or_else(|| jid.as_str().to_owned()))
}

/// The same for many, in their order.
///
/// # Errors
/// The database's.
pub async fn find_many(
    reader: &mut Reader,
    instance: InstanceKey,
    jids: &[ChatJid],
) -> Result<Vec<String>, Error> {
    let mut names = Vec::with_capacity(jids.len());
    let mut twins: HashMap<usize, ChatJid> = HashMap::new();
    for (at, jid) in jids.iter().enumerate() {
        names.push(shown(reader.conn(), instance, jid).await?);
        if let Some(twin) = jid.ninth_digit_twin() {
            twins.insert(at, twin);
        }
    }
    if twins.is_empty() {
        return Ok(names);
    }
    let asked: Vec<&str> = twins
        .iter()
        .flat_map(|(at, twin)| [names[*at].as_str(), twin.as_str()])
        .collect();
    let known: HashSet<String> = chat_labels::of_chats(reader.conn(), instance, &asked)
        .await?
        .into_keys()
        .collect();
    for (at, twin) in twins {
        if known.contains(&names[at]) {
            continue;
        }
        let other = known.contains(twin.as_str())
            || (lid_of(reader.conn(), instance, &jids[at]).await?.is_none()
                && lid_of(reader.conn(), instance, &twin).await?.is_some());
        if other {
            twin.as_str().clone_into(&mut names[at]);
        }
    }
    Ok(names)
}

/// Where records of these chats are written, in their order: the key of a chat
/// that has none yet is its hidden id where WhatsApp has moved the account to
/// hidden ids and it is known, else the form asked for (`protocol.md` A6).
///
/// # Errors
/// The database's.
pub async fn targets(
    reader: &mut Reader,
    instance: InstanceKey,
    jids: &[ChatJid],
    lid_migrated: bool,
) -> Result<Vec<Target>, Error> {
    let names = find_many(reader, instance, jids).await?;
    let mut targets = Vec::with_capacity(names.len());
    for (jid, chat) in jids.iter().zip(names) {
        let found = ChatJid::from_app_state(chat.clone());
        let key = if jid.is_lid() {
            jid.clone()
        } else if lid_migrated {
            lid_of(reader.conn(), instance, &found)
                .await?
                .unwrap_or(found)
        } else {
            found
        };
        targets.push(Target {
            chat,
            key: key.as_str().to_owned(),
        });
    }
    Ok(targets)
}
