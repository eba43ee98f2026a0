//! App-state requests: snapshots, patches, and what clients write.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeRef};

use crate::account::Account;
use crate::collection::{PatchPage, Rejected};
use crate::device::{Link, Out};
use crate::faults::{Fault, FaultKind};
use crate::router::{attr, iq_error, iq_result};
use crate::world::{Saved, World};

/// A page of patches ends when it grows past this many bytes …
const PAGE_BYTES: usize = 1 << 20;
/// … or this many patches.
const PAGE_PATCHES: usize = 64;

/// One `<collection>` of a request.
struct Wanted {
    name: String,
    version: Option<u64>,
    snapshot: bool,
    patch: Option<Vec<u8>>,
}

/// What becomes of the request.
pub(crate) enum Outcome {
    /// This is the answer.
    Answer(Node),
    /// The socket dies without one.
    Drop,
}

/// A request, taken out of its stanza.
pub(crate) struct Request {
    id: String,
    wanted: Vec<Wanted>,
}

impl Request {
    /// Reads a `w:sync:app:state` IQ.
    pub(crate) fn parse(iq: &NodeRef<'_>) -> Self {
        let sync = iq.get_optional_child("sync");
        let collections = sync.map(|sync| sync.get_children_by_tag("collection"));
        let wanted = collections.into_iter().flatten().map(|collection| Wanted {
            name: attr(collection, "name").unwrap_or_default(),
            version: attr(collection, "version").and_then(|version| version.parse().ok()),
            snapshot: attr(collection, "return_snapshot").is_some_and(|flag| flag == "true"),
            patch: collection
                .get_optional_child("patch")
                .and_then(|patch| patch.content_bytes())
                .map(<[u8]>::to_vec),
        });
        Self {
            id: attr(iq, "id").unwrap_or_default(),
            wanted: wanted.collect(),
        }
    }

    fn writes(&self) -> bool {
        self.wanted.iter().any(|wanted| wanted.patch.is_some())
    }
}

/// Answers an app-state request of a device.
pub(crate) fn handle(
    world: &World,
    account: &mut Account,
    device: u16,
    request: &Request,
) -> Outcome {
    let writes = request.writes();
    if writes
        && account
            .faults
            .take(FaultKind::DropBeforeApply, device)
            .is_some()
    {
        return Outcome::Drop;
    }
    // Rate limits and outages concern every request, the other codes only writes.
    let fits = |fault: &Fault| writes || matches!(fault.code, Some(429 | 503));
    let status = account.faults.take_if(FaultKind::Status, device, fits);
    let code = status.and_then(|fault| fault.code);
    if let Some(code @ (429 | 503)) = code {
        return Outcome::Answer(iq_error(&request.id, code));
    }

    let mut collections = Vec::with_capacity(request.wanted.len());
    for wanted in &request.wanted {
        collections.push(match &wanted.patch {
            Some(patch) => write(world, account, device, wanted, patch, code),
            None => read(world, account, device, wanted),
        });
    }
    if writes
        && account
            .faults
            .take(FaultKind::DropAfterApply, device)
            .is_some()
    {
        return Outcome::Drop;
    }
    let sync = NodeBuilder::new("sync").children(collections).build();
    Outcome::Answer(iq_result(&request.id, [sync]))
}

/// Sends an outcome, late if a fault says so; other stanzas overtake a late answer.
pub(crate) fn reply(
    world: &World,
    account: &mut Account,
    device: u16,
    link: &Link,
    outcome: Outcome,
) {
    let order = match outcome {
        Outcome::Answer(node) => Out::Stanza(node),
        Outcome::Drop => Out::Drop,
    };
    let delay = account.faults.take(FaultKind::Delay, device);
    match delay.and_then(|fault| fault.ms) {
        Some(ms) => world.send_later(link.clone(), order, std::time::Duration::from_millis(ms)),
        None => {
            let _ = link.tx.send(order);
        }
    }
}

