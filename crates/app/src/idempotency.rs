//! Writes that are asked for twice and done once.

use std::time::Duration;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::TokenId;
use labelwire_store::idempotency;

use crate::app::App;
use crate::error::Error;

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_hours(24);

/// A request with a key, being answered.
#[derive(Debug)]
pub struct Keyed {
    token: TokenId,
    key: String,
    since: Timestamp,
}

/// An answer as it was given the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Names and values of the headers that belong to the answer itself.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: answer it, then say [`App::finish_keyed`] or [`App::forget_keyed`].
    New(Keyed),
    /// It was answered so.
    Answered(Answered),
    /// It is being answered.
    InProgress,
    /// It came with another request.
    Reused,
}

impl App {
    /// Begins a request with a key, unique to a token; `fingerprint` tells
    /// requests apart.
    ///
    /// What another run of the program left unanswered died with it and counts
    /// as not there: a crash must not lock a key for a day.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin_keyed(
        &self,
        token: &TokenId,
        key: &str,
        fingerprint: &[u8; 32],
    ) -> Result<Begun, Error> {
        let now = self.clock().now();
        let oldest = Timestamp(now.0.saturating_sub(micros(KEPT)));
        let mut tx = self.db().begin().await?;
        loop {
            if let Some(row) = idempotency::find(tx.conn(), token, key).await? {
                let is_dead = row.status.is_none() && row.run != self.run();
                if row.created_at >= oldest.0 && !is_dead {
                    return if row.fingerprint == fingerprint {
                        row.try_into()
                    } else {
                        Ok(Begun::Reused)
                    };
                }
                let since = Timestamp(row.created_at);
                idempotency::delete(&mut tx, token, key, row.run, since).await?;
            }
            // Where two come at once, PostgreSQL makes the second wait here and
            // then finds the first's row.
            if idempotency::insert(&mut tx, token, key, fingerprint, self.run(), now).await? {
                tx.commit().await?;
                return Ok(Begun::New(Keyed {
                    token: token.clone(),
                    key: key.to_owned(),
                    since: now,
                }));
            }
        }
    }

    /// Keeps the answer of a request with a key.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish_keyed(&self, keyed: Keyed, answer: &Answered) -> Result<(), Error> {
        let headers = serde_json::to_string(&answer.headers).unwrap_or_default();
        let Keyed { token, key, .. } = &keyed;
        let (status, body) = (answer.status, &answer.body);
        let mut tx = self.db().begin().await?;
        idempotency::set_answer(&mut tx, token, key, self.run(), status, &headers, body).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets a request with a key, so that it may be tried again: it failed.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_keyed(&self, keyed: Keyed) -> Result<(), Error> {
        let Keyed { token, key, since } = &keyed;
        let mut tx = self.db().begin().await?;
        idempotency::delete(&mut tx, token, key, self.run(), *since).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets what is too old to be asked for again.
    ///
    /// # Errors
    /// The database's.
    pub async fn prune_keyed(&self) -> Result<(), Error> {
        let oldest = Timestamp(self.clock().now().0.saturating_sub(micros(KEPT)));
        let mut tx = self.db().begin().await?;
        idempotency::delete_older(&mut tx, oldest).await?;
        Ok(tx.commit().await?)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl TryFrom<idempotency::Request> for Begun {
    type Error = Error;

    fn try_from(row: idempotency::Request) -> Result<Self, Error> {
        let corrupt = || labelwire_store::Error::Corrupt("idempotency");
        let Some(status) = row.status else {
            return Ok(Self::InProgress);
        };
        let headers = row.headers.ok_or_else(corrupt)?;
        Ok(Self::Answered(Answered {
            status: u16::try_from(status).map_err(|_| corrupt())?,
            headers: serde_json::from_str(&headers).map_err(|_| corrupt())?,
            body: row.body.ok_or_else(corrupt)?,
        }))
    }
}
