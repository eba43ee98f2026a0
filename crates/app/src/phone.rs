//! The port to WhatsApp: what an instance asks of its client, and what it hears.
//!
//! Implemented by `labelwire-wa` over the real library. Everything heard comes
//! through one queue, in order, so that "the call returned" means "all it caused
//! is queued".

use std::sync::Arc;

use async_trait::async_trait;
use labelwire_domain::change::Record;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::collection::Step;
use labelwire_domain::contact::ContactNews;
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::instance::Profile;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// What a client tells its instance.
#[derive(Debug)]
pub enum PhoneEvent {
    /// The client wrote to, or raised an event of, the `regular` collection.
    Step {
        /// Place in the client's order.
        seq: u64,
        /// The task that did it.
        task: u64,
        /// What it was.
        step: Step,
    },
    /// LID and phone number (digits) turned out to be one person; already stored.
    LidsLearned(Vec<(String, String)>),
    /// Names that were learned; nothing waits for them.
    Contacts(Vec<ContactNews>),
    /// A message came in or went out; nothing waits for it.
    Message(Box<HeardMessage>),
    /// A QR code to scan; the one before is void.
    Qr(String),
    /// No QR code is left; the client has stopped.
    QrExhausted,
    /// Pairing succeeded.
    Paired(Profile),
    /// Logged in and ready.
    Connected,
    /// The connection broke; the client tries again by itself.
    Disconnected(String),
    /// WhatsApp removed this device; the client has stopped.
    LoggedOut(String),
    /// The client has stopped for another reason.
    Stopped {
        /// What is known of it.
        reason: String,
        /// Whether starting anew may help; not where another client took our place.
        again: bool,
    },
    /// Asked by ourselves: the catch-up that follows a login is done.
    CaughtUp,
    /// A sync of `regular` was skipped or failed; the client will not repeat it.
    SyncSkipped,
    /// Asked by ourselves: everything queued before has been handled.
    Barrier(oneshot::Sender<Settled>),
}

/// A message that came in, or that the account wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct HeardMessage {
    /// WhatsApp's id of it.
    pub id: String,
    /// Where it was written.
    pub chat: ChatJid,
    /// Who wrote it; `None` for the account itself, where that is not said.
    pub from: Option<ChatJid>,
    /// Whether the account wrote it.
    pub from_me: bool,
    /// When, on WhatsApp.
    pub at: Timestamp,
    /// What it is: `text`, `image`, `video`, `audio`, `document`, `sticker`,
    /// `location`, `contact`, `poll`, `reaction` or `unknown`.
    pub kind: &'static str,
    /// What it says, or what stands below a picture. Never logged.
    pub text: Option<String>,
    /// The name who wrote it shows of themselves.
    pub push_name: Option<String>,
}

/// Neither numbers nor text.
impl std::fmt::Debug for HeardMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeardMessage")
            .field("from_me", &self.from_me)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What an instance says once its queue was handled up to a point.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// Steps wait for the end of their batch.
    pub pending: bool,
    /// A snapshot must be replayed: changes were lost, a REMOVE was seen, or the
    /// hash disagrees.
    pub needs_snapshot: bool,
    /// How many complete replays were committed since the start.
    pub replays: u64,
    /// The committed version.
    pub version: u64,
}

/// A failure of the client.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PhoneError {
    /// Not logged in.
    #[error("not connected")]
    NotConnected,
    /// No app-state key has come from the phone yet.
    #[error("not synced yet")]
    NotSynced,
    /// WhatsApp or the library said no.
    #[error("{0}")]
    Refused(String),
}

/// How a patch fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// WhatsApp has taken it; the collection is at this version by it.
    Accepted(u64),
    /// Another device was faster; nothing was taken. Fetch what is new and build anew.
    Conflict,
}

/// Why a patch got no such verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Not logged in; nothing was sent.
    #[error("not connected")]
    NotConnected,
    /// No app-state key has come from the phone yet; nothing was sent.
    #[error("not synced yet")]
    NotSynced,
    /// The collection is being read just now; nothing was sent.
    #[error("the labels are being read")]
    NotReady,
    /// WhatsApp asks to come back later; nothing was taken.
    #[error("WhatsApp is busy: {0}")]
    Busy(String),
    /// WhatsApp said no; nothing was taken.
    #[error("WhatsApp refused: {0}")]
    Refused(String),
    /// It was sent and no verdict came: taken or not, only looking will tell.
    #[error("no answer from WhatsApp: {0}")]
    Unknown(String),
}

/// A message WhatsApp has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// Its id.
    pub id: String,
    /// Unix seconds, when WhatsApp accepted it.
    pub timestamp_s: i64,
}

/// What WhatsApp tells of a person; what it does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicProfile {
    /// The text below the name.
    pub status: Option<String>,
    /// Where the picture is served.
    pub picture_url: Option<String>,
    /// Whether it is a business.
    pub is_business: bool,
    /// Its verified name.
    pub verified_name: Option<String>,
}

/// Where a client puts what it has to tell.
pub type EventSink = UnboundedSender<PhoneEvent>;

/// A running client of one linked device.
#[async_trait]
pub trait Phone: Send + Sync {
    /// Fetches what `regular` lacks. On return everything fetched is queued; false
    /// where WhatsApp's answer did not come, or not whole.
    async fn sync(&self) -> bool;

    /// Fetches `regular` whole, as a snapshot. On return it is queued.
    async fn replay(&self) -> Result<(), PhoneError>;

    /// Whether the phone was asked for app-state keys and has not sent them yet.
    async fn waits_for_keys(&self) -> bool;

    /// Writes these records as one patch. Accepted: WhatsApp has them; their echo
    /// comes with the next [`Phone::sync`].
    async fn write(&self, records: &[Record]) -> Result<Written, WriteError>;

    /// Whether WhatsApp has moved this account's chats to hidden ids.
    async fn is_lid_migrated(&self) -> bool;

    /// Sends a text, as an answer to a message where one is named (its id, or
    /// `<true|false>_<chat>_<id>`). On success WhatsApp has accepted it.
    async fn send_text(
        &self,
        chat: &ChatJid,
        text: &str,
        reply_to: Option<&str>,
    ) -> Result<SentMessage, PhoneError>;

    /// What WhatsApp tells of a person.
    async fn public_profile(&self, jid: &ChatJid) -> Result<PublicProfile, PhoneError>;

    /// Asks for a pairing code for this number (digits).
    async fn request_pair_code(&self, number: &str) -> Result<String, PhoneError>;

    /// Unlinks this device from the account.
    async fn logout(&self) -> Result<(), PhoneError>;

    /// Stops the client and waits until it has.
    async fn shutdown(&self);

    /// Steps up to this one are committed; memory kept for them may go.
    fn committed(&self, through: u64);
}

/// Starts clients.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Starts a client for an instance: logs in where a pairing is stored, else
    /// offers QR codes.
    async fn start(
        &self,
        instance: InstanceKey,
        events: EventSink,
    ) -> Result<Arc<dyn Phone>, PhoneError>;

    /// Whether a pairing is stored, which a crash may have kept us from noting.
    async fn is_paired(&self, instance: InstanceKey) -> bool;
}
