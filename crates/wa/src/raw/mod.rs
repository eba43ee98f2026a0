//! What the library keeps to itself: labels on messages, the order of labels, and
//! every REMOVE (`protocol.md` A2). It raises no event for them, but lets through
//! each stanza before it works on it, and fetches blobs with our HTTP client.
//!
//! ```text
//! stanza ─► note      patches of `regular` by version; where blobs lie, and their keys
//! blob   ─► fetched   opened and searched on a blocking thread, beside the library
//! set_version(v) ─► take(v) ─► decode ─► Step::Raw, right before the version's own
//! ```
//!
//! The library writes a version once it has verified what leads there, so only
//! what it believed becomes records.

mod decode;
mod http;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use labelwire_domain::change::Record;
use labelwire_domain::collection::Raw;
use tokio::task::JoinHandle;
use whatsapp_rust::wacore::download::{DownloadUtils, MediaType};
use whatsapp_rust::wacore_binary::NodeRef;
use whatsapp_rust::waproto::codec;
use whatsapp_rust::waproto::whatsapp as wa;

pub(crate) use decode::{Keys, Unreadable};
pub(crate) use http::Watched;

use crate::backend::REGULAR;

/// Bytes of patches and of their blobs that are held for the library to come to
/// them. What is beyond is not read, and costs a snapshot.
const HELD_BYTES: usize = 32 << 20;

/// Patches whose records are opened where they are: more go to a blocking thread.
const FEW_MUTATIONS: usize = 64;

/// What has come of one client's `regular` and was not yet worked on.
#[derive(Default)]
pub(crate) struct RawSyncs {
    listening: AtomicBool,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    patches: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
    /// By their paths: blobs patches keep their mutations in.
    blobs: HashMap<String, Blob>,
    snapshot: Option<(String, Blob)>,
}

/// A blob on WhatsApp's media servers.
enum Blob {
    /// Not fetched yet; opened with this key.
    Named(Vec<u8>),
    /// A patch's mutations, being opened.
    Mutations(JoinHandle<Option<Vec<u8>>>),
    /// A snapshot, being searched.
    Snapshot(JoinHandle<Searched>),
}

/// What became of a snapshot's blob.
enum Searched {
    Done(decode::Snapshot),
    /// A key was missing: it is searched again once the library has it.
    Later(Vec<u8>),
    Failed,
}

/// A patch as the stanza held it.
pub(crate) struct Patch {
    patch: wa::SyncdPatch,
    version: u64,
}

