//! The library's own app-state processor over our backend: a wrong MAC or hash
//! anywhere makes it refuse the next patch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use wa::syncd_mutation::SyncdOperation;
use whatsapp_rust::TokioRuntime;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::appstate::hash::{HashState, generate_patch_mac};
use whatsapp_rust::wacore::appstate::patch_decode::{PatchList, WAPatchName};
use whatsapp_rust::wacore::appstate::{ExpandedAppStateKeys, encode_record, expand_app_state_keys};
use whatsapp_rust::wacore::appstate_sync::AppStateProcessor;
use whatsapp_rust::wacore::store::traits::AppStateSyncKey;
use whatsapp_rust::waproto::whatsapp as wa;

use super::conformance;
use super::harness::Harness;

const NAME: &str = "regular";
const KEY_ID: &[u8] = &[0, 0, 0, 0, 0, 1];

conformance![
    a_snapshot_and_patches_verify_across_restarts,
    patches_from_the_first_one_verify,
    a_sync_cut_short_is_taken_up_again,
    a_full_refresh_begins_from_nothing,
    an_own_patch_is_built_on_what_is_stored,
];

/// The account's phone: what it says is right.
struct Phone {
    keys: ExpandedAppStateKeys,
    state: HashState,
    records: BTreeMap<Vec<u8>, wa::SyncdRecord>,
    ivs: u128,
}

impl Phone {
    async fn linked_to(h: &Harness) -> Self {
        let key = AppStateSyncKey {
            key_data: vec![9; 32],
            ..AppStateSyncKey::default()
        };
        h.backend.set_sync_key(KEY_ID, key).await.unwrap();
        Self {
            keys: expand_app_state_keys(&[9; 32]),
            state: HashState::default(),
            records: BTreeMap::new(),
            ivs: 0,
        }
    }

