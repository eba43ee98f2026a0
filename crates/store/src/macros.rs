//! One text, two drivers.

/// A statement from `sql/<name>.sql`, or the engine's own text where the two
/// must differ: `sql!(conn, "log/append")`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $name, ".sql"))
    };
}

/// Runs one expression on whichever driver is behind `$conn`.
///
/// Both arms are type-checked; the choice of engine shows nowhere else.
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::db::Conn::Sqlite($c) => $body,
            $crate::db::Conn::Postgres($c) => $body,
        }
    };
    // Where the engines need different texts: `sql` is bound to the right one.
    ($conn:expr, $c:ident, $sql:ident = $name:literal => $body:expr) => {
        match $conn {
            $crate::db::Conn::Sqlite($c) => {
                let $sql = include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/sql/",
                    $name,
                    ".sqlite.sql"
                ));
                $body
            }
            $crate::db::Conn::Postgres($c) => {
                let $sql = include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/sql/",
                    $name,
                    ".postgres.sql"
                ));
                $body
            }
        }
    };
}

/// A struct that decodes from a row of either engine, column by field name.
macro_rules! row {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$fdoc:meta])* $fvis:vis $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        $vis struct $name { $($(#[$fdoc])* $fvis $field: $ty),* }

        impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for $name {
            fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?),* })
            }
        }
        impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for $name {
            fn from_row(row: &'r sqlx::postgres::PgRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?),* })
            }
        }
    };
}

pub(crate) use {on, row, sql};
