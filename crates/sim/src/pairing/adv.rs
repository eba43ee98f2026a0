//! Device identities: the phone vouches for a companion, the companion for the phone.

use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;
use wacore::libsignal::protocol::PublicKey;
use waproto::buffa::Message;
use waproto::whatsapp as wa;

use super::Offer;
use crate::Error;
use crate::account::Account;

const ACCOUNT_SIGNATURE: &[u8] = &[6, 0];
const DEVICE_SIGNATURE: &[u8] = &[6, 1];

/// The signed identity: what was signed, and the container under the shared secret.
pub(super) fn signed_identity(
    account: &Account,
    device: u16,
    companion: &[u8],
    secret: &[u8],
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let details = wa::ADVDeviceIdentity {
        raw_id: Some(raw_id(account)),
        timestamp: Some(wacore::time::now_secs_u64()),
        key_index: Some(u32::from(device)),
        ..Default::default()
    }
    .encode_to_vec();
    let message = [ACCOUNT_SIGNATURE, &details, companion].concat();
    let signed = wa::ADVSignedDeviceIdentity {
        details: Some(details.clone()),
        account_signature_key: Some(account.endpoint.identity_bytes().to_vec()),
        account_signature: Some(account.endpoint.sign(&message)?),
        ..Default::default()
    }
    .encode_to_vec();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(Error::crypto)?;
    mac.update(&signed);
    let container = wa::ADVSignedDeviceIdentityHMAC {
        details: Some(signed),
        hmac: Some(mac.finalize().into_bytes().to_vec()),
        ..Default::default()
    };
    Ok((details, container.encode_to_vec()))
}

/// Number of the account's device list, the same for all its devices.
pub(crate) fn raw_id(account: &Account) -> u32 {
    let [a, b, c, d, ..] = account.secret;
    u32::from_be_bytes([a, b, c, d])
}

/// Checks what the companion sent back; answers it complete.
pub(super) fn check_signature(offer: &Offer, identity: &[u8]) -> Result<Vec<u8>, Error> {
    let mut identity =
        wa::ADVSignedDeviceIdentity::decode_from_slice(identity).map_err(Error::protocol)?;
    if identity.details.as_deref() != Some(&offer.details) {
        return Err(Error::PairingFailed("it signed something else".into()));
    }
    let message = [
        DEVICE_SIGNATURE,
        &offer.details,
        &offer.companion.identity,
        &offer.account_key,
    ]
    .concat();
    let key =
        PublicKey::from_djb_public_key_bytes(&offer.companion.identity).map_err(Error::protocol)?;
    let signature = identity.device_signature.as_deref().unwrap_or_default();
    if !key.verify_signature(&message, signature) {
        return Err(Error::PairingFailed("its signature is wrong".into()));
    }
    // Some clients leave it out to save bytes; contacts are to see it all the same.
    identity.account_signature_key = Some(offer.account_key.clone());
    Ok(identity.encode_to_vec())
}