    fn mutations(&mut self, changes: &[(SyncdOperation, u32)]) -> Vec<wa::SyncdMutation> {
        changes
            .iter()
            .map(|(op, chat)| {
                self.ivs += 1;
                let index = format!(r#"["label_jid","1","{chat}@lid"]"#);
                let value = wa::SyncActionValue {
                    timestamp: Some(1),
                    ..Default::default()
                };
                let iv = self.ivs.to_be_bytes();
                encode_record(*op, index.as_bytes(), &value, &self.keys, KEY_ID, &iv, 3).0
            })
            .collect()
    }

    fn patch(&mut self, changes: &[(SyncdOperation, u32)]) -> wa::SyncdPatch {
        let mutations = self.mutations(changes);
        self.take(mutations)
    }

    fn take(&mut self, mutations: Vec<wa::SyncdMutation>) -> wa::SyncdPatch {
        let known: HashMap<&Vec<u8>, Vec<u8>> = self
            .records
            .iter()
            .map(|(mac, record)| (mac, value_mac(record)))
            .collect();
        self.state
            .update_hash(&mutations, |mac, _| Ok(known.get(&mac.to_vec()).cloned()))
            .1
            .unwrap();
        self.state.version += 1;
        for mutation in &mutations {
            let record = mutation.record.as_option().unwrap();
            let mac = record.index.as_option().unwrap().blob.clone().unwrap();
            match mutation.operation.and_then(|op| op.as_known()) {
                Some(SyncdOperation::REMOVE) => self.records.remove(&mac),
                _ => self.records.insert(mac, record.clone()),
            };
        }
        let mut patch = wa::SyncdPatch {
            version: version(self.state.version),
            snapshot_mac: Some(
                self.state
                    .generate_snapshot_mac(NAME, &self.keys.snapshot_mac),
            ),
            key_id: key_id(),
            mutations,
            ..Default::default()
        };
        patch.patch_mac = Some(generate_patch_mac(
            &patch,
            NAME,
            &self.keys.patch_mac,
            self.state.version,
        ));
        patch
    }

    fn snapshot(&self) -> wa::SyncdSnapshot {
        wa::SyncdSnapshot {
            version: version(self.state.version),
            records: self.records.values().cloned().collect(),
            mac: Some(
                self.state
                    .generate_snapshot_mac(NAME, &self.keys.snapshot_mac),
            ),
            key_id: key_id(),
        }
    }
}

fn version(number: u64) -> MessageField<wa::SyncdVersion> {
    MessageField::some(wa::SyncdVersion {
        version: Some(number),
    })
}

fn key_id() -> MessageField<wa::KeyId> {
    MessageField::some(wa::KeyId {
        id: Some(KEY_ID.to_vec()),
    })
}

fn value_mac(record: &wa::SyncdRecord) -> Vec<u8> {
    let blob = record.value.as_option().unwrap().blob.as_ref().unwrap();
    blob[blob.len() - 32..].to_vec()
}

fn set(chats: impl IntoIterator<Item = u32>) -> Vec<(SyncdOperation, u32)> {
    chats
        .into_iter()
        .map(|chat| (SyncdOperation::SET, chat))
        .collect()
}

fn remove(chat: u32) -> (SyncdOperation, u32) {
    (SyncdOperation::REMOVE, chat)
}

/// What the server answers to a sync.
fn answer(snapshot: Option<wa::SyncdSnapshot>, patches: Vec<wa::SyncdPatch>) -> PatchList {
    PatchList {
        name: WAPatchName::Regular,
        has_more_patches: false,
        patches,
        snapshot,
        snapshot_ref: None,
        error: None,
    }
}

fn processor(h: &Harness) -> AppStateProcessor {
    AppStateProcessor::new(h.backend.clone(), Arc::new(TokioRuntime))
}

/// What the client does with an answer: applies it, raises events, and writes
/// the version once more. Without `end` it dies before.
async fn sync(h: &mut Harness, answer: PatchList, end: bool) {
    let (_, state, list) = processor(h).process_patch_list(answer, true).await.unwrap();
    assert!(list.error.is_none());
    if end {
        h.backend.set_version(NAME, state).await.unwrap();
    }
}

async fn agrees(h: &Harness, phone: &Phone) {
    let state = h.backend.get_version(NAME).await.unwrap();
    assert_eq!(state.version, phone.state.version);
    assert_eq!(state.hash, phone.state.hash);
    assert!(!state.mac_mismatch_fatal);
    for (index, record) in &phone.records {
        let stored = h.backend.get_mutation_mac(NAME, index).await.unwrap();
        assert_eq!(stored, Some(value_mac(record)));
    }
}

async fn a_snapshot_and_patches_verify_across_restarts(h: &mut Harness) {
    let mut phone = Phone::linked_to(h).await;
    phone.patch(&set(0..2_500));
    sync(h, answer(Some(phone.snapshot()), Vec::new()), true).await;
    agrees(h, &phone).await;
    h.settle().await;
    h.restart().await;
    agrees(h, &phone).await;
    for round in 0..5 {
        let mut changes = set(round * 10..round * 10 + 5);
        changes.push(remove(100 + round));
        let patches = vec![phone.patch(&changes), phone.patch(&set([3, 4_000 + round]))];
        sync(h, answer(None, patches), true).await;
        agrees(h, &phone).await;
        h.settle().await;
        if round % 2 == 0 {
            h.restart().await;
        }
        agrees(h, &phone).await;
    }
}

async fn patches_from_the_first_one_verify(h: &mut Harness) {
    let mut phone = Phone::linked_to(h).await;
    let patches = vec![
        phone.patch(&set(0..300)),
        phone.patch(&[remove(7)]),
        phone.patch(&set(5..9)),
    ];
    sync(h, answer(None, patches), true).await;
    agrees(h, &phone).await;
    h.settle().await;
    h.restart().await;
    agrees(h, &phone).await;
}

async fn a_sync_cut_short_is_taken_up_again(h: &mut Harness) {
    let mut phone = Phone::linked_to(h).await;
    phone.patch(&set(0..100));
    sync(h, answer(Some(phone.snapshot()), Vec::new()), true).await;
    h.settle().await;
    let before = phone.state.version;
    let patches = vec![phone.patch(&set(0..10)), phone.patch(&[remove(50)])];
    sync(h, answer(None, patches.clone()), false).await;
    h.settle().await;
    h.restart().await;
    // The in-memory backend kept them: for it the server has nothing more.
    if h.backend.get_version(NAME).await.unwrap().version == before {
        sync(h, answer(None, patches), true).await;
    }
    h.settle().await;
    agrees(h, &phone).await;
    sync(h, answer(None, vec![phone.patch(&set([50]))]), true).await;
    h.settle().await;
    h.restart().await;
    agrees(h, &phone).await;
}

async fn a_full_refresh_begins_from_nothing(h: &mut Harness) {
    let mut phone = Phone::linked_to(h).await;
    phone.patch(&set(0..1_500));
    sync(h, answer(Some(phone.snapshot()), Vec::new()), true).await;
    h.settle().await;
    phone.patch(&[remove(3), remove(4)]);
    h.backend
        .set_version(NAME, HashState::default())
        .await
        .unwrap();
    h.backend.clear_mutation_macs(NAME).await.unwrap();
    // A restart in the middle leaves the old base whole.
    h.settle().await;
    h.restart().await;
    h.backend
        .set_version(NAME, HashState::default())
        .await
        .unwrap();
    h.backend.clear_mutation_macs(NAME).await.unwrap();
    sync(h, answer(Some(phone.snapshot()), Vec::new()), true).await;
    agrees(h, &phone).await;
    h.settle().await;
    h.restart().await;
    agrees(h, &phone).await;
    sync(h, answer(None, vec![phone.patch(&set([3]))]), true).await;
    agrees(h, &phone).await;
}

async fn an_own_patch_is_built_on_what_is_stored(h: &mut Harness) {
    let mut phone = Phone::linked_to(h).await;
    phone.patch(&set(0..50));
    sync(h, answer(Some(phone.snapshot()), Vec::new()), true).await;
    // Once on what is not committed, once on what is.
    for committed in [false, true] {
        if committed {
            h.settle().await;
            h.restart().await;
        }
        let mutations = phone.mutations(&set([1, 60]));
        let (bytes, base) = processor(h)
            .build_patch(NAME, mutations.clone())
            .await
            .unwrap();
        assert_eq!(base, phone.state.version);
        let built = whatsapp_rust::waproto::codec::syncd_patch_decode(bytes.as_slice()).unwrap();
        let accepted = phone.take(mutations);
        assert_eq!(
            built.snapshot_mac, accepted.snapshot_mac,
            "committed: {committed}"
        );
        sync(h, answer(None, vec![accepted]), true).await;
        agrees(h, &phone).await;
    }
}
