use std::sync::Arc;

use super::conformance;
use super::harness::Harness;
use bytes::Bytes;
use whatsapp_rust::wacore::store::traits::{DeviceStore as _, SignalStore as _};

conformance![
    identities_and_sessions_are_kept_by_address,
    a_batch_overwrites_and_its_last_entry_wins,
    signal_state_is_found_by_user,
    pre_keys_are_kept_by_number,
    a_consumed_pre_key_stays_consumed,
    signed_pre_keys_and_sender_keys_are_kept,
    a_device_comes_back_as_it_was_saved,
    odd_bytes_in_addresses_are_no_error,
    another_instance_sees_nothing,
];

async fn identities_and_sessions_are_kept_by_address(h: &mut Harness) {
    let b = &h.backend;
    assert_eq!(b.load_identity("1@lid").await.unwrap(), None);
    assert!(!b.has_session("1@lid").await.unwrap());
    b.put_identity("1@lid", [1; 32]).await.unwrap();
    b.put_session("1@lid", b"first").await.unwrap();
    b.put_session("1@lid", b"second").await.unwrap();
    b.put_session("1:2@lid", b"").await.unwrap();
    h.restart().await;
    let b = &h.backend;
    assert_eq!(b.load_identity("1@lid").await.unwrap(), Some([1; 32]));
    assert_eq!(b.get_session("1@lid").await.unwrap().unwrap(), "second");
    assert_eq!(b.get_session("1:2@lid").await.unwrap().unwrap(), "");
    assert!(b.has_session("1:2@lid").await.unwrap());
    b.delete_identity("1@lid").await.unwrap();
    b.delete_session("1@lid").await.unwrap();
    b.delete_session("never@lid").await.unwrap();
    assert_eq!(b.load_identity("1@lid").await.unwrap(), None);
    assert_eq!(b.get_session("1@lid").await.unwrap(), None);
}

async fn a_batch_overwrites_and_its_last_entry_wins(h: &mut Harness) {
    let b = &h.backend;
    let address = |i: u32| -> Arc<str> { format!("{i}@lid").into() };
    b.put_session("0@lid", b"old").await.unwrap();
    let mut sessions: Vec<_> = (0..3_000)
        .map(|i| (address(i), Bytes::from(vec![1; 700])))
        .collect();
    sessions.push((address(1), Bytes::from_static(&[0, 255])));
    b.put_sessions_batch(&sessions).await.unwrap();
    b.put_sessions_batch(&[]).await.unwrap();
    assert_eq!(b.get_session("0@lid").await.unwrap().unwrap(), vec![1; 700]);
    assert_eq!(b.get_session("1@lid").await.unwrap().unwrap(), vec![0, 255]);
    assert_eq!(
        b.get_session("2999@lid").await.unwrap().unwrap(),
        vec![1; 700]
    );
    b.put_identities_batch(&[(address(1), [1; 32]), (address(2), [2; 32])])
        .await
        .unwrap();
    assert_eq!(b.load_identity("2@lid").await.unwrap(), Some([2; 32]));
    b.put_sender_keys_batch(&[(address(1), Bytes::from_static(b"k"))])
        .await
        .unwrap();
    assert_eq!(b.get_sender_key("1@lid").await.unwrap().unwrap(), b"k");
}

async fn signal_state_is_found_by_user(h: &mut Harness) {
    let b = &h.backend;
    b.put_session("5511@s.whatsapp.net", b"s").await.unwrap();
    b.put_identity("77:3@lid", [0; 32]).await.unwrap();
    for (user, known) in [
        ("5511", true),
        ("77", true),
        ("551", false),
        ("7", false),
        ("9", false),
    ] {
        assert_eq!(
            b.has_signal_state_for_user(user).await.unwrap(),
            known,
            "{user}"
        );
    }
}

async fn pre_keys_are_kept_by_number(h: &mut Harness) {
    let b = &h.backend;
    assert_eq!(b.get_max_prekey_id().await.unwrap(), 0);
    b.store_prekey(9, b"nine", false).await.unwrap();
    assert_eq!(b.get_max_prekey_id().await.unwrap(), 9);
    let keys: Vec<_> = (1..=812u32)
        .map(|id| (id, Bytes::from(id.to_be_bytes().to_vec())))
        .collect();
    b.store_prekeys_batch(&keys, true).await.unwrap();
    h.restart().await;
    let b = &h.backend;
    assert_eq!(b.get_max_prekey_id().await.unwrap(), 812);
    assert_eq!(
        b.load_prekey(9).await.unwrap().unwrap(),
        9u32.to_be_bytes().to_vec()
    );
    let mut found = b
        .load_prekeys_batch(&[812, 1, 4_000_000_000])
        .await
        .unwrap();
    found.sort_unstable_by_key(|(id, _)| *id);
    let ids: Vec<u32> = found.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 812]);
    assert!(b.load_prekeys_batch(&[]).await.unwrap().is_empty());
    b.remove_prekey(812).await.unwrap();
    assert_eq!(b.load_prekey(812).await.unwrap(), None);
    assert_eq!(b.get_max_prekey_id().await.unwrap(), 811);
}

