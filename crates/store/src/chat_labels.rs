//! Which chat carries which label: one row a record of WhatsApp's.

use std::collections::HashMap;
use std::fmt::Write as _;

use futures_util::TryStreamExt as _;
use labelwire_domain::change::Association;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    struct AssociationRow {
        label_id: String,
        chat_jid: String,
        labeled: bool,
        changed_at: i64,
    }
}

row! {
    /// One live record of a chat, by the chat's shown name.
    pub struct LiveRow {
        /// The chat's one shown name.
        pub chat: String,
        /// A label whose last record says it is on the chat (the label itself may be deleted).
        pub label_id: String,
    }
}

impl From<AssociationRow> for Association {
    fn from(row: AssociationRow) -> Self {
        Self {
            label_id: row.label_id,
            chat_jid: ChatJid::from_app_state(row.chat_jid),
            labeled: row.labeled,
            changed_at: Timestamp(row.changed_at),
        }
    }
}

/// Records as the bulk statements read them: `[[label, jid, 0|1, at], …]`.
#[must_use]
pub fn to_json(associations: &[Association]) -> String {
    let mut json = String::with_capacity(associations.len() * 64 + 2);
    json.push('[');
    for (i, a) in associations.iter().enumerate() {
        if i > 0 {
            json.push(',');
        }
        json.push('[');
        push_text(&mut json, &a.label_id);
        json.push(',');
        push_text(&mut json, a.chat_jid.as_str());
        let _ = write!(json, ",{},{}]", u8::from(a.labeled), a.changed_at.0);
    }
    json.push(']');
    json
}

/// A JSON string. Ids and JIDs nearly never need escaping; what does, serde escapes.
pub(crate) fn push_text(json: &mut String, text: &str) {
    if text
        .bytes()
        .all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\')
    {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::Value::from(text).to_string());
    }
}

pub(crate) fn texts(values: &[&str]) -> String {
    let mut json = String::from("[");
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            json.push(',');
        }
        push_text(&mut json, value);
    }
    json.push(']');
    json
}

/// Writes records, and each chat's shown name by the LID map. No record may be in
/// it twice.
///
/// # Errors
/// The engine's own.
pub async fn set_many(
    tx: &mut Tx,
    instance: InstanceKey,
    associations: &[Association],
) -> Result<(), Error> {
    if let Conn::Sqlite(c) = tx.conn()
        && let Some(flat) = to_flat_json(associations)
    {
        return Ok(sqlx::query(sql!("chat_labels/set_flat.sqlite"))
            .bind(instance.0)
            .bind(flat)
            .execute(c)
            .await
            .map(drop)?);
    }
    on!(tx.conn(), c, text = "chat_labels/set_many" => sqlx::query(text)
        .bind(instance.0).bind(to_json(associations)).execute(c).await.map(drop))?;
    Ok(())
}

/// Records as plain texts of fixed columns: labeled (1), time (17), length of the
/// label id (2), label id, JID. SQLite takes a text apart in half the time that
/// an array within the array takes it. `None` for what does not fit the columns.
fn to_flat_json(associations: &[Association]) -> Option<String> {
    let mut json = String::with_capacity(associations.len() * 64 + 2);
    let mut text = String::new();
    json.push('[');
    for (i, a) in associations.iter().enumerate() {
        let id_chars = a.label_id.chars().count();
        if id_chars > 99 || !(0..100_000_000_000_000_000).contains(&a.changed_at.0) {
            return None;
        }
        text.clear();
        let _ = write!(
            text,
            "{}{:017}{id_chars:02}{}{}",
            u8::from(a.labeled),
            a.changed_at.0,
            a.label_id,
            a.chat_jid
        );
        if i > 0 {
            json.push(',');
        }
        push_text(&mut json, &text);
    }
    json.push(']');
    Some(json)
}

