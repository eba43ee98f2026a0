//! What callers set on an instance: fields of groups, as JSON. Rows go with
//! their instance.

use labelwire_domain::ids::{AccountId, InstanceKey};

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    /// One field.
    pub struct Setting {
        /// Whose.
        pub instance: i64,
        /// `<group>.<field>`.
        pub name: String,
        /// JSON.
        pub value: String,
    }
}

/// Writes a field; what was there is replaced.
///
/// # Errors
/// The engine's own.
pub async fn set(tx: &mut Tx, instance: InstanceKey, name: &str, value: &str) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("instance_settings/set"))
        .bind(instance.0).bind(name).bind(value).execute(c).await.map(drop))?;
    Ok(())
}

/// All fields of an instance, by name.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Setting>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("instance_settings/all"))
        .bind(instance.0).fetch_all(c).await)?)
}

/// All fields of all instances of an account.
///
/// # Errors
/// The engine's own.
pub async fn by_account(conn: Conn<'_>, account: &AccountId) -> Result<Vec<Setting>, Error> {
    Ok(
        on!(conn, c => sqlx::query_as(sql!("instance_settings/by_account"))
        .bind(account.as_str()).fetch_all(c).await)?,
    )
}

#[cfg(all(test, feature = "testing"))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::testing::{self, TestDb};
    use crate::{Db, instances};

    async fn fields_are_set_replaced_and_gone_with_the_instance(db: &Db) {
        let one = testing::instance(db, "one").await.unwrap();
        let two = testing::instance(db, "two").await.unwrap();
        let mut tx = db.begin().await.unwrap();
        for (instance, name, value) in [
            (one, "settings.b", "true"),
            (one, "settings.a", "\"x\""),
            (one, "settings.b", "false"),
            (two, "proxy.host", "\"h\""),
        ] {
            set(&mut tx, instance, name, value).await.unwrap();
        }
        tx.commit().await.unwrap();
        let seen = |rows: Vec<Setting>| -> Vec<(i64, String, String)> {
            rows.into_iter()
                .map(|r| (r.instance, r.name, r.value))
                .collect()
        };
        let mut reader = db.reader().await.unwrap();
        let of_one = [("settings.a", "\"x\""), ("settings.b", "false")]
            .map(|(name, value)| (one.0, name.to_owned(), value.to_owned()));
        assert_eq!(seen(all(reader.conn(), one).await.unwrap()), of_one);
        let row = instances::find(reader.conn(), one).await.unwrap().unwrap();
        let account = AccountId::from_stored(row.account_id);
        assert_eq!(
            seen(by_account(reader.conn(), &account).await.unwrap()),
            of_one
        );
        drop(reader);
        let mut tx = db.begin().await.unwrap();
        instances::delete(&mut tx, one).await.unwrap();
        tx.commit().await.unwrap();
        let mut reader = db.reader().await.unwrap();
        assert!(all(reader.conn(), one).await.unwrap().is_empty());
        assert_eq!(all(reader.conn(), two).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn sqlite() {
        let test = TestDb::sqlite().unwrap();
        let db = test.open().await.unwrap();
        fields_are_set_replaced_and_gone_with_the_instance(&db).await;
    }

    #[tokio::test]
    #[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
    async fn postgres() {
        let test = TestDb::postgres().await.unwrap();
        let db = test.open().await.unwrap();
        fields_are_set_replaced_and_gone_with_the_instance(&db).await;
        db.close().await;
        test.remove().await.unwrap();
    }
}
