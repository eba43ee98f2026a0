//! What can go wrong when the simulated world is asked to do something.

/// Errors of [`World`](crate::World) and [`Server`](crate::Server).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No account has this phone number.
    #[error("there is no account `{0}`")]
    UnknownAccount(String),
    /// An account with this phone number exists already.
    #[error("account `{0}` exists already")]
    AccountExists(String),
    /// The account has no linked device with this number.
    #[error("account `{phone}` has no device `{device}`")]
    UnknownDevice {
        /// Phone number of the account.
        phone: String,
        /// Device number asked for.
        device: u16,
    },
    /// The request makes no sense as given.
    #[error("{0}")]
    Invalid(String),
    /// No companion waits with this QR code or pairing code.
    #[error("no client is waiting to be paired with this code; take a fresh one")]
    NothingToPair,
    /// The companion's key bundle does not open with this pairing code.
    #[error("the pairing code is wrong")]
    WrongCode,
    /// The companion refused the pairing or went away.
    #[error("the client did not complete the pairing: {0}")]
    PairingFailed(String),
    /// A cryptographic operation failed.
    #[error("cryptography failed: {0}")]
    Crypto(String),
    /// A peer broke the protocol.
    #[error("protocol violation: {0}")]
    Protocol(String),
    /// Reading or writing the state folder or a socket failed.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn crypto(error: impl std::fmt::Display) -> Self {
        Self::Crypto(error.to_string())
    }

    pub(crate) fn protocol(error: impl std::fmt::Display) -> Self {
        Self::Protocol(error.to_string())
    }

    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            context: context.into(),
            source,
        }
    }
}
