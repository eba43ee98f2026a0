//! Patches of our own: many mutations, one round trip (`protocol.md` B).
//!
//! The library sends one mutation a patch and builds it inside its sync lock.
//! Ours is built on a moment when no sync writes ([`SqlBackend::regular_base`])
//! and sent only if that moment still lasts; WhatsApp arbitrates by version.

use std::collections::HashMap;
use std::time::Duration;

use labelwire_app::phone::{WriteError, Written};
use labelwire_domain::change::Record;
use rand::Rng as _;
use whatsapp_rust::Client;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::request::{InfoQuery, IqError};
use whatsapp_rust::wacore::appstate::encode::encode_record;
use whatsapp_rust::wacore::appstate::hash::generate_patch_mac;
use whatsapp_rust::wacore::appstate::keys::expand_app_state_keys;
use whatsapp_rust::wacore::appstate::patch_decode::{CollectionSyncError, parse_patch_list_ref};
use whatsapp_rust::wacore::store::error::StoreError;
use whatsapp_rust::wacore::store::traits::AppSyncStore as _;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{NodeContent, OwnedNodeRef};
use whatsapp_rust::waproto::codec::syncd_patch_to_vec;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::backend::{REGULAR, SqlBackend};
use crate::mutation;

/// How long a verdict is waited for.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// How often a patch is built anew because a sync came in between.
const BUILDS: usize = 5;

/// Sends records as one patch and reads the verdict.
pub(crate) async fn write(
    client: &Client,
    backend: &SqlBackend,
    records: &[Record],
) -> Result<Written, WriteError> {
    if !client.is_connected() {
        return Err(WriteError::NotConnected);
    }
    let (bytes, base) = build(backend, records).await?;
    let collection = NodeBuilder::new("collection")
        .attr("name", REGULAR)
        .attr("version", base)
        .attr("return_snapshot", "false")
        .children([NodeBuilder::new("patch").bytes(bytes).build()])
        .build();
    let sync = NodeBuilder::new("sync").children([collection]).build();
    let mut query = InfoQuery::set(
        "w:sync:app:state",
        whatsapp_rust::jid_utils::server_jid().clone(),
        Some(NodeContent::Nodes(vec![sync])),
    );
    query.timeout = Some(ANSWER_PATIENCE);
    match client.send_iq(query).await {
        Ok(answer) => verdict(&answer, base + 1),
        Err(error) => Err(failed(&error)),
    }
}

/// The patch and the version it is built on.
async fn build(backend: &SqlBackend, records: &[Record]) -> Result<(Vec<u8>, u64), WriteError> {
    let stored = |error: StoreError| WriteError::Busy(format!("the database failed: {error}"));
    let key_id = backend
        .get_latest_sync_key_id()
        .await
        .map_err(stored)?
        .ok_or(WriteError::NotSynced)?;
    let key = backend
        .get_sync_key(&key_id)
        .await
        .map_err(stored)?
        .ok_or(WriteError::NotSynced)?;
    let keys = expand_app_state_keys(&key.key_data);
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let mutations: Vec<wa::SyncdMutation> = records
        .iter()
        .filter_map(mutation::of)
        .map(|(index, value, version)| {
            let mut iv = [0; 16];
            rng.fill_bytes(&mut iv);
            let set = wa::syncd_mutation::SyncdOperation::SET;
            encode_record(set, &index, &value, &keys, &key_id, &iv, version).0
        })
        .collect();
    let index_macs: Vec<[u8; 32]> = mutations.iter().filter_map(index_mac).collect();
    for _ in 0..BUILDS {
        let Some((mut state, held, stamp)) =
            backend.regular_base(&index_macs).await.map_err(stored)?
        else {
            return Err(WriteError::NotReady);
        };
        let base = state.version;
        if state.mac_mismatch_fatal {
            // What is built on a wrong hash would spread it.
            return Err(WriteError::NotReady);
        }
        let (_, hashed) = state.update_hash(&mutations, |index, _| Ok(before(&held, index)));
        hashed.map_err(|e| WriteError::Refused(format!("the patch could not be built: {e}")))?;
        state.version += 1;
        let mut patch = wa::SyncdPatch {
            snapshot_mac: Some(state.generate_snapshot_mac(REGULAR, &keys.snapshot_mac)),
            key_id: MessageField::some(wa::KeyId {
                id: Some(key_id.clone()),
            }),
            mutations: mutations.clone(),
            ..Default::default()
        };
        patch.patch_mac = Some(generate_patch_mac(
            &patch,
            REGULAR,
            &keys.patch_mac,
            state.version,
        ));
        if backend.is_still(stamp) {
            return Ok((syncd_patch_to_vec(&patch), base));
        }
    }
    Err(WriteError::NotReady)
}

fn index_mac(mutation: &wa::SyncdMutation) -> Option<[u8; 32]> {
    mutation
        .record
        .index
        .blob
        .as_deref()
        .and_then(|blob| blob.try_into().ok())
}

fn before(held: &HashMap<[u8; 32], Vec<u8>>, index: &[u8]) -> Option<Vec<u8>> {
    let index: [u8; 32] = index.try_into().ok()?;
    held.get(&index).cloned()
}

/// A conflict comes inside a successful answer (`protocol.md`, label mutations).
fn verdict(answer: &OwnedNodeRef, version: u64) -> Result<Written, WriteError> {
    let node = answer.get();
    let list = match parse_patch_list_ref(node) {
        Ok(list) => list,
        Err(_)
            if node
                .get_optional_child_by_tag(&["sync", "collection"])
                .is_none() =>
        {
            return Ok(Written::Accepted(version));
        }
        Err(error) => return Err(WriteError::Unknown(format!("unreadable answer: {error}"))),
    };
    match list.error {
        None => Ok(Written::Accepted(version)),
        Some(CollectionSyncError::Conflict { .. }) => Ok(Written::Conflict),
        Some(CollectionSyncError::Fatal { code, .. }) => {
            Err(WriteError::Refused(format!("code {code}")))
        }
        Some(CollectionSyncError::Retry { code, .. }) => {
            Err(WriteError::Busy(format!("code {code}")))
        }
    }
}

fn failed(error: &IqError) -> WriteError {
    match error {
        IqError::ServerError { code, .. } if matches!(code, 429 | 500..=599) => {
            WriteError::Busy(format!("code {code}"))
        }
        IqError::ServerError { code, .. } => WriteError::Refused(format!("code {code}")),
        IqError::NotConnected => WriteError::NotConnected,
        IqError::Timeout => WriteError::Unknown("timed out".into()),
        IqError::EncodeError(_) => WriteError::Refused("the patch could not be encoded".into()),
        _ => WriteError::Unknown("the connection broke".into()),
    }
}
