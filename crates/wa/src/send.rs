//! Texts out, and what WhatsApp tells of people.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use labelwire_app::phone::{PhoneError, PublicProfile, SentMessage};
use labelwire_domain::chat::ChatJid;
use tokio::sync::oneshot;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::send::{SendError, SendOptions};
use whatsapp_rust::types::events::ServerAck;
use whatsapp_rust::wacore::proto_helpers::MessageBuilderExt as _;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::{Client, Jid};

/// Messages whose acknowledgement somebody waits for, by id. The library only
/// hands a message to the socket; that WhatsApp took it is told later, by event.
#[derive(Clone, Default)]
pub(crate) struct Acks(Arc<Mutex<HashMap<String, oneshot::Sender<ServerAck>>>>);

impl Acks {
    /// Wakes whoever waits for this one.
    pub(crate) fn came(&self, ack: &ServerAck) {
        if ack.class.as_deref().is_none_or(|class| class == "message")
            && let Some(waiting) = self.lock().remove(&ack.id)
        {
            let _ = waiting.send(ack.clone());
        }
    }

    fn expect(&self, id: &str) -> Expected<'_> {
        let (told, ack) = oneshot::channel();
        self.lock().insert(id.to_owned(), told);
        Expected {
            acks: self,
            id: id.to_owned(),
            ack,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<ServerAck>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One acknowledgement; not waited for any more once dropped.
struct Expected<'a> {
    acks: &'a Acks,
    id: String,
    ack: oneshot::Receiver<ServerAck>,
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.acks.lock().remove(&self.id);
    }
}

/// Sends a text and waits for WhatsApp to take it.
pub(crate) async fn text(
    client: &Client,
    acks: &Acks,
    chat: &ChatJid,
    text: &str,
    reply_to: Option<&str>,
) -> Result<SentMessage, PhoneError> {
    if !client.is_connected() {
        return Err(PhoneError::NotConnected);
    }
    let to = jid(chat)?;
    let message = match reply_to {
        None => wa::Message::text(text),
        Some(id) => wa::Message::text_with_context(text, quote(client, chat, id)),
    };
    let id = client.generate_message_id();
    let mut expected = acks.expect(&id);
    let options = SendOptions::default().with_message_id(&id);
    client
        .send_message_with_options(to, message, options)
        .await
        .map_err(|error| refusal(client, &error))?;
    let ack = (&mut expected.ack)
        .await
        .map_err(|_| PhoneError::NotConnected)?;
    match ack.error {
        None => Ok(SentMessage {
            id,
            timestamp_s: ack.timestamp.map_or_else(
                || whatsapp_rust::wacore::time::now_utc().timestamp(),
                |at| at.timestamp(),
            ),
        }),
        Some(code) => Err(PhoneError::Refused(format!(
            "the message was not accepted (code {code})"
        ))),
    }
}

/// What WhatsApp tells of a person; each part may be missing for itself.
pub(crate) async fn profile(client: &Client, chat: &ChatJid) -> Result<PublicProfile, PhoneError> {
    if !client.is_connected() {
        return Err(PhoneError::NotConnected);
    }
    let jid = jid(chat)?;
    let contacts = client.contacts();
    let asked = std::slice::from_ref(&jid);
    let (told, picture) = tokio::join!(
        contacts.get_user_info(asked),
        contacts.get_profile_picture(&jid, false)
    );
    let mut profile = PublicProfile {
        picture_url: picture.ok().flatten().map(|p| p.url),
        ..PublicProfile::default()
    };
    if let Some(user) = told.ok().and_then(|all| all.into_values().next()) {
        profile.status = user.status.filter(|status| !status.is_empty());
        profile.is_business = user.is_business;
        profile.verified_name = user.verified_name.and_then(|v| v.name);
    }
    Ok(profile)
}

fn jid(chat: &ChatJid) -> Result<Jid, PhoneError> {
    chat.as_str()
        .parse()
        .map_err(|_| PhoneError::Refused("the chat id is not one WhatsApp knows".into()))
}

/// Why the library did not send. Its own words may hold numbers, so they stay here.
fn refusal(client: &Client, error: &SendError) -> PhoneError {
    match error {
        SendError::NotLoggedIn => PhoneError::NotConnected,
        _ if !client.is_connected() => PhoneError::NotConnected,
        SendError::InvalidRequest(_) => {
            PhoneError::Refused("no text can be sent to this chat".into())
        }
        _ => PhoneError::Refused("the message could not be sent".into()),
    }
}

/// The mark that makes a text an answer. The answered message itself is not kept
/// here, so its text cannot be quoted; phones find it by its id.
fn quote(client: &Client, chat: &ChatJid, reply_to: &str) -> wa::ContextInfo {
    let answered = Answered::parse(reply_to);
    let participant = match (answered.participant, answered.from_me) {
        (Some(written), _) => Some(written.as_str().to_owned()),
        (None, Some(true)) => own(client),
        // Whose it is was not said: in a chat of two, mostly the other's.
        (None, _) => (chat.is_lid() || chat.is_phone()).then(|| chat.as_str().to_owned()),
    };
    wa::ContextInfo {
        stanza_id: Some(answered.id.to_owned()),
        participant,
        quoted_message: MessageField::some(wa::Message::text("")),
        ..Default::default()
    }
}

fn own(client: &Client) -> Option<String> {
    let device = client.persistence_manager().get_device_snapshot();
    device.pn.as_ref().map(|jid| jid.to_non_ad().to_string())
}

/// A message named by its id alone, or as WAHA and Wawp write it:
/// `<true|false>_<chat>_<id>[_<participant>]`.
#[derive(Debug, PartialEq, Eq)]
struct Answered<'a> {
    id: &'a str,
    from_me: Option<bool>,
    participant: Option<ChatJid>,
}

impl<'a> Answered<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(4, '_');
        let from_me = match parts.next() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        match (from_me, parts.next(), parts.next()) {
            (Some(_), Some(_), Some(id)) => Self {
                id,
                from_me,
                participant: parts.next().and_then(|p| ChatJid::parse(p).ok()),
            },
            _ => Self {
                id: text,
                from_me: None,
                participant: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_finds_who_waits_for_it_and_nobody_else() {
        let acks = Acks::default();
        let ack = |id: &str, class: &str| {
            ServerAck::builder()
                .id(id.to_owned())
                .class(class.to_owned())
                .build()
        };
        let mut waiting = acks.expect("A");
        let other = acks.expect("B");
        acks.came(&ack("A", "receipt"));
        acks.came(&ack("C", "message"));
        assert!(waiting.ack.try_recv().is_err());
        acks.came(&ack("A", "message"));
        assert!(waiting.ack.try_recv().is_ok());
        drop((waiting, other));
        assert!(acks.lock().is_empty());
    }

    #[test]
    fn an_answered_message_is_named_in_either_form() {
        let plain = Answered::parse("3EB0AA");
        assert_eq!((plain.id, plain.from_me), ("3EB0AA", None));
        let long = Answered::parse("false_111@c.us_AAAA");
        assert_eq!((long.id, long.from_me), ("AAAA", Some(false)));
        let group = Answered::parse("true_1-2@g.us_BB_4915111222@c.us");
        assert_eq!((group.id, group.from_me), ("BB", Some(true)));
        assert_eq!(
            group.participant.map(|p| p.to_string()).as_deref(),
            Some("4915111222@s.whatsapp.net")
        );
        assert_eq!(Answered::parse("false_odd").id, "false_odd");
    }
}
