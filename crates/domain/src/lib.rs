//! What is true, without IO: ids, chats, labels, changes and the snapshot diff.
//!
//! Nothing here awaits, reads a clock or talks to a database; everything here
//! can be tested with plain values.
//!
//! ```text
//! wa (WhatsApp's words) ──► domain ◄── store (rows)
//!                             ▲
//!                             └── app, api (what callers see)
//! ```

pub mod change;
pub mod chat;
pub mod clock;
pub mod collection;
pub mod contact;
pub mod event;
pub mod event_filter;
pub mod ids;
pub mod instance;
pub mod intent;
pub mod label;
pub mod selection;
pub mod token;
pub mod webhook;
