use std::sync::Arc;

use super::harness::Harness;
use super::{conformance, on_our_backend};
use whatsapp_rust::wacore::store::traits::{
    DeviceInfo, DeviceListRecord, LidPnMappingEntry, MsgSecretEntry, PendingInboundKey,
    PendingInboundRow, TcTokenEntry,
};

conformance![
    sender_key_devices_are_kept_by_group,
    lid_mappings_are_found_both_ways,
    base_keys_are_compared,
    device_lists_and_groups_are_kept,
    a_token_is_merged_field_by_field,
    stale_tokens_go_only_when_both_halves_are_stale,
    a_sent_message_is_taken_once,
    pending_messages_wait_until_taken_or_expired,
    message_secrets_never_lose_time,
    strings_do_not_run_into_each_other,
];

mod ours {
    use super::*;
    on_our_backend![
        the_newest_mapping_of_a_phone_is_the_one_found,
        only_new_pairs_are_told,
        many_mappings_are_one_quick_write,
        many_message_secrets_are_kept,
    ];

    async fn the_newest_mapping_of_a_phone_is_the_one_found(h: &mut Harness) {
        let b = &h.backend;
        b.put_lid_mapping(&mapping("1", "55", 200)).await.unwrap();
        b.put_lid_mapping(&mapping("2", "55", 300)).await.unwrap();
        // A mapping known to be stale comes with no time.
        b.put_lid_mapping(&mapping("3", "55", 0)).await.unwrap();
        assert_eq!(b.get_pn_mapping("55").await.unwrap().unwrap().lid, "2");
        assert_eq!(b.get_all_lid_mappings().await.unwrap().len(), 3);
    }

    async fn only_new_pairs_are_told(h: &mut Harness) {
        let pair = |l: &str, p: &str| (l.to_owned(), p.to_owned());
        h.backend
            .put_lid_mapping(&mapping("1", "55", 1))
            .await
            .unwrap();
        assert_eq!(h.learned(), [pair("1", "55")]);
        h.backend
            .put_lid_mapping(&mapping("1", "55", 2))
            .await
            .unwrap();
        assert_eq!(h.learned(), []);
        let batch = [
            mapping("1", "55", 3),
            mapping("2", "66", 3),
            mapping("2", "67", 3),
        ];
        h.backend.put_lid_mappings(&batch).await.unwrap();
        assert_eq!(h.learned(), [pair("2", "67")]);
        h.backend
            .put_lid_mapping(&mapping("1", "56", 4))
            .await
            .unwrap();
        assert_eq!(h.learned(), [pair("1", "56")]);
        h.backend.put_lid_mappings(&[]).await.unwrap();
        assert_eq!(h.learned(), []);
    }

    async fn many_mappings_are_one_quick_write(h: &mut Harness) {
        let batch: Vec<_> = (0..12_345)
            .map(|i| mapping(&format!("{}", 100_000 + i), &format!("{}", 900_000 + i), 1))
            .collect();
        h.backend.put_lid_mappings(&batch).await.unwrap();
        assert_eq!(h.learned().len(), batch.len());
        assert_eq!(
            h.backend.get_all_lid_mappings().await.unwrap().len(),
            batch.len()
        );
        let last = h.backend.get_pn_mapping("912344").await.unwrap().unwrap();
        assert_eq!((last.lid.as_str(), last.created_at), ("112344", 1));
    }

    async fn many_message_secrets_are_kept(h: &mut Harness) {
        let entries: Vec<_> = (0..5_000)
            .map(|i| {
                secret(
                    "c@lid",
                    "s@lid",
                    &format!("{i}"),
                    [u8::try_from(i % 256).unwrap(); 32],
                    0,
                    i,
                )
            })
            .collect();
        assert_eq!(
            h.backend.put_msg_secrets(entries.clone()).await.unwrap(),
            5_000
        );
        assert_eq!(h.backend.put_msg_secrets(entries).await.unwrap(), 5_000);
        let found = h
            .backend
            .get_msg_secret_with_ts("c@lid", "s@lid", "4999")
            .await
            .unwrap();
        assert_eq!(found, Some((vec![135; 32], 4_999)));
    }
}

fn mapping(lid: &str, phone: &str, at: i64) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.into(),
        phone_number: phone.into(),
        created_at: at,
        updated_at: at,
        learning_source: "usync".into(),
    }
}

