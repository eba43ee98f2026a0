//! The dialect's JSON shapes, fields in its own order.

use labelwire_app::contacts::Contact;
use labelwire_app::instance::Status;
use labelwire_app::messages_out::Sent;
use labelwire_domain::instance::{Profile, State};
use labelwire_domain::label::{Label, color_hex};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::ListShape;
use super::webhooks::WebhookView;

/// A list in the shape the operator chose.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) ListShape, pub(super) Vec<T>);

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(shape, items) = self;
        match shape {
            ListShape::Array => items.serialize(serializer),
            ListShape::KeyedObject => {
                let mut map = serializer.serialize_map(Some(items.len()))?;
                for (at, item) in items.iter().enumerate() {
                    map.serialize_entry(&at, item)?;
                }
                map.end()
            }
        }
    }
}

/// A chat's id in this dialect's form: `…@c.us` where we say `…@s.whatsapp.net`.
pub(super) use crate::told::c_us as chat_id;

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Label)]
#[serde(rename_all = "camelCase")]
pub(super) struct LabelView {
    #[schema(example = "1")]
    id: String,
    #[schema(example = "New Customer")]
    name: String,
    /// Palette index, 0 to 19.
    #[schema(example = 0)]
    color: i32,
    /// The same as a colour; `#000000` for an index outside of the palette.
    #[schema(example = "#ff9485")]
    color_hex: &'static str,
}

impl From<Label> for LabelView {
    fn from(label: Label) -> Self {
        Self {
            color_hex: color_hex(label.color).unwrap_or("#000000"),
            id: label.id,
            name: label.name,
            color: label.color,
        }
    }
}

/// A chat with what to call it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Chat)]
pub(super) struct ChatView {
    /// `…@c.us` for people, `…@lid` where the number is not known, `…@g.us` for groups.
    #[schema(example = "123456789@c.us")]
    pub(super) id: String,
    /// As the address book names it, else its verified business name, else as it
    /// calls itself, else the group's subject.
    #[schema(required, example = "John Doe")]
    pub(super) name: Option<String>,
}

/// Something was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Done)]
pub(super) struct DoneView {
    /// Always true.
    success: bool,
    #[schema(example = "Operation completed successfully")]
    message: &'static str,
}

impl DoneView {
    /// It was.
    pub(super) const DONE: Self = Self {
        success: true,
        message: "Operation completed successfully",
    };
}

/// A session that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Created)]
pub(super) struct CreatedView {
    /// Always true.
    pub(super) success: bool,
    /// 12 characters.
    #[schema(example = "4kx9v2t0ab1c")]
    pub(super) instance_id: String,
    /// The instance's name; it works in the place of the id.
    #[schema(example = "wawp-4kx9v2t0ab1c")]
    pub(super) session_name: String,
    pub(super) server_name: &'static str,
    /// The session's own token; it is not shown again.
    pub(super) access_token: String,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Standing)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum StandingView {
    /// Nothing runs.
    Stopped,
    /// On its way to WhatsApp.
    Starting,
    /// A code waits to be scanned.
    ScanQrCode,
    /// Connected.
    Working,
    /// It ended by itself and must be started or paired anew.
    Failed,
}

impl From<&Status> for StandingView {
    fn from(status: &Status) -> Self {
        match status.state {
            _ if status.stopped => Self::Stopped,
            State::Connected => Self::Working,
            State::Connecting if status.qr.is_some() => Self::ScanQrCode,
            State::Connecting => Self::Starting,
            State::LoggedOut => Self::Failed,
            // It never ran, or it was the gateway that ended.
            State::Disconnected if status.reason.is_empty() => Self::Stopped,
            State::Disconnected => Self::Failed,
        }
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    #[schema(example = "wawp-4kx9v2t0ab1c")]
    name: String,
    status: StandingView,
    config: ConfigView,
    /// The connected account.
    #[schema(required)]
    me: Option<MeView>,
    /// The code to scan as a PNG in base64; only while the status is `SCAN_QR_CODE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    qr: Option<String>,
}

impl SessionView {
    /// A session as it stands; `qr` is the picture of its code.
    pub(super) fn new(
        name: String,
        status: &Status,
        webhooks: Vec<WebhookView>,
        qr: Option<String>,
    ) -> Self {
        Self {
            name,
            status: status.into(),
            config: ConfigView {
                webhooks: WebhooksView(webhooks),
                proxy: None,
            },
            me: MeView::of(status),
            qr,
        }
    }
}

/// How a session is set up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionConfig)]
struct ConfigView {
    #[schema(value_type = std::collections::HashMap<String, WebhookView>)]
    webhooks: WebhooksView,
    /// Always null.
    #[schema(required)]
    proxy: Option<String>,
}

/// Webhooks, by number.
#[derive(Debug)]
struct WebhooksView(Vec<WebhookView>);

impl Serialize for WebhooksView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().enumerate())
    }
}

