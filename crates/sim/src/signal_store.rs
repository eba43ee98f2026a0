//! Signal endpoints of simulated people: identity, pre-keys and sessions.
//!
//! Every key is derived from one secret, so an endpoint comes back unchanged
//! after a restart with nothing of it stored. Sessions live in memory only.

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::FutureExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use wacore::libsignal::protocol::error::Result as SignalResult;
use wacore::libsignal::protocol::{
    CiphertextMessage, CiphertextMessageType, Direction, GenericSignedPreKey, IdentityChange,
    IdentityKey, IdentityKeyPair, IdentityKeyStore, KeyPair, PreKeyBundle, PreKeyId, PreKeyRecord,
    PreKeySignalMessage, PreKeyStore, ProtocolAddress, PublicKey, SessionRecord, SessionStore,
    SignalMessage, SignalProtocolError, SignedPreKeyId, SignedPreKeyRecord, SignedPreKeyStore,
    Timestamp, UsePQRatchet, message_decrypt, message_encrypt, process_prekey_bundle,
};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::Error;
use crate::device::{Device, PreKey};

/// The one signed pre-key of an endpoint; rotation has no use here.
const SIGNED_PRE_KEY: u32 = 1;

/// Where a companion's session is filed. A companion is known to a simulated
/// person under one address, whichever of the account's two names is used.
fn address(device: u16) -> ProtocolAddress {
    ProtocolAddress::new(&format!("companion{device}"), 0.into())
}

/// A simulated person's end of all Signal sessions.
pub(crate) struct Endpoint {
    keys: Keys,
    sessions: Sessions,
    next_pre_key: u32,
}

struct Keys {
    secret: [u8; 32],
    identity: IdentityKeyPair,
    registration_id: u32,
    known: HashMap<ProtocolAddress, IdentityKey>,
}

#[derive(Default)]
struct Sessions(HashMap<ProtocolAddress, SessionRecord>);

/// One encrypted message: the `type` of its `<enc>` and the ciphertext.
pub(crate) struct Encrypted {
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

impl Endpoint {
    /// The endpoint all of whose keys follow from `secret`.
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        let mut rng = derived(&secret, "identity", 0);
        let identity = IdentityKeyPair::generate(&mut rng);
        let registration_id = rng.random_range(1..=0x3fff);
        Self {
            keys: Keys {
                secret,
                identity,
                registration_id,
                known: HashMap::new(),
            },
            sessions: Sessions::default(),
            next_pre_key: 1,
        }
    }

    /// The 32 bytes of the public identity key.
    pub(crate) fn identity_bytes(&self) -> &[u8] {
        self.keys.identity.public_key().public_key_bytes()
    }

    /// Its pre-key bundle, as the children of a `<user>` of a pre-key answer.
    pub(crate) fn bundle(&mut self) -> Result<Vec<Node>, Error> {
        let id = self.next_pre_key;
        self.next_pre_key += 1;
        let pre_key = self.keys.pre_key(id);
        let signed = self.keys.pre_key(0);
        let signature = self.sign(&signed.public_key.serialize())?;
        Ok(vec![
            NodeBuilder::new("registration")
                .bytes(self.keys.registration_id.to_be_bytes().to_vec())
                .build(),
            NodeBuilder::new("type").bytes(vec![5]).build(),
            NodeBuilder::new("identity")
                .bytes(self.identity_bytes().to_vec())
                .build(),
            key_node("key", id, pre_key.public_key.public_key_bytes(), None),
            key_node(
                "skey",
                SIGNED_PRE_KEY,
                signed.public_key.public_key_bytes(),
                Some(&signature),
            ),
        ])
    }

