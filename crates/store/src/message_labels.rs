//! Which message carries which label: one row a record of WhatsApp's.

use std::fmt::Write as _;

use labelwire_domain::change::MessageLabel;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;

use crate::chat_labels::{Unmerged, push_text};
use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    struct MessageRow {
        label_id: String,
        chat_jid: String,
        message_id: String,
        labeled: bool,
        changed_at: i64,
    }
}

row! {
    /// A message that carries a label, by its chat's shown name.
    pub struct Labeled {
        /// The chat's one shown name.
        pub chat: String,
        /// The message's id.
        pub message_id: String,
        /// When WhatsApp says it was labeled, microseconds.
        pub changed_at: i64,
    }
}

impl From<MessageRow> for MessageLabel {
    fn from(row: MessageRow) -> Self {
        Self {
            label_id: row.label_id,
            chat_jid: ChatJid::from_app_state(row.chat_jid),
            message_id: row.message_id,
            labeled: row.labeled,
            changed_at: Timestamp(row.changed_at),
        }
    }
}

/// Records as the bulk statements read them: `[[label, jid, 0|1, at, message], …]`.
#[must_use]
pub fn to_json(messages: &[MessageLabel]) -> String {
    let mut json = String::with_capacity(messages.len() * 96 + 2);
    json.push('[');
    for (i, m) in messages.iter().enumerate() {
        json.push_str(if i > 0 { ",[" } else { "[" });
        push_text(&mut json, &m.label_id);
        json.push(',');
        push_text(&mut json, m.chat_jid.as_str());
        let _ = write!(json, ",{},{},", u8::from(m.labeled), m.changed_at.0);
        push_text(&mut json, &m.message_id);
        json.push(']');
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
    messages: &[MessageLabel],
) -> Result<(), Error> {
    on!(tx.conn(), c, text = "message_labels/set_many" => sqlx::query(text)
        .bind(instance.0).bind(to_json(messages)).execute(c).await.map(drop))?;
    Ok(())
}

/// Removes records.
///
/// # Errors
/// The engine's own.
pub async fn delete_many(
    tx: &mut Tx,
    instance: InstanceKey,
    messages: &[MessageLabel],
) -> Result<(), Error> {
    on!(tx.conn(), c, text = "message_labels/delete_many" => sqlx::query(text)
        .bind(instance.0).bind(to_json(messages)).execute(c).await.map(drop))?;
    Ok(())
}

/// What is held for the keys of these records.
///
/// # Errors
/// The engine's own.
pub async fn find_many(
    conn: Conn<'_>,
    instance: InstanceKey,
    keys: &[MessageLabel],
) -> Result<Vec<MessageLabel>, Error> {
    let json = to_json(keys);
    let rows: Vec<MessageRow> = on!(conn, c, text = "message_labels/find_many" => sqlx::query_as(text)
        .bind(instance.0).bind(json).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Every record.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<MessageLabel>, Error> {
    let rows: Vec<MessageRow> = on!(conn, c => sqlx::query_as(sql!("message_labels/all"))
        .bind(instance.0).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The next messages whose record says they carry a label (the label itself may be
/// deleted), behind this chat (shown name) and message, ordered by both.
///
/// # Errors
/// The engine's own.
pub async fn page_of_label(
    conn: Conn<'_>,
    instance: InstanceKey,
    label_id: &str,
    behind: (&str, &str),
    limit: i64,
) -> Result<Vec<Labeled>, Error> {
    Ok(
        on!(conn, c => sqlx::query_as(sql!("message_labels/page_of_label"))
        .bind(instance.0).bind(label_id).bind(behind.0).bind(behind.1).bind(limit)
        .fetch_all(c).await)?,
    )
}

/// How many messages carry a label by their records.
///
/// # Errors
/// The engine's own.
pub async fn count_of_label(
    conn: Conn<'_>,
    instance: InstanceKey,
    label_id: &str,
) -> Result<i64, Error> {
    let (count,): (i64,) = on!(conn, c => sqlx::query_as(sql!("message_labels/count_of_label"))
        .bind(instance.0).bind(label_id).fetch_one(c).await)?;
    Ok(count)
}

/// The labels (deleted ones too) whose record says they are on a message of this
/// chat (shown name).
///
/// # Errors
/// The engine's own.
pub async fn labels_of_message(
    conn: Conn<'_>,
    instance: InstanceKey,
    chat: &str,
    message_id: &str,
) -> Result<Vec<String>, Error> {
    let rows: Vec<(String,)> = on!(conn, c, text = "message_labels/labels_of_message" => sqlx::query_as(text)
        .bind(instance.0).bind(chat).bind(message_id).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}

/// The records of one label on one message (chat by its shown name), under every
/// key there is; live ones and later ones first.
///
/// # Errors
/// The engine's own.
pub async fn keys_of_message(
    conn: Conn<'_>,
    instance: InstanceKey,
    label_id: &str,
    chat: &str,
    message_id: &str,
) -> Result<Vec<MessageLabel>, Error> {
    let rows: Vec<MessageRow> = on!(conn, c, text = "message_labels/keys_of_message" => sqlx::query_as(text)
        .bind(instance.0).bind(chat).bind(message_id).bind(label_id).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Into::into).collect())
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
    to: &str,
) -> Result<bool, Error> {
    let done = on!(tx.conn(), c => sqlx::query(sql!("message_labels/merge_one"))
        .bind(instance.0).bind(to).bind(lid_jid)
        .execute(c).await.map(|r| r.rows_affected()))?;
    Ok(done > 0)
}

/// Chats with labeled messages shown by LID whose number is known by now.
///
/// # Errors
/// The engine's own.
pub async fn unmerged(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Unmerged>, Error> {
    Ok(
        on!(conn, c, text = "message_labels/unmerged" => sqlx::query_as(text)
        .bind(instance.0).fetch_all(c).await)?,
    )
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::{self, TestDb};

    fn message(label: &str, chat: &str, id: &str, labeled: bool) -> MessageLabel {
        MessageLabel {
            label_id: label.into(),
            chat_jid: ChatJid::from_app_state(chat),
            message_id: id.into(),
            labeled,
            changed_at: Timestamp(7),
        }
    }

    async fn walk(test_db: TestDb) -> Result<(), Error> {
        let db = test_db.open().await?;
        let one = testing::instance(&db, "one").await?;
        let other = testing::instance(&db, "other").await?;
        let written = [
            message("1", "5@lid", "B", true),
            message("1", "5@lid", "a\"\\ü", true),
            message("1", "49@s.whatsapp.net", "B", true),
            message("2", "5@lid", "B", true),
            message("3", "5@lid", "B", false),
        ];
        let mut tx = db.begin().await?;
        set_many(&mut tx, one, &written).await?;
        set_many(&mut tx, other, &written[..1]).await?;
        assert_eq!(
            find_many(tx.conn(), one, &written).await?.len(),
            written.len()
        );

        // Pages walk every message once, in order.
        let mut behind = (String::new(), String::new());
        let mut walked = Vec::new();
        loop {
            let at = (behind.0.as_str(), behind.1.as_str());
            let page = page_of_label(tx.conn(), one, "1", at, 2).await?;
            let Some(last) = page.last() else { break };
            behind = (last.chat.clone(), last.message_id.clone());
            walked.extend(page.into_iter().map(|m| (m.chat, m.message_id)));
        }
        let mut sorted = walked.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((walked.len(), &walked), (3, &sorted));

        // One person under two ids: the same message is one.
        let to = "49@s.whatsapp.net";
        assert!(merge(&mut tx, one, "5@lid", to).await?);
        assert_eq!(count_of_label(tx.conn(), one, "1").await?, 2);
        let mut labels = labels_of_message(tx.conn(), one, to, "B").await?;
        labels.sort();
        assert_eq!(labels, ["1", "2"]);
        let keys = keys_of_message(tx.conn(), one, "1", to, "B").await?;
        assert_eq!(keys.len(), 2);

        delete_many(&mut tx, one, &written[..3]).await?;
        assert_eq!(all(tx.conn(), one).await?.len(), 2);
        assert_eq!(count_of_label(tx.conn(), other, "1").await?, 1);
        tx.commit().await?;
        test_db.remove().await
    }

    #[tokio::test]
    async fn messages_are_found_paged_merged_and_dropped() {
        walk(TestDb::sqlite().unwrap()).await.unwrap();
    }

    #[tokio::test]
    #[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
    async fn messages_are_found_paged_merged_and_dropped_on_postgres() {
        walk(TestDb::postgres().await.unwrap()).await.unwrap();
    }
}
