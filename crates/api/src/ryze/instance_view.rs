//! The dialect's JSON shapes around instances, fields in its own order.

use labelwire_app::instances::Standing;
use labelwire_app::settings::Settings;
use labelwire_app::webhooks::Webhook;
use serde::Serialize;
use utoipa::ToSchema;

use super::blocks::{self, ChannelView, ChatwootView, ProxyView, S3View, WebhookView};
use super::settings::{self, SettingsView};

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
    chatwoot: ChatwootView,
    proxy: ProxyView,
    settings: SettingsView,
    s3: S3View,
    /// Only in the answer that makes the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    token: Option<String>,
}

/// How an instance is connected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
#[serde(rename_all = "camelCase")]
struct ConnectionView {
    /// `connected`, `connecting`, `disconnected` or `loggedout`.
    state: &'static str,
    #[schema(required)]
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

impl InstanceView {
    /// How an instance stands and what is set on it; its secrets only where the
    /// caller may set them.
    pub(super) fn new(
        standing: &Standing,
        settings: &Settings,
        webhooks: &[Webhook],
        secrets: bool,
    ) -> Self {
        let Standing { handle, status } = standing;
        let profile = &status.profile;
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
            webhook: blocks::webhook(webhooks, secrets),
            websocket: blocks::websocket(settings),
            chatwoot: blocks::chatwoot(settings),
            proxy: blocks::proxy(settings),
            settings: settings::of(settings),
            s3: blocks::s3(settings),
            token: None,
        }
    }

    /// The same with its token, which is shown this once.
    pub(super) fn with_token(self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self
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
    pub(super) instance: InstanceView,
    pub(super) data: TokenView,
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
    #[schema(value_type = String, required = false)]
    qr_code: Option<String>,
    /// The QR code as a `data:image/png;base64,` URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    qr_code_base64: Option<String>,
    /// To type on the phone, `ABCD-EFGH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
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