/// Removes records.
///
/// # Errors
/// The engine's own.
pub async fn delete_many(
    tx: &mut Tx,
    instance: InstanceKey,
    associations: &[Association],
) -> Result<(), Error> {
    on!(tx.conn(), c, text = "chat_labels/delete_many" => sqlx::query(text)
        .bind(instance.0).bind(to_json(associations)).execute(c).await.map(drop))?;
    Ok(())
}

/// What is held for the keys of these records.
///
/// # Errors
/// The engine's own.
pub async fn find_many(
    conn: Conn<'_>,
    instance: InstanceKey,
    keys: &[Association],
) -> Result<Vec<Association>, Error> {
    let json = to_json(keys);
    let rows: Vec<AssociationRow> = on!(conn, c, text = "chat_labels/find_many" => sqlx::query_as(text)
        .bind(instance.0).bind(json).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Every record.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Association>, Error> {
    on!(conn, c => sqlx::query_as::<_, AssociationRow>(sql!("chat_labels/all"))
        .bind(instance.0).fetch(c).map_ok(Into::into).try_collect().await)
    .map_err(Into::into)
}

/// Every record that says "labeled", ordered by chat and label.
///
/// # Errors
/// The engine's own, or `each`'s.
pub async fn each_live(
    conn: Conn<'_>,
    instance: InstanceKey,
    mut each: impl FnMut(LiveRow),
) -> Result<(), Error> {
    on!(conn, c => {
        let mut rows = sqlx::query_as::<_, LiveRow>(sql!("chat_labels/live_by_chat"))
            .bind(instance.0).fetch(c);
        while let Some(row) = rows.try_next().await? {
            each(row);
        }
    });
    Ok(())
}

/// The next "labeled" records behind a chat, ordered by chat and label.
///
/// # Errors
/// The engine's own.
pub async fn live_page(
    conn: Conn<'_>,
    instance: InstanceKey,
    behind: &str,
    limit: i64,
) -> Result<Vec<LiveRow>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("chat_labels/live_page"))
        .bind(instance.0).bind(behind).bind(limit).fetch_all(c).await)?)
}

/// Every "labeled" record of the chats that carry at least one of these labels,
/// ordered by chat and label.
///
/// # Errors
/// The engine's own.
pub async fn each_live_by_label(
    conn: Conn<'_>,
    instance: InstanceKey,
    label_ids: &[&str],
    mut each: impl FnMut(LiveRow),
) -> Result<(), Error> {
    let json = texts(label_ids);
    on!(conn, c, text = "chat_labels/live_by_label" => {
        let mut rows = sqlx::query_as::<_, LiveRow>(text).bind(instance.0).bind(json).fetch(c);
        while let Some(row) = rows.try_next().await? {
            each(row);
        }
    });
    Ok(())
}

/// Every "labeled" record of these chats (shown names), ordered by chat and label.
///
/// # Errors
/// The engine's own.
pub async fn live_of_chats(
    conn: Conn<'_>,
    instance: InstanceKey,
    chats: &[&str],
) -> Result<Vec<LiveRow>, Error> {
    let json = texts(chats);
    Ok(
        on!(conn, c, text = "chat_labels/live_of_chats" => sqlx::query_as(text)
        .bind(instance.0).bind(json).fetch_all(c).await)?,
    )
}

/// Moves a LID's records to the shown name of its phone number. The records keep
/// the key they exist under.
///
/// # Errors
/// The engine's own.
pub async fn merge(
    tx: &mut Tx,
    instance: InstanceKey,
    lid_jid: &str,
    from: &str,
    to: &str,
) -> Result<bool, Error> {
    let done = on!(tx.conn(), c => sqlx::query(sql!("chat_labels/merge_one"))
        .bind(instance.0).bind(lid_jid).bind(to).bind(from)
        .execute(c).await.map(|r| r.rows_affected()))?;
    Ok(done > 0)
}

row! {
    /// A chat shown by its LID although the map knows its number.
    pub struct Unmerged {
        /// `<digits>@lid`.
        pub lid_jid: String,
        /// Digits.
        pub phone: String,
    }
}

