//! The library's events into the instance's queue.
//!
//! Registered as a raw handler, because it runs inside the library's sync, in
//! order: closures of the bot are spawned per event and overtake each other
//! (`protocol.md` A2).

use std::sync::Arc;

use labelwire_app::phone::{EventSink, PhoneEvent};
use labelwire_domain::collection::Step;
use labelwire_domain::instance::Profile;
use whatsapp_rust::types::events::{Event, EventHandler};

use crate::backend::{REGULAR, RegularOverlay, StepSink};
use crate::contacts::Ears;
use crate::heard;
use crate::send::Acks;
use crate::translate;

/// Puts steps into the queue of events, so that both keep one order.
pub(crate) struct Queue(pub(crate) EventSink);

impl StepSink for Queue {
    fn step(&self, seq: u64, task: u64, step: Step) {
        // Closed only when the client is being stopped.
        let _ = self.0.send(PhoneEvent::Step { seq, task, step });
    }

    fn lids_learned(&self, pairs: Vec<(String, String)>) {
        let _ = self.0.send(PhoneEvent::LidsLearned(pairs));
    }
}

/// Forwards what concerns an instance; drops the rest.
pub(crate) struct Forward {
    pub(crate) overlay: Arc<RegularOverlay>,
    pub(crate) events: EventSink,
    pub(crate) names: Ears,
    pub(crate) acks: Acks,
}

impl EventHandler for Forward {
    fn handle_event(&self, event: Arc<Event>) {
        match &*event {
            Event::RawNode(stanza) => self.overlay.raw().note(stanza.get()),
            Event::LabelEditUpdate(update) => self.overlay.record(translate::label(update)),
            Event::LabelAssociationUpdate(update) => {
                self.overlay.record(translate::association(update));
            }
            Event::ServerAck(ack) => self.acks.came(ack),
            other => {
                self.names.hear(&event);
                if let Event::Messages(batch) = other {
                    for message in batch.iter().filter_map(heard::message) {
                        let _ = self.events.send(PhoneEvent::Message(Box::new(message)));
                    }
                }
                if let Some(event) = standing(other) {
                    let _ = self.events.send(event);
                }
            }
        }
    }
}

/// What an event says of the instance's standing. Reasons never carry what the
/// server sent as free text, which could name numbers.
fn standing(event: &Event) -> Option<PhoneEvent> {
    Some(match event {
        Event::PairingQrCode(qr) => PhoneEvent::Qr(qr.code.clone()),
        Event::PairingQrCodesExhausted(_) => PhoneEvent::QrExhausted,
        Event::PairSuccess(pair) => PhoneEvent::Paired(Profile {
            jid: Some(pair.id.to_non_ad().to_string()),
            lid: Some(pair.lid.to_non_ad().to_string()).filter(|l| l.len() > "@lid".len()),
            platform: some(&pair.platform),
            business_name: some(&pair.business_name),
            push_name: None,
        }),
        Event::SelfPushNameUpdated(update) => PhoneEvent::Paired(Profile {
            push_name: some(&update.new_name),
            ..Profile::default()
        }),
        Event::Connected(_) => PhoneEvent::Connected,
        Event::Disconnected(gone) => {
            PhoneEvent::Disconnected(format!("connection lost ({}); trying again", gone.reason))
        }
        Event::LoggedOut(out) => {
            PhoneEvent::LoggedOut(format!("WhatsApp removed this device ({:?})", out.reason))
        }
        Event::StreamReplaced(_) => PhoneEvent::Stopped {
            reason:
                "another client took over this device's connection; connect again to take it back"
                    .into(),
            again: false,
        },
        Event::ClientOutdated(_) => PhoneEvent::Stopped {
            reason: "WhatsApp refuses this client version; update labelwire".into(),
            again: false,
        },
        Event::TemporaryBan(ban) => PhoneEvent::Disconnected(format!(
            "WhatsApp banned this account for {} seconds ({:?})",
            ban.expire.num_seconds(),
            ban.code
        )),
        Event::ConnectFailure(failure) => {
            PhoneEvent::Disconnected(format!("WhatsApp refused the login ({:?})", failure.reason))
        }
        Event::AppStateSyncFailed(failed) => {
            let regular = |names: &[String]| names.iter().any(|n| n == REGULAR);
            if !(regular(&failed.skipped) || regular(&failed.retryable) || regular(&failed.fatal)) {
                return None;
            }
            PhoneEvent::SyncSkipped
        }
        _ => return None,
    })
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