fn secret(
    chat: &str,
    sender: &str,
    id: &str,
    secret: [u8; 32],
    expires_at: i64,
    message_ts: i64,
) -> MsgSecretEntry {
    MsgSecretEntry {
        chat: Arc::from(chat),
        sender: Arc::from(sender),
        msg_id: Arc::from(id),
        secret,
        expires_at,
        message_ts,
    }
}

async fn sender_key_devices_are_kept_by_group(h: &mut Harness) {
    let b = &h.backend;
    b.set_sender_key_status("1@g.us", &[("a:1@lid", true), ("b:2@lid", true)])
        .await
        .unwrap();
    b.set_sender_key_status("1@g.us", &[("b:2@lid", false)])
        .await
        .unwrap();
    b.set_sender_key_status("11@g.us", &[("a:1@lid", true)])
        .await
        .unwrap();
    b.set_sender_key_status("11@g.us", &[]).await.unwrap();
    let of = async |group: &str| {
        let mut devices = h.backend.get_sender_key_devices(group).await.unwrap();
        devices.sort();
        devices
    };
    let device = |jid: &str, has| (jid.to_owned(), has);
    assert_eq!(
        of("1@g.us").await,
        [device("a:1@lid", true), device("b:2@lid", false)]
    );
    b.delete_sender_key_device_rows(&["a:1@lid", "nobody@lid"])
        .await
        .unwrap();
    b.delete_sender_key_device_rows(&[]).await.unwrap();
    assert_eq!(of("1@g.us").await, [device("b:2@lid", false)]);
    assert_eq!(of("11@g.us").await, []);
    b.set_sender_key_status("11@g.us", &[("c@lid", true)])
        .await
        .unwrap();
    b.clear_sender_key_devices("1@g.us").await.unwrap();
    assert_eq!(of("1@g.us").await, []);
    assert_eq!(of("11@g.us").await, [device("c@lid", true)]);
    b.clear_all_sender_key_devices().await.unwrap();
    assert_eq!(of("11@g.us").await, []);
}

async fn lid_mappings_are_found_both_ways(h: &mut Harness) {
    let b = &h.backend;
    assert!(b.get_lid_mapping("1").await.unwrap().is_none());
    b.put_lid_mapping(&mapping("1", "55", 1_700_000_000))
        .await
        .unwrap();
    b.put_lid_mappings(&[mapping("2", "66", 2), mapping("3", "77", 3)])
        .await
        .unwrap();
    h.restart().await;
    let b = &h.backend;
    let found = b.get_lid_mapping("1").await.unwrap().unwrap();
    assert_eq!(
        (
            found.phone_number.as_str(),
            found.created_at,
            found.updated_at
        ),
        ("55", 1_700_000_000, 1_700_000_000)
    );
    assert_eq!(found.learning_source, "usync");
    assert_eq!(b.get_pn_mapping("66").await.unwrap().unwrap().lid, "2");
    // A LID that moved to another number is no longer found under the old one.
    b.put_lid_mapping(&mapping("3", "88", 4)).await.unwrap();
    assert!(b.get_pn_mapping("77").await.unwrap().is_none());
    assert_eq!(b.get_pn_mapping("88").await.unwrap().unwrap().lid, "3");
    assert_eq!(b.get_all_lid_mappings().await.unwrap().len(), 3);
}

async fn base_keys_are_compared(h: &mut Harness) {
    let b = &h.backend;
    assert!(!b.has_same_base_key("1@lid", "M", b"k").await.unwrap());
    b.save_base_key("1@lid", "M", b"k").await.unwrap();
    assert!(b.has_same_base_key("1@lid", "M", b"k").await.unwrap());
    assert!(!b.has_same_base_key("1@lid", "M", b"other").await.unwrap());
    b.delete_base_key("1@lid", "M").await.unwrap();
    assert!(!b.has_same_base_key("1@lid", "M", b"k").await.unwrap());
}

async fn device_lists_and_groups_are_kept(h: &mut Harness) {
    let b = &h.backend;
    let record = |user: &str, id: u32| DeviceListRecord {
        user: user.into(),
        devices: vec![DeviceInfo::new(id, Some(3)).with_hosting(true)],
        timestamp: 5,
        phash: Some("2:x".into()),
        raw_id: Some(9),
    };
    b.update_device_list(record("1", 0)).await.unwrap();
    b.update_device_lists(vec![record("1", 7), record("2", 8)])
        .await
        .unwrap();
    b.update_device_lists(Vec::new()).await.unwrap();
    let found = b.get_devices("1").await.unwrap().unwrap();
    assert_eq!(
        (found.devices[0].device_id, found.devices[0].is_hosted),
        (7, true)
    );
    assert_eq!(
        (found.raw_id, found.phash.as_deref()),
        (Some(9), Some("2:x"))
    );
    b.delete_devices("1").await.unwrap();
    assert!(b.get_devices("1").await.unwrap().is_none());
    assert!(b.get_devices("2").await.unwrap().is_some());

    b.put_group_metadata("1@g.us", b"one").await.unwrap();
    b.put_group_metadata("1@g.us", b"two").await.unwrap();
    assert_eq!(
        b.get_group_metadata("1@g.us").await.unwrap().unwrap(),
        b"two"
    );
    b.delete_group_metadata("1@g.us").await.unwrap();
    assert_eq!(b.get_group_metadata("1@g.us").await.unwrap(), None);
}

