//! One person, two ids: which chat a JID names, and under which name it is shown.

use labelwire_domain::chat::{ChatJid, LID_SERVER, PHONE_SERVER};
use labelwire_domain::ids::InstanceKey;
use labelwire_store::{Conn, Error, lid_map};

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
