//! Who is who: devices, hidden ids and pre-key bundles.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeRef};
use waproto::buffa::Message;
use waproto::whatsapp as wa;

use crate::Error;
use crate::account::Account;
use crate::pairing::raw_id;
use crate::router::attr;
use crate::signal_store::key_node;
use crate::world::World;

/// Stands before the device list when the phone signs it.
const KEY_INDEX_SIGNATURE: &[u8] = &[6, 2];

/// What the server knows of somebody asked about.
enum Known {
    /// The account itself.
    Own,
    /// A chat of the account, by its phone-number JID and hidden id.
    Contact(String, Option<String>),
    /// Another simulated account, by its phone-number JID.
    Other(String),
    /// Nobody.
    Nobody,
}

/// Answers a `usync` request.
pub(crate) fn answer(
    world: &World,
    account: &Account,
    iq: &NodeRef<'_>,
) -> Result<Option<Node>, Error> {
    let Some(request) = iq.get_optional_child("usync") else {
        return Ok(None);
    };
    let protocols: Vec<String> = request
        .get_optional_child("query")
        .and_then(|query| query.children())
        .unwrap_or_default()
        .iter()
        .map(|protocol| protocol.tag.to_string())
        .collect();
    let list = request.get_optional_child("list");
    let mut users = Vec::new();
    for user in list
        .into_iter()
        .flat_map(|list| list.get_children_by_tag("user"))
    {
        if let Some(jid) = asked_for(user) {
            users.push(user_node(world, account, &jid, &protocols)?);
        }
    }
    let results = protocols
        .iter()
        .filter_map(|protocol| Some(NodeBuilder::new(static_tag(protocol)?).build()));
    let mut node = NodeBuilder::new("usync")
        .attr("index", "0")
        .attr("last", "true")
        .attr(
            "mode",
            attr(request, "mode").unwrap_or_else(|| "query".into()),
        )
        .attr(
            "context",
            attr(request, "context").unwrap_or_else(|| "interactive".into()),
        );
    if let Some(sid) = attr(request, "sid") {
        node = node.attr("sid", sid);
    }
    let children = [
        NodeBuilder::new("result").children(results).build(),
        NodeBuilder::new("list").children(users).build(),
    ];
    Ok(Some(node.children(children).build()))
}

/// The JID of a `<user>`, which may be given as a phone number.
fn asked_for(user: &NodeRef<'_>) -> Option<String> {
    if let Some(jid) = attr(user, "jid") {
        return Some(jid);
    }
    let contact = user.get_optional_child("contact")?;
    let number = contact.content_as_string()?;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("{digits}@s.whatsapp.net"))
}

/// The protocols that are answered; the rest are as if nobody had set anything.
fn static_tag(protocol: &str) -> Option<&'static str> {
    ["devices", "contact", "lid"]
        .into_iter()
        .find(|tag| *tag == protocol)
}

fn identify(world: &World, account: &Account, jid: &Jid) -> Known {
    if jid.user == account.phone || jid.user == account.lid {
        return Known::Own;
    }
    let bare = jid.to_non_ad_string();
    if let Some(contact) = account.contact(&bare) {
        return Known::Contact(contact.jid.clone(), contact.lid.clone());
    }
    // Never locked: only its existence counts.
    if jid.is_pn() && world.account(&jid.user).is_ok() {
        return Known::Other(bare);
    }
    Known::Nobody
}

fn user_node(
    world: &World,
    account: &Account,
    jid: &str,
    protocols: &[String],
) -> Result<Node, Error> {
    let parsed: Jid = jid.parse().map_err(Error::protocol)?;
    let known = identify(world, account, &parsed);
    let mut children = Vec::new();
    for protocol in protocols {
        match protocol.as_str() {
            "devices" => children.push(devices(account, matches!(known, Known::Own))?),
            "contact" => {
                let kind = if matches!(known, Known::Nobody) {
                    "out"
                } else {
                    "in"
                };
                children.push(NodeBuilder::new("contact").attr("type", kind).build());
            }
            "lid" => {
                let lid = match &known {
                    Known::Own => Some(account.lid_jid()),
                    Known::Contact(_, lid) => lid.clone(),
                    Known::Other(_) | Known::Nobody => None,
                };
                if let Some(lid) = lid {
                    children.push(NodeBuilder::new("lid").attr("val", lid).build());
                }
            }
            _ => {}
        }
    }
    let mut node = NodeBuilder::new("user").attr("jid", parsed.to_non_ad_string());
    if parsed.is_lid() {
        let number = match &known {
            Known::Own => Some(account.jid()),
            Known::Contact(jid, _) => Some(jid.clone()),
            Known::Other(_) | Known::Nobody => None,
        };
        if let Some(number) = number {
            node = node.attr("pn_jid", number);
        }
    }
    Ok(node.children(children).build())
}

