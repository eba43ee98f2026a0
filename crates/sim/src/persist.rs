//! The state folder: everything that has to survive a restart, a `kill -9` included.
//!
//! ```text
//! lock                     held while a server uses the folder
//! server.json              the server's Noise key and certificates
//! accounts/4915…/records   append-only: head, sync keys, contacts, patches
//! accounts/4915…/device-1.json   one per linked device, replaced as a whole
//! ```
//!
//! Every write reaches the operating system before anybody is answered, so a killed
//! process loses nothing; power loss is not guarded against. At start the patches are
//! verified again as if a client had sent them.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::Crc;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::account::{Account, AccountHead, COLLECTIONS};
use crate::collection::SyncKey;
use crate::device::Device;
use crate::fixture::Contact;
use crate::world::Saved;

/// Length, checksum and kind stand before every record.
const HEADER: usize = 9;

/// An open state folder.
pub(crate) struct Folder {
    dir: PathBuf,
    logs: Mutex<HashMap<String, File>>,
    /// Unlocked when it is dropped, or by the system when the process dies.
    _lock: File,
}

/// What an appended record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head = 1,
    Key = 2,
    Contacts = 3,
    Patch = 4,
}

impl Part {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Head, Self::Key, Self::Contacts, Self::Patch]
            .into_iter()
            .find(|part| *part as u8 == byte)
    }
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    id: Vec<u8>,
    data: [u8; 32],
    timestamp: i64,
}