    /// XEdDSA with the identity key.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut rng = rand::make_rng::<StdRng>();
        let signature = self
            .keys
            .identity
            .private_key()
            .calculate_signature(message, &mut rng)
            .map_err(Error::crypto)?;
        Ok(signature.to_vec())
    }

    /// X25519 with the identity key.
    pub(crate) fn agree(&self, public: &[u8]) -> Result<[u8; 32], Error> {
        let public = PublicKey::from_djb_public_key_bytes(public).map_err(Error::crypto)?;
        self.keys
            .identity
            .private_key()
            .calculate_agreement(&public)
            .map_err(Error::crypto)
    }

    /// Forgets the session with a companion, so that the next message starts a new one.
    pub(crate) fn forget(&mut self, device: u16) {
        let address = address(device);
        self.sessions.0.remove(&address);
        self.keys.known.remove(&address);
    }

    /// Encrypts for a companion, starting a session from its stored pre-keys when there is none.
    pub(crate) fn encrypt(
        &mut self,
        device: &mut Device,
        plain: &[u8],
    ) -> Result<Encrypted, Error> {
        let mut rng = rand::make_rng::<StdRng>();
        let address = address(device.id);
        if !self.sessions.0.contains_key(&address) {
            let pre_key = device.pre_keys.pop_front();
            let bundle = companion_bundle(device, pre_key.as_ref())?;
            now(process_prekey_bundle(
                &address,
                &mut self.sessions,
                &mut self.keys,
                &bundle,
                &mut rng,
                UsePQRatchet::No,
            ))?;
        }
        let padding = rng.random_range(1..=16u8);
        let mut padded = plain.to_vec();
        padded.extend(std::iter::repeat_n(padding, usize::from(padding)));
        let message = now(message_encrypt(
            &padded,
            &address,
            &mut self.sessions,
            &mut self.keys,
        ))?;
        let kind = match message.message_type() {
            CiphertextMessageType::PreKey => "pkmsg",
            _ => "msg",
        };
        Ok(Encrypted {
            kind,
            bytes: message.serialize().to_vec(),
        })
    }

    /// Decrypts what a companion sent, padding removed.
    pub(crate) fn decrypt(
        &mut self,
        device: u16,
        kind: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let mut rng = rand::make_rng::<StdRng>();
        let message = match kind {
            "pkmsg" => CiphertextMessage::PreKeySignalMessage(
                PreKeySignalMessage::try_from(bytes).map_err(Error::crypto)?,
            ),
            "msg" => CiphertextMessage::SignalMessage(
                SignalMessage::try_from(bytes).map_err(Error::crypto)?,
            ),
            other => return Err(Error::Protocol(format!("unknown encryption `{other}`"))),
        };
        let mut pre_keys = PreKeys {
            secret: self.keys.secret,
        };
        let signed = SignedPreKeys {
            secret: self.keys.secret,
            identity: self.keys.identity.clone(),
        };
        let mut plain = now(message_decrypt(
            &message,
            &address(device),
            &mut self.sessions,
            &mut self.keys,
            &mut pre_keys,
            &signed,
            &mut rng,
            UsePQRatchet::No,
        ))?
        .plaintext;
        let padding = plain.last().map_or(0, |last| usize::from(*last));
        plain.truncate(plain.len().saturating_sub(padding));
        Ok(plain)
    }
}

/// `<key>` or `<skey>` as pre-key answers carry them.
pub(crate) fn key_node(
    tag: &'static str,
    id: u32,
    public: &[u8],
    signature: Option<&[u8]>,
) -> Node {
    let mut children = vec![
        NodeBuilder::new("id")
            .bytes(id.to_be_bytes()[1..].to_vec())
            .build(),
        NodeBuilder::new("value").bytes(public.to_vec()).build(),
    ];
    if let Some(signature) = signature {
        children.push(
            NodeBuilder::new("signature")
                .bytes(signature.to_vec())
                .build(),
        );
    }
    NodeBuilder::new(tag).children(children).build()
}

fn companion_bundle(device: &Device, pre_key: Option<&PreKey>) -> Result<PreKeyBundle, Error> {
    let key = |bytes: &[u8]| PublicKey::from_djb_public_key_bytes(bytes).map_err(Error::crypto);
    let pre_key = match pre_key {
        Some(pre_key) => Some((PreKeyId::from(pre_key.id), key(&pre_key.public)?)),
        None => None,
    };
    PreKeyBundle::new(
        device.registration_id,
        0.into(),
        pre_key,
        SignedPreKeyId::from(device.signed_pre_key.id),
        key(&device.signed_pre_key.public)?,
        device.signed_pre_key.signature.clone(),
        IdentityKey::new(key(&device.identity)?),
    )
    .map_err(Error::crypto)
}

