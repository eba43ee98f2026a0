//! What clients ask and what the server answers.

use wacore::prekeys::compute_key_bundle_digest;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeRef, OwnedNodeRef};

use crate::Error;
use crate::account::Account;
use crate::connection::{DeviceSession, Session};
use crate::device::{PreKey, SignedPreKey};
use crate::media::MEDIA_HOST;
use crate::pairing::{self, number, raw_key};
use crate::signal_store::key_node;
use crate::world::{Saved, World, lock};
use crate::{messages, phone, sync, usync};

/// From this many records on, building a snapshot or checking a patch leaves the socket threads.
const HEAVY: usize = 2_000;

/// An attribute as text.
pub(crate) fn attr(node: &NodeRef<'_>, name: &str) -> Option<String> {
    node.get_attr(name).map(|value| value.as_str().into_owned())
}

/// `<iq type="result">`.
pub(crate) fn iq_result(id: &str, children: impl IntoIterator<Item = Node>) -> Node {
    let node = NodeBuilder::new("iq")
        .attr("from", "s.whatsapp.net")
        .attr("type", "result")
        .attr("id", id);
    let children: Vec<Node> = children.into_iter().collect();
    if children.is_empty() {
        return node.build();
    }
    node.children(children).build()
}

/// `<iq type="error">`.
pub(crate) fn iq_error(id: &str, code: u16) -> Node {
    let text = match code {
        400 => "bad-request",
        404 => "item-not-found",
        429 => "rate-overlimit",
        503 => "service-unavailable",
        _ => "internal-server-error",
    };
    NodeBuilder::new("iq")
        .attr("from", "s.whatsapp.net")
        .attr("type", "error")
        .attr("id", id)
        .children([NodeBuilder::new("error")
            .attr("code", code)
            .attr("text", text)
            .build()])
        .build()
}

/// Handles one stanza.
pub(crate) async fn handle(
    world: &World,
    session: &Session,
    stanza: &OwnedNodeRef,
) -> Result<(), Error> {
    let node = stanza.get();
    let session = match session {
        Session::Companion(companion) => {
            if stanza.tag() == "iq" {
                pairing::handle(world, companion, node)?;
            }
            return Ok(());
        }
        Session::Device(session) => session,
    };
    match stanza.tag() {
        "iq" => iq(world, session, node).await,
        "message" => {
            messages::receive(world, &mut lock(&session.account), session.device, node);
            Ok(())
        }
        "receipt" => {
            messages::receipt(world, &mut lock(&session.account), session.device, node);
            Ok(())
        }
        "ack" => {
            acknowledge(world, session, node);
            Ok(())
        }
        // Presence, chat states and `<ib>` need no answer.
        _ => Ok(()),
    }
}

fn acknowledge(world: &World, session: &DeviceSession, node: &NodeRef<'_>) {
    let mut account = lock(&session.account);
    let id = attr(node, "id").unwrap_or_default();
    if let Some(device) = account.devices.get_mut(&session.device)
        && device.acknowledge(&id)
        && attr(node, "class").as_deref() != Some("notification")
    {
        world.saved(&account, Saved::Device(session.device));
    }
}

async fn iq(world: &World, session: &DeviceSession, iq: &NodeRef<'_>) -> Result<(), Error> {
    let kind = attr(iq, "type").unwrap_or_default();
    if kind != "get" && kind != "set" {
        return Ok(());
    }
    let xmlns = attr(iq, "xmlns").unwrap_or_default();
    let id = attr(iq, "id").unwrap_or_default();
    if xmlns == "w:sync:app:state" {
        return app_state(world, session, sync::Request::parse(iq)).await;
    }
    let mut account = lock(&session.account);
    let link = &session.link;
    let child = |tag: &str| iq.get_optional_child(tag);
    match xmlns.as_str() {
        "passive" if child("active").is_some() => {
            link.send(iq_result(&id, []));
            if let Some(device) = account.devices.get_mut(&session.device) {
                device.activate();
            }
        }
        "encrypt" if kind == "set" => {
            let greet = upload(&mut account, session.device, iq);
            world.saved(&account, Saved::Device(session.device));
            link.send(iq_result(&id, []));
            if greet {
                phone::greet(world, &mut account, session.device);
            }
        }
        "encrypt" => link.send(
            match encrypt_get(world, &mut account, session.device, iq)? {
                Some(child) => iq_result(&id, [child]),
                None => iq_error(&id, 404),
            },
        ),
        "usync" => {
            let answer = usync::answer(world, &account, iq)?;
            link.send(iq_result(&id, answer));
        }
        "md" if child("remove-companion-device").is_some() => {
            link.send(iq_result(&id, []));
            world.remove_device(&mut account, session.device)?;
        }
        _ => link.send(iq_result(&id, plain_answer(&xmlns, &kind))),
    }
    Ok(())
}

