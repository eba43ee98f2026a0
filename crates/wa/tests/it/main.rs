//! The WhatsApp side, against the library it is built for.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod backend;
#[cfg(feature = "simulator")]
mod mirror;