/// A connected account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Me)]
#[serde(rename_all = "camelCase")]
pub(super) struct MeView {
    #[schema(example = "201012345678@c.us")]
    id: String,
    /// The name it shows of itself.
    #[schema(required, example = "John Doe")]
    push_name: Option<String>,
}

impl MeView {
    /// The account behind a connected session.
    pub(super) fn of(status: &Status) -> Option<Self> {
        let Profile { jid, push_name, .. } = &status.profile;
        match status.state {
            State::Connected => jid.as_deref().map(|jid| Self {
                id: chat_id(jid),
                push_name: push_name.clone(),
            }),
            _ => None,
        }
    }
}

/// A file as text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = File)]
pub(super) struct FileView {
    #[schema(example = "image/png")]
    pub(super) mimetype: &'static str,
    /// In base64.
    pub(super) data: String,
}

/// What `FileView::data` of `format=raw` holds.
#[derive(Debug, Serialize)]
pub(super) struct RawQr<'a> {
    /// The text of the QR code.
    pub(super) value: &'a str,
    /// Milliseconds since 1970 when another code takes its place.
    pub(super) expiry: i64,
}

/// A code to type on the phone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PairingCode)]
pub(super) struct CodeView {
    #[schema(example = "ABCD-EFGH")]
    pub(super) code: String,
}

/// A chat's id in parts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContactId)]
struct ContactIdView {
    #[schema(example = "c.us")]
    server: String,
    #[schema(example = "123456789")]
    user: String,
    #[schema(example = "123456789@c.us")]
    _serialized: String,
}

/// A contact.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contact)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the shape is not ours")]
pub(super) struct ContactView {
    id: ContactIdView,
    /// Digits of the phone number, where it is known.
    #[schema(required, example = "123456789")]
    number: Option<String>,
    /// As the address book names it, or a group's subject.
    #[schema(required, example = "John Doe")]
    name: Option<String>,
    /// As it calls itself.
    #[schema(required)]
    pushname: Option<String>,
    /// Its first name in the address book.
    #[schema(required)]
    short_name: Option<String>,
    /// Whether it is the session's own account.
    is_me: bool,
    is_group: bool,
    /// Whether it is a person known to this session.
    #[serde(rename = "isWAContact")]
    is_wa_contact: bool,
    /// Whether it is in the address book.
    is_my_contact: bool,
    /// Always false: it is not known.
    is_blocked: bool,
    /// Whether it has a verified business name.
    is_business: bool,
}

impl ContactView {
    /// A contact as the session of `own` account sees it.
    pub(super) fn new(contact: Contact, own: &Profile) -> Self {
        let id = chat_id(&contact.jid);
        let (user, server) = id.split_once('@').unwrap_or((&id, ""));
        let is_person = matches!(server, "c.us" | "lid");
        let own_ids = [own.jid.as_deref(), own.lid.as_deref()];
        Self {
            is_me: own_ids.contains(&Some(contact.jid.as_str())),
            is_group: server == "g.us",
            is_wa_contact: is_person && contact.found,
            is_my_contact: is_person && contact.name.is_some(),
            is_blocked: false,
            is_business: contact.business_name.is_some(),
            id: ContactIdView {
                server: server.to_owned(),
                user: user.to_owned(),
                _serialized: id.clone(),
            },
            number: contact.phone,
            name: contact.name.or(contact.subject),
            pushname: contact.push_name,
            short_name: contact.first_name,
        }
    }
}

/// A message that was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sent)]
pub(super) struct SentView {
    /// Always true.
    success: bool,
    /// The message's id.
    #[schema(example = "3EB0C767D097B7C7C030")]
    id: String,
    /// Unix seconds.
    timestamp: i64,
    _data: SentDataView,
}

/// The same id where clients look for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentData)]
struct SentDataView {
    id: SentIdView,
}

/// The same id where clients look for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentId)]
struct SentIdView {
    _serialized: String,
}

impl From<Sent> for SentView {
    fn from(sent: Sent) -> Self {
        Self {
            success: true,
            id: sent.id.clone(),
            timestamp: sent.timestamp_s,
            _data: SentDataView {
                id: SentIdView {
                    _serialized: sent.id,
                },
            },
        }
    }
}
