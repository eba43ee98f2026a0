//! Use cases on names: who a chat is, and what to call it.
//!
//! Names are stored under the JID they were learned under. A person's number,
//! every LID of it and the number's form with or without Brazil's ninth digit are
//! one contact here.

use std::collections::{HashMap, HashSet};

use labelwire_domain::chat::{ChatJid, LID_SERVER, PHONE_SERVER};
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::token::Scope;
use labelwire_store::contacts::{self, Names};
use labelwire_store::lid_map::{self, Mapping};
use labelwire_store::{Conn, Db};

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::instance::Handle;

/// Chats one round of queries takes.
const CHUNK: usize = 4_000;
/// Fewest rows read for a page: some are groups, or a person again.
const SMALLEST_READ: usize = 200;
/// Most contacts a page holds.
pub const LARGEST_PAGE: usize = 5_000;

/// A person, group or channel and its names. Nothing here is asked of WhatsApp.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// Shown id: the number's where it is known, else as WhatsApp names it.
    pub jid: String,
    /// `<digits>@lid`, where one is known.
    pub lid: Option<String>,
    /// Digits of the phone number, where it is known.
    pub phone: Option<String>,
    /// Full name in the account's address book.
    pub name: Option<String>,
    /// First name in the account's address book.
    pub first_name: Option<String>,
    /// Verified business name.
    pub business_name: Option<String>,
    /// The name people show of themselves.
    pub push_name: Option<String>,
    /// Subject of a group or name of a channel.
    pub subject: Option<String>,
    /// Whether any name was ever learned of it.
    pub found: bool,
}

impl Contact {
    /// What to call it (`wawp.md` decision 7): as the address book does, else by
    /// its verified business name, else as it calls itself, else by its subject.
    #[must_use]
    pub fn display_name(&self) -> Option<&str> {
        [
            &self.name,
            &self.business_name,
            &self.push_name,
            &self.subject,
        ]
        .into_iter()
        .find_map(Option::as_deref)
    }

    /// The rows of one person as one contact; for each name, what was told last
    /// wins, and what history told comes after that.
    fn new(who: Who, mut rows: Vec<&Names>) -> Self {
        fn first(rows: &[&Names], of: impl Fn(&Names) -> &Option<String>) -> Option<String> {
            let told = rows.iter().find_map(|row| of(row).as_ref());
            told.filter(|name| !name.is_empty()).cloned()
        }
        let found = !rows.is_empty();
        // Stable: where neither is later, the number's row comes first.
        rows.sort_by_key(|row| std::cmp::Reverse(row.named_at));
        let name = first(&rows, |row| &row.name);
        let first_name = first(&rows, |row| &row.first_name);
        rows.sort_by_key(|row| std::cmp::Reverse(row.updated_at));
        Self {
            jid: who.shown,
            lid: who.lid,
            phone: who.phone,
            name,
            first_name,
            business_name: first(&rows, |row| &row.business_name),
            push_name: first(&rows, |row| &row.push_name),
            subject: first(&rows, |row| &row.subject),
            found,
        }
    }
}

impl App {
    /// One chat's names, under whichever of its ids it is asked for. A chat nobody
    /// knows is answered too, with `found` false.
    ///
    /// # Errors
    /// [`Error::InvalidChat`]; the database's.
    pub async fn contact(&self, caller: &Caller, name: &str, chat: &str) -> Result<Contact, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        let jid = ChatJid::parse(chat)?;
        self.contact_of(&handle, jid).await
    }

    pub(crate) async fn contact_of(&self, handle: &Handle, jid: ChatJid) -> Result<Contact, Error> {
        let shown = jid.as_str().to_owned();
        let mut known = contacts_of(self.db(), handle.key, vec![jid]).await?;
        Ok(known.pop().map_or_else(
            || Contact {
                jid: shown,
                ..Contact::default()
            },
            |known| known.contact,
        ))
    }

    /// The next people behind the one last shown (`Contact::jid`), each once, at
    /// most [`LARGEST_PAGE`]; none is left where there are fewer than `limit`.
    ///
    /// # Errors
    /// [`Error::InvalidChat`] for an `after` that is no chat; the database's.
    pub async fn contacts(
        &self,
        caller: &Caller,
        name: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Contact>, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        let limit = limit.clamp(1, LARGEST_PAGE);
        let mut behind = match after {
            Some(after) => {
                let jid = ChatJid::parse(after)?;
                let known = contacts_of(self.db(), handle.key, vec![jid]).await?;
                let place = known.into_iter().find_map(|k| k.place);
                place.unwrap_or_else(|| after.to_owned())
            }
            None => String::new(),
        };
        let mut shown = Vec::new();
        while shown.len() < limit {
            let wanted = (limit - shown.len()).max(SMALLEST_READ);
            let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
            let mut reader = self.db().reader().await?;
            let page = contacts::page(reader.conn(), handle.key, &behind, wanted).await?;
            drop(reader);
            let Some(last) = page.last() else { break };
            behind.clone_from(last);
            let jids = page.into_iter().map(ChatJid::from_app_state);
            let people = jids.filter(|jid| jid.is_phone() || jid.is_lid()).collect();
            let known = contacts_of(self.db(), handle.key, people).await?;
            shown.extend(
                known
                    .into_iter()
                    .filter(|k| k.place.as_deref() == Some(k.asked.as_str()))
                    .map(|k| k.contact),
            );
        }
        shown.truncate(limit);
        Ok(shown)
    }

    /// What to call these chats, by the id asked with; chats without any name are
    /// left out. See [`Contact::display_name`].
    ///
    /// # Errors
    /// The database's.
    pub async fn names_of(
        &self,
        handle: &Handle,
        chats: &[String],
    ) -> Result<HashMap<String, String>, Error> {
        let jids = chats.iter().map(ChatJid::from_app_state).collect();
        Ok(contacts_of(self.db(), handle.key, jids)
            .await?
            .into_iter()
            .filter_map(|known| {
                let name = known.contact.display_name()?.to_owned();
                Some((known.asked.as_str().to_owned(), name))
            })
            .collect())
    }
}

