//! What can go wrong, in one closed set of kinds that every dialect maps once.

use labelwire_domain::chat::InvalidChat;
use labelwire_domain::intent::Reject;
use labelwire_domain::token::Scope;

/// The sort of an error; the only thing a dialect turns into a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request makes no sense.
    Invalid,
    /// No token, or an unknown one.
    Unauthenticated,
    /// A known token that does not open this.
    Denied,
    /// There is no such thing.
    NotFound,
    /// It clashes with what is there.
    Conflict,
    /// The instance has no connection to WhatsApp.
    NotConnected,
    /// WhatsApp or the client library refused.
    Phone,
    /// As many as may be.
    Limit,
    /// It is not known yet whether WhatsApp took it.
    Pending,
    /// It took too long.
    Timeout,
    /// Our own fault.
    Internal,
}

/// An error of a use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown token.
    #[error("the token is unknown; use an account or instance token")]
    InvalidToken,
    /// A token past its end.
    #[error("the token has expired; have a new one made")]
    TokenExpired,
    /// A token without the scope this needs.
    #[error("the token lacks scope `{0}`; use one that has it")]
    ScopeMissing(Scope),
    /// No such token in the caller's reach.
    #[error("there is no token `{0}` that is yours to change")]
    TokenNotFound(String),
    /// No token can be named so.
    #[error(
        "a token's name is 1 to 100 characters, none of them a control character or a blank at an end"
    )]
    TokenNameInvalid,
    /// A token good for nothing.
    #[error("a token needs at least one scope: `read`, `label`, `send` or `admin`")]
    ScopesEmpty,
    /// A token that would be over before it began.
    #[error("the token's end must lie in the future")]
    ExpiryPast,
    /// An instance token where only an account token fits.
    #[error("this call needs the account's token")]
    AccountTokenRequired,
    /// No such instance in the caller's account.
    #[error(
        "there is no instance `{0}` in this account; `GET /api/instance/list` shows those there are"
    )]
    InstanceNotFound(String),
    /// The token belongs to another instance of the same account.
    #[error("the token belongs to another instance of this account")]
    InstanceMismatch,
    /// An instance of that name exists.
    #[error("an instance named `{0}` exists in this account; choose another name")]
    NameTaken(String),
    /// A name outside of the rule.
    #[error("an instance name is 1 to 100 letters, digits, `_` or `-`")]
    NameInvalid,
    /// The wished token is in use.
    #[error("the wished token is in use; leave `token` out to have one made")]
    TokenTaken,
    /// The wished token is too weak to guard anything.
    #[error(
        "a token of your own must be 16 to 200 visible ASCII characters; leave `token` out to have one made"
    )]
    TokenInvalid,
    /// Text that names no chat.
    #[error(transparent)]
    InvalidChat(#[from] InvalidChat),
    /// Text that names no message.
    #[error("a message id is 1 to 128 visible ASCII characters, as WhatsApp gave it")]
    InvalidMessage,
    /// No live label of that id.
    #[error("there is no label `{0}` on this account")]
    LabelNotFound(String),
    /// A name that several live labels have.
    #[error("several labels are named `{0}`; name the one by its id")]
    LabelAmbiguous(String),
    /// Too much has changed since the page a cursor comes from.
    #[error(
        "too much has changed since the page this cursor comes from; begin with the first page"
    )]
    CursorExpired,
    /// No client runs, or it is not logged in.
    #[error(
        "instance `{0}` is not connected to WhatsApp; pair it with `GET /api/instance/connect/{0}`"
    )]
    NotConnected(String),
    /// The labels were never synced yet.
    #[error(
        "the labels of instance `{0}` were never synced; pair it with `GET /api/instance/connect/{0}` and wait for state `connected`"
    )]
    NeverSynced(String),
    /// Connecting was ended: by a logout, a deletion, or because nobody scanned.
    #[error("connecting ended: {0}")]
    ConnectingEnded(String),
    /// No account can be named so.
    #[error(
        "an account name is 1 to 100 characters, none of them a control character or a blank at an end"
    )]
    AccountNameInvalid,
    /// No QR code or pairing code came in time.
    #[error("timed out waiting for a pairing code")]
    PairingTimeout,
    /// The mirror could not be brought up to date in time.
    #[error(
        "timed out bringing the labels up to date; the account's state may be large or WhatsApp slow: try again"
    )]
    RefreshTimeout,
    /// A text that cannot be sent.
    #[error("a text must have 1 to 65,536 characters, not all of them blanks")]
    TextInvalid,
    /// WhatsApp did not say in time whether it accepted a message.
    #[error(
        "WhatsApp did not confirm the message in time; it may or may not have been sent: look before sending it again"
    )]
    SendTimeout,
    /// The number given for pairing is none.
    #[error("`{0}` is not a phone number; write it with country code, digits only")]
    InvalidNumber(String),
    /// What was asked of the labels cannot be.
    #[error(transparent)]
    Rejected(Reject),
    /// No such webhook.
    #[error("there is no webhook `{0}` on this instance")]
    WebhookNotFound(String),
    /// No such delivery.
    #[error("there is no delivery `{0}` of this webhook")]
    DeliveryNotFound(i64),
    /// A webhook that cannot be.
    #[error("the webhook cannot be: {0}")]
    WebhookInvalid(String),
    /// A webhook of that name exists.
    #[error("a webhook named `{0}` exists on this instance; choose another name")]
    WebhookNameTaken(String),
    /// As many webhooks as may be.
    #[error("this instance has {0} webhooks, as many as may be; delete one first")]
    TooManyWebhooks(usize),
    /// A webhook that is off.
    #[error("webhook `{0}` is off; enable it first")]
    WebhookDisabled(String),
    /// What was asked of history cannot be answered.
    #[error(transparent)]
    Timeline(#[from] crate::timeline::Untold),
    /// No such command.
    #[error("there is no command `{0}` on this instance")]
    CommandNotFound(String),
    /// A write of many changes that ended on the way.
    #[error(
        "only a part was done: {mutations} changes are on the phone, then {why}; ask again to do the rest (command `{command}`)"
    )]
    WritePartly {
        /// The command.
        command: String,
        /// Changes WhatsApp has taken.
        mutations: u64,
        /// Why it ended.
        why: String,
    },
    /// A write that WhatsApp did not take.
    #[error("nothing was changed: {0}")]
    WriteFailed(String),
    /// A write without a verdict so far.
    #[error(
        "WhatsApp has not said yet whether it took the change; command `{0}` tells as soon as it is known"
    )]
    Pending(String),
    /// WhatsApp or the library refused.
    #[error("WhatsApp refused: {0}")]
    Phone(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] labelwire_store::Error),
    /// The program is stopping.
    #[error("labelwire is stopping; try again in a moment")]
    Stopping,
}

