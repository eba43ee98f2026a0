//! The dialect's JSON shapes, fields in its own order.

use labelwire_app::instances::Standing;
use labelwire_domain::label::Label;
use serde::Serialize;
use utoipa::ToSchema;

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tag)]
pub(super) struct TagView {
    id: String,
    name: String,
    /// Palette index, 0 to 19.
    color: i32,
    #[serde(rename = "type")]
    kind: String,
    deleted: bool,
}

impl From<Label> for TagView {
    fn from(label: Label) -> Self {
        Self {
            kind: label.type_name(),
            id: label.id,
            name: label.name,
            color: label.color,
            deleted: label.deleted,
        }
    }
}

/// An instance's labels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tags)]
pub(super) struct TagsView {
    pub(super) success: bool,
    #[schema(example = "Tags retrieved successfully")]
    pub(super) message: &'static str,
    pub(super) tags: Vec<TagView>,
    /// Labels in the list.
    pub(super) total: usize,
}

/// A label was put on a chat or taken off.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TagWritten)]
pub(super) struct WrittenView {
    pub(super) success: bool,
    #[schema(example = "Tag assigned successfully")]
    pub(super) message: &'static str,
    /// The label's id.
    pub(super) tag_id: String,
}

/// The answer of `contactsByLabel`. It is only ever written piece by piece; this
/// is its description.
#[derive(Debug, ToSchema)]
#[schema(as = ChatsByLabel)]
#[expect(dead_code, reason = "describes an answer that is not built as a value")]
pub(super) struct ChatsView {
    success: bool,
    #[schema(example = "Chats by label retrieved successfully")]
    message: String,
    /// The chats, ordered by `chat_jid`.
    chats: Vec<ChatView>,
    /// Unique chats.
    total_chats: u64,
    /// Pairs of chat and label.
    total_rows: u64,
    /// Whether WhatsApp was asked in this call.
    refreshed: bool,
    /// The label ids the filter came to.
    filter_label_ids: Vec<String>,
}

/// A chat with all its labels.
#[derive(Debug, ToSchema)]
#[schema(as = ChatWithLabels)]
#[expect(dead_code, reason = "describes an answer that is not built as a value")]
pub(super) struct ChatView {
    /// By phone number where that is known, else `…@lid`.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    chat_jid: String,
    labels: Vec<LabelNameView>,
}

/// A label's id and name.
#[derive(Debug, ToSchema)]
#[schema(as = LabelName)]
#[expect(dead_code, reason = "describes an answer that is not built as a value")]
pub(super) struct LabelNameView {
    id: String,
    name: String,
}

/// An instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instance)]
pub(super) struct InstanceView {
    id: String,
    name: String,
    connection: ConnectionView,
    profile: ProfileView,
    webhook: WebhookView,
    websocket: ChannelView,
    chatwoot: SwitchView,
    proxy: SwitchView,
    settings: SettingsView,
    s3: SwitchView,
}

/// How an instance is connected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
#[serde(rename_all = "camelCase")]
struct ConnectionView {
    /// `connected`, `connecting`, `disconnected` or `loggedout`.
    state: &'static str,
    number_jid: Option<String>,
    presence_status: &'static str,
    /// Why it stands so, where that is known; else the state.
    display_status: String,
}

