//! Linking a companion: by QR code and, in `code`, by pairing code.

mod adv;
mod code;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::oneshot;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeRef};

pub(crate) use adv::raw_id;
use adv::{check_signature, signed_identity};
use code::{Bundle, CodeRequest};

use crate::Error;
use crate::account::{Account, Kind};
use crate::device::{Device, Identity, Link, SignedPreKey};
use crate::noise::Secured;
use crate::router::attr;
use crate::usync::announce_device;
use crate::world::{Saved, World, lock, stream_error};

/// How many QR codes a client is given; it shows one after the other.
const REFS: usize = 6;
/// How long a companion may take for one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that is not linked yet.
pub(crate) struct Companion {
    link: Link,
    noise: [u8; 32],
    identity: Vec<u8>,
    registration_id: u32,
    signed_pre_key: SignedPreKey,
}

/// Everything under way between companions and phones.
#[derive(Default)]
pub(crate) struct Pairing {
    /// By the reference in the QR code.
    refs: HashMap<String, Arc<Companion>>,
    /// By the phone number a pairing code was asked for.
    codes: HashMap<String, CodeRequest>,
    /// By connection: a key bundle is expected.
    bundles: HashMap<u64, oneshot::Sender<Bundle>>,
    /// By connection: a signature is expected.
    signatures: HashMap<u64, Offer>,
}

/// An identity the phone signed for a companion.
struct Offer {
    phone: String,
    device: u16,
    snapshot: bool,
    details: Vec<u8>,
    account_key: Vec<u8>,
    companion: Arc<Companion>,
    done: oneshot::Sender<Result<u16, Error>>,
}

impl Pairing {
    /// Forgets a connection that ended.
    pub(crate) fn forget(&mut self, link: u64) {
        self.refs.retain(|_, companion| companion.link.id != link);
        self.codes
            .retain(|_, request| request.companion.link.id != link);
        self.bundles.remove(&link);
        self.signatures.remove(&link);
    }
}

/// Reads who wants to be linked.
pub(crate) fn companion(secured: &Secured, link: Link) -> Result<Companion, Error> {
    let data = secured
        .payload
        .device_pairing_data
        .as_option()
        .ok_or_else(|| Error::protocol("neither a login nor a registration"))?;
    let field = |field: &Option<Vec<u8>>, name: &str| {
        field
            .clone()
            .ok_or_else(|| Error::Protocol(format!("the registration has no {name}")))
    };
    Ok(Companion {
        link,
        noise: secured.client_static,
        identity: raw_key(field(&data.e_ident, "identity")?),
        registration_id: number(&field(&data.e_regid, "registration id")?),
        signed_pre_key: SignedPreKey {
            id: number(&field(&data.e_skey_id, "pre-key id")?),
            public: raw_key(field(&data.e_skey_val, "pre-key")?),
            signature: field(&data.e_skey_sig, "pre-key signature")?,
        },
    })
}

/// Offers a new client its QR references.
pub(crate) fn offer_refs(world: &World, companion: Arc<Companion>) {
    let mut rng = rand::make_rng::<StdRng>();
    let refs: Vec<String> = (0..REFS)
        .map(|_| format!("2@{}", hex(&rng.random::<[u8; 16]>())))
        .collect();
    let children: Vec<Node> = refs
        .iter()
        .map(|text| NodeBuilder::new("ref").bytes(text.as_bytes()).build())
        .collect();
    let mut pairing = world.pairing();
    for text in refs {
        pairing.refs.insert(text, companion.clone());
    }
    companion.link.send(
        server_iq(format!("pair-device-{}", companion.link.id))
            .children([NodeBuilder::new("pair-device").children(children).build()])
            .build(),
    );
}

/// Handles an IQ of a client that is not linked yet.
pub(crate) fn handle(
    world: &World,
    companion: &Arc<Companion>,
    iq: &NodeRef<'_>,
) -> Result<(), Error> {
    let id = attr(iq, "id").unwrap_or_default();
    match attr(iq, "type").as_deref() {
        Some("result") => {
            if let Some(sign) = iq.get_optional_child("pair-device-sign") {
                return signed(world, companion, sign);
            }
            Ok(())
        }
        Some("error") => {
            let offer = world.pairing().signatures.remove(&companion.link.id);
            if let Some(offer) = offer {
                let text = iq
                    .get_optional_child("error")
                    .and_then(|error| attr(error, "text"))
                    .unwrap_or_else(|| "refused".to_owned());
                let _ = offer.done.send(Err(Error::PairingFailed(text)));
            }
            Ok(())
        }
        _ => {
            let mut children = Vec::new();
            if let Some(step) = iq.get_optional_child("link_code_companion_reg") {
                children.extend(code::step(world, companion, step)?);
            }
            companion.link.send(crate::router::iq_result(&id, children));
            Ok(())
        }
    }
}

