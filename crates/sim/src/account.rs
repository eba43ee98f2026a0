//! An account: the phone with its keys, chats, app state and linked devices.

use std::collections::{BTreeMap, HashMap, VecDeque};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::buffa::MessageField;
use waproto::whatsapp as wa;

use crate::Error;
use crate::collection::{Change, Collection, Op, SyncKey};
use crate::device::Device;
use crate::faults::{FaultKind, Faults};
use crate::fixture::{self, Contact, FixtureSpec};
use crate::labels;
use crate::signal_store::{Endpoint, derived};
use crate::truth::{Truth, TruthDevice, truth};

/// All app-state collections of an account.
pub const COLLECTIONS: [&str; 5] = [
    "critical_block",
    "critical_unblock_low",
    "regular_low",
    "regular_high",
    "regular",
];

/// A fixture is written in patches of this many mutations.
const FIXTURE_PATCH: usize = 1_000;

/// How many sent messages are kept for companions that could not read them.
const RESENDABLE: usize = 256;

/// Which app the phone runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// WhatsApp Business.
    #[default]
    Business,
    /// WhatsApp.
    Personal,
}

/// An account to be made.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// Phone number, digits only.
    pub phone: String,
    /// Which app the phone runs.
    pub kind: Kind,
    /// Shown name.
    pub name: String,
    /// Same seed, same chats, records, versions and hashes; the server's own without one.
    pub seed: Option<u64>,
    /// Chats to make up.
    pub chats: u32,
    /// Labels to make up.
    pub labels: u32,
    /// Associations to make up.
    pub associations: u32,
}

/// A text an account sent to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// Whom it was sent to, as addressed.
    pub to: String,
    /// Message id.
    pub id: String,
    /// The text.
    pub text: String,
    /// The companion that sent it.
    pub device: u16,
}

/// An account and its phone.
pub struct Account {
    /// Phone number, digits only.
    pub phone: String,
    /// Hidden id, digits only.
    pub lid: String,
    /// Which app the phone runs.
    pub kind: Kind,
    /// Shown name.
    pub name: String,
    /// Where all keys of the phone and of its contacts come from.
    pub secret: [u8; 32],
    /// Unix seconds of its creation.
    pub created: i64,
    /// App-state sync keys, the newest last.
    pub keys: Vec<SyncKey>,
    /// App state by collection name.
    pub collections: BTreeMap<String, Collection>,
    /// Chats the phone knows.
    pub contacts: Vec<Contact>,
    /// Linked companions by number.
    pub devices: BTreeMap<u16, Device>,
    /// Number the next companion gets.
    pub next_device: u16,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// Texts that reached the account's contacts, oldest first.
    pub inbox: Vec<Received>,
    /// Randomness of the records the phone writes; follows from the seed.
    pub(crate) rng: StdRng,
    pub(crate) endpoint: Endpoint,
    people: HashMap<String, Endpoint>,
    by_jid: HashMap<String, usize>,
    sent: VecDeque<Sent>,
    stanzas: u64,
}

/// A message of a simulated person, kept until companions had time to ask again.
#[derive(Clone)]
pub(crate) struct Sent {
    pub id: String,
    /// Key of the sender's endpoint; the phone itself without one.
    pub person: Option<String>,
    pub attrs: Vec<(&'static str, String)>,
    pub plain: Vec<u8>,
}

/// What a stored account consists of, devices and app state aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountHead {
    /// See [`Account::phone`].
    pub phone: String,
    /// See [`Account::lid`].
    pub lid: String,
    /// See [`Account::kind`].
    pub kind: Kind,
    /// See [`Account::name`].
    pub name: String,
    /// See [`Account::secret`].
    pub secret: [u8; 32],
    /// See [`Account::created`].
    pub created: i64,
    /// See [`Account::next_device`].
    pub next_device: u16,
}

impl Account {
    /// A new account with its fixture written as the phone's app state.
    pub fn create(new: &NewAccount, seed: u64) -> Result<Self, Error> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(&new.phone) || new.phone.len() > 15 {
            return Err(Error::Invalid(format!(
                "`{}` is no phone number; send 1 to 15 digits",
                new.phone
            )));
        }
        let spec = FixtureSpec {
            seed,
            chats: new.chats,
            labels: new.labels,
            associations: new.associations,
        };
        spec.check().map_err(Error::Invalid)?;

        let mut hash = Sha256::new();
        hash.update(b"account");
        hash.update(seed.to_be_bytes());
        hash.update(new.phone.as_bytes());
        let head = AccountHead {
            phone: new.phone.clone(),
            lid: lid_of(seed, &new.phone),
            kind: new.kind,
            name: new.name.clone(),
            secret: hash.finalize().into(),
            created: wacore::time::now_secs(),
            next_device: 1,
        };
        // Records follow from the seed alone, not from the phone number.
        let mut rng = StdRng::seed_from_u64(seed);
        let key = sync_key(&mut rng);
        let mut account = Self::assemble(head, vec![key], Vec::new(), rng);

