//! One running client.

use std::sync::Arc;

use async_trait::async_trait;
use labelwire_app::phone::{Phone, PhoneError, WriteError, Written};
use labelwire_domain::change::Record;
use tokio::sync::{Mutex, oneshot};
use whatsapp_rust::Client;
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::sync_task::MajorSyncTask;
use whatsapp_rust::wacore::appstate::patch_decode::WAPatchName;

use crate::backend::{RegularOverlay, SqlBackend};
use crate::patch;

/// A client and the way to stop it.
pub(crate) struct WaPhone {
    pub(crate) client: Arc<Client>,
    pub(crate) overlay: Arc<RegularOverlay>,
    pub(crate) backend: Arc<SqlBackend>,
    /// Asks the task that holds the client to stop it; that task answers when it has.
    pub(crate) stop: Mutex<Option<oneshot::Sender<oneshot::Sender<()>>>>,
}

impl WaPhone {
    async fn sync_regular(&self, full_sync: bool) {
        self.client
            .process_sync_task(MajorSyncTask::AppStateSync {
                name: WAPatchName::Regular,
                full_sync,
            })
            .await;
    }
}

#[async_trait]
impl Phone for WaPhone {
    async fn sync(&self) {
        self.sync_regular(false).await;
    }

    async fn replay(&self) -> Result<(), PhoneError> {
        if !self.client.is_connected() {
            return Err(PhoneError::NotConnected);
        }
        // Asking for a snapshot alone does nothing: the server's is no newer than
        // what is stored, and is skipped (`protocol.md` A4).
        self.overlay.stand_down();
        self.sync_regular(true).await;
        Ok(())
    }

    async fn write(&self, records: &[Record]) -> Result<Written, WriteError> {
        patch::write(&self.client, &self.backend, records).await
    }

    async fn is_lid_migrated(&self) -> bool {
        self.client.is_lid_migrated().await
    }

    async fn request_pair_code(&self, number: &str) -> Result<String, PhoneError> {
        self.client
            .pair_with_code(PairCodeOptions {
                phone_number: number.to_owned(),
                ..PairCodeOptions::default()
            })
            .await
            .map(|code| with_dash(&code))
            .map_err(|e| PhoneError::Refused(format!("no pairing code: {e}")))
    }

    async fn logout(&self) -> Result<(), PhoneError> {
        if !self.client.is_connected() {
            return Err(PhoneError::NotConnected);
        }
        self.client.logout().await;
        Ok(())
    }

    async fn shutdown(&self) {
        if let Some(stop) = self.stop.lock().await.take() {
            let (done, wait) = oneshot::channel();
            if stop.send(done).is_ok() {
                let _ = wait.await;
            }
        }
    }

    fn committed(&self, through: u64) {
        self.overlay.committed(through);
    }
}

/// `ABCDEFGH` as phones show it: `ABCD-EFGH`.
fn with_dash(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((head, tail)) if code.len() == 8 => format!("{head}-{tail}"),
        _ => code.to_owned(),
    }
}
