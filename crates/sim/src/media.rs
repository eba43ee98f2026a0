//! Encrypted blobs that clients fetch over HTTP: the external app-state snapshots.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wacore::download::MediaType;
use wacore::upload::encrypt_media;
use waproto::buffa::Message;
use waproto::whatsapp as wa;

use crate::Error;

/// Where blobs live, below the server's HTTP origin.
pub(crate) const PREFIX: &str = "/mms/";
/// The host name clients are told; nothing resolves it, they are pointed at the server instead.
pub const MEDIA_HOST: &str = "mmg.sim";

/// A client fetches a blob right after it was told of it, so a few are enough.
const KEPT: usize = 64;

/// The blobs of all accounts.
#[derive(Default)]
pub(crate) struct Media {
    blobs: Mutex<VecDeque<Blob>>,
}

struct Blob {
    path: String,
    /// What it was made from: account, collection and version.
    source: (String, String, u64),
    reference: Bytes,
    bytes: Bytes,
}

impl Media {
    /// The encoded reference to an encrypted snapshot, encrypting it only once per version.
    pub(crate) fn snapshot(
        &self,
        account: &str,
        collection: &str,
        version: u64,
        plain: &[u8],
    ) -> Result<Bytes, Error> {
        let source = (account.to_owned(), collection.to_owned(), version);
        if let Some(blob) = self.lock().iter().find(|blob| blob.source == source) {
            return Ok(blob.reference.clone());
        }
        let encrypted = encrypt_media(plain, MediaType::AppState).map_err(Error::crypto)?;
        let name: String = Sha256::digest(&encrypted.data_to_upload)
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = format!("{PREFIX}md-app-state/{name}.enc");
        let reference = Bytes::from(
            wa::ExternalBlobReference {
                media_key: Some(encrypted.media_key.to_vec()),
                direct_path: Some(path.clone()),
                file_size_bytes: Some(encrypted.data_to_upload.len() as u64),
                file_sha256: Some(encrypted.file_sha256.to_vec()),
                file_enc_sha256: Some(encrypted.file_enc_sha256.to_vec()),
                ..Default::default()
            }
            .encode_to_vec(),
        );
        let mut blobs = self.lock();
        // An older version of the same collection is of no more use than memory.
        blobs.retain(|blob| {
            blob.source.0 != source.0 || blob.source.1 != source.1 || blob.source.2 + 4 > version
        });
        if blobs.len() == KEPT {
            blobs.pop_front();
        }
        blobs.push_back(Blob {
            path,
            source,
            reference: reference.clone(),
            bytes: Bytes::from(encrypted.data_to_upload),
        });
        Ok(reference)
    }

    /// The blob at a path.
    pub(crate) fn get(&self, path: &str) -> Option<Bytes> {
        let blobs = self.lock();
        let blob = blobs.iter().find(|blob| blob.path == path)?;
        Some(blob.bytes.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Blob>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
