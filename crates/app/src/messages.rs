//! Use cases on messages that carry labels, and the order of labels.

use std::sync::Arc;

use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::label::{Label, id_order};
use labelwire_store::{label_orders, message_labels};

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::identity;
use crate::instance::Handle;

/// A message that carries a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageOfLabel {
    /// The chat's one shown name.
    pub chat: String,
    /// The message's id within the chat.
    pub message_id: String,
    /// When WhatsApp says the label was put on it.
    pub changed_at: Timestamp,
}

/// Whether this can be a message's id: 1 to 128 visible ASCII characters.
///
/// # Errors
/// [`Error::InvalidMessage`].
pub(crate) fn check_message_id(id: &str) -> Result<(), Error> {
    let is_id = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    is_id.then_some(()).ok_or(Error::InvalidMessage)
}

impl App {
    /// The next messages that carry a label, at most `limit`, by chat and message
    /// id; `after` is the last of the page before.
    ///
    /// # Errors
    /// [`Error::NeverSynced`]; [`Error::LabelNotFound`] for no live label.
    pub async fn messages_of_label(
        &self,
        caller: &Caller,
        name: &str,
        label_id: &str,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<Vec<MessageOfLabel>, Error> {
        let handle = self.with_labels(caller, name)?;
        let labels = self.lists().labels(&handle).await?;
        if labels.live(label_id).is_none() {
            return Err(Error::LabelNotFound(label_id.to_owned()));
        }
        let mut reader = self.db().reader().await?;
        let behind = after.unwrap_or_default();
        let limit = i64::from(limit);
        let rows =
            message_labels::page_of_label(reader.conn(), handle.key, label_id, behind, limit)
                .await?;
        let rows = rows.into_iter().map(|row| MessageOfLabel {
            chat: row.chat,
            message_id: row.message_id,
            changed_at: Timestamp(row.changed_at),
        });
        Ok(rows.collect())
    }

    /// The live labels of one message, by id, under whichever of its chat's ids it
    /// is asked for. A message nothing is known of carries none.
    ///
    /// # Errors
    /// [`Error::NeverSynced`], [`Error::InvalidChat`], [`Error::InvalidMessage`].
    pub async fn labels_of_message(
        &self,
        caller: &Caller,
        name: &str,
        chat: &str,
        message_id: &str,
    ) -> Result<Vec<Label>, Error> {
        let handle = self.with_labels(caller, name)?;
        check_message_id(message_id)?;
        let jid = ChatJid::parse(chat)?;
        let labels = self.lists().labels(&handle).await?;
        let mut reader = self.db().reader().await?;
        let shown = identity::shown(reader.conn(), handle.key, &jid).await?;
        let mut ids =
            message_labels::labels_of_message(reader.conn(), handle.key, &shown, message_id)
                .await?;
        if ids.is_empty()
            && let Some(twin) = jid.ninth_digit_twin()
        {
            let twin = twin.as_str();
            ids = message_labels::labels_of_message(reader.conn(), handle.key, twin, message_id)
                .await?;
        }
        let live = ids.iter().filter_map(|id| labels.live(id)).cloned();
        let mut live: Vec<Label> = live.collect();
        live.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
        Ok(live)
    }

    /// The account's order of labels, first one first, as WhatsApp last told it;
    /// empty where it never did. May name deleted labels, and lack live ones.
    ///
    /// # Errors
    /// [`Error::NeverSynced`].
    pub async fn label_order(&self, caller: &Caller, name: &str) -> Result<Vec<i32>, Error> {
        let handle = self.with_labels(caller, name)?;
        let mut reader = self.db().reader().await?;
        let order = label_orders::find(reader.conn(), handle.key).await?;
        Ok(order.map(|order| order.ids).unwrap_or_default())
    }

    /// An instance whose labels can be read, online or not.
    fn with_labels(&self, caller: &Caller, name: &str) -> Result<Arc<Handle>, Error> {
        let handle = self.instance(caller, labelwire_domain::token::Scope::Read, name)?;
        if handle.status().synced {
            Ok(handle)
        } else {
            Err(Error::NeverSynced(name.to_owned()))
        }
    }
}
