//! A companion device of an account, as the server knows it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, OwnedNodeRef, marshal};

/// A stanza is offered this often before the server gives up on an acknowledgement.
const MAX_OFFERS: u8 = 3;

/// A one-time pre-key a companion uploaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PreKey {
    /// The companion's number for it, 24 bits.
    pub id: u32,
    /// 32 bytes.
    pub public: Vec<u8>,
}

/// The signed pre-key a companion uploaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedPreKey {
    /// The companion's number for it, 24 bits.
    pub id: u32,
    /// 32 bytes.
    pub public: Vec<u8>,
    /// 64 bytes, by the companion's identity key.
    pub signature: Vec<u8>,
}

/// A linked companion.
#[derive(Debug, Serialize, Deserialize)]
pub struct Device {
    /// Device number; the phone itself is 0.
    pub id: u16,
    /// Unix seconds of the pairing.
    pub paired_at: i64,
    /// Static Noise key it logs in with.
    pub noise: [u8; 32],
    /// Public Signal identity key, 32 bytes.
    pub identity: Vec<u8>,
    /// Signal registration id.
    pub registration_id: u32,
    /// Current signed pre-key.
    pub signed_pre_key: SignedPreKey,
    /// One-time pre-keys not yet given out.
    pub pre_keys: VecDeque<PreKey>,
    /// `ADVSignedDeviceIdentity` with both signatures.
    pub signed_identity: Vec<u8>,
    /// Whether a version-0 request is answered with a snapshot; patches from 1 otherwise.
    pub snapshot: bool,
    /// Whether the phone already sent history (and offered its keys).
    pub greeted: bool,
    /// Whether the next login is told that app state is dirty.
    pub dirty: bool,
    queue: VecDeque<Queued>,
    #[serde(skip)]
    link: Option<Link>,
    #[serde(skip)]
    active: bool,
}

/// A stanza the companion has not acknowledged yet.
#[derive(Debug, Serialize, Deserialize)]
struct Queued {
    id: String,
    /// Set for a `server_sync` of this collection: a newer one replaces it.
    collection: Option<String>,
    stanza: Vec<u8>,
    offers: u8,
}

/// A live connection's inbox.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Tells connections apart.
    pub id: u64,
    /// What the connection's writer takes up.
    pub tx: UnboundedSender<Out>,
}

/// An order to a connection's writer.
#[derive(Debug)]
pub(crate) enum Out {
    /// Write this stanza.
    Stanza(Node),
    /// End the connection properly.
    Close,
    /// Let the socket die.
    Drop,
}

impl Link {
    /// Hands a stanza to the writer; a connection that is gone swallows it.
    pub(crate) fn send(&self, node: Node) {
        let _ = self.tx.send(Out::Stanza(node));
    }

    /// Ends the connection after everything sent before.
    pub(crate) fn close(&self) {
        let _ = self.tx.send(Out::Close);
    }

    /// Lets the socket die after everything sent before.
    pub(crate) fn drop_socket(&self) {
        let _ = self.tx.send(Out::Drop);
    }
}

/// What pairing establishes about a companion.
pub(crate) struct Identity {
    pub noise: [u8; 32],
    pub identity: Vec<u8>,
    pub registration_id: u32,
    pub signed_pre_key: SignedPreKey,
}

impl Device {
    pub(crate) fn new(
        id: u16,
        identity: Identity,
        signed_identity: Vec<u8>,
        snapshot: bool,
    ) -> Self {
        Self {
            id,
            paired_at: wacore::time::now_secs(),
            noise: identity.noise,
            identity: identity.identity,
            registration_id: identity.registration_id,
            signed_pre_key: identity.signed_pre_key,
            pre_keys: VecDeque::new(),
            signed_identity,
            snapshot,
            greeted: false,
            dirty: false,
            queue: VecDeque::new(),
            link: None,
            active: false,
        }
    }

    /// Whether it is connected right now.
    pub fn connected(&self) -> bool {
        self.link.is_some()
    }

    /// How many stanzas wait for it or for its acknowledgement.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// A login: answers the connection it takes the place of.
    pub(crate) fn attach(&mut self, link: Link) -> Option<Link> {
        self.active = false;
        self.link.replace(link)
    }

    /// The end of a connection, unless another one took its place meanwhile.
    pub(crate) fn detach(&mut self, link: u64) -> bool {
        let current = self.link.as_ref().is_some_and(|own| own.id == link);
        if current {
            self.link = None;
            self.active = false;
        }
        current
    }

    /// Delivers a stanza now, or when the companion comes back; answers whether it had to be queued.
    pub(crate) fn push(&mut self, id: &str, collection: Option<&str>, node: Node) -> bool {
        if collection.is_some() && !self.active {
            self.queue
                .retain(|queued| queued.collection.as_deref() != collection);
        }
        // A stanza that cannot be encoded cannot be delivered either.
        let Ok(stanza) = marshal(&node) else {
            return false;
        };
        self.queue.push_back(Queued {
            id: id.to_owned(),
            collection: collection.map(str::to_owned),
            stanza,
            offers: u8::from(self.active),
        });
        match &self.link {
            Some(link) if self.active => link.send(node),
            _ => return true,
        }
        false
    }

    /// The companion is ready: everything it has not acknowledged, then the end mark.
    pub(crate) fn activate(&mut self) {
        let Some(link) = self.link.clone() else {
            return;
        };
        if self.active {
            return;
        }
        self.active = true;
        self.queue.retain(|queued| queued.offers < MAX_OFFERS);
        let count = self.queue.len();
        if count > 0 {
            link.send(ib("offline_preview", count));
        }
        for queued in &mut self.queue {
            queued.offers += 1;
            // The first byte says whether the rest is compressed; it never is.
            if let Ok(node) = OwnedNodeRef::new(queued.stanza[1..].to_vec()) {
                let mut node = node.to_owned_node();
                node.attrs.insert("offline", "1");
                link.send(node);
            }
        }
        link.send(ib("offline", count));
        if std::mem::take(&mut self.dirty) {
            link.send(dirty());
        }
    }

    /// The companion confirmed a stanza; answers whether one waited for that.
    pub(crate) fn acknowledge(&mut self, id: &str) -> bool {
        let before = self.queue.len();
        if let Some(at) = self.queue.iter().position(|queued| queued.id == id) {
            self.queue.remove(at);
        }
        self.queue.len() < before
    }

    /// Tells the companion that its app state is out of date, now or at the next login.
    pub(crate) fn mark_dirty(&mut self) {
        match &self.link {
            Some(link) if self.active => link.send(dirty()),
            _ => self.dirty = true,
        }
    }
}

fn ib(tag: &'static str, count: usize) -> Node {
    NodeBuilder::new("ib")
        .attr("from", "s.whatsapp.net")
        .children([NodeBuilder::new(tag).attr("count", count).build()])
        .build()
}

fn dirty() -> Node {
    NodeBuilder::new("ib")
        .attr("from", "s.whatsapp.net")
        .children([NodeBuilder::new("dirty")
            .attr("type", "syncd_app_state")
            .attr("timestamp", wacore::time::now_secs())
            .build()])
        .build()
}
