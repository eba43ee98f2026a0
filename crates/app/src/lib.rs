//! What may be done: use cases, permissions, instances, and the one door.
//!
//! ```text
//! api ──► App (use cases, access) ──► instance::Handle ──► Phone (WhatsApp)
//!                   │                        │ events, in order
//!                   ▼                        ▼
//!                 lists ◄── journal ◄── instance actor ──► ingest ──► store
//! ```
//! Never imports a WhatsApp library, and never an HTTP one.

pub mod access;
pub mod app;
pub mod chats;
pub mod contacts;
pub mod error;
pub mod feed;
pub mod idempotency;
pub mod identity;
pub mod ingest;
pub mod instance;
pub mod instances;
pub mod labels;
pub mod lists;
pub mod messages;
pub mod messages_out;
pub mod phone;
pub mod profile;
pub mod running;
pub mod settings;
pub mod streams;
pub mod tasks;
pub mod tokens;
pub mod webhook_sets;
pub mod webhooks;
pub mod writes;

pub use access::Caller;
pub use app::{App, Outside, create_account};
pub use error::{Error, Kind};
