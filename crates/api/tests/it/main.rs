//! The API over a real application on SQLite, with a scripted WhatsApp behind it.

mod cors;
mod fake;
mod instances;
mod labels;
mod limits;
mod logs;
mod native;
mod ryze_document;
mod ryze_people;
mod ryze_settings;
mod ryze_tags;
mod slow;
mod socket;
mod stage;
mod tokens;
