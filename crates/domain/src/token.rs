//! Bearer tokens: what is shown once, and what is kept.

use std::fmt::{self, Write as _};
use std::str::FromStr;

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

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading labels, chats, contacts and how instances stand.
    Read,
    /// Changing labels and what carries them.
    Label,
    /// Sending messages.
    Send,
    /// Instances, settings and tokens. Whoever has it can hand out tokens of any
    /// scope within its own reach (its account, or its instance).
    Admin,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Read, Self::Label, Self::Send, Self::Admin];

    /// The stored and shown word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Label => "label",
            Self::Send => "send",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Label => 2,
            Self::Send => 4,
            Self::Admin => 8,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope; there are `read`, `label`, `send` and `admin`")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == word)
            .ok_or_else(|| UnknownScope(word.chars().take(40).collect()))
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self(15);

    /// Whether the set has this one.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether the set has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// Words with blanks between them, as they are stored.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

/// Words with commas or blanks between them.
impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split([',', ' '])
            .filter(|word| !word.is_empty())
            .map(Scope::from_str)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_and_read_as_words() {
        assert_eq!(Scopes::ALL.to_string(), "read label send admin");
        let some: Scopes = "admin,read".parse().expect("scopes");
        assert_eq!(some.to_string(), "read admin");
        assert!(some.has(Scope::Admin) && !some.has(Scope::Label));
        assert_eq!("".parse::<Scopes>(), Ok(Scopes::default()));
        assert!("read,write".parse::<Scopes>().is_err());
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse::<Scope>(), Ok(scope));
        }
    }

    #[test]
    fn a_token_looks_like_a_uuid() {
        let text = render([0xab; 16]);
        assert_eq!(text, "abababab-abab-abab-abab-abababababab");
        assert_ne!(TokenHash::of(&text), TokenHash::of("other"));
    }
}
