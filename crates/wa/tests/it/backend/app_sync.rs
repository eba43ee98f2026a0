use super::conformance;
use super::harness::Harness;
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::traits::AppStateSyncKey;

conformance![
    the_key_stored_last_is_the_latest,
    a_collections_version_and_macs_are_kept,
    clearing_one_collection_leaves_the_others,
    a_mac_of_another_length_is_not_found,
];

pub(super) fn state(version: u64) -> HashState {
    HashState {
        version,
        hash: std::array::from_fn(|i| u8::try_from((i + version as usize) % 256).unwrap()),
        ..HashState::default()
    }
}

pub(super) fn macs(pairs: &[(u8, u8)]) -> Vec<AppStateMutationMAC> {
    pairs
        .iter()
        .map(|(index, value)| AppStateMutationMAC {
            index_mac: vec![*index; 32],
            value_mac: vec![*value; 32],
        })
        .collect()
}

fn key(data: u8) -> AppStateSyncKey {
    AppStateSyncKey {
        key_data: vec![data; 32],
        fingerprint: vec![data],
        timestamp: i64::from(data),
    }
}

async fn the_key_stored_last_is_the_latest(h: &mut Harness) {
    let b = &h.backend;
    assert_eq!(b.get_latest_sync_key_id().await.unwrap(), None);
    assert!(b.get_sync_key(&[1]).await.unwrap().is_none());
    b.set_sync_key(&[0, 0, 0, 9], key(1)).await.unwrap();
    // The clock stands still, then goes back.
    b.set_sync_key(&[0, 0, 0, 1], key(2)).await.unwrap();
    assert_eq!(
        b.get_latest_sync_key_id().await.unwrap().unwrap(),
        [0, 0, 0, 1]
    );
    h.set_clock(5);
    b.set_sync_key(&[0, 0, 0, 5], key(3)).await.unwrap();
    assert_eq!(
        b.get_latest_sync_key_id().await.unwrap().unwrap(),
        [0, 0, 0, 5]
    );
    b.set_sync_key(&[0, 0, 0, 9], key(4)).await.unwrap();
    h.restart().await;
    assert_eq!(
        h.backend.get_latest_sync_key_id().await.unwrap().unwrap(),
        [0, 0, 0, 9]
    );
    let found = h
        .backend
        .get_sync_key(&[0, 0, 0, 9])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.key_data, found.fingerprint, found.timestamp),
        (vec![4; 32], vec![4], 4)
    );
}

async fn a_collections_version_and_macs_are_kept(h: &mut Harness) {
    const NAME: &str = "regular_low";
    assert_eq!(h.backend.get_version(NAME).await.unwrap().version, 0);
    h.backend
        .put_mutation_macs(NAME, 1, &macs(&[(1, 10), (2, 20), (3, 30)]))
        .await
        .unwrap();
    assert_eq!(h.backend.get_version(NAME).await.unwrap().version, 0);
    let written = HashState {
        mac_mismatch_fatal: true,
        ..state(3)
    };
    h.backend.set_version(NAME, written.clone()).await.unwrap();
    h.backend
        .put_mutation_macs(NAME, 3, &macs(&[(2, 21), (4, 40)]))
        .await
        .unwrap();
    h.backend
        .delete_mutation_macs(NAME, &[vec![1; 32], vec![9; 32]])
        .await
        .unwrap();
    h.restart().await;
    let back = h.backend.get_version(NAME).await.unwrap();
    assert_eq!(
        (back.version, back.hash, back.mac_mismatch_fatal),
        (3, written.hash, true)
    );
    let found = h
        .backend
        .get_mutation_macs(NAME, &[[1; 32], [2; 32], [3; 32], [4; 32]])
        .await
        .unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[&[2; 32]], vec![21; 32]);
    assert_eq!(found[&[4; 32]], vec![40; 32]);
    assert_eq!(
        h.backend.get_mutation_mac(NAME, &[3; 32]).await.unwrap(),
        Some(vec![30; 32])
    );
    assert_eq!(
        h.backend.get_mutation_mac(NAME, &[1; 32]).await.unwrap(),
        None
    );
    assert!(
        h.backend
            .get_mutation_macs(NAME, &[])
            .await
            .unwrap()
            .is_empty()
    );
}

async fn clearing_one_collection_leaves_the_others(h: &mut Harness) {
    for name in ["regular_high", "critical_block", "regular"] {
        h.backend
            .put_mutation_macs(name, 1, &macs(&[(1, 1)]))
            .await
            .unwrap();
    }
    h.backend.clear_mutation_macs("regular_high").await.unwrap();
    h.backend.clear_mutation_macs("never_seen").await.unwrap();
    let found = async |name| {
        h.backend
            .get_mutation_mac(name, &[1; 32])
            .await
            .unwrap()
            .is_some()
    };
    assert!(!found("regular_high").await);
    assert!(found("critical_block").await);
    assert!(found("regular").await);
}

async fn a_mac_of_another_length_is_not_found(h: &mut Harness) {
    for name in ["regular", "regular_low"] {
        h.backend
            .put_mutation_macs(name, 1, &macs(&[(1, 1)]))
            .await
            .unwrap();
        assert_eq!(
            h.backend.get_mutation_mac(name, &[1; 31]).await.unwrap(),
            None
        );
        h.backend
            .delete_mutation_macs(name, &[vec![1; 31]])
            .await
            .unwrap();
        assert!(
            h.backend
                .get_mutation_mac(name, &[1; 32])
                .await
                .unwrap()
                .is_some()
        );
    }
}
