//! `regular`: read at once, committed only whole.

use std::sync::Arc;

use super::app_sync::{macs, state};
use super::harness::Harness;
use super::{conformance, on_our_backend};
use labelwire_domain::change::{Association, Record};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use whatsapp_rust::wacore::store::traits::Backend;

const NAME: &str = "regular";

conformance![
    own_writes_are_read_at_once_and_after_the_commit,
    a_clear_hides_what_is_committed,
    a_large_snapshot_is_kept,
];

mod ours {
    use super::*;
    on_our_backend![
        only_whole_batches_survive_a_restart,
        a_reset_forgets_what_was_not_committed,
        a_write_behind_the_commit_is_not_dropped,
        the_mismatch_flag_reaches_the_actor,
        steps_are_numbered_in_the_order_of_calls,
    ];

    async fn only_whole_batches_survive_a_restart(h: &mut Harness) {
        patch(&*h.backend, 1, &[(1, 1), (2, 2)], &[]).await;
        h.backend.set_version(NAME, state(1)).await.unwrap();
        let (batches, _) = h.settle().await;
        assert_eq!(batches.len(), 1);
        // Version, deletions and puts of a second patch, and its events not out yet.
        patch(&*h.backend, 2, &[(3, 3)], &[1]).await;
        let (batches, lost) = h.settle().await;
        assert!(batches.is_empty() && !lost);
        assert_eq!(read(&h.backend).await, (2, vec![(2, 2), (3, 3)]));
        h.restart().await;
        assert_eq!(read(&h.backend).await, (1, vec![(1, 1), (2, 2)]));
        // WhatsApp sends it again; this time it ends.
        patch(&*h.backend, 2, &[(3, 3)], &[1]).await;
        h.overlay().record(record());
        h.backend.set_version(NAME, state(2)).await.unwrap();
        let (batches, lost) = h.settle().await;
        assert_eq!(
            (batches.len(), batches[0].records.len(), lost),
            (1, 1, false)
        );
        assert!(batches[0].removed);
        h.restart().await;
        assert_eq!(read(&h.backend).await, (2, vec![(2, 2), (3, 3)]));
        assert_eq!(
            h.backend.get_version(NAME).await.unwrap().hash,
            state(2).hash
        );
    }

    async fn a_reset_forgets_what_was_not_committed(h: &mut Harness) {
        patch(&*h.backend, 1, &[(1, 1)], &[]).await;
        h.backend.set_version(NAME, state(1)).await.unwrap();
        h.settle().await;
        let last = h.overlay().last_step();
        h.backend.clear_mutation_macs(NAME).await.unwrap();
        h.backend.set_version(NAME, state(9)).await.unwrap();
        h.overlay().reset();
        assert_eq!(read(&h.backend).await, (1, vec![(1, 1)]));
        assert!(h.overlay().last_step() > last);
    }

