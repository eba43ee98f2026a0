//! A WhatsApp that does what a test tells it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use labelwire_app::phone::{
    Connector, EventSink, Phone, PhoneError, PhoneEvent, PublicProfile, SentMessage, WriteError,
    Written,
};
use labelwire_domain::change::{Association, Record};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::collection::{Step, Version};
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::instance::Profile;
use labelwire_domain::label::Label;

/// The QR code every unpaired instance shows.
pub(crate) const QR: &str = "2@fakeref,AAAAnoise,BBBBidentity,CCCCsecret,1";

/// All phones of a test.
#[derive(Default)]
pub(crate) struct Fake {
    lines: Mutex<HashMap<InstanceKey, EventSink>>,
    paired: Mutex<HashSet<InstanceKey>>,
    /// What the account holds; every instance is of one account.
    records: Mutex<Vec<Record>>,
    version: AtomicU64,
    seq: AtomicU64,
    /// The client cannot be started.
    pub(crate) unreachable: AtomicBool,
    /// Texts that were sent: chat, text, message answered.
    pub(crate) texts: Mutex<Vec<(String, String, Option<String>)>>,
    /// Writes are refused.
    pub(crate) refusing: AtomicBool,
}

impl Fake {
    /// Tells an instance something.
    pub(crate) fn tell(&self, instance: InstanceKey, event: PhoneEvent) {
        let lines = self.lines.lock().expect("lock");
        lines
            .get(&instance)
            .expect("a client runs")
            .send(event)
            .expect("the instance listens");
    }

    /// What the account holds from now on, unknown to instances until they ask.
    pub(crate) fn hold(&self, records: Vec<Record>) {
        *self.records.lock().expect("lock") = records;
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// The phone scans the code and the account is read whole.
    pub(crate) fn pair(&self, instance: InstanceKey) {
        self.paired.lock().expect("lock").insert(instance);
        self.tell(
            instance,
            PhoneEvent::Paired(Profile {
                jid: Some("5511900000000@s.whatsapp.net".into()),
                lid: Some("900000000000@lid".into()),
                platform: Some("smba".into()),
                business_name: Some("Corner Shop".into()),
                push_name: Some("Corner".into()),
            }),
        );
        self.tell(instance, PhoneEvent::Connected);
        self.snapshot(instance);
    }

    fn snapshot(&self, instance: InstanceKey) {
        let version = self.version.load(Ordering::Relaxed);
        let mut steps = vec![Step::Clear, at(version), at(version)];
        steps.extend(
            self.records
                .lock()
                .expect("lock")
                .iter()
                .cloned()
                .map(Step::Record),
        );
        steps.push(at(version));
        self.steps(instance, steps);
    }

    fn steps(&self, instance: InstanceKey, steps: Vec<Step>) {
        for step in steps {
            let seq = self.seq.fetch_add(1, Ordering::Relaxed);
            self.tell(instance, PhoneEvent::Step { seq, task: 1, step });
        }
    }
}

fn at(number: u64) -> Step {
    Step::Version(Version {
        number,
        state: Arc::from([]),
        mismatch: false,
    })
}

/// A live label.
pub(crate) fn label(id: &str, name: &str, color: i32) -> Record {
    Record::Label(Label {
        id: id.into(),
        name: name.into(),
        color,
        ..Label::default()
    })
}

/// A label on a chat.
pub(crate) fn on(label_id: &str, chat: &str) -> Record {
    Record::Association(Association {
        label_id: label_id.into(),
        chat_jid: ChatJid::from_app_state(chat),
        labeled: true,
        changed_at: Timestamp(0),
    })
}

/// Starts the phones of a [`Fake`].
pub(crate) struct FakeConnector(pub(crate) Arc<Fake>);

#[async_trait]
impl Connector for FakeConnector {
    async fn is_paired(&self, instance: InstanceKey) -> bool {
        self.0.paired.lock().expect("lock").contains(&instance)
    }

    async fn start(
        &self,
        instance: InstanceKey,
        events: EventSink,
    ) -> Result<Arc<dyn Phone>, PhoneError> {
        if self.0.unreachable.load(Ordering::Relaxed) {
            return Err(PhoneError::Refused(
                "the client could not be started".into(),
            ));
        }
        let first = if self.is_paired(instance).await {
            PhoneEvent::Connected
        } else {
            PhoneEvent::Qr(QR.into())
        };
        events.send(first).expect("the instance listens");
        self.0.lines.lock().expect("lock").insert(instance, events);
        Ok(Arc::new(FakePhone {
            fake: Arc::clone(&self.0),
            instance,
        }))
    }
}

struct FakePhone {
    fake: Arc<Fake>,
    instance: InstanceKey,
}

#[async_trait]
impl Phone for FakePhone {
    async fn sync(&self) -> bool {
        true
    }

    async fn replay(&self) -> Result<(), PhoneError> {
        self.fake.snapshot(self.instance);
        Ok(())
    }

    async fn write(&self, records: &[Record]) -> Result<Written, WriteError> {
        if self.fake.refusing.load(Ordering::Relaxed) {
            return Err(WriteError::Refused("code 400".into()));
        }
        self.fake
            .records
            .lock()
            .expect("lock")
            .extend_from_slice(records);
        let version = self.fake.version.fetch_add(1, Ordering::Relaxed) + 1;
        let mut steps = vec![at(version)];
        steps.extend(records.iter().cloned().map(Step::Record));
        steps.push(at(version));
        self.fake.steps(self.instance, steps);
        Ok(Written::Accepted(version))
    }

    async fn waits_for_keys(&self) -> bool {
        false
    }

    async fn is_lid_migrated(&self) -> bool {
        false
    }

    async fn send_text(
        &self,
        chat: &ChatJid,
        text: &str,
        reply_to: Option<&str>,
    ) -> Result<SentMessage, PhoneError> {
        if self.fake.refusing.load(Ordering::Relaxed) {
            return Err(PhoneError::Refused("code 479".into()));
        }
        let mut texts = self.fake.texts.lock().expect("lock");
        texts.push((
            chat.as_str().into(),
            text.into(),
            reply_to.map(str::to_owned),
        ));
        Ok(SentMessage {
            id: format!("3EB0FA4E{:04}", texts.len()),
            timestamp_s: 1_700_000_000,
        })
    }

    async fn public_profile(&self, _jid: &ChatJid) -> Result<PublicProfile, PhoneError> {
        Ok(PublicProfile {
            status: Some("Open till six".into()),
            picture_url: Some("https://pps.example/picture.jpg".into()),
            is_business: true,
            verified_name: None,
        })
    }

    async fn request_pair_code(&self, _number: &str) -> Result<String, PhoneError> {
        Ok("ABCD-EFGH".into())
    }

    async fn logout(&self) -> Result<(), PhoneError> {
        let mut paired = self.fake.paired.lock().expect("lock");
        paired.remove(&self.instance);
        Ok(())
    }

    async fn shutdown(&self) {}

    fn committed(&self, _through: u64) {}
}