/// The account behind an instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
#[serde(rename_all = "camelCase")]
struct ProfileView {
    name: String,
    picture_url: String,
    is_business: bool,
    business_name: String,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
#[serde(rename_all = "camelCase")]
struct WebhookView {
    label: &'static str,
    enabled: bool,
    url: &'static str,
    authorization: &'static str,
    by_events: bool,
    events: [&'static str; 0],
    media_base64: bool,
}

/// A WebSocket.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Websocket)]
#[serde(rename_all = "camelCase")]
struct ChannelView {
    enabled: bool,
    events: [&'static str; 0],
    media_base64: bool,
}

/// A feature that can be on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Switch)]
struct SwitchView {
    enabled: bool,
}

/// What an instance does by itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the dialect's shape")]
struct SettingsView {
    auto_reject_calls: bool,
    call_reject_message: &'static str,
    ignore_group_messages: bool,
    keep_online_status: bool,
    auto_read_messages: bool,
    disable_history_sync: bool,
    ignore_status: bool,
}

impl From<&Standing> for InstanceView {
    fn from(standing: &Standing) -> Self {
        let Standing { handle, status } = standing;
        let profile = &status.profile;
        let off = || SwitchView { enabled: false };
        Self {
            id: handle.id.to_string(),
            name: handle.name.clone(),
            connection: ConnectionView {
                state: status.state.as_str(),
                number_jid: profile.jid.clone(),
                // labelwire shows no presence to anybody.
                presence_status: "unavailable",
                display_status: if status.reason.is_empty() {
                    status.state.as_str().to_owned()
                } else {
                    status.reason.clone()
                },
            },
            profile: ProfileView {
                name: profile.push_name.clone().unwrap_or_default(),
                picture_url: String::new(),
                is_business: profile.is_business(),
                business_name: profile.business_name.clone().unwrap_or_default(),
            },
            webhook: WebhookView {
                label: "default",
                enabled: false,
                url: "",
                authorization: "",
                by_events: false,
                events: [],
                media_base64: false,
            },
            websocket: ChannelView {
                enabled: false,
                events: [],
                media_base64: false,
            },
            chatwoot: off(),
            proxy: off(),
            settings: SettingsView {
                auto_reject_calls: false,
                call_reject_message: "",
                ignore_group_messages: false,
                keep_online_status: false,
                auto_read_messages: false,
                disable_history_sync: false,
                ignore_status: false,
            },
            s3: off(),
        }
    }
}

/// Instances.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instances)]
pub(super) struct InstancesView {
    pub(super) success: bool,
    #[schema(example = "1 Instance found")]
    pub(super) message: String,
    pub(super) instances: Vec<InstanceView>,
}

/// A new instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InstanceCreated)]
pub(super) struct CreatedView {
    pub(super) success: bool,
    #[schema(example = "Instance created successfully")]
    pub(super) message: &'static str,
    pub(super) instance: NewInstanceView,
    pub(super) data: TokenView,
}

/// An instance with its token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewInstanceWithToken)]
pub(super) struct NewInstanceView {
    #[serde(flatten)]
    pub(super) instance: InstanceView,
    pub(super) token: String,
}

/// A token, shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenView {
    pub(super) token: String,
}

/// What connecting led to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connecting)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectView {
    success: bool,
    #[schema(example = "QR code generated")]
    message: &'static str,
    /// The text of the QR code.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_code: Option<String>,
    /// The QR code as a `data:image/png;base64,` URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_code_base64: Option<String>,
    /// To type on the phone, `ABCD-EFGH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pairing_code: Option<String>,
    /// `qr` or `connected`.
    status: &'static str,
}

impl ConnectView {
    fn new(message: &'static str, status: &'static str) -> Self {
        Self {
            success: true,
            message,
            qr_code: None,
            qr_code_base64: None,
            pairing_code: None,
            status,
        }
    }

    /// Nothing is left to do.
    pub(super) fn connected() -> Self {
        Self::new("Instance already connected", "connected")
    }

    /// A QR code is to be scanned.
    pub(super) fn qr(code: String, picture: String) -> Self {
        Self {
            qr_code: Some(code),
            qr_code_base64: Some(picture),
            ..Self::new("QR code generated", "qr")
        }
    }

    /// A code is to be typed on the phone.
    pub(super) fn pairing_code(code: String) -> Self {
        Self {
            pairing_code: Some(code),
            ..Self::new("Pairing code generated", "qr")
        }
    }
}

/// An instance was logged out or deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InstanceEnded)]
pub(super) struct EndedView {
    success: bool,
    #[schema(example = "Instance logged out")]
    message: &'static str,
    instance: EndStatusView,
}

/// How it stands now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InstanceEnd)]
struct EndStatusView {
    #[schema(example = "loggedout")]
    status: &'static str,
}

impl EndedView {
    /// An instance that now stands so.
    pub(super) fn new(message: &'static str, status: &'static str) -> Self {
        Self {
            success: true,
            message,
            instance: EndStatusView { status },
        }
    }
}
