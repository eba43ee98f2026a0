//! The simulated world: accounts, their phones and the hub of live connections.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::Error;
use crate::account::{Account, NewAccount};
use crate::collection::Change;
use crate::device::{Link, Out};
use crate::labels;
use crate::media::Media;
use crate::messages;
use crate::noise::ServerKeys;
use crate::pairing::Pairing;
use crate::persist::Folder;
use crate::usync::announce_device;

/// A handle to the simulated world; clones share it.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    keys: ServerKeys,
    seed: u64,
    accounts: RwLock<BTreeMap<String, Shared>>,
    pairing: Mutex<Pairing>,
    media: Media,
    /// Closed when the server stops, so that another one can open it.
    folder: RwLock<Option<Folder>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    links: AtomicU64,
}

/// An account behind its one lock.
pub(crate) type Shared = Arc<Mutex<Account>>;

/// What of an account has to be stored before anybody is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Saved<'a> {
    /// All of it: it is new.
    Account,
    /// This collection reached this version.
    Patch(&'a str, u64),
    /// A device was linked or changed.
    Device(u16),
    /// A device is gone.
    Unlinked(u16),
    /// Somebody new became a contact: the last one.
    Contact,
    /// This contact is called otherwise.
    Named(&'a str),
}

impl World {
    /// A world with the accounts it had when its folder was last in use.
    pub(crate) fn new(
        keys: ServerKeys,
        seed: u64,
        accounts: Vec<Account>,
        folder: Option<Folder>,
    ) -> Self {
        let shared = |account: Account| (account.phone.clone(), Arc::new(Mutex::new(account)));
        Self {
            inner: Arc::new(Inner {
                keys,
                seed,
                accounts: RwLock::new(accounts.into_iter().map(shared).collect()),
                folder: RwLock::new(folder),
                pairing: Mutex::default(),
                media: Media::default(),
                tasks: TaskTracker::new(),
                shutdown: CancellationToken::new(),
                links: AtomicU64::new(1),
            }),
        }
    }

    /// Makes an account and writes its fixture.
    pub fn create_account(&self, new: NewAccount) -> Result<(), Error> {
        let exists = || Error::AccountExists(new.phone.clone());
        if self.account(&new.phone).is_ok() {
            return Err(exists());
        }
        // A big fixture takes seconds, so it is made outside the lock.
        let account = Account::create(&new, new.seed.unwrap_or(self.inner.seed))?;
        let mut accounts = self.accounts();
        if accounts.contains_key(&new.phone) {
            return Err(exists());
        }
        self.saved(&account, Saved::Account);
        accounts.insert(new.phone, Arc::new(Mutex::new(account)));
        Ok(())
    }

    /// Phone numbers of all accounts, in order.
    pub fn phones(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    /// Runs `f` on an account, with nothing else happening to it meanwhile.
    pub fn with_account<R>(
        &self,
        phone: &str,
        f: impl FnOnce(&mut Account) -> R,
    ) -> Result<R, Error> {
        let account = self.account(phone)?;
        Ok(f(&mut lock(&account)))
    }

    /// The phone changes something in `regular`; every device is told, or will be. Answers the new version.
    pub fn change(&self, phone: &str, changes: Vec<Change>) -> Result<u64, Error> {
        let account = self.account(phone)?;
        let mut account = lock(&account);
        self.change_locked(&mut account, &changes)
    }

    /// Like [`World::change`], with the changes made from the account's present state.
    pub fn change_with(
        &self,
        phone: &str,
        changes: impl FnOnce(&mut Account) -> Result<Vec<Change>, Error>,
    ) -> Result<u64, Error> {
        let account = self.account(phone)?;
        let mut account = lock(&account);
        let changes = changes(&mut account)?;
        self.change_locked(&mut account, &changes)
    }

    fn change_locked(&self, account: &mut Account, changes: &[Change]) -> Result<u64, Error> {
        let version = account.commit(labels::COLLECTION, changes)?;
        self.saved(account, Saved::Patch(labels::COLLECTION, version));
        account.announce(labels::COLLECTION, None);
        Ok(version)
    }

    /// Somebody sends the account a text. `from` is a phone-number JID or a hidden one. Answers the message id.
    pub async fn send_text(&self, phone: &str, from: &str, text: &str) -> Result<String, Error> {
        let account = self.account(phone)?;
        messages::send_text(self, &mut lock(&account), from, text)
    }

    /// The phone removes a linked device.
    pub async fn unlink(&self, phone: &str, device: u16) -> Result<(), Error> {
        let account = self.account(phone)?;
        self.remove_device(&mut lock(&account), device)
    }

    pub(crate) fn remove_device(&self, account: &mut Account, device: u16) -> Result<(), Error> {
        let removed = account
            .devices
            .remove(&device)
            .ok_or_else(|| unknown(account, device))?;
        self.saved(account, Saved::Unlinked(device));
        if let Some(link) = removed.link() {
            link.send(stream_error(Some("401"), Some("device_removed")));
            link.close();
        }
        announce_device(account, device, false)
    }

    /// Tells a device that its app state is out of date, at once or when it comes back.
    pub fn mark_dirty(&self, phone: &str, device: u16) -> Result<(), Error> {
        self.with_device(phone, device, |device| device.mark_dirty())
    }

    /// Ends a device's connection the way another login of the same device does.
    pub fn replace_stream(&self, phone: &str, device: u16) -> Result<(), Error> {
        self.with_device(phone, device, |device| {
            if let Some(link) = device.link() {
                replace(link);
            }
        })
    }

    /// Ends a device's connection: announced and properly closed if `clean`, as if a cable was pulled otherwise.
    pub fn disconnect(&self, phone: &str, device: u16, clean: bool) -> Result<(), Error> {
        self.with_device(phone, device, |device| match device.link() {
            Some(link) if clean => {
                link.send(NodeBuilder::new("xmlstreamend").build());
                link.close();
            }
            Some(link) => link.drop_socket(),
            None => {}
        })
    }

    fn with_device<R>(
        &self,
        phone: &str,
        device: u16,
        f: impl FnOnce(&mut crate::device::Device) -> R,
    ) -> Result<R, Error> {
        let account = self.account(phone)?;
        let mut account = lock(&account);
        if let Some(device) = account.devices.get_mut(&device) {
            return Ok(f(device));
        }
        Err(unknown(&account, device))
    }

    /// The root key a client has to trust, in lower-case hex.
    pub fn root_key_hex(&self) -> String {
        let root = self.inner.keys.root();
        root.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn account(&self, phone: &str) -> Result<Shared, Error> {
        let accounts = self.read();
        let account = accounts.get(phone);
        account
            .cloned()
            .ok_or_else(|| Error::UnknownAccount(phone.to_owned()))
    }

    /// Stores a change of an account; called under its lock and before anybody learns of it.
    pub(crate) fn saved(&self, account: &Account, what: Saved<'_>) {
        let folder = self.inner.folder.read();
        let folder = folder.unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folder.as_ref()
            && let Err(error) = folder.save(account, what)
        {
            // Clients must not be told of what would be gone after a restart.
            tracing::error!(%error, "the simulator stops: it cannot store its state");
            self.inner.shutdown.cancel();
        }
    }

    /// Lets go of the state folder.
    pub(crate) fn close_folder(&self) {
        let folder = self.inner.folder.write();
        folder.unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn keys(&self) -> &ServerKeys {
        &self.inner.keys
    }

    pub(crate) fn media(&self) -> &Media {
        &self.inner.media
    }

    pub(crate) fn pairing(&self) -> MutexGuard<'_, Pairing> {
        let pairing = self.inner.pairing.lock();
        pairing.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    pub(crate) fn next_link(&self) -> u64 {
        self.inner.links.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands an order to a connection after a while.
    pub(crate) fn send_later(&self, link: Link, order: Out, delay: Duration) {
        let shutdown = self.inner.shutdown.clone();
        self.inner.tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(delay) => {
                    let _ = link.tx.send(order);
                }
            }
        });
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Shared>> {
        let accounts = self.inner.accounts.read();
        accounts.unwrap_or_else(PoisonError::into_inner)
    }

    fn accounts(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Shared>> {
        let accounts = self.inner.accounts.write();
        accounts.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks an account. A panic elsewhere must not take the whole world down.
pub(crate) fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unknown(account: &Account, device: u16) -> Error {
    Error::UnknownDevice {
        phone: account.phone.clone(),
        device,
    }
}

/// `<stream:error>`, by code, conflict or both.
pub(crate) fn stream_error(code: Option<&str>, conflict: Option<&str>) -> Node {
    let mut node = NodeBuilder::new("stream:error");
    if let Some(code) = code {
        node = node.attr("code", code);
    }
    if let Some(conflict) = conflict {
        node = node.children([NodeBuilder::new("conflict").attr("type", conflict).build()]);
    }
    node.build()
}

/// Tells a connection that another one took its place, and ends it.
pub(crate) fn replace(link: &Link) {
    link.send(stream_error(None, Some("replaced")));
    link.close();
}