impl From<Reject> for Error {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::LabelNotFound(id) => Self::LabelNotFound(id),
            other => Self::Rejected(other),
        }
    }
}

impl Error {
    /// The sort of this error.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::InvalidToken | Self::TokenExpired | Self::AccountTokenRequired => {
                Kind::Unauthenticated
            }
            Self::InstanceNotFound(_)
            | Self::LabelNotFound(_)
            | Self::CommandNotFound(_)
            | Self::WebhookNotFound(_)
            | Self::DeliveryNotFound(_)
            | Self::TokenNotFound(_) => Kind::NotFound,
            Self::Rejected(reject) => match reject {
                Reject::LabelNotFound(_) => Kind::NotFound,
                Reject::LimitReached(_) => Kind::Limit,
                Reject::NameInvalid(_) | Reject::ColorInvalid => Kind::Invalid,
                Reject::NameTaken { .. } | Reject::NotEditable { .. } | Reject::NoIdLeft => {
                    Kind::Conflict
                }
            },
            Self::Timeline(why) => why.kind(),
            Self::Pending(_) => Kind::Pending,
            Self::InstanceMismatch | Self::ScopeMissing(_) => Kind::Denied,
            Self::NameTaken(_)
            | Self::TokenTaken
            | Self::LabelAmbiguous(_)
            | Self::WebhookNameTaken(_)
            | Self::WebhookDisabled(_) => Kind::Conflict,
            Self::TooManyWebhooks(_) => Kind::Limit,
            Self::NameInvalid
            | Self::AccountNameInvalid
            | Self::TokenInvalid
            | Self::TokenNameInvalid
            | Self::ScopesEmpty
            | Self::ExpiryPast
            | Self::InvalidChat(_)
            | Self::InvalidMessage
            | Self::CursorExpired
            | Self::TextInvalid
            | Self::WebhookInvalid(_)
            | Self::InvalidNumber(_) => Kind::Invalid,
            Self::NotConnected(_)
            | Self::NeverSynced(_)
            | Self::ConnectingEnded(_)
            | Self::Stopping => Kind::NotConnected,
            Self::PairingTimeout | Self::RefreshTimeout | Self::SendTimeout => Kind::Timeout,
            Self::Phone(_) | Self::WriteFailed(_) | Self::WritePartly { .. } => Kind::Phone,
            Self::Store(_) => Kind::Internal,
        }
    }

    /// The stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::TokenExpired => "token_expired",
            Self::ScopeMissing(_) => "scope_missing",
            Self::TokenNotFound(_) => "token_not_found",
            Self::TokenNameInvalid => "token_name_invalid",
            Self::ScopesEmpty => "scopes_empty",
            Self::ExpiryPast => "expiry_past",
            Self::AccountTokenRequired => "account_token_required",
            Self::InstanceNotFound(_) => "instance_not_found",
            Self::InstanceMismatch => "instance_mismatch",
            Self::NameTaken(_) => "instance_name_taken",
            Self::NameInvalid => "instance_name_invalid",
            Self::TokenTaken => "token_taken",
            Self::TokenInvalid => "token_invalid",
            Self::InvalidChat(_) => "invalid_chat",
            Self::InvalidMessage => "invalid_message",
            Self::LabelNotFound(_) => "label_not_found",
            Self::LabelAmbiguous(_) => "label_ambiguous",
            Self::CursorExpired => "cursor_expired",
            Self::NotConnected(_) => "instance_not_connected",
            Self::NeverSynced(_) => "instance_never_synced",
            Self::ConnectingEnded(_) => "connecting_ended",
            Self::AccountNameInvalid => "account_name_invalid",
            Self::PairingTimeout => "pairing_timeout",
            Self::RefreshTimeout => "refresh_timeout",
            Self::InvalidNumber(_) => "invalid_number",
            Self::Rejected(reject) => match reject {
                Reject::LabelNotFound(_) => "label_not_found",
                Reject::NameTaken { .. } => "label_name_taken",
                Reject::LimitReached(_) => "label_limit_reached",
                Reject::NameInvalid(_) => "label_name_invalid",
                Reject::ColorInvalid => "color_invalid",
                Reject::NotEditable { .. } => "label_not_editable",
                Reject::NoIdLeft => "label_ids_exhausted",
            },
            Self::Timeline(why) => why.code(),
            Self::CommandNotFound(_) => "command_not_found",
            Self::WebhookNotFound(_) => "webhook_not_found",
            Self::DeliveryNotFound(_) => "delivery_not_found",
            Self::WebhookInvalid(_) => "webhook_invalid",
            Self::WebhookNameTaken(_) => "webhook_name_taken",
            Self::TooManyWebhooks(_) => "webhook_limit_reached",
            Self::WebhookDisabled(_) => "webhook_disabled",
            Self::WriteFailed(_) => "write_failed",
            Self::WritePartly { .. } => "write_incomplete",
            Self::Pending(_) => "write_pending",
            Self::TextInvalid => "invalid_text",
            Self::SendTimeout => "send_timeout",
            Self::Phone(_) => "whatsapp_refused",
            Self::Store(_) => "internal",
            Self::Stopping => "stopping",
        }
    }
}