impl Folder {
    /// Opens the folder, making it if need be; a second server on it is refused.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir.join("accounts")).map_err(at("making", dir))?;
        private(dir)?;
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(at("opening", &path))?;
        lock.try_lock().map_err(|error| {
            let context = format!("another simulator uses the folder `{}`", dir.display());
            Error::io(context, error.into())
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            logs: Mutex::default(),
            _lock: lock,
        })
    }

    /// The server's own keys, if it ran before.
    pub(crate) fn server<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let path = self.dir.join("server.json");
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(json(&bytes, &path)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at("reading", &path)(error)),
        }
    }

    /// Stores the server's own keys.
    pub(crate) fn save_server<T: Serialize>(&self, keys: &T) -> Result<(), Error> {
        replace(&self.dir.join("server.json"), &to_json(keys)?)
    }

    /// All accounts as they were left. Every device is told of every collection again:
    /// what waited for it when the server stopped may not have been stored.
    pub(crate) fn accounts(&self) -> Result<Vec<Account>, Error> {
        let all = self.dir.join("accounts");
        let mut accounts = Vec::new();
        for entry in fs::read_dir(&all).map_err(at("reading", &all))? {
            let dir = entry.map_err(at("reading", &all))?.path();
            if dir.extension().is_some_and(|extension| extension == "new") {
                // The server died while it was made, so nobody was told of it.
                fs::remove_dir_all(&dir).map_err(at("removing", &dir))?;
            } else {
                accounts.push(self.account(&dir)?);
            }
        }
        Ok(accounts)
    }

    fn account(&self, dir: &Path) -> Result<Account, Error> {
        let path = dir.join("records");
        let bytes = fs::read(&path).map_err(at("reading", &path))?;
        let broken = |why: &str| {
            let error = std::io::Error::new(ErrorKind::InvalidData, why.to_owned());
            Error::io(
                format!("the account in `{}` cannot be restored", dir.display()),
                error,
            )
        };
        let mut head: Option<AccountHead> = None;
        let (mut keys, mut contacts, mut patches) = (Vec::new(), Vec::new(), Vec::new());
        let mut rest = bytes.as_slice();
        while let Some((part, body, after)) = next(rest).map_err(broken)? {
            match part {
                Part::Head => head = Some(json(body, &path)?),
                Part::Key => {
                    let key: StoredKey = json(body, &path)?;
                    keys.push(SyncKey::new(key.id, key.data, key.timestamp));
                }
                Part::Contacts => contacts.extend(json::<Vec<Contact>>(body, &path)?),
                Part::Patch => patches.push(body),
            }
            rest = after;
        }
        let log = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(at("opening", &path))?;
        if !rest.is_empty() {
            // The server died within a write, so nobody was told of it.
            log.set_len((bytes.len() - rest.len()) as u64)
                .map_err(at("mending", &path))?;
        }

        let head = head.ok_or_else(|| broken("its head is missing"))?;
        let mut account = Account::restore(head, keys, contacts);
        for body in patches {
            let (name, patch) =
                split_patch(body).ok_or_else(|| broken("a patch names no collection"))?;
            let keys = &account.keys;
            let collection = account
                .collections
                .get_mut(name)
                .ok_or_else(|| broken("a patch names an unknown collection"))?;
            let version = collection.version();
            collection
                .accept(keys, version, patch)
                .map_err(|why| broken(&why.to_string()))?;
        }
        for entry in fs::read_dir(dir).map_err(at("reading", dir))? {
            let path = entry.map_err(at("reading", dir))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let device: Device = json(&fs::read(&path).map_err(at("reading", &path))?, &path)?;
                account.devices.insert(device.id, device);
            }
        }
        for collection in COLLECTIONS {
            if account
                .collections
                .get(collection)
                .is_some_and(|known| known.version() > 0)
            {
                account.announce(collection, None);
            }
        }
        self.logs().insert(account.phone.clone(), log);
        Ok(account)
    }

    /// Stores a change of an account; called under its lock and before anybody learns of it.
    pub(crate) fn save(&self, account: &Account, what: Saved<'_>) -> Result<(), Error> {
        match what {
            Saved::Account => self.save_account(account),
            Saved::Patch(collection, version) => {
                let patch = account
                    .collections
                    .get(collection)
                    .and_then(|known| known.patch(version));
                match patch {
                    Some(patch) => {
                        self.append(account, &frame(Part::Patch, &join_patch(collection, patch)))
                    }
                    None => Ok(()),
                }
            }
            Saved::Device(id) => {
                // Numbers are never given twice, so the head goes first.
                self.append(account, &frame(Part::Head, &to_json(&account.head())?))?;
                match account.devices.get(&id) {
                    Some(device) => replace(&self.device_path(account, id), &to_json(device)?),
                    None => Ok(()),
                }
            }
            Saved::Unlinked(id) => {
                let path = self.device_path(account, id);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        Err(at("removing", &path)(error))
                    }
                    _ => Ok(()),
                }
            }
            Saved::Contact => match account.contacts.last() {
                Some(contact) => {
                    self.append(account, &frame(Part::Contacts, &to_json(&[contact])?))
                }
                None => Ok(()),
            },
            Saved::Named(jid) => match account.contact(jid) {
                Some(contact) => {
                    self.append(account, &frame(Part::Contacts, &to_json(&[contact])?))
                }
                None => Ok(()),
            },
        }
    }

    fn save_account(&self, account: &Account) -> Result<(), Error> {
        let dir = self.account_dir(account);
        let new = dir.with_extension("new");
        fs::create_dir_all(&new).map_err(at("making", &new))?;
        let mut bytes = frame(Part::Head, &to_json(&account.head())?);
        for key in &account.keys {
            let key = StoredKey {
                id: key.id.clone(),
                data: key.data,
                timestamp: key.timestamp,
            };
            bytes.extend(frame(Part::Key, &to_json(&key)?));
        }
        bytes.extend(frame(Part::Contacts, &to_json(&account.contacts)?));
        for collection in account.collections.values() {
            for patch in collection.patches_after(0, usize::MAX).patches {
                bytes.extend(frame(Part::Patch, &join_patch(collection.name(), &patch)));
            }
        }
        let path = new.join("records");
        let mut log = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)
            .map_err(at("making", &path))?;
        log.write_all(&bytes).map_err(at("writing", &path))?;
        drop(log);
        fs::rename(&new, &dir).map_err(at("making", &dir))?;
        let path = dir.join("records");
        let log = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(at("opening", &path))?;
        self.logs().insert(account.phone.clone(), log);
        Ok(())
    }

    fn append(&self, account: &Account, frame: &[u8]) -> Result<(), Error> {
        let mut logs = self.logs();
        let path = self.account_dir(account).join("records");
        let log = logs.get_mut(&account.phone).ok_or_else(|| {
            at("writing", &path)(std::io::Error::new(
                ErrorKind::NotFound,
                "the account was never stored",
            ))
        })?;
        log.write_all(frame).map_err(at("writing", &path))
    }

    fn account_dir(&self, account: &Account) -> PathBuf {
        self.dir.join("accounts").join(&account.phone)
    }

    fn device_path(&self, account: &Account, id: u16) -> PathBuf {
        self.account_dir(account).join(format!("device-{id}.json"))
    }

    fn logs(&self) -> std::sync::MutexGuard<'_, HashMap<String, File>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys are inside: nobody else on the machine needs to look.
#[cfg(unix)]
fn private(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(at("protecting", dir))
}

#[cfg(not(unix))]
fn private(_dir: &Path) -> Result<(), Error> {
    Ok(())
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let context = format!("{doing} `{}` failed", path.display());
    move |error| Error::io(context, error)
}

fn json<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| at("reading", path)(error.into()))
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::io("encoding for the state folder", error.into()))
}

/// Replaces a file as a whole: readers find the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("tmp");
    fs::write(&new, bytes).map_err(at("writing", &new))?;
    fs::rename(&new, path).map_err(at("replacing", path))
}

fn frame(part: Part, body: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(&[part as u8]);
    crc.update(body);
    let mut frame = Vec::with_capacity(HEADER + body.len());
    // A record is a patch or a contact list: far from 4 GiB.
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&crc.sum().to_le_bytes());
    frame.push(part as u8);
    frame.extend_from_slice(body);
    frame
}

