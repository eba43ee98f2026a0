//! WhatsApp in a box: a server that speaks the real protocol with simulated phones behind it.
//!
//! ```text
//!  client ── ws ──▶ connection ─▶ router ─▶ sync · usync · messages · pairing
//!                                             │         (protocol)
//!  tests, HTTP ───▶ control ──▶ World ──▶ Account ─▶ Collection, Faults, Truth
//!                                                       (model)
//! ```
//!
//! It imports nothing of labelwire: it is the other side of the wire, and it
//! believes no MAC, hash or signature that it has not computed itself.

pub mod account;
pub mod address_book;
pub mod collection;
mod connection;
pub mod control;
pub mod device;
mod error;
pub mod faults;
pub mod fixture;
pub mod labels;
mod media;
mod messages;
mod noise;
mod pairing;
mod persist;
mod phone;
mod router;
mod server;
mod signal_store;
mod sync;
pub mod truth;
mod usync;
mod world;

pub use account::{Account, Kind, NewAccount, Received};
pub use error::Error;
pub use media::MEDIA_HOST;
pub use noise::ServerKeys;
pub use server::{Options, Server};
pub use world::World;
