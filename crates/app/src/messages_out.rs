//! Use case: send a text.

use std::time::Duration;

use labelwire_domain::chat::ChatJid;

use labelwire_domain::token::Scope;

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;

/// How long WhatsApp may take to accept a text.
const SEND_PATIENCE: Duration = Duration::from_secs(25);
/// Longest text, in characters: about what WhatsApp's own apps take.
const LONGEST_TEXT: usize = 65_536;

/// A text WhatsApp has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Message id.
    pub id: String,
    /// The chat it went to, under its shown id.
    pub chat: String,
    /// Unix seconds, when WhatsApp accepted it.
    pub timestamp_s: i64,
}

impl App {
    /// Sends a text, as an answer to `reply_to` where that is given: a message id,
    /// or one with its chat as WAHA and Wawp write it (`false_<chat>_<id>`).
    /// Answers after WhatsApp accepted it.
    ///
    /// # Errors
    /// [`Error::TextInvalid`], [`Error::InvalidChat`], [`Error::NotConnected`],
    /// [`Error::Phone`]; [`Error::SendTimeout`] where it is not known whether the
    /// text went out.
    pub async fn send_text(
        &self,
        caller: &Caller,
        name: &str,
        chat: &str,
        text: &str,
        reply_to: Option<&str>,
    ) -> Result<Sent, Error> {
        let handle = self.instance(caller, Scope::Send, name)?;
        let asked = ChatJid::parse(chat)?;
        if text.trim().is_empty() || text.chars().count() > LONGEST_TEXT {
            return Err(Error::TextInvalid);
        }
        handle.require_connected()?;
        let contact = self.contact_of(&handle, asked.clone()).await?;
        // As asked, unless only the number's other form is known.
        let to = match asked.ninth_digit_twin() {
            Some(twin) if twin.as_str() == contact.jid => twin,
            _ => asked,
        };
        let (text, reply_to) = (text.to_owned(), reply_to.map(str::to_owned));
        self.to_the_end(async move {
            let sent = handle.send_text(&to, &text, reply_to.as_deref());
            let sent = tokio::time::timeout(SEND_PATIENCE, sent)
                .await
                .map_err(|_| Error::SendTimeout)??;
            Ok(Sent {
                id: sent.id,
                chat: contact.jid,
                timestamp_s: sent.timestamp_s,
            })
        })
        .await
    }
}
