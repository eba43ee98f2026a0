//! Stanzas and blobs as WhatsApp sends them, and as it should not.

use std::sync::Arc;

use labelwire_domain::change::RecordKey;
use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::wacore::appstate::hash::generate_patch_mac;
use whatsapp_rust::wacore::appstate::{encode_record, expand_app_state_keys};
use whatsapp_rust::wacore::upload::encrypt_media;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::whatsapp::sync_action_value as action;
use whatsapp_rust::waproto::whatsapp::syncd_mutation::SyncdOperation;

use super::*;

const KEY_ID: &[u8] = &[0, 0, 0, 0, 0, 1];
const PATH: &str = "/mms/md-app-state/blob.enc";

fn keys() -> Keys {
    let keys = Arc::new(expand_app_state_keys(&[9; 32]));
    Keys::from([(KEY_ID.to_vec(), keys)])
}

fn mutation(op: SyncdOperation, index: &str, value: &wa::SyncActionValue) -> wa::SyncdMutation {
    let keys = keys();
    encode_record(
        op,
        index.as_bytes(),
        value,
        &keys[KEY_ID],
        KEY_ID,
        &[7; 16],
        3,
    )
    .0
}

fn labeled(index: &str, on: bool) -> wa::SyncdMutation {
    let value = wa::SyncActionValue {
        timestamp: Some(1),
        label_association_action: MessageField::some(action::LabelAssociationAction {
            labeled: Some(on),
            ..Default::default()
        }),
        ..Default::default()
    };
    mutation(SyncdOperation::SET, index, &value)
}