async fn a_token_is_merged_field_by_field(h: &mut Harness) {
    let b = &h.backend;
    let of = async |jid: &str| {
        let t = h.backend.get_tc_token(jid).await.unwrap().unwrap();
        (t.token, t.token_timestamp, t.sender_timestamp)
    };
    b.touch_tc_token_sender_timestamp("a@lid", 50)
        .await
        .unwrap();
    assert_eq!(of("a@lid").await, (vec![], 50, Some(50)));
    // A placeholder never blocks the first real token, however old.
    b.store_received_tc_token("a@lid", b"old", 10)
        .await
        .unwrap();
    assert_eq!(of("a@lid").await, (b"old".to_vec(), 10, Some(50)));
    b.store_received_tc_token("a@lid", b"stale", 9)
        .await
        .unwrap();
    assert_eq!(of("a@lid").await, (b"old".to_vec(), 10, Some(50)));
    b.store_received_tc_token("a@lid", b"same", 10)
        .await
        .unwrap();
    assert_eq!(of("a@lid").await, (b"same".to_vec(), 10, Some(50)));
    b.touch_tc_token_sender_timestamp("a@lid", 40)
        .await
        .unwrap();
    assert_eq!(of("a@lid").await.2, Some(50));
    b.touch_tc_token_sender_timestamp("a@lid", 60)
        .await
        .unwrap();
    assert_eq!(of("a@lid").await, (b"same".to_vec(), 10, Some(60)));
    b.store_received_tc_token("b@lid", b"new", 1).await.unwrap();
    assert_eq!(of("b@lid").await, (b"new".to_vec(), 1, None));
    let mut jids = b.get_all_tc_token_jids().await.unwrap();
    jids.sort();
    assert_eq!(jids, ["a@lid", "b@lid"]);
    b.delete_tc_token("b@lid").await.unwrap();
    assert!(b.get_tc_token("b@lid").await.unwrap().is_none());
}

async fn stale_tokens_go_only_when_both_halves_are_stale(h: &mut Harness) {
    let b = &h.backend;
    let put = async |jid: &str, token: &[u8], at, sender| {
        let entry = TcTokenEntry {
            token: token.to_vec(),
            token_timestamp: at,
            sender_timestamp: sender,
        };
        h.backend.put_tc_token(jid, &entry).await.unwrap();
    };
    put("token@lid", b"t", 100, None).await;
    put("sender@lid", b"t", 1, Some(100)).await;
    put("neither@lid", b"t", 1, Some(1)).await;
    put("placeholder@lid", b"", 100, None).await;
    assert_eq!(b.delete_expired_tc_tokens(100, 100).await.unwrap(), 2);
    let mut left = b.get_all_tc_token_jids().await.unwrap();
    left.sort();
    assert_eq!(left, ["sender@lid", "token@lid"]);
    assert_eq!(b.delete_expired_tc_tokens(0, 0).await.unwrap(), 0);
}

async fn a_sent_message_is_taken_once(h: &mut Harness) {
    let b = &h.backend;
    b.store_sent_message("1@lid", "M", b"payload")
        .await
        .unwrap();
    assert_eq!(b.take_sent_message("2@lid", "M").await.unwrap(), None);
    assert_eq!(
        b.take_sent_message("1@lid", "M").await.unwrap().unwrap(),
        b"payload"
    );
    assert_eq!(b.take_sent_message("1@lid", "M").await.unwrap(), None);
    b.store_sent_message("1@lid", "N", b"").await.unwrap();
    assert_eq!(b.delete_expired_sent_messages(1).await.unwrap(), 0);
    assert_eq!(b.delete_expired_sent_messages(i64::MAX).await.unwrap(), 1);
    assert_eq!(b.take_sent_message("1@lid", "N").await.unwrap(), None);
}

