//! Databases of their own for tests: SQLite in a folder that goes with the test,
//! PostgreSQL as a fresh database on the server of `LABELWIRE_TEST_POSTGRES_URL`.

use std::str::FromStr as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{AccountId, InstanceId, InstanceKey};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use crate::db::Db;
use crate::error::Error;
use crate::{accounts, instances};

/// Names the PostgreSQL server the tests may make databases on.
pub const POSTGRES_URL: &str = "LABELWIRE_TEST_POSTGRES_URL";

/// A database nobody else uses.
#[derive(Debug)]
pub struct TestDb {
    url: String,
    home: Home,
}

#[derive(Debug)]
enum Home {
    /// Removed on drop.
    Folder { _folder: TempDir },
    Server {
        options: Box<PgConnectOptions>,
        name: String,
    },
}

impl TestDb {
    /// SQLite in a folder of its own.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn sqlite() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(sqlx::Error::Io)?;
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        Ok(Self {
            url,
            home: Home::Folder { _folder: folder },
        })
    }

    /// A fresh database on the test server.
    ///
    /// # Errors
    /// [`Error::Url`] where [`POSTGRES_URL`] is not set or no URL; the server's own.
    pub async fn postgres() -> Result<Self, Error> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let server = std::env::var(POSTGRES_URL).map_err(|_| Error::Url)?;
        let options = Box::new(PgConnectOptions::from_str(&server).map_err(|_| Error::Url)?);
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!(
            "labelwire_test_{}_{}_{}",
            std::process::id(),
            since.as_nanos(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        // The path is the database's name; everything else stays as given.
        let (base, query) = server
            .split_once('?')
            .map_or((server.as_str(), ""), |(b, q)| (b, q));
        let authority = base.find("://").map_or(0, |at| at + 3);
        let end = base[authority..]
            .find('/')
            .map_or(base.len(), |at| authority + at);
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{query}")
        };
        let url = format!("{}/{name}{query}", &base[..end]);
        run(&options, format!("CREATE DATABASE {name}")).await?;
        Ok(Self {
            url,
            home: Home::Server { options, name },
        })
    }

    /// What [`Db::open`] takes.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens it; again, to see what a restart would.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open(&self) -> Result<Db, Error> {
        Db::open(&self.url).await
    }

    /// Removes it. Where a test fails before, PostgreSQL keeps the database.
    ///
    /// # Errors
    /// The server's own.
    pub async fn remove(self) -> Result<(), Error> {
        match self.home {
            Home::Folder { .. } => Ok(()),
            Home::Server { options, name } => {
                run(&options, format!("DROP DATABASE {name} WITH (FORCE)")).await
            }
        }
    }
}

async fn run(options: &PgConnectOptions, statement: String) -> Result<(), Error> {
    let mut conn = options.connect().await?;
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut conn)
        .await?;
    conn.close().await?;
    Ok(())
}

/// An instance of an account of its own, for tables that refer to one.
///
/// # Errors
/// [`Error::Taken`] for a name used before; the engine's own.
pub async fn instance(db: &Db, name: &str) -> Result<InstanceKey, Error> {
    let now = Timestamp(1_000_000);
    let mut random = [0; 10];
    for (to, from) in random.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let account = AccountId::new(now, random);
    let id = InstanceId::new(now, random);
    let mut tx = db.begin().await?;
    accounts::insert(&mut tx, &account, name, now).await?;
    let key = instances::insert(&mut tx, &id, &account, name, now).await?;
    tx.commit().await?;
    Ok(key)
}
