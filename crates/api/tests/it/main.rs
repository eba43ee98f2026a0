//! The API over a real application on SQLite, with a scripted WhatsApp behind it.

mod evolution;
mod fake;
mod instances;
mod keyed;
mod labels;
mod logs;
mod native;
mod socket;
mod stage;
mod waha;
