//! Tokens, and requests with an `Idempotency-Key`.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{AccountId, InstanceKey, TokenId};
use labelwire_domain::token::{Scope, Scopes, TokenHash};
use labelwire_store::testing::{TestDb, instance};
use labelwire_store::tokens::NewToken;
use labelwire_store::{Db, Error, idempotency, instances, tokens};

use crate::on_both;

const NOW: Timestamp = Timestamp(5_000_000);

/// An instance's token with secret `one`; the instance and its account.
async fn token(db: &Db) -> (TokenId, AccountId, InstanceKey) {
    let key = instance(db, "shop").await.expect("an instance");
    let mut reader = db.reader().await.expect("a reader");
    let row = instances::find(reader.conn(), key).await.expect("read");
    let account = AccountId::from_stored(row.expect("there").account_id);
    let id = TokenId::new(NOW, [7; 10]);
    let mut tx = db.begin().await.expect("begun");
    let new = NewToken {
        id: &id,
        account: &account,
        instance: Some(key),
        name: "ci",
        scopes: Scopes::from_iter([Scope::Read, Scope::Label]),
        created_at: NOW,
        expires_at: Some(Timestamp(9_000_000)),
    };
    tokens::insert(&mut tx, &new, TokenHash::of("one"))
        .await
        .expect("new");
    tx.commit().await.expect("committed");
    (id, account, key)
}

async fn opens(db: &Db, text: &str) -> Option<Option<i64>> {
    let mut reader = db.reader().await.expect("a reader");
    let grant = tokens::find(reader.conn(), TokenHash::of(text))
        .await
        .expect("read");
    grant.map(|grant| grant.valid_until)
}

on_both!(a_token_is_kept_rotated_and_revoked, async |db: Db| {
    let (id, account, key) = token(&db).await;
    let mut reader = db.reader().await.expect("a reader");
    let grant = tokens::find(reader.conn(), TokenHash::of("one"))
        .await
        .expect("read");
    let grant = grant.expect("there");
    assert_eq!(
        (grant.token_id.as_str(), grant.instance),
        (id.as_str(), Some(key.0))
    );
    assert_eq!(
        (grant.scopes.as_str(), grant.expires_at),
        ("read label", Some(9_000_000))
    );
    let [kept] = &tokens::all(reader.conn(), &account).await.expect("read")[..] else {
        panic!("one token")
    };
    assert_eq!(kept.instance_name.as_deref(), Some("shop"));
    assert_eq!((kept.last_used_at, kept.revoked_at), (None, None));
    drop(reader);

    let mut tx = db.begin().await.expect("begun");
    let taken = tokens::insert_secret(&mut tx, &id, TokenHash::of("one")).await;
    assert!(matches!(taken, Err(Error::Taken("token"))), "{taken:?}");
    drop(tx);

    let mut tx = db.begin().await.expect("begun");
    tokens::set_valid_until(&mut tx, &id, Timestamp(6_000_000), NOW)
        .await
        .expect("set");
    tokens::insert_secret(&mut tx, &id, TokenHash::of("two"))
        .await
        .expect("new");
    for at in [7, 6] {
        tokens::set_used(&mut tx, &id, Timestamp(at))
            .await
            .expect("set");
    }
    tx.commit().await.expect("committed");
    assert_eq!(opens(&db, "one").await, Some(Some(6_000_000)));
    assert_eq!(opens(&db, "two").await, Some(None));

    // A longer grace gives no more to what had less; what has ended goes.
    let mut tx = db.begin().await.expect("begun");
    let (until, now) = (Timestamp(8_000_000), Timestamp(5_500_000));
    tokens::set_valid_until(&mut tx, &id, until, now)
        .await
        .expect("set");
    tx.commit().await.expect("committed");
    assert_eq!(opens(&db, "one").await, Some(Some(6_000_000)));
    assert_eq!(opens(&db, "two").await, Some(Some(8_000_000)));
    let mut tx = db.begin().await.expect("begun");
    let now = Timestamp(6_000_000);
    tokens::set_valid_until(&mut tx, &id, now, now)
        .await
        .expect("set");
    tokens::insert_secret(&mut tx, &id, TokenHash::of("three"))
        .await
        .expect("new");
    tx.commit().await.expect("committed");
    assert_eq!(
        (opens(&db, "one").await, opens(&db, "two").await),
        (None, None)
    );

    let mut tx = db.begin().await.expect("begun");
    tokens::set_revoked(&mut tx, &id, NOW).await.expect("set");
    tx.commit().await.expect("committed");
    assert_eq!(opens(&db, "three").await, None);
    let mut reader = db.reader().await.expect("a reader");
    let kept = tokens::find_by_id(reader.conn(), &account, id.as_str())
        .await
        .expect("read");
    let kept = kept.expect("there");
    assert_eq!((kept.last_used_at, kept.revoked_at), (Some(7), Some(NOW.0)));
    let other = AccountId::from_stored("acc_other".to_owned());
    let hidden = tokens::find_by_id(reader.conn(), &other, id.as_str())
        .await
        .expect("read");
    assert!(hidden.is_none());
});

