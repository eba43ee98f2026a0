//! The API over a real application on SQLite, with a scripted WhatsApp behind it.

mod cors;
mod fake;
mod instances;
mod labels;
mod limits;
mod logs;
mod native;
mod slow;
mod socket;
mod stage;
mod tokens;
mod wawp;
