//! The API over a real application on SQLite, with a scripted WhatsApp behind it.

mod fake;
mod instances;
mod labels;
mod logs;
mod native;
mod socket;
mod stage;
mod wawp;
