//! Pairing and the labels' way from the phone to a client.

use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_sim::labels;

use crate::client::{Companion, Mirror, PHONE, account, fault, linked, server_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_pairs_by_qr_and_gets_all_labels_as_a_snapshot() {
    let server = server_with(60, 8, 120).await;
    let companion = Companion::start(&server).await;
    let device = companion.link(&server, PHONE, true).await;
    assert_eq!(device, 1);
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_all_labels_as_pages_of_patches() {
    let server = server_with(400, 20, 2_500).await;
    // Enough patches for several pages.
    for n in 0..150 {
        let id = (1 + n % 20).to_string();
        let change = labels::chat(
            &id,
            "15550001111@s.whatsapp.net",
            n % 3 == 0,
            1_760_000_000_000 + n,
        );
        server.world().change(PHONE, vec![change]).unwrap();
    }
    let companion = Companion::start(&server).await;
    companion.link(&server, PHONE, false).await;
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_the_phone_reaches_a_connected_client() {
    let server = server_with(10, 2, 5).await;
    let (companion, _) = linked(&server, PHONE).await;
    let change = labels::chat("2", "15550001111@s.whatsapp.net", true, 1_760_000_000_000);
    server.world().change(PHONE, vec![change]).unwrap();
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_write_is_accepted_and_reaches_a_second_device() {
    let server = server_with(10, 2, 5).await;
    let (first, _) = linked(&server, PHONE).await;
    let (second, number) = linked(&server, PHONE).await;
    assert_eq!(number, 2);

    first
        .client
        .labels()
        .create_label("9", "From a client", 4)
        .await
        .unwrap();
    let chat = "15550001111@s.whatsapp.net".parse().unwrap();
    second
        .client
        .labels()
        .add_chat_label("9", &chat)
        .await
        .unwrap();

    let truth = Mirror::of(server.world(), PHONE);
    assert_eq!(
        truth.labels.get("9").map(String::as_str),
        Some("From a client")
    );
    assert!(
        truth
            .associations
            .contains_key(&("9".to_owned(), chat.to_string()))
    );
    first.mirrors(server.world(), PHONE).await;
    second.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_an_old_version_is_answered_with_the_missing_patches() {
    let server = server_with(10, 2, 5).await;
    let (companion, device) = linked(&server, PHONE).await;
    let silent = Fault::new(FaultKind::WithholdServerSync).times(1);
    fault(&server, silent);
    let change = labels::chat("2", "15550001111@s.whatsapp.net", true, 1_760_000_000_000);
    let version = server.world().change(PHONE, vec![change]).unwrap();

    // Built on the version before: refused, caught up with, built again and accepted.
    companion
        .client
        .labels()
        .create_label("9", "After a conflict", 4)
        .await
        .unwrap();
    let truth = server
        .world()
        .with_account(PHONE, |account| account.truth())
        .unwrap();
    assert_eq!(truth.version, version + 1);
    assert_eq!(truth.devices[0].device, device);
    companion.mirrors(server.world(), PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_accounts_do_not_see_each_other() {
    let server = server_with(10, 3, 5).await;
    let other = "491700000002";
    let mut new = account(other, 20, 6, 30);
    new.seed = Some(8);
    server.world().create_account(new).unwrap();
    let (first, _) = linked(&server, PHONE).await;
    let (second, _) = linked(&server, other).await;

    let change = labels::chat("2", "15550001111@s.whatsapp.net", true, 1_760_000_000_000);
    server.world().change(PHONE, vec![change]).unwrap();
    first.mirrors(server.world(), PHONE).await;
    second.mirrors(server.world(), other).await;
    assert_ne!(
        Mirror::of(server.world(), PHONE),
        Mirror::of(server.world(), other)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_makes_the_same_hashes() {
    let (first, second) = (server_with(40, 5, 60).await, server_with(40, 5, 60).await);
    let state = |server: &labelwire_sim::Server| {
        let hash = |account: &mut labelwire_sim::Account| {
            (
                account.regular().version(),
                account.regular().hash().to_vec(),
                account.truth(),
            )
        };
        server.world().with_account(PHONE, hash).unwrap()
    };
    assert_eq!(state(&first), state(&second));
    let change = || {
        vec![labels::chat(
            "2",
            "15550001111@s.whatsapp.net",
            true,
            1_760_000_000_000,
        )]
    };
    first.world().change(PHONE, change()).unwrap();
    second.world().change(PHONE, change()).unwrap();
    assert_eq!(state(&first), state(&second));
}
