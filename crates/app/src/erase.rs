//! Erasing one person from everything that is kept.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use labelwire_domain::chat::{ChatJid, LID_SERVER, PHONE_SERVER};
use labelwire_domain::event::{Kind, Origin};
use labelwire_domain::token::Scope;
use labelwire_store::checkpoints;
use labelwire_store::erasure::{self, Renamed, replaced};
use labelwire_store::log::NewEntry;
use labelwire_store::{Reader, lid_map, prune};
use serde_json::json;

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::identity;
use crate::ingest;
use crate::instance::Handle;
use crate::timeline::Untold;

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// What stands for the person from now on.
    pub pseudonym: String,
    /// Rows of history that named the person.
    pub events: u64,
    /// Names that were known of the person.
    pub names: u64,
    /// Snapshots that named the person.
    pub snapshots: u64,
    /// Ids of labels the chat still carries: WhatsApp holds those.
    pub labels: Vec<String>,
}

impl App {
    /// Takes a person's ids and names out of history, stored states, snapshots,
    /// deliveries, commands and contacts, and puts a random pseudonym in their place,
    /// so that counts stay what they were. What WhatsApp itself holds stays: labels
    /// on the chat, and the ids of the person that go with them.
    ///
    /// # Errors
    /// [`Error::InvalidChat`]; [`Untold::Invalid`] for what is no person;
    /// [`Error::ScopeMissing`] without `admin`; the database's.
    pub async fn erase(&self, caller: &Caller, name: &str, chat: &str) -> Result<Erased, Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        let jid = ChatJid::parse(chat)?;
        if !jid.is_phone() && !jid.is_lid() {
            return Err(
                Untold::Invalid("only a person can be erased, not a group or a channel").into(),
            );
        }
        let (app, actor, request) = (
            self.clone(),
            caller.actor(),
            caller.request_id.as_deref().map(str::to_owned),
        );
        let text = chat.to_owned();
        self.to_the_end(async move { app.erase_all(&handle, &jid, &text, actor, request).await })
            .await
    }

    async fn erase_all(
        &self,
        handle: &Handle,
        jid: &ChatJid,
        text: &str,
        actor: String,
        request_id: Option<String>,
    ) -> Result<Erased, Error> {
        let (_, carried) = self.labels_on(handle, text).await?;
        let mut reader = self.db().reader().await?;
        let ids = ids_of(&mut reader, handle, jid).await?;
        drop(reader);
        let (pseudonym, renamed) = self.pseudonyms(&ids);
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        prune::unlock(&mut tx).await?;
        let events = erasure::log(&mut tx, handle.key, &renamed).await?;
        prune::lock(&mut tx).await?;
        let names = erasure::contacts(&mut tx, handle.key, &renamed).await?;
        let snapshots = erasure::texts(&mut tx, handle.key, &renamed).await?;
        let mut place = (i64::MIN, i32::MIN);
        while let Some(part) = checkpoints::part_behind(tx.conn(), handle.key, place).await? {
            place = (part.baseline_id, part.part);
            if let Some(body) = replaced(&part.body, &renamed) {
                checkpoints::set_part(&mut tx, part.baseline_id, part.part, &body).await?;
            }
        }
        let body = json!({ "pseudonym": pseudonym, "events": events });
        let entry = NewEntry {
            actor: Some(actor),
            request_id,
            ..NewEntry::new(now, Kind::ContactErased, Origin::Api, &body)
        };
        let noted = ingest::record(&mut tx, handle.key, vec![entry], now).await?;
        tx.commit().await?;
        self.views().forget(handle.key);
        handle.feed.forget().await;
        handle.journal.note_names();
        if let Some(seq) = noted {
            handle.feed.announce(seq);
            self.bell().notify_one();
        }
        Ok(Erased {
            pseudonym,
            events,
            names,
            snapshots,
            labels: carried.into_iter().map(|label| label.id).collect(),
        })
    }

    /// What each id becomes: the number and each hidden id stay different keys of one
    /// person, as they were.
    fn pseudonyms(&self, ids: &BTreeSet<String>) -> (String, Vec<Renamed>) {
        let mut random = [0; 8];
        self.entropy().fill(&mut random);
        let word = random
            .iter()
            .fold(String::from("erased-"), |mut word, byte| {
                let _ = write!(word, "{byte:02x}");
                word
            });
        let pseudonym = format!("{word}@{PHONE_SERVER}");
        let of = |(n, id): (usize, &String)| {
            let server = id
                .rsplit_once('@')
                .map_or(PHONE_SERVER, |(_, server)| server);
            let other = if n == 0 || (server == PHONE_SERVER && n == 1) {
                format!("{word}@{server}")
            } else {
                format!("{word}-{n}@{server}")
            };
            (id.clone(), other)
        };
        (pseudonym, ids.iter().enumerate().map(of).collect())
    }
}

/// All ids one person is known by: number, its Brazilian twin, hidden ids.
pub(crate) async fn ids_of(
    reader: &mut Reader,
    handle: &Handle,
    jid: &ChatJid,
) -> Result<BTreeSet<String>, Error> {
    let shown = identity::shown(reader.conn(), handle.key, jid).await?;
    let mut ids = BTreeSet::from([jid.as_str().to_owned(), shown.clone()]);
    let phone = ChatJid::from_app_state(shown);
    ids.extend(phone.ninth_digit_twin().map(|twin| twin.to_string()));
    let server = format!("@{PHONE_SERVER}");
    let phones: Vec<String> = ids
        .iter()
        .filter_map(|id| id.strip_suffix(&server).map(str::to_owned))
        .collect();
    let phones: Vec<&str> = phones.iter().map(String::as_str).collect();
    let known = lid_map::find_by_phones(reader.conn(), handle.key, &phones).await?;
    ids.extend(
        known
            .into_iter()
            .map(|known| format!("{}@{LID_SERVER}", known.lid)),
    );
    Ok(ids)
}