impl RawSyncs {
    /// Stanzas will be told of from now on.
    pub(crate) fn listen(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// Whether stanzas are told of.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// Takes note of a stanza, if it is an answer on `regular`.
    pub(crate) fn note(&self, stanza: &NodeRef<'_>) {
        if stanza.tag.as_ref() != "iq" {
            return;
        }
        let collections = stanza
            .get_optional_child("sync")
            .and_then(|sync| sync.children())
            .unwrap_or_default();
        for collection in collections {
            let name = collection.get_attr("name").map(|name| name.as_str());
            if collection.tag.as_ref() == "collection" && name.as_deref() == Some(REGULAR) {
                self.note_collection(collection);
            }
        }
    }

    fn note_collection(&self, collection: &NodeRef<'_>) {
        let mut held = self.lock();
        if held.patches.is_empty() {
            // Of answers the library gave up.
            held.blobs.clear();
            held.bytes = 0;
        }
        let snapshot = collection
            .get_optional_child("snapshot")
            .and_then(|node| node.content_bytes())
            .and_then(|bytes| codec::external_blob_reference_decode(bytes).ok());
        if let Some((path, blob)) = snapshot.and_then(named) {
            held.snapshot = Some((path, blob));
        }
        let patches = collection
            .get_optional_child("patches")
            .and_then(|node| node.children())
            .unwrap_or_default();
        for patch in patches {
            if let Some(bytes) = patch.content_bytes()
                && let Ok(version) = wire::version(bytes)
            {
                held.patch(version, bytes);
            }
        }
    }

    /// The blob behind a URL, if it was told of and is not fetched yet; with its key.
    fn wanted(&self, url: &str) -> Option<(Kind, String, Vec<u8>)> {
        let path = url.split_once("://").map(|(_, rest)| rest)?;
        let path = &path[path.find('/')?..];
        let held = self.lock();
        if let Some((at, Blob::Named(key))) = &held.snapshot
            && path.starts_with(at.as_str())
        {
            return Some((Kind::Snapshot, at.clone(), key.clone()));
        }
        held.blobs.iter().find_map(|(at, blob)| match blob {
            Blob::Named(key) if path.starts_with(at.as_str()) => {
                Some((Kind::Mutations, at.clone(), key.clone()))
            }
            _ => None,
        })
    }

    /// A blob was fetched and is being opened.
    fn opening(&self, path: String, blob: Blob, bytes: usize) {
        let mut held = self.lock();
        match &blob {
            Blob::Snapshot(_) => {
                if let Some((at, known)) = &mut held.snapshot
                    && *at == path
                {
                    *known = blob;
                }
            }
            _ if held.bytes + bytes <= HELD_BYTES => {
                held.bytes += bytes;
                held.blobs.insert(path, blob);
            }
            _ => {}
        }
    }

    /// The patch that leads to `version`; forgets what is not newer.
    pub(crate) fn take_patch(&self, version: u64) -> Option<Patch> {
        let bytes = {
            let mut held = self.lock();
            let mut newer = held.patches.split_off(&version.saturating_add(1));
            std::mem::swap(&mut held.patches, &mut newer);
            let mut old = newer;
            held.bytes = held.bytes.saturating_sub(old.values().map(Vec::len).sum());
            old.remove(&version)?
        };
        let patch = codec::syncd_patch_decode(&bytes).ok()?;
        Some(Patch { patch, version })
    }

    /// The snapshot that is being searched, if one was fetched.
    pub(crate) fn take_snapshot(&self) -> Option<Search> {
        let mut held = self.lock();
        held.snapshot
            .take_if(|(_, blob)| matches!(blob, Blob::Snapshot(_)))
            .and_then(|(_, blob)| match blob {
                Blob::Snapshot(search) => Some(Search(search)),
                _ => None,
            })
    }

    /// The opened mutations of a blob.
    async fn take_mutations(&self, path: &str) -> Option<Vec<u8>> {
        let blob = {
            let mut held = self.lock();
            let blob = held.blobs.remove(path);
            if held.blobs.is_empty() {
                held.bytes = held.patches.values().map(Vec::len).sum();
            }
            blob
        };
        match blob? {
            Blob::Mutations(opened) => opened.await.ok()?,
            _ => None,
        }
    }

    /// Puts a patch's mutations in, where it keeps them elsewhere.
    pub(crate) async fn complete(&self, patch: &mut Patch) -> Result<(), Unreadable> {
        let Some(blob) = patch.patch.external_mutations.as_option() else {
            return Ok(());
        };
        let missing = Unreadable::Wrong("mutations that were not fetched");
        let path = blob.direct_path.as_deref().unwrap_or_default();
        let plain = self.take_mutations(path).await.ok_or(missing)?;
        patch.patch.mutations = decode::mutations(&plain)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn patch(&mut self, version: u64, bytes: &[u8]) {
        let before = self.patches.get(&version).map_or(0, Vec::len);
        let after = (self.bytes + bytes.len()).saturating_sub(before);
        if after > HELD_BYTES {
            return;
        }
        self.bytes = after;
        self.patches.insert(version, bytes.to_vec());
        // A reference to mutations elsewhere is field 3.
        if let Ok(reference @ [_, ..]) = wire::bytes(bytes, 3)
            && let Ok(reference) = codec::external_blob_reference_decode(reference)
            && let Some((path, blob)) = named(reference)
        {
            self.blobs.insert(path, blob);
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Snapshot,
    Mutations,
}

fn named(reference: wa::ExternalBlobReference) -> Option<(String, Blob)> {
    let path = reference.direct_path.filter(|path| !path.is_empty())?;
    Some((path, Blob::Named(reference.media_key?)))
}

impl Patch {
    /// Ids of the keys it needs.
    pub(crate) fn key_ids(&self) -> Vec<&[u8]> {
        decode::key_ids(&self.patch)
    }

    /// Its records, in order.
    pub(crate) async fn records(self, keys: Keys) -> Result<Vec<Record>, Unreadable> {
        let Self { patch, version } = self;
        if patch.mutations.len() <= FEW_MUTATIONS {
            return decode::patch(&patch, version, &keys);
        }
        let opened = move || decode::patch(&patch, version, &keys);
        tokio::task::spawn_blocking(opened)
            .await
            .unwrap_or(Err(Unreadable::Wrong("reading ended early")))
    }
}

/// The search through a snapshot.
pub(crate) struct Search(JoinHandle<Searched>);

impl Search {
    /// What it found, if it led to `version`; `keys` are the ones known by now.
    pub(crate) async fn records(
        self,
        version: u64,
        keys: impl Future<Output = Keys>,
    ) -> Option<Raw> {
        let found = match self.0.await.ok()? {
            Searched::Done(found) => found,
            Searched::Later(plain) => {
                let keys = keys.await;
                let again = move || decode::snapshot(&plain, &keys);
                tokio::task::spawn_blocking(again).await.ok()?.ok()?
            }
            Searched::Failed => return None,
        };
        (found.version == version).then_some(Raw::Snapshot(found.records))
    }
}

/// Opens a blob and searches it: blocking.
fn search(mut body: Vec<u8>, key: &[u8], keys: &Keys) -> Searched {
    if DownloadUtils::verify_and_decrypt_in_place(&mut body, key, MediaType::AppState).is_err() {
        return Searched::Failed;
    }
    match decode::snapshot(&body, keys) {
        Ok(found) => Searched::Done(found),
        Err(Unreadable::NoKey) => Searched::Later(body),
        Err(Unreadable::Wrong(_)) => Searched::Failed,
    }
}

/// Opens a blob: blocking.
fn open(mut body: Vec<u8>, key: &[u8]) -> Option<Vec<u8>> {
    DownloadUtils::verify_and_decrypt_in_place(&mut body, key, MediaType::AppState).ok()?;
    Some(body)
}
