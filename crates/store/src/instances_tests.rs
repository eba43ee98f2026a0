#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use super::*;
use crate::Db;
use crate::testing::{self, TestDb};

/// Since when each is stopped, read in all ways there are.
async fn stopped(db: &Db, key: InstanceKey) -> Option<i64> {
    let mut reader = db.reader().await.unwrap();
    let one = find(reader.conn(), key).await.unwrap().unwrap();
    let account = AccountId::from_stored(one.account_id.clone());
    let by_name = find_by_name(reader.conn(), &account, &one.name)
        .await
        .unwrap()
        .unwrap();
    let of_account = by_account(reader.conn(), &account).await.unwrap();
    let everyone = all(reader.conn()).await.unwrap();
    for list in [&of_account, &everyone] {
        let same = list.iter().find(|i| i.key() == key).unwrap();
        assert_eq!(same.stopped_at, one.stopped_at);
    }
    assert_eq!(by_name.stopped_at, one.stopped_at);
    one.stopped_at
}

async fn one_is_stopped_and_the_other_is_not(db: &Db) {
    let one = testing::instance(db, "one").await.unwrap();
    let other = testing::instance(db, "two").await.unwrap();
    let mut tx = db.begin().await.unwrap();
    set_stopped(&mut tx, one, Some(Timestamp(7))).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        (stopped(db, one).await, stopped(db, other).await),
        (Some(7), None)
    );
    let mut tx = db.begin().await.unwrap();
    set_stopped(&mut tx, one, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stopped(db, one).await, None);
}

#[tokio::test]
async fn stopping_is_kept_on_sqlite() {
    let home = TestDb::sqlite().unwrap();
    one_is_stopped_and_the_other_is_not(&home.open().await.unwrap()).await;
}

#[tokio::test]
#[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
async fn stopping_is_kept_on_postgres() {
    let home = TestDb::postgres().await.unwrap();
    let db = home.open().await.unwrap();
    one_is_stopped_and_the_other_is_not(&db).await;
    db.close().await;
    home.remove().await.unwrap();
}
