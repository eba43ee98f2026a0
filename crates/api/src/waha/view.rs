//! The dialect's JSON shapes, fields in its own order.

use labelwire_app::instance::{Handle, Status};
use labelwire_domain::instance::State;
use labelwire_domain::label::{Label, PALETTE};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Label)]
pub(super) struct LabelView {
    #[schema(example = "1")]
    id: String,
    #[schema(example = "Lead")]
    name: String,
    /// Palette index, 0 to 19.
    #[schema(example = 0)]
    color: i32,
    /// The same colour as `#rrggbb`; `#000000` where the palette has none.
    #[serde(rename = "colorHex")]
    #[schema(example = "#ff9485")]
    color_hex: &'static str,
}

impl From<Label> for LabelView {
    fn from(label: Label) -> Self {
        Self {
            color_hex: usize::try_from(label.color)
                .ok()
                .and_then(|at| PALETTE.get(at).copied())
                .unwrap_or("#000000"),
            id: label.id,
            name: label.name,
            color: label.color,
        }
    }
}

/// A label was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Result)]
pub(super) struct ResultView {
    /// Always true.
    pub(super) result: bool,
}

/// A chat that carries a label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Chat)]
pub(super) struct ChatView {
    /// `…@c.us` where the number is known, else `…@lid`; `…@g.us`, `…@newsletter`.
    #[schema(example = "5511999999999@c.us")]
    pub(super) id: String,
    /// Its name; absent where none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Maria")]
    pub(super) name: Option<String>,
}

/// A chat as this dialect writes it: people are `…@c.us`.
pub(super) use crate::told::c_us as chat_id;

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum SessionStatus {
    /// Nothing runs.
    Stopped,
    /// It is connecting, or reading the labels for the first time.
    Starting,
    /// A QR code waits to be scanned, or a pairing code to be asked for.
    ScanQrCode,
    /// It is ready.
    Working,
    /// The device was unlinked; it must be paired anew.
    Failed,
}

impl SessionStatus {
    /// The state behind an instance's standing. A session whose labels were
    /// never read is not ready for what this dialect offers.
    pub(super) fn of(status: &Status) -> Self {
        match status.state {
            State::Connected if status.synced => Self::Working,
            State::Connecting if status.qr.is_some() => Self::ScanQrCode,
            State::Connected | State::Connecting => Self::Starting,
            State::Disconnected => Self::Stopped,
            State::LoggedOut => Self::Failed,
        }
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionInfo)]
pub(super) struct SessionView {
    #[schema(example = "default")]
    name: String,
    pub(super) status: SessionStatus,
    /// As it was given; `hmac` and `customHeaders` of webhooks only for who may set them.
    #[schema(value_type = Object)]
    config: Value,
    /// The account; null until it is paired.
    #[schema(required)]
    me: Option<MeView>,
}

impl SessionView {
    /// A session with its configuration.
    pub(super) fn new(handle: &Handle, config: Value) -> Self {
        let status = handle.status();
        Self {
            name: handle.name.clone(),
            me: MeView::of(&status),
            status: SessionStatus::of(&status),
            config,
        }
    }
}

/// The account behind a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MeInfo)]
pub(super) struct MeView {
    #[schema(example = "5511999999999@c.us")]
    id: String,
    /// The account's hidden id; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "123123@lid")]
    lid: Option<String>,
    /// The name it shows to others.
    #[serde(rename = "pushName")]
    push_name: String,
}

impl MeView {
    /// The account behind an instance, once it is paired.
    pub(super) fn of(status: &Status) -> Option<Self> {
        if status.state == State::LoggedOut {
            return None;
        }
        let profile = &status.profile;
        Some(Self {
            id: chat_id(profile.jid.as_deref()?),
            lid: profile.lid.clone(),
            push_name: profile.push_name.clone().unwrap_or_default(),
        })
    }
}

/// The text of a QR code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QRCodeValue)]
pub(super) struct QrValueView {
    pub(super) value: String,
}

/// A picture as JSON.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Base64File)]
pub(super) struct FileView {
    #[schema(example = "image/png")]
    pub(super) mimetype: &'static str,
    /// Base64.
    pub(super) data: String,
}

/// A QR code as JSON; which of the two is the caller's choice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QRCode)]
#[serde(untagged)]
pub(super) enum QrView {
    /// Its text.
    Value(QrValueView),
    /// Its picture.
    File(FileView),
}

/// A code to type on the phone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PairingCode)]
pub(super) struct CodeView {
    #[schema(example = "ABCD-EFGH")]
    pub(super) code: String,
}

/// The gateway's version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Environment)]
pub(super) struct VersionView {
    pub(super) version: &'static str,
    /// Always `LABELWIRE`.
    pub(super) engine: &'static str,
    /// Always `CORE`.
    pub(super) tier: &'static str,
    /// Always null: no browser runs.
    #[schema(required, value_type = Option<String>)]
    pub(super) browser: Option<&'static str>,
    #[schema(example = "linux/x86_64")]
    pub(super) platform: String,
}

/// The gateway answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pong)]
pub(super) struct PongView {
    /// Always `pong`.
    pub(super) message: &'static str,
}
