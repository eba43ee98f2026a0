//! The server's half of the Noise handshake: XX, IK and the XX fallback.

use rand::{CryptoRng, Rng};
use serde::{Deserialize, Serialize};
use wacore::libsignal::protocol::KeyPair;
use wacore::noise::{NoiseCipher, NoiseHandshake};
use wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK};
use waproto::buffa::{Message, MessageField};
use waproto::whatsapp as wa;

use crate::Error;

/// Certificates are valid from 2023-11-14 …
const NOT_BEFORE: u64 = 1_700_000_000;
/// … to 2096-10-02: a client reuses them for IK as long as they are valid.
const NOT_AFTER: u64 = 4_000_000_000;

/// The server's long-lived Noise key with its certificate chain.
///
/// A client that cached the chain reconnects by IK, so a restarted server has
/// to keep it.
#[derive(Clone, Serialize, Deserialize)]
pub struct ServerKeys {
    static_private: [u8; 32],
    static_public: [u8; 32],
    root_public: [u8; 32],
    chain: Vec<u8>,
}

impl ServerKeys {
    /// Makes a fresh root, intermediate and server key, each signing the next.
    pub fn generate<R: Rng + CryptoRng>(rng: &mut R) -> Result<Self, Error> {
        let root = KeyPair::generate(rng);
        let intermediate = KeyPair::generate(rng);
        let leaf = KeyPair::generate(rng);
        let chain = wa::CertChain {
            intermediate: MessageField::some(certificate(&root, 1, 0, &intermediate, rng)?),
            leaf: MessageField::some(certificate(&intermediate, 2, 1, &leaf, rng)?),
        };
        Ok(Self {
            static_private: *leaf.private_key.serialize(),
            static_public: public_bytes(&leaf)?,
            root_public: public_bytes(&root)?,
            chain: chain.encode_to_vec(),
        })
    }

    /// The root's public key, which clients have to trust.
    pub fn root(&self) -> &[u8; 32] {
        &self.root_public
    }
}

fn certificate<R: Rng + CryptoRng>(
    issuer: &KeyPair,
    serial: u32,
    issuer_serial: u32,
    subject: &KeyPair,
    rng: &mut R,
) -> Result<wa::cert_chain::NoiseCertificate, Error> {
    let details = wa::cert_chain::noise_certificate::Details {
        serial: Some(serial),
        issuer_serial: Some(issuer_serial),
        key: Some(public_bytes(subject)?.to_vec()),
        not_before: Some(NOT_BEFORE),
        not_after: Some(NOT_AFTER),
    }
    .encode_to_vec();
    let signature = issuer
        .calculate_signature(&details, rng)
        .map_err(Error::crypto)?;
    Ok(wa::cert_chain::NoiseCertificate {
        details: Some(details),
        signature: Some(signature.to_vec()),
    })
}

pub(crate) fn public_bytes(pair: &KeyPair) -> Result<[u8; 32], Error> {
    pair.public_key
        .public_key_bytes()
        .try_into()
        .map_err(|_| Error::crypto("a public key is not 32 bytes long"))
}

/// A finished handshake: who the client is and how to talk to it.
pub(crate) struct Secured {
    /// The client's static Noise key, its identity towards the server.
    pub client_static: [u8; 32],
    /// Login or registration data.
    pub payload: wa::ClientPayload,
    /// Decrypts what the client writes.
    pub reader: NoiseCipher,
    /// Encrypts what the client reads.
    pub writer: NoiseCipher,
}

/// The server's answer to the first handshake message.
pub(crate) enum Opening {
    /// IK: one round trip, nothing more is expected.
    Complete(Vec<u8>, Box<Secured>),
    /// XX or fallback: the client still has to name itself.
    Pending(Vec<u8>, Box<Pending>),
}

/// An XX handshake waiting for the client's last message.
pub(crate) struct Pending {
    noise: NoiseHandshake,
    ephemeral: KeyPair,
}

/// Answers a client hello.
pub(crate) fn open<R: Rng + CryptoRng>(
    keys: &ServerKeys,
    prologue: &[u8],
    message: &[u8],
    rng: &mut R,
) -> Result<Opening, Error> {
    let hello = wa::HandshakeMessage::decode_from_slice(message)
        .map_err(Error::protocol)?
        .client_hello
        .into_option()
        .ok_or_else(|| Error::protocol("no client hello"))?;
    let client = hello
        .ephemeral
        .ok_or_else(|| Error::protocol("no ephemeral key"))?;
    match (hello.r#static, hello.payload) {
        (Some(client_static), Some(payload)) => {
            // A client that cached another server's key is not refused: the XX
            // shaped answer tells it to fall back.
            match open_ik(keys, prologue, &client, &client_static, &payload, rng) {
                Ok((reply, secured)) => Ok(Opening::Complete(reply, Box::new(secured))),
                Err(_) => open_xx(NOISE_PATTERN_XXFALLBACK, keys, prologue, &client, rng),
            }
        }
        _ => open_xx(NOISE_PATTERN_XX, keys, prologue, &client, rng),
    }
}

