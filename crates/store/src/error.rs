//! What can go wrong with the database.

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names no engine we speak.
    #[error("the database URL must begin with `sqlite://` or `postgres://`")]
    Url,
    /// A named constraint refused a row.
    #[error("a row with the same {0} exists")]
    Taken(&'static str),
    /// The tables could not be brought up to date.
    #[error("the database could not be migrated: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row holds what this program never writes.
    #[error("the database holds an unreadable `{0}`")]
    Corrupt(&'static str),
    /// The engine's own.
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
}

impl Error {
    /// Turns a violated uniqueness into [`Error::Taken`] with a word for people.
    /// Engines name the constraint (PostgreSQL) or its columns (SQLite).
    pub(crate) fn taken(error: sqlx::Error, what: &'static str) -> Self {
        match error.as_database_error() {
            Some(e) if e.is_unique_violation() => Self::Taken(what),
            _ => Self::Sql(error),
        }
    }
}
