//! The database: one of two engines, chosen by URL, seen in one enum.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Postgres, Sqlite};

use crate::error::Error;

/// A pool of connections to either engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db(Pools);

#[derive(Debug, Clone)]
enum Pools {
    /// SQLite has one writer; readers see the last commit beside it (WAL).
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
    Postgres(PgPool),
}

/// A connection of either engine, borrowed for one statement.
pub enum Conn<'a> {
    /// SQLite.
    Sqlite(&'a mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'a mut PgConnection),
}

impl Conn<'_> {
    /// The same connection for one statement more.
    pub fn reborrow(&mut self) -> Conn<'_> {
        match self {
            Conn::Sqlite(c) => Conn::Sqlite(c),
            Conn::Postgres(c) => Conn::Postgres(c),
        }
    }
}

/// A write transaction. Dropped without [`Tx::commit`], it never happened.
#[derive(Debug)]
pub struct Tx(TxInner);

#[derive(Debug)]
enum TxInner {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// A connection for reads.
#[derive(Debug)]
pub struct Reader(ReaderInner);

#[derive(Debug)]
enum ReaderInner {
    Sqlite(sqlx::pool::PoolConnection<Sqlite>),
    Postgres(sqlx::pool::PoolConnection<Postgres>),
}

impl Tx {
    /// The connection inside, for a statement.
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            TxInner::Sqlite(tx) => Conn::Sqlite(tx),
            TxInner::Postgres(tx) => Conn::Postgres(tx),
        }
    }

    /// Makes it happen; durable when this returns.
    ///
    /// # Errors
    /// The database's own; nothing was written then.
    pub async fn commit(self) -> Result<(), Error> {
        match self.0 {
            TxInner::Sqlite(tx) => tx.commit().await?,
            TxInner::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

impl Reader {
    /// The connection inside, for a statement.
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            ReaderInner::Sqlite(c) => Conn::Sqlite(c),
            ReaderInner::Postgres(c) => Conn::Postgres(c),
        }
    }
}

impl Db {
    /// Opens `postgres://…`, or `sqlite://<file>` (made where it is missing), and
    /// brings the tables up to date.
    ///
    /// # Errors
    /// [`Error::Url`] for another scheme; a database newer than this program;
    /// the engine's own.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let db = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(|_| Error::Url)?;
            let pool = PgPoolOptions::new()
                .max_connections(12)
                .acquire_timeout(Duration::from_secs(30))
                .connect_with(options)
                .await?;
            Self(Pools::Postgres(pool))
        } else if let Some(path) = url.strip_prefix("sqlite://") {
            Self::open_sqlite(Path::new(path)).await?
        } else {
            return Err(Error::Url);
        };
        crate::migrate::run(&db).await?;
        Ok(db)
    }

    async fn open_sqlite(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write survives power loss.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(60))
            .idle_timeout(None)
            .max_lifetime(None)
            // A first sync writes two trees in another order than they lie in: with
            // SQLite's usual 2 MiB most pages would be read back again.
            .connect_with(
                options
                    .clone()
                    .pragma("cache_size", "-32768")
                    // 64 MiB: a first sync is not made to wait until it is copied
                    // from the log into the tables as well.
                    .pragma("wal_autocheckpoint", "16384"),
            )
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(60))
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self(Pools::Sqlite { write, read }))
    }

    /// Begins a write transaction (`BEGIN IMMEDIATE` on SQLite, so it never has
    /// to be given up half way).
    ///
    /// # Errors
    /// The engine's own.
    pub async fn begin(&self) -> Result<Tx, Error> {
        Ok(Tx(match &self.0 {
            Pools::Sqlite { write, .. } => {
                TxInner::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?)
            }
            Pools::Postgres(pool) => TxInner::Postgres(pool.begin().await?),
        }))
    }

    /// A connection for reads; sees everything committed before.
    ///
    /// # Errors
    /// The engine's own.
    pub async fn reader(&self) -> Result<Reader, Error> {
        Ok(Reader(match &self.0 {
            Pools::Sqlite { read, .. } => ReaderInner::Sqlite(read.acquire().await?),
            Pools::Postgres(pool) => ReaderInner::Postgres(pool.acquire().await?),
        }))
    }

    /// A connection that may change tables.
    pub(crate) async fn migration_conn(&self) -> Result<Reader, Error> {
        Ok(Reader(match &self.0 {
            Pools::Sqlite { write, .. } => ReaderInner::Sqlite(write.acquire().await?),
            Pools::Postgres(pool) => ReaderInner::Postgres(pool.acquire().await?),
        }))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.0 {
            Pools::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}
