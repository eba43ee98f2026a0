//! Pages of history, by what is asked of it.

use labelwire_domain::ids::InstanceKey;

use crate::chat_labels::texts;
use crate::db::Conn;
use crate::error::Error;
use crate::log::Entry;
use crate::macros::on;

/// Which rows; a part that is not set lets all pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rows<'a> {
    /// Behind this place.
    pub behind: i64,
    /// Up to this place.
    pub through: i64,
    /// Kinds' words.
    pub kinds: Option<&'a [&'a str]>,
    /// Labels' ids.
    pub labels: Option<&'a [&'a str]>,
    /// Who asked for the change.
    pub actor: Option<&'a str>,
    /// Keys of chats.
    pub chats: Option<&'a [&'a str]>,
    /// Latest first.
    pub latest_first: bool,
}

/// Rows of an instance, in the order asked for, at most `limit`.
///
/// # Errors
/// The engine's own.
pub async fn page(
    conn: Conn<'_>,
    instance: InstanceKey,
    rows: &Rows<'_>,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    let (kinds, labels) = (rows.kinds.map(texts), rows.labels.map(texts));
    macro_rules! read {
        ($name:literal $(, $chats:expr)?) => {
            on!(conn, c, text = $name => sqlx::query_as(text)
                .bind(instance.0).bind(rows.behind).bind(rows.through).bind(kinds).bind(labels)
                .bind(rows.actor).bind(limit)$(.bind($chats))?.fetch_all(c).await)?
        };
    }
    Ok(match (rows.chats.map(texts), rows.latest_first) {
        (None, false) => read!("events/page_asc"),
        (None, true) => read!("events/page_desc"),
        (Some(chats), false) => read!("events/of_chat_asc", chats),
        (Some(chats), true) => read!("events/of_chat_desc", chats),
    })
}
