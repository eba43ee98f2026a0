//! An instance's state: what it is doing, and why it stopped.

use std::fmt;
use std::str::FromStr;

/// What an instance is doing, in the words of the `RyzeAPI` dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Logged in, events flow.
    Connected,
    /// A client runs but is not logged in: dialling, pairing, or between two tries.
    Connecting,
    /// Nothing runs; a pairing may exist.
    Disconnected,
    /// WhatsApp or the caller removed this device; it must be paired anew.
    LoggedOut,
}

impl State {
    /// The stored and shown word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Connecting => "connecting",
            Self::Disconnected => "disconnected",
            Self::LoggedOut => "loggedout",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stored word that is no state.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no instance state")]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "connected" => Self::Connected,
            "connecting" => Self::Connecting,
            "disconnected" => Self::Disconnected,
            "loggedout" => Self::LoggedOut,
            other => return Err(UnknownState(other.to_owned())),
        })
    }
}

/// The name rule of `ryzeapi.md` decision 10: 1-100 of letters, digits, `_`, `-`.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// What pairing told us about the account behind an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Own number, `<digits>@s.whatsapp.net`.
    pub jid: Option<String>,
    /// Own hidden id, `<digits>@lid`.
    pub lid: Option<String>,
    /// The phone's platform as WhatsApp names it (`smba`, `smbi`: Business).
    pub platform: Option<String>,
    /// Business name, where the account is one.
    pub business_name: Option<String>,
    /// Name the account shows to others.
    pub push_name: Option<String>,
}

impl Profile {
    /// Whether the phone is a Business app (`protocol.md` A7).
    #[must_use]
    pub fn is_business(&self) -> bool {
        self.platform
            .as_deref()
            .is_some_and(|p| p.starts_with("smb"))
    }
}
