//! What leaves: deliveries to webhooks, signed, in order, until they arrive.
//!
//! ```text
//!  bell, poll ──► worker (which webhooks have something waiting?)
//!                   └─► endpoint, a task for each webhook
//!                         lanes    what is next; a chat's deliveries one after another
//!                         breaker  whether it may be sent now
//!                         sender   guard ─► TLS ─► POST, signed in the dialect's way
//!                         └─► recorder: tries and what becomes of deliveries, many in
//!                             one transaction
//! ```
//! Nothing here knows what an event looks like to a receiver: the body comes from
//! [`labelwire_domain::webhook::Words`]. Nothing here queues deliveries: that happens
//! in the transaction of the change.

mod breaker;
mod connector;
mod endpoint;
mod guard;
mod lanes;
mod recorder;
mod sender;
#[cfg(test)]
mod sender_tests;
mod signature;
mod worker;
#[cfg(test)]
mod worker_tests;

pub use worker::{NoTls, Options, Worker};