fn open_xx<R: Rng + CryptoRng>(
    pattern: &str,
    keys: &ServerKeys,
    prologue: &[u8],
    client: &[u8],
    rng: &mut R,
) -> Result<Opening, Error> {
    let ephemeral = KeyPair::generate(rng);
    let ephemeral_public = public_bytes(&ephemeral)?;
    let mut noise = NoiseHandshake::new(pattern, prologue).map_err(Error::crypto)?;
    noise.authenticate(client);
    noise.authenticate(&ephemeral_public);
    mix(&mut noise, ephemeral.private_key.serialize(), client)?;
    let encrypted_static = noise.encrypt(&keys.static_public).map_err(Error::crypto)?;
    mix(&mut noise, &keys.static_private, client)?;
    let payload = noise.encrypt(&keys.chain).map_err(Error::crypto)?;
    let reply = server_hello(&ephemeral_public, Some(encrypted_static), payload);
    Ok(Opening::Pending(
        reply,
        Box::new(Pending { noise, ephemeral }),
    ))
}

fn open_ik<R: Rng + CryptoRng>(
    keys: &ServerKeys,
    prologue: &[u8],
    client: &[u8],
    client_static: &[u8],
    payload: &[u8],
    rng: &mut R,
) -> Result<(Vec<u8>, Secured), Error> {
    let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, prologue).map_err(Error::crypto)?;
    noise.authenticate(&keys.static_public);
    noise.authenticate(client);
    mix(&mut noise, &keys.static_private, client)?;
    let client_static: [u8; 32] = noise
        .decrypt(client_static)
        .map_err(Error::crypto)?
        .try_into()
        .map_err(|_| Error::protocol("the static key is not 32 bytes long"))?;
    mix(&mut noise, &keys.static_private, &client_static)?;
    let payload = noise.decrypt(payload).map_err(Error::crypto)?;

    let ephemeral = KeyPair::generate(rng);
    let ephemeral_public = public_bytes(&ephemeral)?;
    noise.authenticate(&ephemeral_public);
    mix(&mut noise, ephemeral.private_key.serialize(), client)?;
    mix(
        &mut noise,
        ephemeral.private_key.serialize(),
        &client_static,
    )?;
    let chain = noise.encrypt(&keys.chain).map_err(Error::crypto)?;
    let reply = server_hello(&ephemeral_public, None, chain);
    Ok((reply, secured(noise, client_static, &payload)?))
}

impl Pending {
    /// Reads the client's static key and payload.
    pub(crate) fn finish(mut self, message: &[u8]) -> Result<Secured, Error> {
        let finish = wa::HandshakeMessage::decode_from_slice(message)
            .map_err(Error::protocol)?
            .client_finish
            .into_option()
            .ok_or_else(|| Error::protocol("no client finish"))?;
        let (Some(encrypted_static), Some(payload)) = (finish.r#static, finish.payload) else {
            return Err(Error::protocol("the client finish is incomplete"));
        };
        let client_static: [u8; 32] = self
            .noise
            .decrypt(&encrypted_static)
            .map_err(Error::crypto)?
            .try_into()
            .map_err(|_| Error::protocol("the static key is not 32 bytes long"))?;
        mix(
            &mut self.noise,
            self.ephemeral.private_key.serialize(),
            &client_static,
        )?;
        let payload = self.noise.decrypt(&payload).map_err(Error::crypto)?;
        secured(self.noise, client_static, &payload)
    }
}

fn secured(
    noise: NoiseHandshake,
    client_static: [u8; 32],
    payload: &[u8],
) -> Result<Secured, Error> {
    let payload = wa::ClientPayload::decode_from_slice(payload).map_err(Error::protocol)?;
    let (reader, writer) = noise.finish().map_err(Error::crypto)?;
    Ok(Secured {
        client_static,
        payload,
        reader,
        writer,
    })
}

fn mix(noise: &mut NoiseHandshake, private: &[u8], public: &[u8]) -> Result<(), Error> {
    noise
        .mix_shared_secret(private, public)
        .map_err(Error::crypto)
}