fn write(
    world: &World,
    account: &mut Account,
    device: u16,
    wanted: &Wanted,
    patch: &[u8],
    code: Option<u16>,
) -> Node {
    let base = wanted.version.unwrap_or(0);
    if code == Some(400) {
        return refused(wanted, 400, "bad-request");
    }
    let Some(collection) = account.collections.get_mut(&wanted.name) else {
        return refused(wanted, 404, "item-not-found");
    };
    let verdict = match code {
        Some(409) => Err(Rejected::Conflict),
        _ => collection.accept(&account.keys, base, patch),
    };
    match verdict {
        Ok(accepted) => {
            world.saved(account, Saved::Patch(&wanted.name, accepted.version));
            account.announce(&wanted.name, Some(device));
            collection_node(wanted, accepted.version).build()
        }
        Err(Rejected::Conflict) => {
            let version = collection.version();
            let mut page = collection.patches_after(base.min(version), PAGE_PATCHES);
            trim(&mut page);
            let error = NodeBuilder::new("error")
                .attr("code", 409)
                .attr("text", "conflict")
                .build();
            let mut node = collection_node(wanted, version).attr("type", "error");
            if page.has_more {
                node = node.attr("has_more_patches", "true");
            }
            node.children([error, patches_node(page)]).build()
        }
        Err(Rejected::Invalid(why)) => {
            tracing::debug!(collection = %wanted.name, why, "a client's patch was refused");
            refused(wanted, 400, "bad-request")
        }
    }
}

fn read(world: &World, account: &mut Account, device: u16, wanted: &Wanted) -> Node {
    let by_snapshot = account
        .devices
        .get(&device)
        .is_some_and(|device| device.snapshot);
    let Some(collection) = account.collections.get_mut(&wanted.name) else {
        return refused(wanted, 404, "item-not-found");
    };
    let version = collection.version();
    let from = wanted.version.unwrap_or(0);
    if version == 0 || (from >= version && !wanted.snapshot) {
        return collection_node(wanted, version).build();
    }
    if by_snapshot && (wanted.snapshot || from == 0) {
        let reference = account.keys.last().and_then(|key| {
            let plain = collection.snapshot(key).ok()?;
            world
                .media()
                .snapshot(&account.phone, &wanted.name, version, &plain)
                .ok()
        });
        return match reference {
            Some(reference) => {
                let snapshot = NodeBuilder::new("snapshot").bytes(reference).build();
                collection_node(wanted, version)
                    .children([snapshot])
                    .build()
            }
            None => refused(wanted, 500, "internal-server-error"),
        };
    }
    let mut page = collection.patches_after(from, PAGE_PATCHES);
    trim(&mut page);
    // The last of an answer, so that the patches before it were already believed:
    // the harder case for a client.
    if let Some(last) = page.patches.last_mut() {
        if account
            .faults
            .take(FaultKind::WrongSnapshotMac, device)
            .is_some()
        {
            *last = collection.with_wrong_snapshot_mac(last);
        }
        if account
            .faults
            .take(FaultKind::WrongPatchMac, device)
            .is_some()
        {
            *last = collection.with_wrong_patch_mac(last);
        }
    }
    let mut node = collection_node(wanted, version);
    if page.has_more {
        node = node.attr("has_more_patches", "true");
    }
    node.children([patches_node(page)]).build()
}

fn collection_node(wanted: &Wanted, version: u64) -> NodeBuilder {
    NodeBuilder::new("collection")
        .attr("name", wanted.name.as_str())
        .attr("version", version)
}

fn refused(wanted: &Wanted, code: u16, text: &'static str) -> Node {
    NodeBuilder::new("collection")
        .attr("name", wanted.name.as_str())
        .attr("type", "error")
        .children([NodeBuilder::new("error")
            .attr("code", code)
            .attr("text", text)
            .build()])
        .build()
}

fn patches_node(page: PatchPage) -> Node {
    let patches = page
        .patches
        .into_iter()
        .map(|patch| NodeBuilder::new("patch").bytes(patch).build());
    NodeBuilder::new("patches").children(patches).build()
}

/// Keeps a page within what one frame carries well; never makes it empty.
fn trim(page: &mut PatchPage) {
    let mut size = 0;
    let fitting = page
        .patches
        .iter()
        .take_while(|patch| {
            size += patch.len();
            size <= PAGE_BYTES
        })
        .count()
        .max(1);
    if fitting < page.patches.len() {
        page.patches.truncate(fitting);
        page.has_more = true;
    }
}
