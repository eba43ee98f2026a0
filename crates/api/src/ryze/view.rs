//! The dialect's JSON shapes around labels, fields in its own order; and the
//! parameters its calls share.

use labelwire_domain::label::Label;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// The instance in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what `Call` reads")]
pub(super) struct OfInstance {
    /// Instance name.
    #[param(pattern = "^[A-Za-z0-9_-]{1,100}$", example = "shop")]
    instance: String,
}

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tag)]
pub(super) struct TagView {
    id: String,
    name: String,
    /// Palette index, 0 to 19.
    color: i32,
    /// `CUSTOM`, `PREDEFINED`, or the name of another type of list; empty in the
    /// answer to a deletion.
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

impl TagView {
    /// A label that is no more: nothing but its id is told.
    pub(super) fn gone(id: String) -> Self {
        Self {
            id,
            name: String::new(),
            color: 0,
            kind: String::new(),
            deleted: true,
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

/// A label was made or deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TagChanged)]
pub(super) struct TagChangedView {
    pub(super) success: bool,
    #[schema(example = "Tag created successfully")]
    pub(super) message: &'static str,
    pub(super) tag: TagView,
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