fn server_hello(ephemeral: &[u8], encrypted_static: Option<Vec<u8>>, payload: Vec<u8>) -> Vec<u8> {
    wa::HandshakeMessage {
        server_hello: MessageField::some(wa::handshake_message::ServerHello {
            ephemeral: Some(ephemeral.to_vec()),
            r#static: encrypted_static,
            payload: Some(payload),
            ..Default::default()
        }),
        ..Default::default()
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use wacore::libsignal::protocol::PublicKey;
    use wacore::noise::{
        IkHandshakeState, IkServerHelloOutcome, XxFallbackHandshakeState, XxHandshakeState,
    };
    use wacore_binary::consts::WA_CONN_HEADER;

    use super::*;

    fn login() -> Vec<u8> {
        let payload = wa::ClientPayload {
            username: Some(4917),
            ..Default::default()
        };
        payload.encode_to_vec()
    }

    fn check(secured: &Secured, client: &KeyPair, write: &NoiseCipher, read: &NoiseCipher) {
        assert_eq!(secured.payload.username, Some(4917));
        assert_eq!(secured.client_static, public_bytes(client).unwrap());
        let mut up = write.encrypt_with_counter(0, b"up").unwrap();
        secured
            .reader
            .decrypt_in_place_with_counter(0, &mut up)
            .unwrap();
        assert_eq!(up, b"up");
        let mut down = secured.writer.encrypt_with_counter(0, b"down").unwrap();
        read.decrypt_in_place_with_counter(0, &mut down).unwrap();
        assert_eq!(down, b"down");
    }

    #[test]
    fn a_client_without_a_certificate_connects_by_xx() {
        let mut rng = rand::make_rng::<StdRng>();
        let keys = ServerKeys::generate(&mut rng).unwrap();
        let client = KeyPair::generate(&mut rng);
        let mut state = XxHandshakeState::new(client.clone(), login(), &WA_CONN_HEADER).unwrap();
        let hello = state.build_client_hello().unwrap();
        let Opening::Pending(reply, pending) =
            open(&keys, &WA_CONN_HEADER, &hello, &mut rng).unwrap()
        else {
            panic!("XX takes one more message");
        };
        let finish = state
            .read_server_hello_and_build_client_finish(&reply)
            .unwrap();
        let secured = pending.finish(&finish).unwrap();
        let outcome = state.finish().unwrap();
        check(
            &secured,
            &client,
            &outcome.write_cipher,
            &outcome.read_cipher,
        );
    }

    #[test]
    fn a_client_that_knows_the_server_connects_by_ik() {
        let mut rng = rand::make_rng::<StdRng>();
        let keys = ServerKeys::generate(&mut rng).unwrap();
        let client = KeyPair::generate(&mut rng);
        let known = keys.static_public;
        let mut state =
            IkHandshakeState::new(client.clone(), known, login(), &WA_CONN_HEADER).unwrap();
        let hello = state.build_client_hello().unwrap();
        let Opening::Complete(reply, secured) =
            open(&keys, &WA_CONN_HEADER, &hello, &mut rng).unwrap()
        else {
            panic!("IK takes one round trip");
        };
        let IkServerHelloOutcome::Continue(outcome) = state.read_server_hello(&reply).unwrap()
        else {
            panic!("the server was asked to fall back");
        };
        check(
            &secured,
            &client,
            &outcome.write_cipher,
            &outcome.read_cipher,
        );
    }

    #[test]
    fn a_client_that_knows_another_server_falls_back() {
        let mut rng = rand::make_rng::<StdRng>();
        let keys = ServerKeys::generate(&mut rng).unwrap();
        let other = ServerKeys::generate(&mut rng).unwrap();
        let client = KeyPair::generate(&mut rng);
        let known = other.static_public;
        let mut state =
            IkHandshakeState::new(client.clone(), known, login(), &WA_CONN_HEADER).unwrap();
        let hello = state.build_client_hello().unwrap();
        let Opening::Pending(reply, pending) =
            open(&keys, &WA_CONN_HEADER, &hello, &mut rng).unwrap()
        else {
            panic!("the server believed a key it does not have");
        };
        let IkServerHelloOutcome::Fallback(inputs) = state.read_server_hello(&reply).unwrap()
        else {
            panic!("the client did not fall back");
        };
        let mut state =
            XxFallbackHandshakeState::from_ik_failure(*inputs, &WA_CONN_HEADER).unwrap();
        let finish = state.build_client_finish().unwrap();
        let secured = pending.finish(&finish).unwrap();
        let outcome = state.finish().unwrap();
        check(
            &secured,
            &client,
            &outcome.write_cipher,
            &outcome.read_cipher,
        );
    }

    #[test]
    fn the_certificates_go_back_to_the_root() {
        let mut rng = rand::make_rng::<StdRng>();
        let keys = ServerKeys::generate(&mut rng).unwrap();
        let chain = wa::CertChain::decode_from_slice(&keys.chain).unwrap();
        let mut issuer = keys.root().to_vec();
        for certificate in [&chain.intermediate, &chain.leaf] {
            let details = certificate.details.as_deref().unwrap();
            let signature = certificate.signature.as_deref().unwrap();
            let key = PublicKey::from_djb_public_key_bytes(&issuer).unwrap();
            assert!(key.verify_signature(details, signature));
            let details = wa::cert_chain::noise_certificate::Details::decode_from_slice(details);
            issuer = details.unwrap().key.unwrap();
        }
        assert_eq!(issuer, keys.static_public);
    }
}