impl World {
    /// The phone scans a QR code. Returns the device number once the companion accepted.
    ///
    /// With `snapshot` false the device is served app state as patches from version 1.
    pub async fn scan(&self, phone: &str, qr: &str, snapshot: bool) -> Result<u16, Error> {
        self.account(phone)?;
        let unreadable =
            || Error::Invalid("this is no pairing QR code; send its whole text".into());
        // Some clients put a link in front.
        let text = qr.trim().rsplit('#').next().unwrap_or_default();
        let parts: Vec<&str> = text.split(',').collect();
        let [reference, noise, identity, secret, ..] = parts.as_slice() else {
            return Err(unreadable());
        };
        let decode = |text: &str| BASE64.decode(text).map_err(|_| unreadable());
        let (noise, identity, secret) = (decode(noise)?, decode(identity)?, decode(secret)?);
        let companion = self.pairing().refs.get(*reference).cloned();
        let companion = companion.ok_or(Error::NothingToPair)?;
        if companion.noise.as_slice() != noise || companion.identity != identity {
            return Err(Error::Invalid(
                "the QR code shows other keys than the client has".into(),
            ));
        }
        self.link_companion(phone, companion, &secret, snapshot)
            .await
    }

    async fn link_companion(
        &self,
        phone: &str,
        companion: Arc<Companion>,
        secret: &[u8],
        snapshot: bool,
    ) -> Result<u16, Error> {
        let account = self.account(phone)?;
        let (done, receiver) = oneshot::channel();
        {
            let mut account = lock(&account);
            let device = account.next_device;
            account.next_device += 1;
            let (details, container) =
                signed_identity(&account, device, &companion.identity, secret)?;
            let offer = Offer {
                phone: phone.to_owned(),
                device,
                snapshot,
                details,
                account_key: account.endpoint.identity_bytes().to_vec(),
                companion: companion.clone(),
                done,
            };
            self.pairing().signatures.insert(companion.link.id, offer);
            companion
                .link
                .send(pair_success(&account, device, container));
        }
        wait(receiver).await?
    }
}

/// Waits for the companion's next step; its connection ending ends the wait.
async fn wait<T>(receiver: oneshot::Receiver<T>) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, receiver).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(Error::PairingFailed("it went away".into())),
        Err(_) => Err(Error::PairingFailed("it did not answer in time".into())),
    }
}

fn pair_success(account: &Account, device: u16, container: Vec<u8>) -> Node {
    let mut children = vec![
        NodeBuilder::new("device-identity").bytes(container).build(),
        NodeBuilder::new("platform")
            .attr(
                "name",
                match account.kind {
                    Kind::Business => "smba",
                    Kind::Personal => "android",
                },
            )
            .build(),
        NodeBuilder::new("device")
            .attr("jid", format!("{}:{device}@s.whatsapp.net", account.phone))
            .attr("lid", format!("{}:{device}@lid", account.lid))
            .build(),
    ];
    if account.kind == Kind::Business {
        children.push(
            NodeBuilder::new("biz")
                .attr("name", account.name.as_str())
                .build(),
        );
    }
    server_iq(format!("pair-success-{device}"))
        .attr("t", wacore::time::now_secs())
        .children([NodeBuilder::new("pair-success").children(children).build()])
        .build()
}

fn server_iq(id: String) -> NodeBuilder {
    NodeBuilder::new("iq")
        .attr("from", "s.whatsapp.net")
        .attr("type", "set")
        .attr("id", id)
        .attr("xmlns", "md")
}

/// The companion countersigned: check it, link the device and send the client to log in.
fn signed(world: &World, companion: &Arc<Companion>, sign: &NodeRef<'_>) -> Result<(), Error> {
    let offer = world.pairing().signatures.remove(&companion.link.id);
    let Some(offer) = offer else {
        return Err(Error::protocol("a signature nobody asked for"));
    };
    let identity = sign
        .get_optional_child("device-identity")
        .and_then(|node| node.content_bytes())
        .unwrap_or_default();
    let checked = check_signature(&offer, identity);
    let linked = checked.and_then(|identity| {
        let account = world.account(&offer.phone)?;
        let mut account = lock(&account);
        let keys = Identity {
            noise: offer.companion.noise,
            identity: offer.companion.identity.clone(),
            registration_id: offer.companion.registration_id,
            signed_pre_key: offer.companion.signed_pre_key.clone(),
        };
        let device = Device::new(offer.device, keys, identity, offer.snapshot);
        account.devices.insert(offer.device, device);
        world.saved(&account, Saved::Device(offer.device));
        announce_device(&mut account, offer.device, true)?;
        Ok(offer.device)
    });
    if linked.is_ok() {
        companion.link.send(stream_error(Some("515"), None));
    }
    companion.link.close();
    let _ = offer.done.send(linked);
    Ok(())
}

/// Big-endian, however many bytes.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Public keys come with or without the type byte in front.
pub(crate) fn raw_key(bytes: Vec<u8>) -> Vec<u8> {
    match bytes.as_slice() {
        [5, key @ ..] if key.len() == 32 => key.to_vec(),
        _ => bytes,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
