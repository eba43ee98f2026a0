//! The key material under which an account's app state is encrypted.

use std::sync::Arc;

use wacore::appstate::{ExpandedAppStateKeys, expand_app_state_keys};

/// One app-state sync key of an account, as the phone shares it with its companions.
#[derive(Clone)]
pub struct SyncKey {
    /// Six bytes: two of a device, four of an epoch; the newest epoch is the key in use.
    pub id: Vec<u8>,
    /// The master secret the five working keys are derived from.
    pub data: [u8; 32],
    /// When the phone made it, in milliseconds since 1970.
    pub timestamp: i64,
    expanded: Arc<ExpandedAppStateKeys>,
}

impl SyncKey {
    /// Derives the working keys once; clones share them.
    pub fn new(id: Vec<u8>, data: [u8; 32], timestamp: i64) -> Self {
        let expanded = Arc::new(expand_app_state_keys(&data));
        Self {
            id,
            data,
            timestamp,
            expanded,
        }
    }

    /// The five working keys.
    pub fn expanded(&self) -> &ExpandedAppStateKeys {
        &self.expanded
    }
}

impl std::fmt::Debug for SyncKey {
    /// Shows the id alone: key material stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
