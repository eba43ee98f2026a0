//! The binary as its users meet it.
//!
//! Most of it runs in the simulator build; the plain build has a small set of
//! its own, for what only that one can show.
#![cfg_attr(
    feature = "simulator",
    expect(clippy::unwrap_used, reason = "a test fails where something fails")
)]

mod cli;
#[cfg(feature = "simulator")]
mod delivery;
#[cfg(feature = "simulator")]
mod demo;
#[cfg(feature = "simulator")]
mod dialect;
#[cfg(feature = "simulator")]
mod history;
#[cfg(feature = "simulator")]
mod identities;
#[cfg(feature = "simulator")]
mod kill;
#[cfg(not(feature = "simulator"))]
mod plain;
#[cfg(feature = "simulator")]
mod process;
#[cfg(feature = "simulator")]
mod receiver;
#[cfg(feature = "simulator")]
mod thousand;
mod walls;
#[cfg(feature = "simulator")]
mod witness;