async fn pending_messages_wait_until_taken_or_expired(h: &mut Harness) {
    h.set_clock(1_000);
    let b = &h.backend;
    let row = |id, message| PendingInboundRow {
        chat: "c@lid",
        sender: "s@lid",
        id,
        message,
    };
    let key = |id| PendingInboundKey {
        chat: "c@lid",
        sender: "s@lid",
        id,
    };
    b.store_pending_inbound("c@lid", "s@lid", "1", b"one")
        .await
        .unwrap();
    b.store_pending_inbound_batch(&[row("2", b"two"), row("3", b"three")])
        .await
        .unwrap();
    b.store_pending_inbound_batch(&[]).await.unwrap();
    h.restart().await;
    let b = &h.backend;
    let get = async |id| {
        h.backend
            .get_pending_inbound("c@lid", "s@lid", id)
            .await
            .unwrap()
    };
    assert_eq!(get("1").await.as_deref(), Some(&b"one"[..]));
    assert_eq!(get("3").await.as_deref(), Some(&b"three"[..]));
    b.delete_pending_inbound("c@lid", "s@lid", "1")
        .await
        .unwrap();
    b.delete_pending_inbound_batch(&[key("2"), key("9")])
        .await
        .unwrap();
    b.delete_pending_inbound_batch(&[]).await.unwrap();
    assert_eq!((get("1").await, get("2").await), (None, None));
    assert_eq!(b.delete_expired_pending_inbound(1_000).await.unwrap(), 0);
    assert_eq!(b.delete_expired_pending_inbound(i64::MAX).await.unwrap(), 1);
    assert_eq!(get("3").await, None);
}

async fn message_secrets_never_lose_time(h: &mut Harness) {
    let b = &h.backend;
    let put = async |id: &str, value: u8, expires, ts| {
        let entry = secret("c@lid", "s@lid", id, [value; 32], expires, ts);
        assert_eq!(h.backend.put_msg_secrets(vec![entry]).await.unwrap(), 1);
    };
    let get = async |id| {
        h.backend
            .get_msg_secret_with_ts("c@lid", "s@lid", id)
            .await
            .unwrap()
    };
    put("1", 1, 100, 5).await;
    // A later write brings its secret, but neither shortens nor unlearns.
    put("1", 2, 50, 0).await;
    assert_eq!(get("1").await, Some((vec![2; 32], 5)));
    put("2", 1, 0, 0).await;
    put("2", 1, 10, 7).await;
    b.put_msg_secret("c@lid", "s@lid", "3", &[3; 32])
        .await
        .unwrap();
    let twice = [("4", 20, 1), ("4", 90, 2)];
    let twice: Vec<_> = twice
        .map(|(id, exp, ts)| secret("c@lid", "s@lid", id, [4; 32], exp, ts))
        .into();
    assert_eq!(b.put_msg_secrets(twice).await.unwrap(), 2);
    assert_eq!(b.delete_expired_msg_secrets(89).await.unwrap(), 0);
    assert_eq!(b.delete_expired_msg_secrets(90).await.unwrap(), 1);
    assert_eq!(get("4").await, None);
    assert_eq!(b.delete_expired_msg_secrets(100).await.unwrap(), 1);
    assert_eq!(get("1").await, None);
    assert_eq!(get("2").await, Some((vec![1; 32], 7)));
    assert_eq!(
        b.get_msg_secret("c@lid", "s@lid", "3").await.unwrap(),
        Some(vec![3; 32])
    );
    assert_eq!(b.delete_expired_msg_secrets(i64::MAX).await.unwrap(), 0);
    assert_eq!(b.put_msg_secrets(Vec::new()).await.unwrap(), 0);
}

async fn strings_do_not_run_into_each_other(h: &mut Harness) {
    let b = &h.backend;
    b.store_sent_message("1:a", "b", b"first").await.unwrap();
    b.store_sent_message("1", ":ab", b"second").await.unwrap();
    b.store_sent_message("", "1:ab", b"third").await.unwrap();
    b.store_sent_message("a\0", "b", b"fourth").await.unwrap();
    assert_eq!(
        b.take_sent_message("1:a", "b").await.unwrap().unwrap(),
        b"first"
    );
    assert_eq!(
        b.take_sent_message("1", ":ab").await.unwrap().unwrap(),
        b"second"
    );
    assert_eq!(
        b.take_sent_message("", "1:ab").await.unwrap().unwrap(),
        b"third"
    );
    assert_eq!(
        b.take_sent_message("a\0", "b").await.unwrap().unwrap(),
        b"fourth"
    );
}
