//! The API over a real application on SQLite, with a scripted WhatsApp behind it.

mod cors;
mod dialect_events;
mod dialect_sockets;
mod dialect_webhooks;
mod evolution;
mod fake;
mod instances;
mod keyed;
mod labels;
mod limits;
mod logs;
mod native;
mod native_admin;
mod native_chats;
mod native_labels;
mod ryze_document;
mod ryze_people;
mod ryze_settings;
mod ryze_tags;
mod slow;
mod socket;
mod stage;
mod tokens;
mod waha;
mod wawp;
