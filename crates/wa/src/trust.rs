//! Proof, at start, that this build checks the server's certificate chain.
//!
//! A build feature can switch the check off for a whole binary (`protocol.md`
//! C1). A binary that speaks to the real WhatsApp therefore shows itself a forged
//! chain, and refuses to run if it is believed.

use rand::rngs::StdRng;
use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::wacore::handshake::HandshakeUtils;
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::waproto::whatsapp::CertChain;
use whatsapp_rust::waproto::whatsapp::cert_chain::NoiseCertificate;
use whatsapp_rust::waproto::whatsapp::cert_chain::noise_certificate::Details;

const REFUSAL: &str = "this build believes forged server certificates and must not reach WhatsApp; \
     build it with `cargo build --release -p labelwire`";

/// Shows the library a chain that is right in everything but its root.
///
/// # Errors
/// What to do, where the chain was believed or could not be made.
pub fn prove_chain_is_checked() -> Result<(), String> {
    let (chain, server) =
        forged_chain().map_err(|e| format!("no certificate could be made to test with: {e}"))?;
    match HandshakeUtils::verify_server_cert(&chain, &server) {
        Ok(_) => Err(REFUSAL.to_owned()),
        Err(_) => Ok(()),
    }
}

fn forged_chain() -> Result<(Vec<u8>, [u8; 32]), Box<dyn std::error::Error>> {
    let mut rng: StdRng = rand::make_rng();
    let root = KeyPair::generate(&mut rng);
    let intermediate = KeyPair::generate(&mut rng);
    let server = KeyPair::generate(&mut rng);
    let mut signed = |issuer: &KeyPair, subject: &KeyPair, serial: u32| {
        let details = Details {
            serial: Some(serial),
            issuer_serial: Some(serial - 1),
            key: Some(subject.public_key.public_key_bytes().to_vec()),
            not_before: Some(1_700_000_000),
            not_after: Some(4_000_000_000),
        }
        .encode_to_vec();
        issuer
            .calculate_signature(&details, &mut rng)
            .map(|signature| NoiseCertificate {
                details: Some(details),
                signature: Some(signature.to_vec()),
            })
    };
    let chain = CertChain {
        intermediate: MessageField::some(signed(&root, &intermediate, 1)?),
        leaf: MessageField::some(signed(&intermediate, &server, 2)?),
    };
    Ok((
        chain.encode_to_vec(),
        server.public_key.public_key_bytes().try_into()?,
    ))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_forged_chain_is_refused() {
        assert_eq!(super::prove_chain_is_checked(), Ok(()));
    }
}