        let fixture = fixture::generate(&spec, &mut account.rng);
        account.set_contacts(fixture.contacts);
        for chunk in fixture.changes.chunks(FIXTURE_PATCH) {
            account.commit(labels::COLLECTION, chunk)?;
        }
        let name = push_name(&account.name);
        account.commit("critical_block", &[name])?;
        Ok(account)
    }

    /// Puts a stored account together again; collections and devices come after.
    pub fn restore(head: AccountHead, keys: Vec<SyncKey>, contacts: Vec<Contact>) -> Self {
        // Never the stream the account was made with: it would repeat IVs.
        let rng = rand::make_rng();
        Self::assemble(head, keys, contacts, rng)
    }

    fn assemble(
        head: AccountHead,
        keys: Vec<SyncKey>,
        contacts: Vec<Contact>,
        rng: StdRng,
    ) -> Self {
        let mut account = Self {
            endpoint: Endpoint::new(head.secret),
            phone: head.phone,
            lid: head.lid,
            kind: head.kind,
            name: head.name,
            secret: head.secret,
            created: head.created,
            keys,
            collections: COLLECTIONS
                .iter()
                .map(|name| ((*name).to_owned(), Collection::new(name)))
                .collect(),
            contacts: Vec::new(),
            devices: BTreeMap::new(),
            next_device: head.next_device,
            faults: Faults::default(),
            inbox: Vec::new(),
            rng,
            people: HashMap::new(),
            by_jid: HashMap::new(),
            sent: VecDeque::new(),
            stanzas: 0,
        };
        account.set_contacts(contacts);
        account
    }

    /// What of it is stored besides devices, contacts, keys and app state.
    pub fn head(&self) -> AccountHead {
        AccountHead {
            phone: self.phone.clone(),
            lid: self.lid.clone(),
            kind: self.kind,
            name: self.name.clone(),
            secret: self.secret,
            created: self.created,
            next_device: self.next_device,
        }
    }

    /// The phone's JID.
    pub fn jid(&self) -> String {
        format!("{}@s.whatsapp.net", self.phone)
    }

    /// The phone's hidden JID.
    pub fn lid_jid(&self) -> String {
        format!("{}@lid", self.lid)
    }

    /// The collection all labels are in.
    pub fn regular(&self) -> &Collection {
        // `assemble` puts all of `COLLECTIONS` in, and nobody takes one out.
        &self.collections[labels::COLLECTION]
    }

    /// What a mirror of the account's labels should show.
    pub fn truth(&self) -> Truth {
        let devices = self
            .devices
            .values()
            .map(|device| TruthDevice {
                device: device.id,
                jid: format!("{}:{}@s.whatsapp.net", self.phone, device.id),
                connected: device.connected(),
                snapshot: device.snapshot,
            })
            .collect();
        truth(self.regular(), &self.contacts, devices)
    }

    /// Writes changes to a collection as the phone; tells nobody.
    pub(crate) fn commit(&mut self, collection: &str, changes: &[Change]) -> Result<u64, Error> {
        let key = self
            .keys
            .last()
            .ok_or_else(|| Error::crypto("the phone has no sync key"))?;
        self.collections
            .get_mut(collection)
            .ok_or_else(|| Error::Invalid(format!("there is no collection `{collection}`")))?
            .commit(key, changes, &mut self.rng)
            .map_err(|error| Error::Invalid(error.to_string()))
    }

    /// Announces a collection's version to all devices but the one that made it.
    pub(crate) fn announce(&mut self, collection: &str, except: Option<u16>) {
        let Some(version) = self.collections.get(collection).map(Collection::version) else {
            return;
        };
        let ids: Vec<u16> = self.devices.keys().copied().collect();
        for id in ids.into_iter().filter(|id| Some(*id) != except) {
            if self
                .faults
                .take(FaultKind::WithholdServerSync, id)
                .is_some()
            {
                continue;
            }
            let stanza_id = self.stanza_id();
            let node = NodeBuilder::new("notification")
                .attr("from", "s.whatsapp.net")
                .attr("type", "server_sync")
                .attr("id", stanza_id.as_str())
                .attr("t", wacore::time::now_secs())
                .children([NodeBuilder::new("collection")
                    .attr("name", collection)
                    .attr("version", version)
                    .build()])
                .build();
            if let Some(device) = self.devices.get_mut(&id) {
                device.push(&stanza_id, Some(collection), node);
            }
        }
    }

    /// An id no stanza of this account had before.
    pub(crate) fn stanza_id(&mut self) -> String {
        self.stanzas += 1;
        // The time keeps ids apart across restarts.
        format!("SIM{:X}{:04X}", wacore::time::now_secs(), self.stanzas)
    }

    /// Sends a stanza to a device, or keeps it for later.
    pub(crate) fn deliver(&mut self, device: u16, id: &str, node: Node) -> bool {
        self.devices
            .get_mut(&device)
            .is_some_and(|device| device.push(id, None, node))
    }

    /// A contact by phone-number, group or hidden JID.
    pub fn contact(&self, jid: &str) -> Option<&Contact> {
        self.by_jid.get(jid).and_then(|at| self.contacts.get(*at))
    }

    /// A contact by any of its JIDs; somebody unknown becomes one, with a hidden id.
    pub(crate) fn meet(&mut self, jid: &str) -> Result<Contact, Error> {
        if let Some(contact) = self.contact(jid) {
            return Ok(contact.clone());
        }
        let Some((user, "s.whatsapp.net")) = jid.split_once('@') else {
            return Err(Error::Invalid(format!(
                "nobody is known as `{jid}`; name a chat of the account or a phone-number JID"
            )));
        };
        if user.is_empty() || !user.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::Invalid(format!("`{jid}` is no phone-number JID")));
        }
        let contact = Contact {
            jid: jid.to_owned(),
            lid: Some(format!("{}@lid", lid_of(0, user))),
            name: format!("+{user}"),
        };
        self.add_contact(contact.clone());
        Ok(contact)
    }

    /// Adds a chat, or changes the one with this JID.
    pub fn add_contact(&mut self, contact: Contact) {
        if let Some(known) = self.by_jid.get(&contact.jid)
            && let Some(known) = self.contacts.get_mut(*known)
        {
            *known = contact;
            return;
        }
        let at = self.contacts.len();
        self.by_jid.insert(contact.jid.clone(), at);
        if let Some(lid) = &contact.lid {
            self.by_jid.insert(lid.clone(), at);
        }
        self.contacts.push(contact);
    }

    fn set_contacts(&mut self, contacts: Vec<Contact>) {
        for contact in contacts {
            self.add_contact(contact);
        }
    }

    /// The Signal endpoint of a contact, by its phone-number JID.
    pub(crate) fn person(&mut self, jid: &str) -> &mut Endpoint {
        let secret = &self.secret;
        self.people.entry(jid.to_owned()).or_insert_with(|| {
            let mut bytes = [0; 32];
            derived(secret, jid, 0).fill_bytes(&mut bytes);
            Endpoint::new(bytes)
        })
    }

    /// A person's or the phone's endpoint together with a device.
    pub(crate) fn session(
        &mut self,
        person: Option<&str>,
        device: u16,
    ) -> Option<(&mut Endpoint, &mut Device)> {
        if let Some(person) = person {
            self.person(person);
        }
        let device = self.devices.get_mut(&device)?;
        let endpoint = match person {
            Some(person) => self.people.get_mut(person)?,
            None => &mut self.endpoint,
        };
        Some((endpoint, device))
    }

    /// Keeps a message for a companion that may ask for it again.
    pub(crate) fn remember(&mut self, sent: Sent) {
        if self.sent.len() == RESENDABLE {
            self.sent.pop_front();
        }
        self.sent.push_back(sent);
    }

    /// A message sent before.
    pub(crate) fn remembered(&self, id: &str) -> Option<Sent> {
        self.sent.iter().rev().find(|sent| sent.id == id).cloned()
    }
}

fn sync_key(rng: &mut StdRng) -> SyncKey {
    let mut id = vec![0; 6];
    rng.fill_bytes(&mut id[2..]);
    let mut data = [0; 32];
    rng.fill_bytes(&mut data);
    SyncKey::new(id, data, 1_700_000_000_000)
}

/// Fifteen digits that follow from the phone number.
fn lid_of(seed: u64, phone: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"lid");
    hash.update(seed.to_be_bytes());
    hash.update(phone.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let mut number = [0; 8];
    number.copy_from_slice(&hash[..8]);
    let span = 900_000_000_000_000;
    (100_000_000_000_000 + u64::from_be_bytes(number) % span).to_string()
}

fn push_name(name: &str) -> Change {
    Change {
        op: Op::Set,
        index: vec!["setting_pushName".to_owned()],
        action: wa::SyncActionValue {
            timestamp: Some(1_700_000_000_000),
            push_name_setting: MessageField::some(wa::sync_action_value::PushNameSetting {
                name: Some(name.to_owned()),
            }),
            ..Default::default()
        },
        version: 1,
    }
}
