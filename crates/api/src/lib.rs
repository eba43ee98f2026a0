//! What is asked: the native API and the dialects, over HTTP.
//!
//! ```text
//!            ┌─ layers (panic, request id, log, deadline, URL length)
//!  request ──┤
//!            └─ router ──► native/ ─┐  caller, call, body, query      App
//!                      └─► ryze/  ──┴─ (shared, dialect-free) ──► (use cases)
//! ```
//! A dialect knows its own words and never imports another. Nothing here sees
//! the database or a WhatsApp library: every call is one use case of the app.

mod body;
mod call;
mod caller;
mod cors;
mod docs;
mod document;
mod evolution;
mod guard;
mod idempotency;
mod keyed;
mod layers;
mod limit;
mod line;
mod native;
mod pieces;
mod push;
mod qr;
mod query;
mod refusal;
mod router;
mod ryze;
mod serve;
mod stream;
mod told;
mod waha;
mod wawp;
mod whole;
mod words;

pub use cors::{InvalidOrigin, Origins};
pub use limit::Rate;
pub use line::Timeouts;
pub use router::{CONNECTIONS, Config, router};
pub use serve::serve;
pub use wawp::{ListShape, UnknownListShape};
pub use words::words;