async fn app_state(
    world: &World,
    session: &DeviceSession,
    request: sync::Request,
) -> Result<(), Error> {
    let heavy = {
        let account = lock(&session.account);
        account
            .collections
            .values()
            .any(|collection| collection.len() >= HEAVY)
    };
    let answer = {
        let (world, account) = (world.clone(), session.account.clone());
        let (device, link) = (session.device, session.link.clone());
        move || {
            let mut account = lock(&account);
            let outcome = sync::handle(&world, &mut account, device, &request);
            sync::reply(&world, &mut account, device, &link, outcome);
        }
    };
    if heavy {
        let done = world.tasks().spawn_blocking(answer).await;
        return done.map_err(Error::crypto);
    }
    answer();
    Ok(())
}

/// Answers that are the same for everybody.
fn plain_answer(xmlns: &str, kind: &str) -> Option<Node> {
    match (xmlns, kind) {
        ("abt", _) => Some(
            NodeBuilder::new("props")
                .attr("protocol", "1")
                .attr("ab_key", "sim")
                .attr("hash", "sim")
                .attr("refresh", "86400")
                .attr("refresh_id", "1")
                .build(),
        ),
        ("blocklist", "get") => Some(NodeBuilder::new("list").attr("dhash", "sim").build()),
        ("privacy", "get") => Some(
            NodeBuilder::new("privacy")
                .children([NodeBuilder::new("category")
                    .attr("name", "readreceipts")
                    .attr("value", "all")
                    .build()])
                .build(),
        ),
        ("w:m", _) => Some(
            NodeBuilder::new("media_conn")
                .attr("auth", "sim")
                .attr("ttl", "3600")
                .attr("auth_ttl", "3600")
                .attr("max_buckets", "12")
                .children([NodeBuilder::new("host")
                    .attr("hostname", MEDIA_HOST)
                    .build()])
                .build(),
        ),
        _ => None,
    }
}

/// Stores uploaded keys; answers whether the phone should greet the device now.
fn upload(account: &mut Account, device: u16, iq: &NodeRef<'_>) -> bool {
    let Some(device) = account.devices.get_mut(&device) else {
        return false;
    };
    let body = iq.get_optional_child("rotate").unwrap_or(iq);
    if let Some(signed) = body.get_optional_child("skey").and_then(signed_pre_key) {
        device.signed_pre_key = signed;
    }
    if let Some(id) = bytes(iq, "registration") {
        device.registration_id = number(&id);
    }
    let Some(list) = iq.get_optional_child("list") else {
        return false;
    };
    for key in list.get_children_by_tag("key") {
        if let Some(key) = pre_key(key) {
            device.pre_keys.retain(|other| other.id != key.id);
            device.pre_keys.push_back(key);
        }
    }
    !std::mem::replace(&mut device.greeted, true)
}

pub(crate) fn pre_key(node: &NodeRef<'_>) -> Option<PreKey> {
    Some(PreKey {
        id: number(&bytes(node, "id")?),
        public: raw_key(bytes(node, "value")?),
    })
}

pub(crate) fn signed_pre_key(node: &NodeRef<'_>) -> Option<SignedPreKey> {
    Some(SignedPreKey {
        id: number(&bytes(node, "id")?),
        public: raw_key(bytes(node, "value")?),
        signature: bytes(node, "signature")?,
    })
}

pub(crate) fn bytes(node: &NodeRef<'_>, tag: &str) -> Option<Vec<u8>> {
    let child = node.get_optional_child(tag)?;
    child.content_bytes().map(<[u8]>::to_vec)
}

fn encrypt_get(
    world: &World,
    account: &mut Account,
    device: u16,
    iq: &NodeRef<'_>,
) -> Result<Option<Node>, Error> {
    if let Some(wanted) = iq.get_optional_child("key") {
        let mut users = Vec::new();
        for user in wanted.get_children_by_tag("user") {
            users.push(usync::bundle(
                world,
                account,
                &attr(user, "jid").unwrap_or_default(),
            )?);
        }
        return Ok(Some(NodeBuilder::new("list").children(users).build()));
    }
    let Some(device) = account.devices.get(&device) else {
        return Ok(None);
    };
    if iq.get_optional_child("count").is_some() {
        let count = device.pre_keys.len();
        return Ok(Some(NodeBuilder::new("count").attr("value", count).build()));
    }
    let publics: Vec<&[u8]> = device
        .pre_keys
        .iter()
        .map(|key| key.public.as_slice())
        .collect();
    let signed = &device.signed_pre_key;
    let hash = compute_key_bundle_digest(
        &device.identity,
        &signed.public,
        &signed.signature,
        &publics,
    );
    let ids = device.pre_keys.iter().map(|key| {
        let id = key.id.to_be_bytes()[1..].to_vec();
        NodeBuilder::new("id").bytes(id).build()
    });
    let digest = NodeBuilder::new("digest").children([
        NodeBuilder::new("registration")
            .bytes(device.registration_id.to_be_bytes().to_vec())
            .build(),
        NodeBuilder::new("type").bytes(vec![5]).build(),
        NodeBuilder::new("identity")
            .bytes(device.identity.clone())
            .build(),
        key_node("skey", signed.id, &signed.public, Some(&signed.signature)),
        NodeBuilder::new("list").children(ids).build(),
        NodeBuilder::new("hash").bytes(hash).build(),
    ]);
    Ok(Some(digest.build()))
}
