//! What chats are called, a row for each JID a name was learned under.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::contact::ContactNews;
use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::lid_map::texts_json;
use crate::macros::{on, row, sql};

row! {
    /// The names learned under one JID. Empty texts: it has none any more.
    pub struct Names {
        /// Number, LID, group or channel.
        pub chat: String,
        /// Full name in the address book.
        pub name: Option<String>,
        /// First name in the address book.
        pub first_name: Option<String>,
        /// Verified business name.
        pub business_name: Option<String>,
        /// Name people show of themselves.
        pub push_name: Option<String>,
        /// Subject of a group or name of a channel.
        pub subject: Option<String>,
        /// Microseconds, when `name` was told; 0 where history told it, or nobody.
        pub named_at: i64,
        /// Microseconds, when anything was told; 0 where history told it.
        pub updated_at: i64,
    }
}

/// Writes what is new; names that are not told stay as they were. At most one
/// piece of news a chat, and one of history's (`contact::one_of_each`).
///
/// # Errors
/// The engine's own.
pub async fn set_many(
    tx: &mut Tx,
    instance: InstanceKey,
    news: &[ContactNews],
    at: Timestamp,
) -> Result<(), Error> {
    let (mut old, mut now): (Vec<_>, Vec<_>) = news.iter().partition(|n| n.old);
    // In the order of the key, so that neighbours are written together.
    now.sort_unstable_by(|a, b| a.chat.cmp(&b.chat));
    old.sort_unstable_by(|a, b| a.chat.cmp(&b.chat));
    if !now.is_empty() {
        on!(tx.conn(), c, text = "contacts/set_many" => sqlx::query(text)
            .bind(instance.0).bind(to_json(&now)?).bind(at.0).execute(c).await.map(drop))?;
    }
    if !old.is_empty() {
        on!(tx.conn(), c, text = "contacts/fill_many" => sqlx::query(text)
            .bind(instance.0).bind(to_json(&old)?).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// What is known under these JIDs, in no order. No JID may be in it twice.
///
/// # Errors
/// The engine's own.
pub async fn find_many(
    conn: Conn<'_>,
    instance: InstanceKey,
    chats: &[&str],
) -> Result<Vec<Names>, Error> {
    let json = texts_json(chats)?;
    Ok(
        on!(conn, c, text = "contacts/find_many" => sqlx::query_as(text)
        .bind(instance.0).bind(json).fetch_all(c).await)?,
    )
}

/// The next JIDs behind one under which names are known, in order.
///
/// # Errors
/// The engine's own.
pub async fn page(
    conn: Conn<'_>,
    instance: InstanceKey,
    behind: &str,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let rows: Vec<(String,)> = on!(conn, c => sqlx::query_as(sql!("contacts/page"))
        .bind(instance.0).bind(behind).bind(limit).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}

/// `[[chat, name, first_name, business_name, push_name, subject], …]`.
fn to_json(news: &[&ContactNews]) -> Result<String, Error> {
    let rows: Vec<_> = news
        .iter()
        .map(|n| {
            (
                n.chat.as_str(),
                &n.name,
                &n.first_name,
                &n.business_name,
                &n.push_name,
                &n.subject,
            )
        })
        .collect();
    serde_json::to_string(&rows).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))
}

#[cfg(all(test, feature = "testing"))]
#[path = "contacts_tests.rs"]
mod tests;
