//! One linked account: its actor, and the handle others hold.

mod actor;
mod handle;
mod journal;
mod names;

pub(crate) use handle::Parts;
pub use handle::{Handle, Status};
pub use journal::{Journal, Seen};
