//! One person, two ids: which chat a JID names, under which name it is shown, and
//! under which key it is written.

use std::collections::{HashMap, HashSet};

use labelwire_domain::chat::{ChatJid, LID_SERVER, PHONE_SERVER};
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::intent::Target;
use labelwire_store::{Conn, Error, Reader, chat_labels, lid_map};

/// What the LID map knows of the JIDs it was asked about: a statement or two,
/// however many they are.
struct Known {
    phones: HashMap<String, String>,
    lids: HashMap<String, String>,
}

impl Known {
    async fn of(
        conn: Conn<'_>,
        instance: InstanceKey,
        jids: impl Iterator<Item = &ChatJid>,
    ) -> Result<Self, Error> {
        let mut known = Self {
            phones: HashMap::new(),
            lids: HashMap::new(),
        };
        let (mut lids, mut phones) = (Vec::new(), Vec::new());
        for jid in jids {
            match jid.as_str().rsplit_once('@') {
                Some((lid, LID_SERVER)) => lids.push(lid),
                Some((phone, PHONE_SERVER)) => phones.push(phone),
                _ => {}
            }
        }
        let mut conn = conn;
        if !lids.is_empty() {
            let found = lid_map::find_by_lids(conn.reborrow(), instance, &lids).await?;
            known
                .phones
                .extend(found.into_iter().map(|m| (m.lid, m.phone)));
        }
        if !phones.is_empty() {
            for mapping in lid_map::find_by_phones(conn, instance, &phones).await? {
                // The one learned last comes first.
                known.lids.entry(mapping.phone).or_insert(mapping.lid);
            }
        }
        Ok(known)
    }

    fn shown(&self, jid: &ChatJid) -> String {
        let phone = jid.as_str().strip_suffix("@lid");
        match phone.and_then(|lid| self.phones.get(lid)) {
            Some(phone) => format!("{phone}@{PHONE_SERVER}"),
            None => jid.as_str().to_owned(),
        }
    }

    fn lid(&self, jid: &ChatJid) -> Option<ChatJid> {
        let phone = jid.as_str().strip_suffix("@s.whatsapp.net")?;
        let lid = self.lids.get(phone)?;
        Some(ChatJid::from_app_state(format!("{lid}@{LID_SERVER}")))
    }
}

/// The names chats are shown under, in their order: a phone number's where the LID
/// map knows it (`ryzeapi.md` decision 12), else as it is.
///
/// # Errors
/// The database's.
pub async fn shown_many<'a>(
    conn: Conn<'_>,
    instance: InstanceKey,
    jids: impl Iterator<Item = &'a ChatJid> + Clone,
) -> Result<Vec<String>, Error> {
    // Numbers are shown as they are.
    let lids = jids.clone().filter(|jid| jid.is_lid());
    let known = Known::of(conn, instance, lids).await?;
    Ok(jids.map(|jid| known.shown(jid)).collect())
}

/// The same for one.
///
/// # Errors
/// The database's.
pub async fn shown(conn: Conn<'_>, instance: InstanceKey, jid: &ChatJid) -> Result<String, Error> {
    let mut names = shown_many(conn, instance, std::iter::once(jid)).await?;
    Ok(names.pop().unwrap_or_else(|| jid.as_str().to_owned()))
}

/// The shown name and the hidden id of each, in their order, as far as they are
/// known.
///
/// # Errors
/// The database's.
pub async fn both_ids(
    conn: Conn<'_>,
    instance: InstanceKey,
    jids: &[ChatJid],
) -> Result<Vec<(String, Option<String>)>, Error> {
    let known = Known::of(conn, instance, jids.iter()).await?;
    let ids = jids.iter().map(|jid| {
        let lid = if jid.is_lid() {
            Some(jid.as_str().to_owned())
        } else {
            known.lid(jid).map(|lid| lid.as_str().to_owned())
        };
        (known.shown(jid), lid)
    });
    Ok(ids.collect())
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
    let mut names = shown_many(reader.conn(), instance, jids.iter()).await?;
    let twins: HashMap<usize, ChatJid> = jids
        .iter()
        .enumerate()
        .filter_map(|(at, jid)| Some((at, jid.ninth_digit_twin()?)))
        .collect();
    if twins.is_empty() {
        return Ok(names);
    }
    let asked: Vec<&str> = twins
        .iter()
        .flat_map(|(at, twin)| [names[*at].as_str(), twin.as_str()])
        .collect();
    let labelled: HashSet<String> = chat_labels::of_chats(reader.conn(), instance, &asked)
        .await?
        .into_keys()
        .collect();
    let both = twins.iter().flat_map(|(at, twin)| [&jids[*at], twin]);
    let known = Known::of(reader.conn(), instance, both).await?;
    for (at, twin) in twins {
        if labelled.contains(&names[at]) {
            continue;
        }
        let other = labelled.contains(twin.as_str())
            || (known.lid(&jids[at]).is_none() && known.lid(&twin).is_some());
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
    let found: Vec<ChatJid> = names.into_iter().map(ChatJid::from_app_state).collect();
    let numbers = found.iter().filter(|_| lid_migrated);
    let known = Known::of(reader.conn(), instance, numbers).await?;
    let targets = jids.iter().zip(found).map(|(jid, found)| {
        let key = match known.lid(&found) {
            _ if jid.is_lid() => jid.as_str().to_owned(),
            Some(lid) => lid.as_str().to_owned(),
            None => found.as_str().to_owned(),
        };
        Target {
            chat: found.as_str().to_owned(),
            key,
        }
    });
    Ok(targets.collect())
}
