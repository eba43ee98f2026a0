//! The dialect's JSON shapes, fields in its own order.

use labelwire_app::instance::Handle;
use labelwire_domain::instance::State;
use labelwire_domain::label::Label;
use serde::Serialize;
use utoipa::ToSchema;

/// A label. Its name is as on the phone, accents and emoji included.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Label)]
pub(super) struct LabelView {
    /// Palette index, as text.
    #[schema(example = "1")]
    color: String,
    #[schema(example = "Orçamento 🧾")]
    name: String,
    #[schema(example = "3")]
    id: String,
    /// Number of the predefined label it is, as text; null for others.
    #[serde(rename = "predefinedId")]
    #[schema(required)]
    predefined_id: Option<String>,
}

impl From<Label> for LabelView {
    fn from(label: Label) -> Self {
        Self {
            color: label.color.to_string(),
            name: label.name,
            id: label.id,
            predefined_id: label.predefined_id.map(|id| id.to_string()),
        }
    }
}

/// A label was put on a chat or taken off.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelHandled)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandledView {
    /// The chat, by phone number where that is known.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    pub(super) number_jid: String,
    /// The label's id.
    #[schema(example = "3")]
    pub(super) label_id: String,
    /// True where it was put on; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub(super) add: Option<bool>,
    /// True where it was taken off; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub(super) remove: Option<bool>,
}

/// Whether an instance has a connection.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConnectionState {
    /// It is connected.
    Open,
    /// It is connecting, or waits to be paired.
    Connecting,
    /// Nothing runs.
    Close,
}

impl From<State> for ConnectionState {
    fn from(state: State) -> Self {
        match state {
            State::Connected => Self::Open,
            State::Connecting => Self::Connecting,
            State::Disconnected | State::LoggedOut => Self::Close,
        }
    }
}

/// An instance's connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InstanceState)]
pub(super) struct StateView {
    pub(super) instance: NamedStateView,
}

/// An instance's name and connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NamedState)]
pub(super) struct NamedStateView {
    #[serde(rename = "instanceName")]
    pub(super) name: String,
    pub(super) state: ConnectionState,
}

/// An instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instance)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceView {
    id: String,
    name: String,
    connection_status: ConnectionState,
    /// Own number as a JID; null until it is paired.
    #[schema(required)]
    owner_jid: Option<String>,
    /// The name it shows to others.
    #[schema(required)]
    profile_name: Option<String>,
    /// Always null: pictures are not fetched.
    #[schema(required)]
    profile_pic_url: Option<String>,
    /// Always `WHATSAPP-BAILEYS`, the word of its clients for a linked device.
    integration: &'static str,
    /// Own number, digits.
    #[schema(required)]
    number: Option<String>,
}

impl From<&Handle> for InstanceView {
    fn from(handle: &Handle) -> Self {
        let status = handle.status();
        let jid = status.profile.jid;
        Self {
            id: handle.id.to_string(),
            name: handle.name.clone(),
            connection_status: status.state.into(),
            number: jid
                .as_deref()
                .and_then(|jid| jid.split('@').next())
                .map(str::to_owned),
            owner_jid: jid,
            profile_name: status.profile.push_name,
            profile_pic_url: None,
            integration: "WHATSAPP-BAILEYS",
        }
    }
}
