//! What is remembered: all SQL, both engines, migrations.
//!
//! A function that writes takes `&mut Tx`; who began the transaction commits it.
//! A function that reads takes a `Conn`, so it works inside and outside of one.
//! Every statement is a file under `sql/`, the same text for SQLite and
//! PostgreSQL save where `.sqlite.sql` and `.postgres.sql` stand side by side.

mod macros;

pub mod accounts;
pub mod chat_labels;
pub mod checkpoints;
pub mod collections;
pub mod commands;
pub mod contacts;
pub mod db;
pub mod deliveries;
pub mod erasure;
pub mod error;
pub mod events;
pub mod idempotency;
pub mod instances;
pub mod label_orders;
pub mod labeled_chats;
pub mod labels;
pub mod lid_map;
pub mod log;
pub mod message_labels;
mod migrate;
#[cfg(all(test, feature = "testing"))]
mod plans;
pub mod protocol;
pub mod prune;
pub mod settings;
pub mod snapshots;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;
pub mod webhooks;

pub use db::{Conn, Db, Reader, Tx};
pub use error::Error;