on_both!(an_instances_tokens_and_keys_go_with_it, async |db: Db| {
    let (id, account, key) = token(&db).await;
    let mut tx = db.begin().await.expect("begun");
    let run = idempotency::take_run(&mut tx).await.expect("a number");
    idempotency::insert(&mut tx, &id, "k", &[1; 32], run, NOW)
        .await
        .expect("new");
    instances::delete(&mut tx, key).await.expect("deleted");
    tx.commit().await.expect("committed");
    assert_eq!(opens(&db, "one").await, None);
    let mut reader = db.reader().await.expect("a reader");
    assert!(
        tokens::all(reader.conn(), &account)
            .await
            .expect("read")
            .is_empty()
    );
    assert!(
        idempotency::find(reader.conn(), &id, "k")
            .await
            .expect("read")
            .is_none()
    );
});

on_both!(
    a_key_is_taken_once_and_answered_by_its_own_run,
    async |db: Db| {
        let (id, ..) = token(&db).await;
        let mut tx = db.begin().await.expect("begun");
        let run = idempotency::take_run(&mut tx).await.expect("a number");
        let later = idempotency::take_run(&mut tx).await.expect("a number");
        assert!(later > run);
        let fingerprint = [1; 32];
        assert!(
            idempotency::insert(&mut tx, &id, "k", &fingerprint, run, NOW)
                .await
                .expect("new")
        );
        let again = idempotency::insert(&mut tx, &id, "k", &[2; 32], later, NOW).await;
        assert!(!again.expect("asked"));
        idempotency::set_answer(&mut tx, &id, "k", later, 200, "[]", b"no")
            .await
            .expect("asked");
        idempotency::set_answer(&mut tx, &id, "k", run, 201, "[]", b"\0yes")
            .await
            .expect("set");
        idempotency::set_answer(&mut tx, &id, "k", run, 500, "[]", b"late")
            .await
            .expect("asked");
        tx.commit().await.expect("committed");
        let mut reader = db.reader().await.expect("a reader");
        let row = idempotency::find(reader.conn(), &id, "k")
            .await
            .expect("read")
            .expect("there");
        assert_eq!(
            (row.fingerprint.as_slice(), row.run),
            (&fingerprint[..], run)
        );
        assert_eq!((row.status, row.created_at), (Some(201), NOW.0));
        assert_eq!(row.body.as_deref(), Some(&b"\0yes"[..]));
        drop(reader);
        let mut tx = db.begin().await.expect("begun");
        assert_eq!(
            idempotency::delete_older(&mut tx, NOW)
                .await
                .expect("asked"),
            0
        );
        let after = Timestamp(NOW.0 + 1);
        assert_eq!(
            idempotency::delete_older(&mut tx, after)
                .await
                .expect("done"),
            1
        );
        tx.commit().await.expect("committed");
    }
);
