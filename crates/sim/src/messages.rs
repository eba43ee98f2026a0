//! Messages between companions, the phone and simulated people.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeRef};
use waproto::buffa::Message as _;
use waproto::whatsapp as wa;

use crate::Error;
use crate::account::{Account, Received, Sent};
use crate::phone;
use crate::router::{attr, pre_key, signed_pre_key};
use crate::world::{Saved, World};

/// A companion that failed this often to read a message is not helped any more.
const MAX_RETRIES: u32 = 5;
/// With this few pre-keys left a companion is asked for more.
const FEW_PRE_KEYS: usize = 5;

/// So many texts are looked through for one that comes again.
const RECENT: usize = 256;

/// A new message of a person, or of the phone without one.
pub(crate) fn compose(
    account: &mut Account,
    person: Option<String>,
    attrs: Vec<(&'static str, String)>,
    message: &wa::Message,
) -> Sent {
    let sent = Sent {
        id: account.stanza_id(),
        person,
        attrs,
        plain: message.encode_to_vec(),
    };
    account.remember(sent.clone());
    sent
}

/// Encrypts a message for one companion and sends it, now or later.
pub(crate) fn send(world: &World, account: &mut Account, sent: &Sent, device: u16) {
    let Some((endpoint, companion)) = account.session(sent.person.as_deref(), device) else {
        return;
    };
    let before = companion.pre_keys.len();
    let encrypted = match endpoint.encrypt(companion, &sent.plain) {
        Ok(encrypted) => encrypted,
        Err(error) => {
            tracing::debug!(device, %error, "a message could not be encrypted");
            return;
        }
    };
    let left = companion.pre_keys.len();
    let mut node = NodeBuilder::new("message")
        .attr("id", sent.id.as_str())
        .attr("t", wacore::time::now_secs());
    for (name, value) in &sent.attrs {
        node = node.attr(name, value.as_str());
    }
    let enc = NodeBuilder::new("enc")
        .attr("v", "2")
        .attr("type", encrypted.kind)
        .bytes(encrypted.bytes)
        .build();
    let queued = account.deliver(device, &sent.id, node.children([enc]).build());
    if left < before && left == FEW_PRE_KEYS {
        ask_for_pre_keys(account, device, left);
    }
    if queued || left < before {
        world.saved(account, Saved::Device(device));
    }
}

fn ask_for_pre_keys(account: &mut Account, device: u16, left: usize) {
    let id = account.stanza_id();
    let node = NodeBuilder::new("notification")
        .attr("from", "s.whatsapp.net")
        .attr("type", "encrypt")
        .attr("id", id.as_str())
        .attr("t", wacore::time::now_secs())
        .children([NodeBuilder::new("count").attr("value", left).build()])
        .build();
    account.deliver(device, &id, node);
}

/// Somebody writes to the account, addressed by phone number or hidden id.
pub(crate) fn send_text(
    world: &World,
    account: &mut Account,
    from: &str,
    text: &str,
) -> Result<String, Error> {
    let known = account.contacts.len();
    let contact = account.meet(from)?;
    if account.contacts.len() > known {
        world.saved(account, Saved::Contact);
    }
    if contact.jid.ends_with("@g.us") {
        return Err(Error::Invalid(
            "groups send no texts here; name a person".into(),
        ));
    }
    let mut attrs = vec![
        ("from", from.to_owned()),
        ("type", "text".to_owned()),
        ("notify", contact.name.clone()),
    ];
    if from.ends_with("@lid") {
        attrs.push(("sender_pn", contact.jid.clone()));
        attrs.push(("addressing_mode", "lid".to_owned()));
    } else if let Some(lid) = contact.lid {
        attrs.push(("sender_lid", lid));
    }
    let message = wa::Message {
        conversation: Some(text.to_owned()),
        ..Default::default()
    };
    let sent = compose(account, Some(contact.jid), attrs, &message);
    let devices: Vec<u16> = account.devices.keys().copied().collect();
    for device in devices {
        send(world, account, &sent, device);
    }
    Ok(sent.id)
}

/// A companion sends a message: every recipient gets its copy, the companion an acknowledgement.
pub(crate) fn receive(world: &World, account: &mut Account, device: u16, stanza: &NodeRef<'_>) {
    let id = attr(stanza, "id").unwrap_or_default();
    let to = attr(stanza, "to").unwrap_or_default();
    let ack = NodeBuilder::new("ack")
        .attr("class", "message")
        .attr("id", id.as_str())
        .attr("from", to.as_str())
        .attr("t", wacore::time::now_secs())
        .build();
    if let Some(link) = account
        .devices
        .get(&device)
        .and_then(|device| device.link())
    {
        link.send(ack);
    }
    let participants = stanza.get_optional_child("participants");
    let mut copies = Vec::new();
    if let Some(participants) = participants {
        for copy in participants.get_children_by_tag("to") {
            copies.push((attr(copy, "jid").unwrap_or_default(), copy));
        }
    } else {
        copies.push((to.clone(), stanza));
    }
    let identity = stanza
        .get_optional_child("device-identity")
        .map(NodeRef::to_owned);
    for (target, copy) in copies {
        let Some(enc) = copy.get_optional_child("enc") else {
            continue;
        };
        let message = Copy {
            id: &id,
            to: &to,
            enc,
            identity: identity.as_ref(),
        };
        if let Err(error) = message.hand_over(world, account, device, &target)
            && !arrived(account, device, &id)
        {
            tracing::debug!(device, %error, "a message could not be read by its recipient");
            ask_again(account, device, &target, &id);
        }
    }
}

/// Whether a text was received before: clients repeat what was not acknowledged.
fn arrived(account: &Account, device: u16, id: &str) -> bool {
    let recent = account.inbox.iter().rev().take(RECENT);
    recent
        .into_iter()
        .any(|received| received.device == device && received.id == id)
}

/// One recipient's copy of a companion's message.
struct Copy<'a> {
    id: &'a str,
    to: &'a str,
    enc: &'a NodeRef<'a>,
    identity: Option<&'a Node>,
}

