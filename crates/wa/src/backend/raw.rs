//! What the library keeps to itself, made steps when it writes a version.

use std::sync::{Arc, PoisonError};

use labelwire_domain::change::Record;
use labelwire_domain::collection::Raw;
use labelwire_store::protocol::Kind;
use whatsapp_rust::wacore::appstate::{ExpandedAppStateKeys, expand_app_state_keys};
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{AppStateSyncKey, AppSyncStore as _};

use super::app_sync::from_hex;
use super::{SqlBackend, from_json};
use crate::raw::{Keys, Patch, Unreadable};

/// Expanded keys that are kept: an account has one in use and few old ones.
const KEPT_KEYS: usize = 16;

impl SqlBackend {
    /// Reads what leads to a version the library is about to write, and hands it on.
    pub(super) async fn hand_on_raw(&self, version: u64) {
        let raw = self.regular.raw();
        if !raw.is_listening() {
            return;
        }
        let snapshot = match raw.take_snapshot() {
            Some(search) => search.records(version, self.all_app_state_keys()).await,
            None => None,
        };
        let read = match (snapshot, raw.take_patch(version)) {
            (Some(snapshot), _) => Some(snapshot),
            (None, Some(patch)) => match self.read_patch(patch).await {
                Ok(records) => Some(Raw::Patch(records)),
                Err(error) => {
                    tracing::warn!(version, %error, "a patch could not be read; a snapshot will be");
                    Some(Raw::Unread)
                }
            },
            (None, None) => (!self.regular.is_fresh()).then_some(Raw::Unread),
        };
        if let Some(read) = read {
            self.regular.read_raw(version, read);
        }
    }

    async fn read_patch(&self, mut patch: Patch) -> std::result::Result<Vec<Record>, Unreadable> {
        self.regular.raw().complete(&mut patch).await?;
        let mut keys = Keys::new();
        for id in patch.key_ids() {
            let key = self
                .app_state_key(id)
                .await
                .map_err(|_| Unreadable::NoKey)?;
            keys.insert(id.to_vec(), key.ok_or(Unreadable::NoKey)?);
        }
        patch.records(keys).await
    }

    /// A key, expanded once.
    async fn app_state_key(&self, id: &[u8]) -> Result<Option<Arc<ExpandedAppStateKeys>>> {
        if let Some(known) = self.expanded().get(id) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(key) = self.get_sync_key(id).await? else {
            return Ok(None);
        };
        let key = Arc::new(expand_app_state_keys(&key.key_data));
        let mut expanded = self.expanded();
        if expanded.len() >= KEPT_KEYS {
            expanded.clear();
        }
        expanded.insert(id.to_vec(), Arc::clone(&key));
        Ok(Some(key))
    }

    /// Every key there is. None where the database fails: what needs them is then
    /// tried again when it is due.
    pub(crate) async fn all_app_state_keys(&self) -> Keys {
        let rows = match self.list(Kind::SyncKey).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "the keys of app state could not be read");
                return Keys::new();
            }
        };
        rows.iter()
            .filter_map(|row| {
                let key: AppStateSyncKey = from_json(&row.value).ok()?;
                let key = Arc::new(expand_app_state_keys(&key.key_data));
                Some((from_hex(&row.key)?, key))
            })
            .collect()
    }

    /// A key was stored: an expansion of what stood under its id is void.
    pub(super) fn forget_expanded(&self, id: &[u8]) {
        self.expanded().remove(id);
    }

    fn expanded(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.expanded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
