//! Tables, brought up to date at start.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::db::{Conn, Db};
use crate::error::Error;
use crate::macros::on;

/// `(version, name, SQLite's text, PostgreSQL's text)`; numbered, never edited
/// once released.
const STEPS: &[(i64, &str, &str, &str)] = &[
    both(
        1,
        "instances",
        include_str!("../migrations/0001_instances.sql"),
    ),
    both(2, "mirror", include_str!("../migrations/0002_mirror.sql")),
    both(3, "log", include_str!("../migrations/0003_log.sql")),
    (
        4,
        "log_append_only",
        include_str!("../migrations/0004_log_append_only.sqlite.sql"),
        include_str!("../migrations/0004_log_append_only.postgres.sql"),
    ),
    both(
        5,
        "protocol",
        include_str!("../migrations/0005_protocol.sql"),
    ),
    both(
        6,
        "message_labels",
        include_str!("../migrations/0006_message_labels.sql"),
    ),
    both(
        7,
        "contacts",
        include_str!("../migrations/0007_contacts.sql"),
    ),
    both(8, "access", include_str!("../migrations/0008_access.sql")),
    both(
        9,
        "commands",
        include_str!("../migrations/0009_commands.sql"),
    ),
    both(
        10,
        "settings",
        include_str!("../migrations/0010_settings.sql"),
    ),
    both(
        11,
        "stopped",
        include_str!("../migrations/0011_stopped.sql"),
    ),
    both(12, "events", include_str!("../migrations/0012_events.sql")),
    (
        13,
        "log_unlock",
        include_str!("../migrations/0013_log_unlock.sqlite.sql"),
        include_str!("../migrations/0013_log_unlock.postgres.sql"),
    ),
    both(
        14,
        "timeline",
        include_str!("../migrations/0014_timeline.sql"),
    ),
];

const fn both(
    version: i64,
    name: &'static str,
    text: &'static str,
) -> (i64, &'static str, &'static str, &'static str) {
    (version, name, text, text)
}

/// Brings to life what stands between `opening` and `*/`.
fn uncomment(text: &str, opening: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(opening) {
        let (live, behind) = after.split_once("*/").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(live);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Runs what is missing.
///
/// # Errors
/// A database that has steps this program does not know (it is newer), or the
/// engine's own.
pub(crate) async fn run(db: &Db) -> Result<(), Error> {
    let mut tx_source = db.migration_conn().await?;
    let conn = tx_source.conn();
    let sqlite = matches!(conn, Conn::Sqlite(_));
    let steps = STEPS
        .iter()
        .map(|&(version, name, on_sqlite, on_postgres)| {
            let text = if sqlite {
                uncomment(on_sqlite, "/*sqlite ")
            } else {
                uncomment(on_postgres, "/*postgres ")
            };
            Migration::new(
                version,
                name.into(),
                MigrationType::Simple,
                sqlx::AssertSqlSafe(text).into_sql_str(),
                false,
            )
        })
        .collect();
    let migrator = Migrator::with_migrations(steps);
    on!(conn, c => migrator.run_direct(None, c, false).await)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use labelwire_domain::token::TokenHash;

    use super::*;
    use crate::testing::TestDb;
    use crate::tokens;

    async fn run_text(db: &Db, text: &str) {
        let mut tx = db.begin().await.expect("begun");
        on!(tx.conn(), c => sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).execute(c).await.map(drop))
            .expect("it runs");
        tx.commit().await.expect("committed");
    }

    async fn tokens_of_before_keep_opening_everything(test: TestDb) {
        let db = test.open().await.expect("a database");
        // As step 1 left it.
        let first = include_str!("../migrations/0001_instances.sql");
        let at = first.find("CREATE TABLE tokens").expect("there");
        let old = first[at..]
            .split("CREATE TABLE counters")
            .next()
            .expect("text");
        let one = TokenHash::of("one").0.map(|b| format!("{b:02x}")).concat();
        let literal = match db.begin().await.expect("begun").conn() {
            Conn::Sqlite(_) => format!("X'{one}'"),
            Conn::Postgres(_) => format!("'\\x{one}'"),
        };
        let before = format!(
            "DROP TABLE idempotency; DROP TABLE token_secrets; DROP TABLE tokens; \
             DELETE FROM counters WHERE name = 'runs'; {old} \
             INSERT INTO accounts (account_id, name, created_at) VALUES ('acc_1', 'main', 1); \
             INSERT INTO tokens (hash, account_id, instance, created_at) \
             VALUES ({literal}, 'acc_1', NULL, 2)"
        );
        run_text(&db, &before).await;
        run_text(&db, include_str!("../migrations/0008_access.sql")).await;
        let mut reader = db.reader().await.expect("a reader");
        let grant = tokens::find(reader.conn(), TokenHash::of("one"))
            .await
            .expect("read");
        let grant = grant.expect("it still opens");
        assert_eq!(grant.token_id, "tok_00000000000000000000000001");
        assert_eq!((grant.account_id.as_str(), grant.instance), ("acc_1", None));
        assert_eq!(grant.scopes, "read label send admin");
        assert_eq!((grant.expires_at, grant.valid_until), (None, None));
        drop(reader);
        db.close().await;
        test.remove().await.expect("removed");
    }

    #[tokio::test]
    async fn tokens_of_before_keep_opening_everything_sqlite() {
        tokens_of_before_keep_opening_everything(TestDb::sqlite().expect("a folder")).await;
    }

    #[tokio::test]
    #[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
    async fn tokens_of_before_keep_opening_everything_postgres() {
        let test = TestDb::postgres().await.expect("a server");
        tokens_of_before_keep_opening_everything(test).await;
    }
}