impl Copy<'_> {
    fn hand_over(
        &self,
        world: &World,
        account: &mut Account,
        device: u16,
        target: &str,
    ) -> Result<(), Error> {
        let jid: Jid = target.parse().map_err(Error::protocol)?;
        let own = jid.user == account.phone || jid.user == account.lid;
        if own && jid.device != 0 {
            self.relay(world, account, device, &jid);
            return Ok(());
        }
        let kind = attr(self.enc, "type").unwrap_or_default();
        let bytes = self.enc.content_bytes().unwrap_or_default();
        if own {
            let plain = account.endpoint.decrypt(device, &kind, bytes)?;
            let message = wa::Message::decode_from_slice(&plain).map_err(Error::protocol)?;
            phone::receive(world, account, device, &message);
            return Ok(());
        }
        let known = account.contacts.len();
        let contact = account.meet(&jid.to_non_ad_string())?;
        if account.contacts.len() > known {
            world.saved(account, Saved::Contact);
        }
        let plain = account.person(&contact.jid).decrypt(device, &kind, bytes)?;
        let message = wa::Message::decode_from_slice(&plain).map_err(Error::protocol)?;
        if let Some(text) = text_of(&message)
            && !arrived(account, device, self.id)
        {
            account.inbox.push(Received {
                to: self.to.to_owned(),
                id: self.id.to_owned(),
                text,
                device,
            });
        }
        Ok(())
    }

    /// Passes a copy on to another companion of the same account, ciphertext and all.
    fn relay(&self, world: &World, account: &mut Account, device: u16, target: &Jid) {
        let from = if target.is_lid() {
            format!("{}:{device}@lid", account.lid)
        } else {
            format!("{}:{device}@s.whatsapp.net", account.phone)
        };
        let mut children = vec![self.enc.to_owned()];
        children.extend(self.identity.cloned());
        let node = NodeBuilder::new("message")
            .attr("from", from)
            .attr("recipient", self.to)
            .attr("id", self.id)
            .attr("t", wacore::time::now_secs())
            .attr("type", "text")
            .children(children)
            .build();
        if account.deliver(target.device, self.id, node) {
            world.saved(account, Saved::Device(target.device));
        }
    }
}

fn text_of(message: &wa::Message) -> Option<String> {
    message.conversation.clone().or_else(|| {
        let extended = message.extended_text_message.as_option()?;
        extended.text.clone()
    })
}

/// A recipient could not read a message, for instance because the simulator was
/// restarted and lost its sessions: it asks for it once more.
fn ask_again(account: &mut Account, device: u16, target: &str, id: &str) {
    let registration = NodeBuilder::new("registration")
        .bytes(vec![0, 0, 0, 1])
        .build();
    let retry = NodeBuilder::new("retry")
        .attr("v", "1")
        .attr("count", "1")
        .attr("id", id)
        .attr("t", wacore::time::now_secs())
        .build();
    let node = NodeBuilder::new("receipt")
        .attr("from", target)
        .attr("id", id)
        .attr("type", "retry")
        .attr("t", wacore::time::now_secs())
        .children([retry, registration])
        .build();
    // Not queued: offered again after a reconnect, it would make the message come twice.
    if let Some(link) = account
        .devices
        .get(&device)
        .and_then(|device| device.link())
    {
        link.send(node);
    }
}

/// A companion confirms a message, or says that it could not read it.
pub(crate) fn receipt(world: &World, account: &mut Account, device: u16, stanza: &NodeRef<'_>) {
    let id = attr(stanza, "id").unwrap_or_default();
    let to = attr(stanza, "to").unwrap_or_default();
    let kind = attr(stanza, "type");
    let mut ack = NodeBuilder::new("ack")
        .attr("class", "receipt")
        .attr("id", id.as_str())
        .attr("from", to);
    if let Some(kind) = kind.as_deref() {
        ack = ack.attr("type", kind);
    }
    if let Some(companion) = account.devices.get_mut(&device) {
        if let Some(link) = companion.link() {
            link.send(ack.build());
        }
        if companion.acknowledge(&id) {
            world.saved(account, Saved::Device(device));
        }
    }
    if kind.as_deref() == Some("retry") {
        resend(world, account, device, &id, stanza);
    }
}

fn resend(world: &World, account: &mut Account, device: u16, id: &str, stanza: &NodeRef<'_>) {
    let count = stanza
        .get_optional_child("retry")
        .and_then(|retry| attr(retry, "count"))
        .and_then(|count| count.parse::<u32>().ok());
    let (Some(sent), true) = (account.remembered(id), count.unwrap_or(1) <= MAX_RETRIES) else {
        return;
    };
    if let Some((endpoint, companion)) = account.session(sent.person.as_deref(), device) {
        endpoint.forget(device);
        if let Some(keys) = stanza.get_optional_child("keys") {
            if let Some(signed) = keys.get_optional_child("skey").and_then(signed_pre_key) {
                companion.signed_pre_key = signed;
            }
            if let Some(key) = keys.get_optional_child("key").and_then(pre_key) {
                companion.pre_keys.push_front(key);
            }
        }
    }
    send(world, account, &sent, device);
}
