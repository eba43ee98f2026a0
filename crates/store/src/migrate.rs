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
        11,
        "stopped",
        include_str!("../migrations/0011_stopped.sql"),
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