fn order() -> wa::SyncdMutation {
    let value = wa::SyncActionValue {
        label_reordering_action: MessageField::some(action::LabelReorderingAction {
            sorted_label_ids: vec![3, 1],
        }),
        ..Default::default()
    };
    mutation(SyncdOperation::SET, r#"["label_reordering"]"#, &value)
}

fn signed(version: u64, mutations: Vec<wa::SyncdMutation>) -> wa::SyncdPatch {
    let mut patch = wa::SyncdPatch {
        version: MessageField::some(wa::SyncdVersion {
            version: Some(version),
        }),
        snapshot_mac: Some(vec![1; 32]),
        key_id: MessageField::some(wa::KeyId {
            id: Some(KEY_ID.to_vec()),
        }),
        mutations,
        ..Default::default()
    };
    let mac = generate_patch_mac(&patch, REGULAR, &keys()[KEY_ID].patch_mac, version);
    patch.patch_mac = Some(mac);
    patch
}

fn stanza(name: &str, children: Vec<Node>) -> Node {
    let collection = NodeBuilder::new("collection")
        .attr("name", name)
        .children(children)
        .build();
    let sync = NodeBuilder::new("sync").children([collection]).build();
    NodeBuilder::new("iq").children([sync]).build()
}

fn patches(name: &str, patches: &[wa::SyncdPatch]) -> Node {
    let patches = patches.iter().map(|patch| {
        NodeBuilder::new("patch")
            .bytes(patch.encode_to_vec())
            .build()
    });
    stanza(
        name,
        vec![NodeBuilder::new("patches").children(patches).build()],
    )
}

async fn read(raw: &RawSyncs, version: u64) -> Result<Vec<Record>, Unreadable> {
    let mut patch = raw.take_patch(version).expect("a patch");
    raw.complete(&mut patch).await?;
    patch.records(keys()).await
}

const MESSAGE: &str = r#"["label_message","3","5511@s.whatsapp.net","3EB0","0","0"]"#;
const CHAT: &str = r#"["label_jid","3","5511@s.whatsapp.net"]"#;

#[tokio::test]
async fn a_patch_is_read_once_in_its_order() {
    let raw = RawSyncs::default();
    let removed = mutation(
        SyncdOperation::REMOVE,
        CHAT,
        &wa::SyncActionValue::default(),
    );
    let other = labeled(r#"["quick_reply","3"]"#, true);
    let patch = signed(
        5,
        vec![
            labeled(CHAT, true),
            removed,
            other,
            labeled(MESSAGE, true),
            order(),
        ],
    );
    raw.note(&patches("regular_low", &[signed(6, Vec::new())]).as_node_ref());
    raw.note(&patches(REGULAR, &[signed(4, Vec::new()), patch]).as_node_ref());
    let records = read(&raw, 5).await.unwrap();
    let keys: Vec<RecordKey> = records.iter().map(Record::key).collect();
    assert!(matches!(records[1], Record::Removed(_)));
    assert!(matches!(
        keys.as_slice(),
        [
            RecordKey::Association(..),
            RecordKey::Association(..),
            RecordKey::Message(..),
            RecordKey::Order
        ]
    ));
    for version in 4..=6 {
        assert!(raw.take_patch(version).is_none(), "{version}");
    }
    assert_eq!(raw.lock().bytes, 0);
}

#[tokio::test]
async fn what_is_not_signed_is_not_believed() {
    let raw = RawSyncs::default();
    let mut patch = signed(5, vec![labeled(CHAT, true)]);
    patch.mutations.push(labeled(MESSAGE, true));
    raw.note(&patches(REGULAR, &[patch]).as_node_ref());
    assert!(read(&raw, 5).await.is_err());

    // Nor an honest patch under another version, nor one whose key is not known.
    let mut patch = signed(5, vec![labeled(CHAT, true)]);
    patch.version = MessageField::some(wa::SyncdVersion { version: Some(6) });
    raw.note(&patches(REGULAR, &[patch]).as_node_ref());
    assert!(read(&raw, 6).await.is_err());
    raw.note(&patches(REGULAR, &[signed(7, vec![labeled(CHAT, true)])]).as_node_ref());
    let patch = raw.take_patch(7).unwrap();
    assert!(matches!(
        patch.records(Keys::new()).await,
        Err(Unreadable::NoKey)
    ));
}

fn reference(plain: &[u8]) -> (wa::ExternalBlobReference, Vec<u8>) {
    let encrypted = encrypt_media(plain, MediaType::AppState).unwrap();
    let reference = wa::ExternalBlobReference {
        media_key: Some(encrypted.media_key.to_vec()),
        direct_path: Some(PATH.to_owned()),
        ..Default::default()
    };
    (reference, encrypted.data_to_upload)
}

#[tokio::test]
async fn mutations_kept_elsewhere_are_fetched_along() {
    let raw = RawSyncs::default();
    let all = wa::SyncdMutations {
        mutations: vec![labeled(MESSAGE, true), order()],
    };
    let (reference, body) = reference(&all.encode_to_vec());
    let mut patch = signed(5, all.mutations);
    patch.mutations = Vec::new();
    patch.external_mutations = MessageField::some(reference);
    raw.note(&patches(REGULAR, &[patch.clone()]).as_node_ref());
    assert!(raw.wanted("https://mmg.sim/elsewhere").is_none());
    let (kind, path, key) = raw
        .wanted(&format!("https://mmg.sim{PATH}?auth=a&token=t"))
        .unwrap();
    assert!(matches!(kind, Kind::Mutations));
    let len = body.len();
    let job = tokio::task::spawn_blocking(move || open(body, &key));
    raw.opening(path, Blob::Mutations(job), len);
    assert_eq!(read(&raw, 5).await.unwrap().len(), 2);
    assert_eq!(raw.lock().bytes, 0);

    // Never fetched: not read, and a snapshot will be asked for.
    patch.version = MessageField::some(wa::SyncdVersion { version: Some(6) });
    raw.note(&patches(REGULAR, &[patch]).as_node_ref());
    assert!(read(&raw, 6).await.is_err());
}

fn snapshot(version: u64, mutations: Vec<wa::SyncdMutation>) -> Vec<u8> {
    wa::SyncdSnapshot {
        version: MessageField::some(wa::SyncdVersion {
            version: Some(version),
        }),
        records: mutations
            .into_iter()
            .filter_map(|m| m.record.into_option())
            .collect(),
        ..Default::default()
    }
    .encode_to_vec()
}

#[tokio::test]
async fn a_snapshot_gives_what_no_event_tells_of() {
    let long = format!(
        r#"["label_message","3","5511@s.whatsapp.net","{}","0","0"]"#,
        "A".repeat(200)
    );
    // Written as no client does, and still found.
    let spaced = r#"[ "label_message", "4", "5511@s.whatsapp.net", "3EB0", "0", "0" ]"#;
    let plain = snapshot(
        9,
        vec![
            labeled(CHAT, true),
            labeled(MESSAGE, false),
            labeled(&long, true),
            labeled(spaced, true),
            labeled(r#"["label_sublist","1","5511@s.whatsapp.net"]"#, true),
            order(),
        ],
    );
    let (reference, body) = reference(&plain);
    let raw = RawSyncs::default();
    let node = NodeBuilder::new("snapshot")
        .bytes(reference.encode_to_vec())
        .build();
    raw.note(&stanza(REGULAR, vec![node]).as_node_ref());
    for known in [keys(), Keys::new()] {
        // Told of, not fetched: nothing to wait for.
        let (_, path, key) = raw.wanted(&format!("https://mmg.sim{PATH}?a")).unwrap();
        assert!(raw.take_snapshot().is_none());
        let body = body.clone();
        let again = key.clone();
        let job = tokio::task::spawn_blocking(move || search(body, &key, &known));
        raw.opening(path.clone(), Blob::Snapshot(job), 0);
        let search = raw.take_snapshot().unwrap();
        let Some(Raw::Snapshot(records)) = search.records(9, async { keys() }).await else {
            panic!("a snapshot of that version")
        };
        assert_eq!(records.len(), 4, "{records:?}");
        raw.lock().snapshot = Some((path, Blob::Named(again)));
    }
    let job = tokio::task::spawn_blocking(move || {
        Searched::Done(decode::Snapshot {
            version: 9,
            records: Vec::new(),
        })
    });
    let other = Search(job).records(8, async { keys() }).await;
    assert!(other.is_none(), "of another version");
}
