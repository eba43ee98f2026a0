//! Names the client learned, into the database; and what is asked of the client
//! beside labels.

use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::contact::{ContactNews, one_of_each};
use labelwire_store::{Db, contacts};

use super::Handle;
use crate::error::Error;
use crate::phone::{HeardMessage, PhoneEvent, PublicProfile, SentMessage};

/// Writes names in one transaction. A name that cannot be written is lost until
/// WhatsApp tells it again: that is no reason to start the client anew.
pub(super) async fn learn(db: &Db, handle: &Handle, now: Timestamp, news: Vec<ContactNews>) {
    let news = one_of_each(news);
    let written = async {
        let mut tx = db.begin().await?;
        contacts::set_many(&mut tx, handle.key, &news, now).await?;
        tx.commit().await
    };
    match written.await {
        Ok(()) => handle.journal.note_names(),
        Err(error) => {
            tracing::warn!(instance = %handle.name, %error, "{} names could not be stored", news.len());
        }
    }
}

impl Handle {
    /// Sends a text; returns when WhatsApp has accepted it.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::Phone`].
    pub(crate) async fn send_text(
        &self,
        chat: &ChatJid,
        text: &str,
        reply_to: Option<&str>,
    ) -> Result<SentMessage, Error> {
        let line = self.connected_line()?;
        let sent = line.phone.send_text(chat, text, reply_to).await;
        let sent = sent.map_err(|e| self.phone_error(&e))?;
        // WhatsApp tells the account's other devices of it, and not this one.
        let _ = line.events.send(PhoneEvent::Message(Box::new(HeardMessage {
            id: sent.id.clone(),
            chat: chat.clone(),
            from: None,
            from_me: true,
            at: Timestamp::from_millis(sent.timestamp_s.saturating_mul(1_000)),
            kind: "text",
            text: Some(text.to_owned()),
            push_name: None,
        })));
        Ok(sent)
    }

    /// What WhatsApp tells of a person.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::Phone`].
    pub(crate) async fn public_profile(&self, jid: &ChatJid) -> Result<PublicProfile, Error> {
        let line = self.connected_line()?;
        let told = line.phone.public_profile(jid).await;
        told.map_err(|e| self.phone_error(&e))
    }
}