/// Chats shown by LID whose number is known by now.
///
/// # Errors
/// The engine's own.
pub async fn unmerged(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Unmerged>, Error> {
    Ok(
        on!(conn, c, text = "chat_labels/unmerged" => sqlx::query_as(text)
        .bind(instance.0).fetch_all(c).await)?,
    )
}

row! {
    struct OfChatRow {
        chat: String,
        label_id: String,
        chat_jid: String,
        labeled: bool,
        changed_at: i64,
    }
}

/// Every record of these chats (shown names), by chat; chats without any are left out.
///
/// # Errors
/// The engine's own.
pub async fn of_chats(
    conn: Conn<'_>,
    instance: InstanceKey,
    chats: &[&str],
) -> Result<HashMap<String, Vec<Association>>, Error> {
    let names =
        serde_json::to_string(chats).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))?;
    let rows: Vec<OfChatRow> = on!(conn, c, text = "chat_labels/of_chats" => sqlx::query_as(text)
        .bind(instance.0).bind(names).fetch_all(c).await)?;
    let mut of: HashMap<String, Vec<Association>> = HashMap::new();
    for row in rows {
        of.entry(row.chat).or_default().push(Association {
            label_id: row.label_id,
            chat_jid: ChatJid::from_app_state(row.chat_jid),
            labeled: row.labeled,
            changed_at: Timestamp(row.changed_at),
        });
    }
    Ok(of)
}

/// How many chats (shown names) carry each label id.
///
/// # Errors
/// The engine's own.
pub async fn counts(conn: Conn<'_>, instance: InstanceKey) -> Result<HashMap<String, u64>, Error> {
    let rows: Vec<(String, i64)> = on!(conn, c => sqlx::query_as(sql!("chat_labels/counts"))
        .bind(instance.0).fetch_all(c).await)?;
    Ok(rows
        .into_iter()
        .map(|(id, count)| (id, u64::try_from(count).unwrap_or_default()))
        .collect())
}

/// Every label id any record names, whether there is a label of that id or not.
///
/// # Errors
/// The engine's own.
pub async fn label_ids(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<String>, Error> {
    let rows: Vec<(String,)> = on!(conn, c => sqlx::query_as(sql!("chat_labels/label_ids"))
        .bind(instance.0).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}

/// Shown names of chats whose record says they carry this label, at most `limit`.
///
/// # Errors
/// The engine's own.
pub async fn chats_of_label(
    conn: Conn<'_>,
    instance: InstanceKey,
    label_id: &str,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let rows: Vec<(String,)> = on!(conn, c, text = "chat_labels/chats_of_label" => sqlx::query_as(text)
        .bind(instance.0).bind(label_id).bind(limit).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::{self, TestDb};

    /// Ids of every length and letter come back as they went in, whichever of the
    /// statements took them.
    #[tokio::test]
    async fn odd_ids_survive() {
        let test_db = TestDb::sqlite().unwrap();
        let db = test_db.open().await.unwrap();
        let instance = testing::instance(&db, "one").await.unwrap();
        let long = "9".repeat(150);
        let mut written = Vec::new();
        for (n, label) in ["1", "12", "", "ü\"\\\n", "diag_x", &long]
            .into_iter()
            .enumerate()
        {
            for chat in ["1@lid", "x y\u{1f600}@g.us", "", "5511@s.whatsapp.net"] {
                written.push(Association {
                    label_id: label.to_owned(),
                    chat_jid: ChatJid::from_app_state(chat),
                    labeled: n % 2 == 0,
                    changed_at: Timestamp(i64::try_from(n).unwrap() * 1_700_000_000_000_000),
                });
            }
        }
        for rows in written.chunks(8) {
            let mut tx = db.begin().await.unwrap();
            set_many(&mut tx, instance, rows).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut reader = db.reader().await.unwrap();
        let key = |a: &Association| (a.label_id.clone(), a.chat_jid.clone());
        let mut read = all(reader.conn(), instance).await.unwrap();
        read.sort_by_key(key);
        written.sort_by_key(key);
        assert_eq!(read, written);
    }
}
