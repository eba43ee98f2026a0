//! Each fault on demand, seen from a client.

use std::sync::Arc;

use labelwire_sim::Server;
use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_sim::labels;
use whatsapp_rust::TokioRuntime;
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::appstate::encode_record;
use whatsapp_rust::wacore::appstate_sync::AppStateProcessor;
use whatsapp_rust::wacore::request::InfoQuery;
use whatsapp_rust::wacore::store::traits::AppSyncStore as _;
use whatsapp_rust::wacore::types::events::Event;
use whatsapp_rust::wacore_binary::{Node, NodeContent};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::{Jid, NodeBuilder};

use crate::client::{Companion, Mirror, PHONE, fault, linked, server_with, until};

const CHAT: &str = "15550001111@s.whatsapp.net";

fn change(server: &Server, label: &str) {
    let change = labels::chat(label, CHAT, true, 1_760_000_000_000);
    server.world().change(PHONE, vec![change]).unwrap();
}

fn version(server: &Server) -> u64 {
    server
        .world()
        .with_account(PHONE, |account| account.regular().version())
        .unwrap()
}

/// Waits until all faults were used up.
async fn used_up(server: &Server) {
    until("use of the fault", || {
        let left = server
            .world()
            .with_account(PHONE, |account| account.faults.list().len());
        left.unwrap() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_answer_makes_the_client_miss_a_change_until_it_catches_up() {
    let server = server_with(10, 3, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    fault(&server, Fault::new(FaultKind::Delay).ms(400).times(1));
    change(&server, "1");
    used_up(&server).await;
    change(&server, "2");
    companion
        .wait("skipped sync", |events| {
            let skipped = |event: &Arc<Event>| matches!(&**event, Event::AppStateSyncFailed(_));
            events.iter().any(skipped).then_some(())
        })
        .await;
    companion.catch_up().await;
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_dropped_before_applying_leaves_the_account_as_it_was() {
    let server = server_with(10, 2, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    let (before, seen) = (version(&server), companion.seen());
    fault(&server, Fault::new(FaultKind::DropBeforeApply).times(1));
    companion
        .client
        .labels()
        .create_label("9", "Lost", 4)
        .await
        .unwrap_err();
    assert_eq!(version(&server), before);
    companion.connected_after(seen).await;
    companion
        .client
        .labels()
        .create_label("9", "Kept", 4)
        .await
        .unwrap();
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_dropped_after_applying_leaves_the_change_on_the_account() {
    let server = server_with(10, 2, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    let (before, seen) = (version(&server), companion.seen());
    fault(&server, Fault::new(FaultKind::DropAfterApply).times(1));
    companion
        .client
        .labels()
        .create_label("9", "Kept", 4)
        .await
        .unwrap_err();
    assert_eq!(version(&server), before + 1);
    companion.connected_after(seen).await;
    companion.catch_up().await;
    companion.mirrors(server.world(), PHONE).await;
    assert!(Mirror::of(server.world(), PHONE).labels.contains_key("9"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withheld_notification_is_made_up_for_by_the_next_one() {
    let server = server_with(10, 3, 5).await;
    let (companion, device) = linked(&server, PHONE).await;
    fault(
        &server,
        Fault::new(FaultKind::WithholdServerSync)
            .times(1)
            .device(device),
    );
    change(&server, "1");
    change(&server, "2");
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_can_be_answered_with_any_code() {
    let server = server_with(10, 2, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    for code in [400, 429, 503] {
        fault(&server, Fault::new(FaultKind::Status).code(code).times(1));
        let before = version(&server);
        let refused = companion
            .client
            .labels()
            .create_label("9", "Refused", 4)
            .await;
        let error = format!("{:?}", refused.unwrap_err());
        assert!(error.contains(&code.to_string()), "{code}: {error}");
        assert_eq!(version(&server), before);
    }
    // A conflict is something clients resolve.
    fault(&server, Fault::new(FaultKind::Status).code(409).times(1));
    companion
        .client
        .labels()
        .create_label("9", "Accepted", 4)
        .await
        .unwrap();
    used_up(&server).await;
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limited_fetch_succeeds_later() {
    let server = server_with(10, 3, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    fault(&server, Fault::new(FaultKind::Status).code(429).times(1));
    change(&server, "1");
    used_up(&server).await;
    companion.catch_up().await;
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_snapshot_mac_marks_the_clients_state_as_broken() {
    let server = server_with(10, 3, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    assert!(
        !companion
            .backend
            .get_version("regular")
            .await
            .unwrap()
            .mac_mismatch_fatal
    );
    fault(&server, Fault::new(FaultKind::WrongSnapshotMac).times(1));
    change(&server, "1");
    companion.mirrors(server.world(), PHONE).await;
    assert!(
        companion
            .backend
            .get_version("regular")
            .await
            .unwrap()
            .mac_mismatch_fatal
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_patch_mac_is_refused_by_the_client() {
    let server = server_with(10, 3, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    let before = companion
        .backend
        .get_version("regular")
        .await
        .unwrap()
        .version;
    let id = fault(&server, Fault::new(FaultKind::WrongPatchMac));
    change(&server, "1");
    companion.catch_up().await;
    assert_eq!(
        companion
            .backend
            .get_version("regular")
            .await
            .unwrap()
            .version,
        before
    );
    let removed = server
        .world()
        .with_account(PHONE, |account| account.faults.remove(Some(id)));
    assert!(removed.unwrap());
    companion.catch_up().await;
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withheld_key_share_is_asked_for_and_sent() {
    let server = server_with(10, 2, 5).await;
    fault(&server, Fault::new(FaultKind::WithholdKeyShare).times(1));
    let (companion, _) = linked(&server, PHONE).await;
    used_up(&server).await;
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_is_tried_again_or_given_up_by_its_code() {
    let server = server_with(10, 2, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    let backend = companion.stop().await;
    fault(&server, Fault::new(FaultKind::RefuseLogin).times(1));
    let companion = Companion::with_backend(&server, backend, None).await;
    companion.connected().await;
    let backend = companion.stop().await;

    fault(
        &server,
        Fault::new(FaultKind::RefuseLogin).code(401).times(1),
    );
    let companion = Companion::with_backend(&server, backend, None).await;
    companion.logged_out().await;
}

/// A patch that sets label 9, honest but for what `spoil` does to it.
async fn spoiled(companion: &Companion, spoil: impl FnOnce(&mut wa::SyncdPatch)) -> (Vec<u8>, u64) {
    let store = companion.client.persistence_manager().backend();
    let key_id = store.get_latest_sync_key_id().await.unwrap().unwrap();
    let processor = AppStateProcessor::new(store, Arc::new(TokioRuntime));
    let keys = processor.get_app_state_key(&key_id).await.unwrap();
    let change = labels::define("9", Default::default(), 1_760_000_000_000);
    let (mutation, _) = encode_record(
        wa::syncd_mutation::SyncdOperation::SET,
        br#"["label_edit","9"]"#,
        &change.action,
        &keys,
        &key_id,
        &[3; 16],
        3,
    );
    let (patch, base) = processor
        .build_patch("regular", vec![mutation])
        .await
        .unwrap();
    let mut patch = wa::SyncdPatch::decode_from_slice(&patch).unwrap();
    spoil(&mut patch);
    (patch.encode_to_vec(), base)
}

async fn send(companion: &Companion, patch: Vec<u8>, base: u64) -> Node {
    let collection = NodeBuilder::new("collection")
        .attr("name", "regular")
        .attr("version", base)
        .attr("return_snapshot", "false")
        .children([NodeBuilder::new("patch").bytes(patch).build()])
        .build();
    let sync = NodeBuilder::new("sync").children([collection]).build();
    let to: Jid = "s.whatsapp.net".parse().unwrap();
    let query = InfoQuery::set("w:sync:app:state", to, Some(NodeContent::Nodes(vec![sync])));
    let answer = companion.client.send_iq(query).await.unwrap();
    answer.get().to_owned()
}

fn verdict(answer: &Node) -> Option<String> {
    let collection = answer
        .get_optional_child("sync")?
        .get_optional_child("collection")?;
    let error = collection.get_optional_child("error")?;
    error
        .attrs()
        .optional_string("code")
        .map(|code| code.to_string())
}

fn flip(bytes: &mut Option<Vec<u8>>) {
    let last = bytes.as_mut().unwrap().last_mut().unwrap();
    *last ^= 1;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_with_any_wrong_mac_is_answered_with_400() {
    let server = server_with(10, 2, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    let before = version(&server);
    type Spoil = fn(&mut wa::SyncdPatch);
    let spoils: [(&str, Spoil); 4] = [
        ("patch MAC", |patch| flip(&mut patch.patch_mac)),
        ("snapshot MAC", |patch| flip(&mut patch.snapshot_mac)),
        ("value MAC", |patch| {
            flip(&mut record(patch).value.get_or_insert_default().blob)
        }),
        ("index MAC", |patch| {
            flip(&mut record(patch).index.get_or_insert_default().blob)
        }),
    ];
    for (what, spoil) in spoils {
        let (patch, base) = spoiled(&companion, spoil).await;
        let answer = send(&companion, patch, base).await;
        assert_eq!(verdict(&answer).as_deref(), Some("400"), "{what}");
        assert_eq!(version(&server), before, "{what}");
    }
    let (patch, base) = spoiled(&companion, |_| {}).await;
    let answer = send(&companion, patch, base - 1).await;
    assert_eq!(verdict(&answer).as_deref(), Some("409"));
    let (patch, base) = spoiled(&companion, |_| {}).await;
    let answer = send(&companion, patch, base).await;
    assert_eq!(verdict(&answer), None);
    assert_eq!(version(&server), before + 1);
}

fn record(patch: &mut wa::SyncdPatch) -> &mut wa::SyncdRecord {
    patch.mutations[0].record.get_or_insert_default()
}
