//! Integration tests: real clients against the simulated server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod baileys;
mod client;
mod client_faults;
mod client_labels;
mod client_messages;
mod client_offline;
mod control_api;
