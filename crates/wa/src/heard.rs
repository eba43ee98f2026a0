//! Messages that pass, picked out of the library's events.

use labelwire_app::phone::HeardMessage;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use whatsapp_rust::types::events::InboundMessage;
use whatsapp_rust::wacore::proto_helpers::MessageExt as _;
use whatsapp_rust::waproto::whatsapp as wa;

/// A message somebody wrote; `None` for what only programs say to one another, for
/// changes of messages, and for the status.
pub(crate) fn message(heard: &InboundMessage) -> Option<HeardMessage> {
    let source = &heard.info.source;
    let base = heard.message.get_base_message();
    let kind = kind(base)?;
    let chat = ChatJid::parse(&source.chat.to_non_ad().to_string()).ok()?;
    if chat.as_str().ends_with("@broadcast") {
        return None;
    }
    let text = base.text_content().or_else(|| base.get_caption());
    let push_name = heard.info.push_name.as_str();
    Some(HeardMessage {
        id: heard.info.id.to_string(),
        chat,
        from: ChatJid::parse(&source.sender.to_non_ad().to_string()).ok(),
        from_me: source.is_from_me,
        at: Timestamp::from_millis(heard.info.timestamp.timestamp_millis()),
        kind,
        text: text.map(str::to_owned),
        push_name: (!push_name.is_empty() && push_name != "-").then(|| push_name.to_owned()),
    })
}

fn kind(base: &wa::Message) -> Option<&'static str> {
    // Deletions, edits and what devices tell one another.
    if base.protocol_message.is_set() || base.edited_message.is_set() {
        return None;
    }
    let known = [
        (
            base.conversation.as_deref().is_some_and(|t| !t.is_empty())
                || base.extended_text_message.is_set(),
            "text",
        ),
        (base.image_message.is_set(), "image"),
        (base.video_message.is_set(), "video"),
        (base.audio_message.is_set(), "audio"),
        (base.document_message.is_set(), "document"),
        (base.sticker_message.is_set(), "sticker"),
        (
            base.location_message.is_set() || base.live_location_message.is_set(),
            "location",
        ),
        (
            base.contact_message.is_set() || base.contacts_array_message.is_set(),
            "contact",
        ),
        (
            base.poll_creation_message.is_set()
                || base.poll_creation_message_v2.is_set()
                || base.poll_creation_message_v3.is_set(),
            "poll",
        ),
        (base.reaction_message.is_set(), "reaction"),
    ];
    let kind = known.into_iter().find(|(is, _)| *is).map(|(_, kind)| kind);
    // A group's keys alone are no message.
    let is_keys = base.sender_key_distribution_message.is_set();
    kind.or_else(|| (!is_keys).then_some("unknown"))
}