/// A record's kind, its body and everything after it.
type Cut<'a> = (Part, &'a [u8], &'a [u8]);

/// The first record and what follows it; `None` at the end or before a record that was cut short.
fn next(bytes: &[u8]) -> Result<Option<Cut<'_>>, &'static str> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [a, b, c, d, e, f, g, h, kind] = *header;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let Some((body, after)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    let mut crc = Crc::new();
    crc.update(&[kind]);
    crc.update(body);
    if crc.sum() != u32::from_le_bytes([e, f, g, h]) {
        return Err("a record is damaged");
    }
    let part = Part::from_byte(kind).ok_or("a record is of an unknown kind")?;
    Ok(Some((part, body, after)))
}

fn join_patch(collection: &str, patch: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(collection.len() + 1 + patch.len());
    body.extend_from_slice(collection.as_bytes());
    body.push(0);
    body.extend_from_slice(patch);
    body
}

fn split_patch(body: &[u8]) -> Option<(&str, &[u8])> {
    let end = body.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(&body[..end]).ok()?, &body[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::NewAccount;
    use crate::labels::{self, COLLECTION};

    fn account(phone: &str) -> Account {
        let new = NewAccount {
            phone: phone.to_owned(),
            name: "Shop".to_owned(),
            chats: 30,
            labels: 3,
            associations: 40,
            ..NewAccount::default()
        };
        Account::create(&new, 7).unwrap()
    }

    fn write(folder: &Folder, account: &mut Account, chat: &str) {
        let change = labels::chat("1", chat, true, 1);
        let version = account.commit(COLLECTION, &[change]).unwrap();
        folder
            .save(account, Saved::Patch(COLLECTION, version))
            .unwrap();
    }

    fn restored(dir: &Path) -> Account {
        let mut accounts = Folder::open(dir).unwrap().accounts().unwrap();
        assert_eq!(accounts.len(), 1);
        accounts.remove(0)
    }

    #[test]
    fn an_account_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut made = account("4915100000001");
        {
            let folder = Folder::open(dir.path()).unwrap();
            folder.save(&made, Saved::Account).unwrap();
            write(&folder, &mut made, "1@lid");
            made.add_contact(Contact {
                jid: "2@s.whatsapp.net".into(),
                lid: None,
                name: "New".into(),
            });
            folder.save(&made, Saved::Contact).unwrap();
            made.add_contact(Contact {
                jid: "2@s.whatsapp.net".into(),
                lid: None,
                name: "Renamed".into(),
            });
            folder
                .save(&made, Saved::Named("2@s.whatsapp.net"))
                .unwrap();
        }
        let mut back = restored(dir.path());
        assert_eq!(back.truth(), made.truth());
        assert_eq!(back.contacts.last().unwrap().name, "Renamed");
        assert_eq!(back.regular().hash(), made.regular().hash());
        assert_eq!(back.secret, made.secret);
        // And goes on.
        {
            let folder = Folder::open(dir.path()).unwrap();
            back = folder.accounts().unwrap().remove(0);
            write(&folder, &mut back, "3@lid");
        }
        assert_eq!(restored(dir.path()).truth(), back.truth());
    }

    #[test]
    fn a_record_cut_short_was_never_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut made = account("4915100000002");
        let path = dir.path().join("accounts/4915100000002/records");
        let whole = {
            let folder = Folder::open(dir.path()).unwrap();
            folder.save(&made, Saved::Account).unwrap();
            let whole = fs::metadata(&path).unwrap().len();
            write(&folder, &mut made, "1@lid");
            whole
        };
        let full = fs::read(&path).unwrap();
        for cut in [whole + 1, whole + 9, full.len() as u64 - 1] {
            fs::write(&path, &full[..cut as usize]).unwrap();
            let back = restored(dir.path());
            assert_eq!(back.regular().version() + 1, made.regular().version());
            assert_eq!(
                fs::metadata(&path).unwrap().len(),
                whole,
                "the tail is cut off"
            );
        }
    }

    #[test]
    fn a_damaged_record_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let made = account("4915100000003");
        Folder::open(dir.path())
            .unwrap()
            .save(&made, Saved::Account)
            .unwrap();
        let path = dir.path().join("accounts/4915100000003/records");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(Folder::open(dir.path()).unwrap().accounts().is_err());
    }

    #[test]
    fn a_half_made_account_is_forgotten_and_a_folder_serves_one_server() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert!(Folder::open(dir.path()).is_err());
        fs::create_dir_all(dir.path().join("accounts/4915.new")).unwrap();
        assert!(folder.accounts().unwrap().is_empty());
        assert_eq!(folder.server::<String>().unwrap(), None);
        folder.save_server(&"key".to_owned()).unwrap();
        drop(folder);
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.server::<String>().unwrap().as_deref(), Some("key"));
    }
}