/// Who a JID names, by the LID map.
#[derive(Debug, Clone)]
struct Who {
    shown: String,
    phone: Option<String>,
    lid: Option<String>,
    /// Every JID names may be stored under, the shown one first.
    keys: Vec<String>,
}

/// The LID map, as far as some chats need it.
#[derive(Default)]
struct Map {
    phones: HashMap<String, String>,
    /// Digits of LIDs, the one learned last first.
    lids: HashMap<String, Vec<String>>,
}

impl Map {
    async fn read(
        mut conn: Conn<'_>,
        instance: InstanceKey,
        jids: &[ChatJid],
    ) -> Result<Self, Error> {
        let mut phones = HashSet::new();
        let mut lids = HashSet::new();
        for jid in jids {
            match (phone_of(jid), lid_of(jid)) {
                (Some(phone), _) => {
                    phones.insert(phone.to_owned());
                    if let Some(twin) = jid.ninth_digit_twin() {
                        phones.extend(phone_of(&twin).map(str::to_owned));
                    }
                }
                (None, Some(lid)) => {
                    lids.insert(lid);
                }
                (None, None) => {}
            }
        }
        let mut map = Self::default();
        if !lids.is_empty() {
            let lids: Vec<&str> = lids.into_iter().collect();
            for m in lid_map::find_by_lids(conn.reborrow(), instance, &lids).await? {
                phones.insert(m.phone.clone());
                map.phones.insert(m.lid, m.phone);
            }
        }
        if !phones.is_empty() {
            let phones: Vec<&str> = phones.iter().map(String::as_str).collect();
            for Mapping { lid, phone, .. } in
                lid_map::find_by_phones(conn, instance, &phones).await?
            {
                map.lids.entry(phone).or_default().push(lid);
            }
        }
        Ok(map)
    }

    fn who(&self, jid: &ChatJid) -> Who {
        let number = phone_of(jid).or_else(|| {
            let lid = lid_of(jid)?;
            self.phones.get(lid).map(String::as_str)
        });
        let Some(phone) = number else {
            let shown = jid.as_str().to_owned();
            return Who {
                lid: jid.is_lid().then(|| shown.clone()),
                phone: None,
                keys: vec![shown.clone()],
                shown,
            };
        };
        let shown = format!("{phone}@{PHONE_SERVER}");
        let mut keys = vec![shown.clone()];
        let lids = self.lids.get(phone).map_or(&[][..], Vec::as_slice);
        keys.extend(lids.iter().map(|lid| format!("{lid}@{LID_SERVER}")));
        Who {
            lid: keys.get(1).cloned(),
            phone: Some(phone.to_owned()),
            shown,
            keys,
        }
    }
}

fn phone_of(jid: &ChatJid) -> Option<&str> {
    jid.as_str().strip_suffix("@s.whatsapp.net")
}

fn lid_of(jid: &ChatJid) -> Option<&str> {
    jid.as_str().strip_suffix("@lid")
}

/// What is known of a chat that was asked for.
struct Known {
    asked: ChatJid,
    contact: Contact,
    /// The one of its JIDs that stands for it in a list: the number where names
    /// are known under it, else the first LID where they are.
    place: Option<String>,
}

/// The contact of each chat, in the order asked.
async fn contacts_of(
    db: &Db,
    instance: InstanceKey,
    jids: Vec<ChatJid>,
) -> Result<Vec<Known>, Error> {
    let mut all = Vec::with_capacity(jids.len());
    let mut reader = db.reader().await?;
    for chunk in jids.chunks(CHUNK) {
        let map = Map::read(reader.conn(), instance, chunk).await?;
        let who: Vec<(Who, Option<Who>)> = chunk
            .iter()
            .map(|jid| {
                let twin = jid.ninth_digit_twin().map(|twin| map.who(&twin));
                (map.who(jid), twin)
            })
            .collect();
        let keys: HashSet<&str> = who
            .iter()
            .flat_map(|(own, twin)| own.keys.iter().chain(twin.iter().flat_map(|t| &t.keys)))
            .map(String::as_str)
            .collect();
        let keys: Vec<&str> = keys.into_iter().collect();
        let rows: HashMap<String, Names> = contacts::find_many(reader.conn(), instance, &keys)
            .await?
            .into_iter()
            .map(|row| (row.chat.clone(), row))
            .collect();
        let of =
            |who: &Who| -> Vec<&Names> { who.keys.iter().filter_map(|k| rows.get(k)).collect() };
        for (jid, (own, twin)) in chunk.iter().zip(&who) {
            let mut chosen = own;
            // The other form, where only that one is known of.
            if let Some(twin) = twin
                && of(own).is_empty()
                && (!of(twin).is_empty() || own.lid.is_none() && twin.lid.is_some())
            {
                chosen = twin;
            }
            let rows = of(chosen);
            let number = rows.iter().find(|row| row.chat == chosen.shown);
            let first = number.or_else(|| rows.iter().min_by(|a, b| a.chat.cmp(&b.chat)));
            let place = first.map(|row| row.chat.clone());
            all.push(Known {
                asked: jid.clone(),
                contact: Contact::new(chosen.clone(), rows),
                place,
            });
        }
    }
    Ok(all)
}