    async fn a_write_behind_the_commit_is_not_dropped(h: &mut Harness) {
        patch(&*h.backend, 1, &[(1, 1)], &[]).await;
        h.backend.set_version(NAME, state(1)).await.unwrap();
        patch(&*h.backend, 2, &[(1, 2)], &[]).await;
        let (batches, _) = h.settle().await;
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].version.number, 1);
        assert_eq!(read(&h.backend).await, (2, vec![(1, 2)]));
    }

    async fn the_mismatch_flag_reaches_the_actor(h: &mut Harness) {
        let mut flagged = state(1);
        flagged.mac_mismatch_fatal = true;
        h.backend.set_version(NAME, flagged.clone()).await.unwrap();
        h.overlay().record(record());
        h.backend.set_version(NAME, flagged).await.unwrap();
        let (batches, _) = h.settle().await;
        assert!(batches[0].version.mismatch);
        h.restart().await;
        assert!(
            h.backend
                .get_version(NAME)
                .await
                .unwrap()
                .mac_mismatch_fatal
        );
    }

    async fn steps_are_numbered_in_the_order_of_calls(h: &mut Harness) {
        let overlay = h.overlay();
        let writers: Vec<_> = (0..8u8)
            .map(|i| {
                let (backend, overlay) = (h.backend.clone(), overlay.clone());
                tokio::task::spawn(async move {
                    for j in 0..50 {
                        backend
                            .put_mutation_macs(NAME, 1, &macs(&[(i, j)]))
                            .await
                            .unwrap();
                        overlay.record(record());
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(overlay.last_step(), 800);
        h.backend.set_version(NAME, state(1)).await.unwrap();
        h.backend.set_version(NAME, state(1)).await.unwrap();
        let (batches, lost) = h.settle().await;
        assert!(!lost);
        assert_eq!((batches[0].records.len(), batches[0].through), (400, 802));
    }
}

fn record() -> Record {
    Record::Association(Association {
        label_id: "1".into(),
        chat_jid: ChatJid::from_app_state("1@lid"),
        labeled: true,
        changed_at: Timestamp(0),
    })
}

/// One patch, in the library's order of calls; the version is read once before all
/// of a page.
async fn patch(b: &dyn Backend, version: u64, put: &[(u8, u8)], delete: &[u8]) {
    let touched: Vec<[u8; 32]> = put
        .iter()
        .map(|(i, _)| *i)
        .chain(delete.iter().copied())
        .map(|i| [i; 32])
        .collect();
    b.get_mutation_macs(NAME, &touched).await.unwrap();
    b.set_version(NAME, state(version)).await.unwrap();
    let delete: Vec<Vec<u8>> = delete.iter().map(|i| vec![*i; 32]).collect();
    if !delete.is_empty() {
        b.delete_mutation_macs(NAME, &delete).await.unwrap();
    }
    if !put.is_empty() {
        b.put_mutation_macs(NAME, version, &macs(put))
            .await
            .unwrap();
    }
}

/// The version, and the MACs by their first byte. The version is asked for as a
/// bystander: in the task that wrote it, it would look like a sync begun anew.
async fn read(b: &Arc<dyn Backend>) -> (u64, Vec<(u8, u8)>) {
    let bystander = b.clone();
    let version =
        tokio::task::spawn(async move { bystander.get_version(NAME).await.unwrap().version });
    let every: Vec<[u8; 32]> = (0..=255).map(|i| [i; 32]).collect();
    let found = b.get_mutation_macs(NAME, &every).await.unwrap();
    let mut pairs: Vec<(u8, u8)> = found.into_iter().map(|(i, v)| (i[0], v[0])).collect();
    pairs.sort_unstable();
    (version.await.unwrap(), pairs)
}

async fn own_writes_are_read_at_once_and_after_the_commit(h: &mut Harness) {
    patch(&*h.backend, 1, &[(1, 1), (2, 2)], &[]).await;
    assert_eq!(read(&h.backend).await, (1, vec![(1, 1), (2, 2)]));
    patch(&*h.backend, 2, &[(2, 22), (3, 3)], &[1, 7]).await;
    let expected = (2, vec![(2, 22), (3, 3)]);
    assert_eq!(read(&h.backend).await, expected);
    assert_eq!(
        h.backend.get_mutation_mac(NAME, &[2; 32]).await.unwrap(),
        Some(vec![22; 32])
    );
    assert_eq!(
        h.backend.get_mutation_mac(NAME, &[1; 32]).await.unwrap(),
        None
    );
    h.backend.set_version(NAME, state(2)).await.unwrap();
    h.settle().await;
    assert_eq!(read(&h.backend).await, expected);
    patch(&*h.backend, 3, &[(1, 5)], &[3]).await;
    assert_eq!(read(&h.backend).await, (3, vec![(1, 5), (2, 22)]));
    h.backend.set_version(NAME, state(3)).await.unwrap();
    h.settle().await;
    h.restart().await;
    assert_eq!(read(&h.backend).await, (3, vec![(1, 5), (2, 22)]));
}

async fn a_clear_hides_what_is_committed(h: &mut Harness) {
    patch(&*h.backend, 1, &[(1, 1), (2, 2)], &[]).await;
    h.backend.set_version(NAME, state(1)).await.unwrap();
    h.settle().await;
    h.backend.clear_mutation_macs(NAME).await.unwrap();
    assert_eq!(read(&h.backend).await, (1, vec![]));
    h.backend
        .put_mutation_macs(NAME, 9, &macs(&[(2, 9)]))
        .await
        .unwrap();
    for _ in 0..3 {
        h.backend.set_version(NAME, state(9)).await.unwrap();
    }
    assert_eq!(read(&h.backend).await, (9, vec![(2, 9)]));
    h.settle().await;
    assert_eq!(read(&h.backend).await, (9, vec![(2, 9)]));
    h.restart().await;
    assert_eq!(read(&h.backend).await, (9, vec![(2, 9)]));
}

async fn a_large_snapshot_is_kept(h: &mut Harness) {
    use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
    // Spread like the HMACs they are.
    let index = |i: u32| -> [u8; 32] {
        let word = i.wrapping_mul(2_654_435_761).to_be_bytes();
        std::array::from_fn(|at| word[at % 4])
    };
    let all: Vec<AppStateMutationMAC> = (0..20_000)
        .map(|i| AppStateMutationMAC {
            index_mac: index(i).to_vec(),
            value_mac: vec![7; 32],
        })
        .collect();
    h.backend.clear_mutation_macs(NAME).await.unwrap();
    h.backend.put_mutation_macs(NAME, 1, &all).await.unwrap();
    h.backend.set_version(NAME, state(1)).await.unwrap();
    // A patch behind it, before anything is committed.
    let changed = AppStateMutationMAC {
        index_mac: index(19_999).to_vec(),
        value_mac: vec![8; 32],
    };
    h.backend
        .delete_mutation_macs(NAME, &[index(0).to_vec()])
        .await
        .unwrap();
    h.backend.set_version(NAME, state(2)).await.unwrap();
    h.backend
        .put_mutation_macs(NAME, 2, &[changed])
        .await
        .unwrap();
    h.backend.set_version(NAME, state(2)).await.unwrap();
    let wanted = [index(0), index(1), index(19_999), [255; 32]];
    for committed in [false, true] {
        if committed {
            h.settle().await;
            h.restart().await;
        }
        let found = h.backend.get_mutation_macs(NAME, &wanted).await.unwrap();
        assert_eq!(found.len(), 2, "committed: {committed}");
        assert_eq!(found[&index(1)], vec![7; 32]);
        assert_eq!(found[&index(19_999)], vec![8; 32]);
    }
}
