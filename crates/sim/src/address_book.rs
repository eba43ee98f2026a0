//! The phone's address book, as it is in app state.

use waproto::buffa::MessageField;
use waproto::whatsapp as wa;
use waproto::whatsapp::sync_action_value::ContactAction;

use crate::Error;
use crate::collection::{Change, Op};
use crate::fixture::Contact;
use crate::world::{Saved, World, lock};

/// The collection saved contacts are in.
pub const COLLECTION: &str = "critical_unblock_low";
/// The version of the action that WhatsApp writes.
const VERSION: i32 = 2;

impl World {
    /// The phone saves somebody under a name, or under another one than before;
    /// every device is told, or will be. Answers the new version.
    pub fn save_contact(
        &self,
        phone: &str,
        jid: &str,
        full_name: &str,
        first_name: Option<&str>,
    ) -> Result<u64, Error> {
        let account = self.account(phone)?;
        let mut account = lock(&account);
        let known = account.meet(jid)?;
        if !known.jid.ends_with("@s.whatsapp.net") {
            return Err(Error::Invalid(format!(
                "`{jid}` is no person; only people are in the address book"
            )));
        }
        let contact = Contact {
            name: full_name.to_owned(),
            ..known
        };
        let change = saved(&contact, first_name);
        account.add_contact(contact.clone());
        self.saved(&account, Saved::Named(&contact.jid));
        let version = account.commit(COLLECTION, &[change])?;
        self.saved(&account, Saved::Patch(COLLECTION, version));
        account.announce(COLLECTION, None);
        Ok(version)
    }
}

fn saved(contact: &Contact, first_name: Option<&str>) -> Change {
    Change {
        op: Op::Set,
        index: vec!["contact".to_owned(), contact.jid.clone()],
        action: wa::SyncActionValue {
            timestamp: Some(wacore::time::now_millis()),
            contact_action: MessageField::some(ContactAction {
                full_name: Some(contact.name.clone()),
                first_name: first_name.map(str::to_owned),
                lid_jid: contact.lid.clone(),
                save_on_primary_addressbook: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        },
        version: VERSION,
    }
}
