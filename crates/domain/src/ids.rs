//! Ids of our own things. WhatsApp's ids (labels, chats) are strings of theirs.

use std::fmt;

/// A row number of an instance: small, local to one database, never shown.
///
/// Tables with a row for every association carry it instead of the public id,
/// which would be most of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceKey(pub i64);

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! public_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// A new id from 10 random bytes and the moment of its making
            /// (UUIDv7, so ids sort by age).
            #[must_use]
            pub fn new(now: crate::clock::Timestamp, random: [u8; 10]) -> Self {
                let ms = u64::try_from(now.as_millis()).unwrap_or_default();
                let uuid = uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid();
                Self(format!("{}_{}", $prefix, base32(uuid.as_u128())))
            }

            /// An id as the database holds it.
            #[must_use]
            pub const fn from_stored(text: String) -> Self {
                Self(text)
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

public_id!(
    /// An account: who owns instances and holds an account token.
    AccountId,
    "acc"
);
public_id!(
    /// An instance: one linked WhatsApp account.
    InstanceId,
    "ins"
);
public_id!(
    /// A token: its name in lists and history, not its secret text.
    TokenId,
    "tok"
);

public_id!(
    /// A command: one write asked for through the API.
    CommandId,
    "cmd"
);

public_id!(
    /// A webhook.
    WebhookId,
    "whk"
);
public_id!(
    /// A named state of labels, kept.
    SnapshotId,
    "snp"
);

impl InstanceId {
    /// The last 12 characters, lower-case letters and digits: 60 random bits, for
    /// callers whose ids are that long. It opens nothing by itself, and is looked
    /// up within one account.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0
            .len()
            .checked_sub(12)
            .and_then(|at| self.0.get(at..))
            .unwrap_or(&self.0)
    }
}

/// Crockford's digits, in lower case.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Crockford's base32 of the 128 bits, 26 characters, sorting as the bits do.
pub(crate) fn base32(bits: u128) -> String {
    (0..26)
        .rev()
        .map(|i| {
            let five = (bits >> (i * 5)) & 31;
            char::from(BASE32[usize::try_from(five).unwrap_or_default()])
        })
        .collect()
}

/// What such digits say; `None` where there is another character among them.
pub(crate) fn from_base32(digits: &str) -> Option<u128> {
    digits.bytes().try_fold(0_u128, |bits, digit| {
        let five = BASE32.iter().position(|known| *known == digit)?;
        Some((bits << 5) | u128::try_from(five).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn later_ids_sort_later() {
        let early = InstanceId::new(Timestamp::from_millis(1_000), [255; 10]);
        let late = InstanceId::new(Timestamp::from_millis(2_000), [0; 10]);
        assert!(early < late);
        assert!(early.as_str().starts_with("ins_"));
        assert_eq!(early.as_str().len(), 30);
        assert_eq!(early.short(), "zzzzzzzzzzzz");
    }
}
