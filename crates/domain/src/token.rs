//! Bearer tokens: what is shown once, and what is kept.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// A token's SHA-256, the only form that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token as a caller sends it.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// A new token of 128 random bits, in the UUID form that `RyzeAPI` shows.
#[must_use]
pub fn render(random: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in random.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_looks_like_a_uuid() {
        let text = render([0xab; 16]);
        assert_eq!(text, "abababab-abab-abab-abab-abababababab");
        assert_ne!(TokenHash::of(&text), TokenHash::of("other"));
    }
}
