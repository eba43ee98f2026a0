//! One linked account: its actor, and the handle others hold.

mod actor;
mod asked;
mod handle;
mod journal;
mod messages;
mod names;
mod writer;

pub(crate) use handle::Parts;
pub use handle::{Handle, Recovery, Status};
pub use journal::{Journal, Seen};
pub(crate) use writer::{Finished, Job};
