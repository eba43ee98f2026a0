//! WhatsApp: the [`Phone`](labelwire_app::phone::Phone) port over `whatsapp-rust`.
//!
//! The library's words stop here: events become records and standings, the
//! library's storage calls become rows and steps.
//!
//! ```text
//! app ──► WaConnector ──► WaPhone ──► whatsapp_rust::Client ──► WhatsApp
//!                            ▲              │ events      │ storage
//!                            └─ one queue ◄─┴─ translate  └─► backend ──► store
//! ```

pub mod backend;
mod connector;
mod contacts;
mod events;
mod heard;
#[cfg(feature = "simulator")]
mod loopback;
mod mutation;
mod patch;
mod phone;
mod raw;
mod send;
mod socket;
mod translate;
#[cfg(not(feature = "simulator"))]
pub mod trust;

pub use connector::{Endpoint, Options, WaConnector};
