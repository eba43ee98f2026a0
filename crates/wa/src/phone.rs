//! One running client.

use std::sync::Arc;

use async_trait::async_trait;
use labelwire_app::phone::{Phone, PhoneError, PublicProfile, SentMessage, WriteError, Written};
use labelwire_domain::change::Record;
use labelwire_domain::chat::ChatJid;
use tokio::sync::{Mutex, oneshot};
use whatsapp_rust::Client;
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::sync_task::MajorSyncTask;
use whatsapp_rust::wacore::appstate::patch_decode::WAPatchName;

use crate::backend::{RegularOverlay, SqlBackend};
use crate::contacts::Ears;
use crate::patch;
use crate::send::{self, Acks};

/// A client and the way to stop it.
pub(crate) struct WaPhone {
    pub(crate) client: Arc<Client>,
    pub(crate) overlay: Arc<RegularOverlay>,
    pub(crate) backend: Arc<SqlBackend>,
    pub(crate) names: Ears,
    pub(crate) acks: Acks,
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
    async fn sync(&self) -> bool {
        // The library only logs what fails; a sync that ends well says the version
        // once more at its end, save that of an account that holds nothing.
        let before = self.overlay.ends();
        self.sync_regular(false).await;
        self.names.labels_are_in();
        self.overlay.ends() > before || (self.overlay.holds_nothing() && self.client.is_connected())
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

    async fn waits_for_keys(&self) -> bool {
        // The library asks by itself; what it waits for shows only here.
        self.client.memory_report().await.app_state_key_requests > 0
    }

    async fn is_lid_migrated(&self) -> bool {
        self.client.is_lid_migrated().await
    }

    async fn send_text(
        &self,
        chat: &ChatJid,
        text: &str,
        reply_to: Option<&str>,
    ) -> Result<SentMessage, PhoneError> {
        send::text(&self.client, &self.acks, chat, text, reply_to).await
    }

    async fn public_profile(&self, jid: &ChatJid) -> Result<PublicProfile, PhoneError> {
        send::profile(&self.client, jid).await
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
        self.names.labels_are_in();
    }
}

/// `ABCDEFGH` as phones show it: `ABCD-EFGH`.
fn with_dash(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((head, tail)) if code.len() == 8 => format!("{head}-{tail}"),
        _ => code.to_owned(),
    }
}