async fn a_consumed_pre_key_stays_consumed(h: &mut Harness) {
    let b = &h.backend;
    b.store_prekey(1, b"one", false).await.unwrap();
    b.remove_prekey(1).await.unwrap();
    b.mark_prekeys_uploaded(&[1]).await.unwrap();
    assert_eq!(b.load_prekey(1).await.unwrap(), None);
}

async fn signed_pre_keys_and_sender_keys_are_kept(h: &mut Harness) {
    let b = &h.backend;
    b.store_signed_prekey(1, b"one").await.unwrap();
    b.store_signed_prekey(2, b"two").await.unwrap();
    let mut all = b.load_all_signed_prekeys().await.unwrap();
    all.sort_unstable();
    assert_eq!(all, [(1, b"one".to_vec()), (2, b"two".to_vec())]);
    b.remove_signed_prekey(1).await.unwrap();
    assert_eq!(b.load_signed_prekey(1).await.unwrap(), None);
    assert_eq!(b.load_signed_prekey(2).await.unwrap().unwrap(), b"two");
    b.put_sender_key("g:1", b"a").await.unwrap();
    assert_eq!(b.get_sender_key("g:1").await.unwrap().unwrap(), b"a");
    b.delete_sender_key("g:1").await.unwrap();
    assert_eq!(b.get_sender_key("g:1").await.unwrap(), None);
}

async fn a_device_comes_back_as_it_was_saved(h: &mut Harness) {
    assert!(!h.backend.exists().await.unwrap());
    assert!(h.backend.load().await.unwrap().is_none());
    h.backend.create().await.unwrap();
    assert!(h.backend.exists().await.unwrap());
    let mut device = h.backend.load().await.unwrap().unwrap();
    device.push_name = "Ünïcode Shop".into();
    device.pn = Some("5511@s.whatsapp.net".parse().unwrap());
    device.nct_salt = Some(vec![1, 2, 3]);
    device.login_counter = 4;
    h.backend.save(&device).await.unwrap();
    h.restart().await;
    // A device that exists is not made anew.
    h.backend.create().await.unwrap();
    let back = h.backend.load().await.unwrap().unwrap();
    assert_eq!(back.push_name, device.push_name);
    assert_eq!(back.pn, device.pn);
    assert_eq!(back.nct_salt, device.nct_salt);
    assert_eq!(back.login_counter, 4);
    assert_eq!(back.registration_id, device.registration_id);
    assert_eq!(back.adv_secret_key, device.adv_secret_key);
    assert_eq!(
        back.signed_pre_key_signature,
        device.signed_pre_key_signature
    );
    assert_eq!(
        back.identity_key.public_key.public_key_bytes(),
        device.identity_key.public_key.public_key_bytes()
    );
    assert_eq!(
        back.noise_key.private_key.serialize(),
        device.noise_key.private_key.serialize()
    );
    assert_eq!(back.device_props.os, device.device_props.os);
}

async fn odd_bytes_in_addresses_are_no_error(h: &mut Harness) {
    let b = &h.backend;
    for address in ["", "a\0b@lid", "\"'\\%_@lid", "🦊:1@lid", "\u{10ffff}"] {
        b.put_session(address, b"s").await.unwrap();
        assert!(b.has_session(address).await.unwrap(), "{address:?}");
        let batch = [
            (Arc::from(address), Bytes::from_static(b"t")),
            (Arc::from("x"), Bytes::new()),
        ];
        b.put_sessions_batch(&batch).await.unwrap();
        assert_eq!(
            b.get_session(address).await.unwrap().unwrap(),
            "t",
            "{address:?}"
        );
    }
    assert!(b.has_signal_state_for_user("🦊").await.unwrap());
}

async fn another_instance_sees_nothing(h: &mut Harness) {
    let Some(neighbour) = h.neighbour() else {
        return;
    };
    h.backend.put_session("1@lid", b"s").await.unwrap();
    h.backend.store_prekey(5, b"k", false).await.unwrap();
    h.backend.create().await.unwrap();
    assert!(!neighbour.has_session("1@lid").await.unwrap());
    assert!(!neighbour.has_signal_state_for_user("1").await.unwrap());
    assert_eq!(neighbour.get_max_prekey_id().await.unwrap(), 0);
    assert!(!neighbour.exists().await.unwrap());
    neighbour.delete_session("1@lid").await.unwrap();
    neighbour.remove_prekey(5).await.unwrap();
    assert!(h.backend.has_session("1@lid").await.unwrap());
    assert_eq!(h.backend.get_max_prekey_id().await.unwrap(), 5);
}
