//! Names, picked out of the library's events and told to the instance beside
//! everything else.
//!
//! The event handler only puts aside what it is given. A task of its own reads
//! it, history included, waits for the first sync of the labels to be done, and
//! hands on one small batch after the other, each when the one before is stored:
//! names never hold up steps. What was put aside and not handed on is lost in a
//! crash or a stop, and comes back as WhatsApp tells it again; history's part
//! does not.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use labelwire_app::phone::{EventSink, PhoneEvent};
use labelwire_app::tasks::Tasks;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::contact::{ContactNews, clean};
use tokio::sync::{mpsc, oneshot, watch};
use whatsapp_rust::Jid;
use whatsapp_rust::types::events::{BusinessUpdateType, Event, LazyHistorySync};
use whatsapp_rust::types::message::MessageInfo;
use whatsapp_rust::wacore::stanza::groups::GroupNotificationAction;
use whatsapp_rust::waproto::whatsapp as wa;

/// Names one transaction takes before steps get their turn.
const BATCH: usize = 1_000;
/// How long names wait for the first sync.
const PATIENCE: Duration = Duration::from_secs(15);
/// People whose last name is remembered, so that not every message is a write.
const REMEMBERED: usize = 20_000;

/// Something that holds names.
enum Heard {
    /// Told for its own sake.
    Told(ContactNews),
    /// Carried by a message; mostly known already.
    Carried(ContactNews),
    /// History, still packed.
    History(Arc<Event>),
}

/// Takes what holds names. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ears {
    heard: mpsc::UnboundedSender<Heard>,
    synced: Arc<watch::Sender<bool>>,
}

impl Ears {
    /// Starts the task behind them; it ends with the client.
    pub(crate) fn open(events: EventSink, tasks: &Tasks) -> Self {
        let (heard, inbox) = mpsc::unbounded_channel();
        let synced = Arc::new(watch::Sender::new(false));
        let teller = Teller {
            inbox,
            events,
            synced: synced.subscribe(),
            carried: HashMap::new(),
        };
        let stop = tasks.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stop.stopping() => {}
                () = teller.run() => {}
            }
        });
        Self { heard, synced }
    }

    /// Puts aside what an event holds of names.
    pub(crate) fn hear(&self, event: &Arc<Event>) {
        match &**event {
            Event::HistorySync(_) => self.put(Heard::History(Arc::clone(event))),
            Event::Messages(batch) => {
                for message in batch {
                    if let Some(news) = of_message(&message.info) {
                        self.put(Heard::Carried(news));
                    }
                }
            }
            other => {
                if let Some(news) = of_event(other) {
                    self.put(Heard::Told(news));
                }
            }
        }
    }

    /// The labels are in the mirror: names may take their turn.
    pub(crate) fn labels_are_in(&self) {
        self.synced
            .send_if_modified(|synced| !std::mem::replace(synced, true));
    }

    fn put(&self, heard: Heard) {
        // Closed only when everything is being stopped.
        let _ = self.heard.send(heard);
    }
}

struct Teller {
    inbox: mpsc::UnboundedReceiver<Heard>,
    events: EventSink,
    synced: watch::Receiver<bool>,
    /// Hash of the last names carried, by hash of the JID.
    carried: HashMap<u64, u64>,
}

impl Teller {
    async fn run(mut self) {
        while let Some(first) = self.inbox.recv().await {
            let synced = self.synced.wait_for(|synced| *synced);
            let _ = tokio::time::timeout(PATIENCE, synced).await;
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(heard) = next.take() {
                match heard {
                    Heard::Told(news) => batch.push(news),
                    Heard::Carried(news) => {
                        if self.is_new(&news) {
                            batch.push(news);
                        }
                    }
                    Heard::History(event) => {
                        let unpacked = tokio::task::spawn_blocking(move || unpack(&event)).await;
                        batch.extend(unpacked.unwrap_or_default());
                    }
                }
                if batch.len() < BATCH {
                    next = self.inbox.try_recv().ok();
                }
            }
            while !batch.is_empty() {
                let rest = batch.split_off(batch.len().min(BATCH));
                if !self.tell(std::mem::replace(&mut batch, rest)).await {
                    return;
                }
            }
        }
    }

    /// Hands on one batch and waits until it is stored.
    async fn tell(&self, news: Vec<ContactNews>) -> bool {
        let (done, stored) = oneshot::channel();
        let told = self.events.send(PhoneEvent::Contacts(news)).is_ok()
            && self.events.send(PhoneEvent::Barrier(done)).is_ok();
        told && stored.await.is_ok()
    }