/// The stores answer at once, so these futures never wait; that lets the
/// protocol run under an ordinary lock.
fn now<T>(future: impl Future<Output = SignalResult<T>>) -> Result<T, Error> {
    future
        .now_or_never()
        .ok_or_else(|| Error::crypto("a key store made the protocol wait"))?
        .map_err(Error::crypto)
}

/// A generator that yields the same for the same secret, use and number.
pub(crate) fn derived(secret: &[u8; 32], purpose: &str, number: u32) -> StdRng {
    let mut hash = Sha256::new();
    hash.update(secret);
    hash.update(purpose.as_bytes());
    hash.update(number.to_be_bytes());
    StdRng::from_seed(hash.finalize().into())
}

fn pre_key(secret: &[u8; 32], id: u32) -> KeyPair {
    KeyPair::generate(&mut derived(secret, "pre-key", id))
}

impl Keys {
    /// Number 0 is the signed pre-key.
    fn pre_key(&self, id: u32) -> KeyPair {
        pre_key(&self.secret, id)
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> SignalResult<Option<SessionRecord>> {
        Ok(self.0.get(address).cloned())
    }

    async fn has_session(&self, address: &ProtocolAddress) -> SignalResult<bool> {
        Ok(self.0.contains_key(address))
    }

    async fn store_session(
        &mut self,
        address: &ProtocolAddress,
        record: SessionRecord,
    ) -> SignalResult<()> {
        self.0.insert(address.clone(), record);
        Ok(())
    }
}

#[async_trait]
impl IdentityKeyStore for Keys {
    async fn get_identity_key_pair(&self) -> SignalResult<IdentityKeyPair> {
        Ok(self.identity.clone())
    }

    async fn get_local_registration_id(&self) -> SignalResult<u32> {
        Ok(self.registration_id)
    }

    async fn save_identity(
        &mut self,
        address: &ProtocolAddress,
        identity: &IdentityKey,
    ) -> SignalResult<IdentityChange> {
        let old = self.known.insert(address.clone(), *identity);
        Ok(IdentityChange::from_changed(
            old.is_some_and(|old| old != *identity),
        ))
    }

    async fn is_trusted_identity(
        &self,
        _: &ProtocolAddress,
        _: &IdentityKey,
        _: Direction,
    ) -> SignalResult<bool> {
        Ok(true)
    }

    async fn get_identity(&self, address: &ProtocolAddress) -> SignalResult<Option<IdentityKey>> {
        Ok(self.known.get(address).copied())
    }
}

struct PreKeys {
    secret: [u8; 32],
}

#[async_trait]
impl PreKeyStore for PreKeys {
    async fn get_pre_key(&self, id: PreKeyId) -> SignalResult<PreKeyRecord> {
        Ok(PreKeyRecord::new(id, &pre_key(&self.secret, id.into())))
    }

    async fn save_pre_key(&mut self, _: PreKeyId, _: &PreKeyRecord) -> SignalResult<()> {
        Ok(())
    }

    async fn remove_pre_key(&mut self, _: PreKeyId) -> SignalResult<()> {
        Ok(())
    }
}

struct SignedPreKeys {
    secret: [u8; 32],
    identity: IdentityKeyPair,
}

#[async_trait]
impl SignedPreKeyStore for SignedPreKeys {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> SignalResult<SignedPreKeyRecord> {
        if u32::from(id) != SIGNED_PRE_KEY {
            return Err(SignalProtocolError::InvalidSignedPreKeyId);
        }
        let pair = pre_key(&self.secret, 0);
        let signature = self.identity.private_key().calculate_signature(
            &pair.public_key.serialize(),
            &mut rand::make_rng::<StdRng>(),
        )?;
        Ok(SignedPreKeyRecord::new(
            id,
            Timestamp::from_epoch_millis(0),
            &pair,
            &signature,
        ))
    }

    async fn save_signed_pre_key(
        &mut self,
        _: SignedPreKeyId,
        _: &SignedPreKeyRecord,
    ) -> SignalResult<()> {
        Ok(())
    }
}
