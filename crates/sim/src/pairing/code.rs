//! Linking by pairing code: what is typed on the phone protects a key agreement.

use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::sync::oneshot;
use wacore::libsignal::crypto::aes_256_gcm_decrypt;
use wacore::libsignal::protocol::{KeyPair, PublicKey};
use wacore::pair_code::PairCodeUtils;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeRef};

use super::{Companion, wait};
use crate::Error;
use crate::noise::public_bytes;
use crate::router::attr;
use crate::world::{World, lock};

/// A client that shows a pairing code.
#[derive(Clone)]
pub(super) struct CodeRequest {
    pub(super) companion: Arc<Companion>,
    wrapped: Vec<u8>,
    reference: Vec<u8>,
}

/// The client's answer to a code that was typed.
pub(super) struct Bundle {
    wrapped: Vec<u8>,
    identity: Vec<u8>,
}

/// Takes a client's step of the exchange.
pub(super) fn step(
    world: &World,
    companion: &Arc<Companion>,
    step: &NodeRef<'_>,
) -> Result<Option<Node>, Error> {
    let bytes = |tag: &str| {
        step.get_optional_child(tag)
            .and_then(|child| child.content_bytes())
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Error::Protocol(format!("the pairing step has no `{tag}`")))
    };
    match attr(step, "stage").as_deref() {
        Some("companion_hello") => {
            let jid = attr(step, "jid").unwrap_or_default();
            let phone = jid.split('@').next().unwrap_or_default().to_owned();
            let mut reference = vec![0; 18];
            rand::make_rng::<StdRng>().fill_bytes(&mut reference);
            let request = CodeRequest {
                companion: companion.clone(),
                wrapped: bytes("link_code_pairing_wrapped_companion_ephemeral_pub")?,
                reference: reference.clone(),
            };
            world.pairing().codes.insert(phone, request);
            let answer = NodeBuilder::new("link_code_companion_reg")
                .attr("stage", "companion_hello")
                .children([NodeBuilder::new("link_code_pairing_ref")
                    .bytes(reference)
                    .build()])
                .build();
            Ok(Some(answer))
        }
        Some("companion_finish") => {
            let bundle = Bundle {
                wrapped: bytes("link_code_pairing_wrapped_key_bundle")?,
                identity: bytes("companion_identity_public")?,
            };
            if let Some(waiting) = world.pairing().bundles.remove(&companion.link.id) {
                let _ = waiting.send(bundle);
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

impl World {
    /// Somebody types a pairing code on the phone. Returns the device number once the companion accepted.
    pub async fn enter_pair_code(
        &self,
        phone: &str,
        code: &str,
        snapshot: bool,
    ) -> Result<u16, Error> {
        let account = self.account(phone)?;
        let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        let code = code.to_ascii_uppercase();
        if !PairCodeUtils::validate_code(&code) {
            return Err(Error::Invalid(
                "a pairing code has 8 letters and digits".into(),
            ));
        }
        let request = self.pairing().codes.get(phone).cloned();
        let CodeRequest {
            companion,
            wrapped,
            reference,
        } = request.ok_or(Error::NothingToPair)?;

        let ephemeral = KeyPair::generate(&mut rand::make_rng::<StdRng>());
        let ephemeral_public = public_bytes(&ephemeral)?;
        // 131,072 rounds of PBKDF2, twice: too long for a thread that serves sockets.
        let derive = self.tasks().spawn_blocking(move || {
            let theirs = PairCodeUtils::decrypt_primary_ephemeral_pub(&wrapped, &code)
                .map_err(Error::protocol)?;
            let ours = PairCodeUtils::encrypt_ephemeral_pub(&ephemeral_public, &code);
            Ok::<_, Error>((theirs, ours))
        });
        let (theirs, ours) = derive.await.map_err(Error::crypto)??;

        let (sender, receiver) = oneshot::channel();
        self.pairing().bundles.insert(companion.link.id, sender);
        let (id, identity) = {
            let mut account = lock(&account);
            (
                account.stanza_id(),
                account.endpoint.identity_bytes().to_vec(),
            )
        };
        companion
            .link
            .send(primary_hello(&id, &ours, &identity, reference));
        let bundle = wait(receiver).await?;

        let shared = PublicKey::from_djb_public_key_bytes(&theirs)
            .and_then(|theirs| ephemeral.calculate_agreement(&theirs))
            .map_err(|_| Error::WrongCode)?;
        let random = open_bundle(&bundle, &shared, &identity)?;
        if bundle.identity != companion.identity {
            return Err(Error::PairingFailed("it showed two identities".into()));
        }
        let identity_shared = lock(&account).endpoint.agree(&bundle.identity)?;
        let mut secret = [0; 32];
        let material = [shared.as_slice(), &identity_shared, &random].concat();
        wacore::crypto::hkdf_sha256_into(&material, None, b"adv_secret", &mut secret)
            .map_err(Error::crypto)?;
        self.pairing().codes.remove(phone);
        self.link_companion(phone, companion, &secret, snapshot)
            .await
    }
}

fn open_bundle(bundle: &Bundle, shared: &[u8; 32], identity: &[u8]) -> Result<Vec<u8>, Error> {
    let (Some(salt), Some(iv)) = (bundle.wrapped.get(..32), bundle.wrapped.get(32..44)) else {
        return Err(Error::PairingFailed("its key bundle is too short".into()));
    };
    let iv: [u8; 12] = iv.try_into().map_err(Error::crypto)?;
    let mut key = [0; 32];
    wacore::crypto::hkdf_sha256_into(
        shared,
        Some(salt),
        b"link_code_pairing_key_bundle_encryption_key",
        &mut key,
    )
    .map_err(Error::crypto)?;
    let mut plain = Vec::new();
    aes_256_gcm_decrypt(&key, &iv, b"", &bundle.wrapped[44..], &mut plain)
        .map_err(|_| Error::WrongCode)?;
    if plain.len() != 96 || plain[..32] != bundle.identity || plain[32..64] != *identity {
        return Err(Error::PairingFailed(
            "its key bundle names other keys".into(),
        ));
    }
    Ok(plain.split_off(64))
}

fn primary_hello(id: &str, wrapped: &[u8], identity: &[u8], reference: Vec<u8>) -> Node {
    let children = [
        (
            "link_code_pairing_wrapped_primary_ephemeral_pub",
            wrapped.to_vec(),
        ),
        ("primary_identity_pub", identity.to_vec()),
        ("link_code_pairing_ref", reference),
    ]
    .map(|(tag, bytes)| NodeBuilder::new(tag).bytes(bytes).build());
    NodeBuilder::new("notification")
        .attr("from", "s.whatsapp.net")
        .attr("type", "link_code_companion_reg")
        .attr("id", id)
        .attr("t", wacore::time::now_secs())
        .children([NodeBuilder::new("link_code_companion_reg")
            .attr("stage", "primary_hello")
            .children(children)
            .build()])
        .build()
}
