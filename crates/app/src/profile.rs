//! Use case: who an account or a contact is.

use std::time::Duration;

use labelwire_domain::chat::ChatJid;

use labelwire_domain::token::Scope;

use crate::access::Caller;
use crate::app::App;
use crate::contacts::Contact;
use crate::error::Error;
use crate::phone::PublicProfile;

/// How long WhatsApp may take to tell status and picture; the rest is known here.
const ASK_PATIENCE: Duration = Duration::from_secs(4);

/// Who somebody is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileCard {
    /// Shown id.
    pub jid: String,
    /// `<digits>@lid`, where one is known.
    pub lid: Option<String>,
    /// Digits of the phone number, where it is known.
    pub phone: Option<String>,
    /// What to call them.
    pub name: Option<String>,
    /// The text they show below their name; `None` where WhatsApp did not tell.
    pub status: Option<String>,
    /// Where WhatsApp serves the picture, for a while; `None` where there is none
    /// or WhatsApp did not tell.
    pub picture_url: Option<String>,
    /// Whether it is a business account, as far as is known.
    pub is_business: bool,
}

impl App {
    /// The account behind an instance, or the person of a number or LID. Status
    /// and picture are asked of WhatsApp where it can be reached.
    ///
    /// # Errors
    /// [`Error::InvalidChat`]; [`Error::NeverSynced`] for the account of an
    /// instance that was never paired; the database's.
    pub async fn profile(
        &self,
        caller: &Caller,
        name: &str,
        number: Option<&str>,
    ) -> Result<ProfileCard, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        let own = handle.status().profile;
        let asked = match (number, own.jid.as_deref()) {
            (Some(number), _) => ChatJid::parse(number)?,
            (None, Some(jid)) => ChatJid::from_app_state(jid),
            (None, None) => return Err(Error::NeverSynced(name.to_owned())),
        };
        let is_own = [&own.jid, &own.lid]
            .into_iter()
            .any(|id| id.as_deref() == Some(asked.as_str()));
        let mut card = if is_own {
            let phone = own.jid.as_deref().and_then(|jid| jid.split('@').next());
            ProfileCard {
                phone: phone.map(str::to_owned),
                is_business: own.is_business(),
                name: own.push_name.or(own.business_name),
                lid: own.lid,
                jid: own.jid.unwrap_or_else(|| asked.as_str().to_owned()),
                ..ProfileCard::default()
            }
        } else {
            of_contact(self.contact_of(&handle, asked).await?)
        };
        let jid = ChatJid::from_app_state(card.jid.as_str());
        let asked = tokio::time::timeout(ASK_PATIENCE, handle.public_profile(&jid)).await;
        if let Ok(Ok(told)) = asked {
            let PublicProfile {
                status,
                picture_url,
                is_business,
                verified_name,
            } = told;
            card.status = status;
            card.picture_url = picture_url;
            card.is_business |= is_business;
            card.name = card.name.or(verified_name);
        }
        Ok(card)
    }
}

fn of_contact(contact: Contact) -> ProfileCard {
    ProfileCard {
        name: contact.display_name().map(str::to_owned),
        is_business: contact.business_name.is_some(),
        jid: contact.jid,
        lid: contact.lid,
        phone: contact.phone,
        ..ProfileCard::default()
    }
}