    fn is_new(&mut self, news: &ContactNews) -> bool {
        if self.carried.len() >= REMEMBERED {
            self.carried.clear();
        }
        let names = hash(&(&news.push_name, &news.business_name));
        self.carried.insert(hash(&news.chat), names) != Some(names)
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The chat of a JID, where it is one that has names.
fn chat(jid: &str) -> Option<ChatJid> {
    let chat = ChatJid::parse(jid).ok()?;
    (!chat.as_str().ends_with("@broadcast")).then_some(chat)
}

fn news(jid: &Jid) -> Option<ContactNews> {
    chat(&jid.to_non_ad().to_string()).map(ContactNews::of)
}

fn is_person(chat: &ChatJid) -> bool {
    chat.is_lid() || chat.is_phone()
}

/// A name, unless it is empty or WhatsApp's sign for "none".
fn name(text: Option<&str>) -> Option<String> {
    let name = clean(text?);
    (!name.is_empty() && name != "-").then_some(name)
}

/// A name that is not just the number again, as of people who are not saved.
fn saved_name(text: Option<&str>) -> Option<String> {
    name(text).filter(|name| {
        name.chars()
            .any(|c| !c.is_ascii_digit() && !" +-().\u{a0}\u{202a}\u{202c}".contains(c))
    })
}

/// What a message says of its sender's names. Never of what it says.
fn of_message(info: &MessageInfo) -> Option<ContactNews> {
    if info.source.is_from_me {
        return None;
    }
    let verified = info
        .verified_name
        .as_deref()
        .and_then(|v| v.name.as_deref());
    let told = ContactNews {
        push_name: name(Some(&info.push_name)),
        business_name: name(verified),
        ..news(&info.source.sender)?
    };
    (is_person(&told.chat) && !told.is_empty()).then_some(told)
}

fn of_event(event: &Event) -> Option<ContactNews> {
    let told = match event {
        Event::ContactUpdate(update) => {
            let action = &update.action;
            ContactNews {
                // Told empty, it has been taken out of the address book.
                name: action.full_name.as_deref().map(clean),
                first_name: action.first_name.as_deref().map(clean),
                ..news(&update.jid)?
            }
        }
        Event::PushNameUpdate(update) => ContactNews {
            push_name: name(Some(&update.new_push_name)),
            ..news(&update.jid)?
        },
        Event::BusinessStatusUpdate(update) => {
            let business_name = match update.update_type {
                BusinessUpdateType::RemovedAsBusiness => Some(String::new()),
                _ => name(update.verified_name.as_deref()),
            };
            ContactNews {
                business_name,
                ..news(update.target_jid.as_ref().unwrap_or(&update.jid))?
            }
        }
        Event::GroupUpdate(update) => ContactNews {
            subject: match &update.action {
                GroupNotificationAction::Subject { subject, .. } => name(Some(subject)),
                GroupNotificationAction::Create { raw } => {
                    let group = raw.get_optional_child_by_tag(&["group"]).unwrap_or(raw);
                    name(group.attrs().optional_string("subject").as_deref())
                }
                _ => None,
            },
            ..news(&update.group_jid)?
        },
        _ => return None,
    };
    (!told.is_empty()).then_some(told)
}

/// The names in a piece of history; its messages are not looked at.
fn unpack(event: &Event) -> Vec<ContactNews> {
    let Event::HistorySync(history) = event else {
        return Vec::new();
    };
    let mut told = Vec::new();
    if read_history(history, &mut told).is_none() {
        // What was read until there is good.
        tracing::debug!("a piece of history could not be read to its end");
    }
    told
}

fn read_history(history: &LazyHistorySync, told: &mut Vec<ContactNews>) -> Option<()> {
    let mut stream = history.stream();
    let mut conversation = wa::Conversation::default();
    while stream.next_conversation_into(&mut conversation).ok()? {
        told.extend(of_conversation(&conversation));
    }
    let rest = stream.remainder().ok()?;
    for push in &rest.pushnames {
        let names = push.id.as_deref().and_then(chat).map(|chat| ContactNews {
            push_name: name(push.pushname.as_deref()),
            old: true,
            ..ContactNews::of(chat)
        });
        told.extend(names.filter(|names| is_person(&names.chat) && !names.is_empty()));
    }
    for contact in &rest.inline_contacts {
        let jid = contact.pn_jid.as_deref().or(contact.lid_jid.as_deref());
        let names = jid.and_then(chat).map(|chat| ContactNews {
            name: saved_name(contact.full_name.as_deref()),
            first_name: name(contact.first_name.as_deref()),
            old: true,
            ..ContactNews::of(chat)
        });
        told.extend(names.filter(|names| is_person(&names.chat) && !names.is_empty()));
    }
    Some(())
}

fn of_conversation(conversation: &wa::Conversation) -> Option<ContactNews> {
    let chat = chat(&conversation.id)?;
    let written =
        name(conversation.name.as_deref()).or_else(|| name(conversation.display_name.as_deref()));
    let person = is_person(&chat);
    let told = ContactNews {
        name: saved_name(written.as_deref()).filter(|_| person),
        subject: written.filter(|_| !person),
        old: true,
        ..ContactNews::of(chat)
    };
    (!told.is_empty()).then_some(told)
}

#[cfg(test)]
#[path = "contacts_tests.rs"]
mod tests;