fn devices(account: &Account, own: bool) -> Result<Node, Error> {
    let mut list = vec![NodeBuilder::new("device").attr("id", 0).build()];
    if !own {
        let list = NodeBuilder::new("device-list").children(list).build();
        return Ok(NodeBuilder::new("devices").children([list]).build());
    }
    for id in account.devices.keys() {
        let device = NodeBuilder::new("device")
            .attr("id", *id)
            .attr("key-index", *id);
        list.push(device.build());
    }
    let children = [
        NodeBuilder::new("device-list").children(list).build(),
        key_index_list(account)?,
    ];
    Ok(NodeBuilder::new("devices").children(children).build())
}

/// The phone's signed list of the devices that count.
fn key_index_list(account: &Account) -> Result<Node, Error> {
    let now = wacore::time::now_secs_u64();
    let mut valid: Vec<u32> = vec![0];
    valid.extend(account.devices.keys().map(|id| u32::from(*id)));
    let details = wa::ADVKeyIndexList {
        raw_id: Some(raw_id(account)),
        timestamp: Some(now),
        current_index: Some(u32::from(account.next_device.saturating_sub(1))),
        valid_indexes: valid,
        ..Default::default()
    }
    .encode_to_vec();
    let message = [KEY_INDEX_SIGNATURE, details.as_slice()].concat();
    let signed = wa::ADVSignedKeyIndexList {
        account_signature: Some(account.endpoint.sign(&message)?),
        details: Some(details),
        ..Default::default()
    };
    let list = NodeBuilder::new("key-index-list")
        .attr("ts", now)
        .bytes(signed.encode_to_vec());
    Ok(list.build())
}

/// Tells the other devices that one was linked or is gone, so that they write to the right ones.
pub(crate) fn announce_device(
    account: &mut Account,
    device: u16,
    added: bool,
) -> Result<(), Error> {
    let list = if added {
        key_index_list(account)?
    } else {
        let ts = wacore::time::now_secs();
        NodeBuilder::new("key-index-list").attr("ts", ts).build()
    };
    let mut changed = NodeBuilder::new("device")
        .attr("jid", format!("{}:{device}@s.whatsapp.net", account.phone))
        .attr("lid", format!("{}:{device}@lid", account.lid));
    if added {
        changed = changed.attr("key-index", device);
    }
    let operation = NodeBuilder::new(if added { "add" } else { "remove" })
        .children([changed.build(), list])
        .build();
    let others: Vec<u16> = account.devices.keys().copied().collect();
    for other in others.into_iter().filter(|other| *other != device) {
        let id = account.stanza_id();
        let node = NodeBuilder::new("notification")
            .attr("from", account.jid())
            .attr("lid", account.lid_jid())
            .attr("type", "devices")
            .attr("id", id.as_str())
            .attr("t", wacore::time::now_secs())
            .children([operation.clone()])
            .build();
        account.deliver(other, &id, node);
    }
    Ok(())
}

/// The pre-key bundle of somebody's device, as a `<user>`.
pub(crate) fn bundle(world: &World, account: &mut Account, jid: &str) -> Result<Node, Error> {
    let parsed: Jid = jid.parse().map_err(Error::protocol)?;
    let user = NodeBuilder::new("user").attr("jid", jid);
    let children = match identify(world, account, &parsed) {
        Known::Own if parsed.device == 0 => account.endpoint.bundle()?,
        Known::Own => match companion_bundle(account, parsed.device) {
            Some(children) => children,
            None => vec![gone()],
        },
        Known::Contact(jid, _) | Known::Other(jid) => account.person(&jid).bundle()?,
        // Whoever is written to exists, from then on.
        Known::Nobody if parsed.is_pn() => {
            let contact = account.meet(&parsed.to_non_ad_string())?;
            account.person(&contact.jid).bundle()?
        }
        Known::Nobody => vec![gone()],
    };
    Ok(user.children(children).build())
}

fn gone() -> Node {
    NodeBuilder::new("error")
        .attr("code", 404)
        .attr("text", "item-not-found")
        .build()
}

fn companion_bundle(account: &mut Account, device: u16) -> Option<Vec<Node>> {
    let device = account.devices.get_mut(&device)?;
    let signed = &device.signed_pre_key;
    let mut children = vec![
        NodeBuilder::new("registration")
            .bytes(device.registration_id.to_be_bytes().to_vec())
            .build(),
        NodeBuilder::new("type").bytes(vec![5]).build(),
        NodeBuilder::new("identity")
            .bytes(device.identity.clone())
            .build(),
        key_node("skey", signed.id, &signed.public, Some(&signed.signature)),
    ];
    if let Some(key) = device.pre_keys.pop_front() {
        children.push(key_node("key", key.id, &key.public, None));
    }
    children.push(
        NodeBuilder::new("device-identity")
            .bytes(device.signed_identity.clone())
            .build(),
    );
    Some(children)
}
