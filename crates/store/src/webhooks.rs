//! Destinations of events. Rows go with their instance.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{AccountId, InstanceKey, WebhookId};
use labelwire_domain::webhook::{Config, Dialect};

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    /// A stored webhook.
    pub struct Webhook {
        /// `whk_…`.
        pub webhook_id: String,
        /// Whose.
        pub instance: i64,
        /// A [`Dialect`]'s word.
        pub dialect: String,
        /// Unique within instance and dialect.
        pub name: String,
        /// Whether events are sent to it.
        pub enabled: bool,
        /// Why it is off, where the gateway switched it off.
        pub reason: Option<String>,
        /// A [`Config`] as JSON.
        pub config: String,
        /// Microseconds.
        pub created_at: i64,
        /// Microseconds.
        pub updated_at: i64,
    }
}

impl Webhook {
    /// How it is configured.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn config(&self) -> Result<Config, Error> {
        serde_json::from_str(&self.config).map_err(|_| Error::Corrupt("webhook"))
    }

    /// In whose words it is told.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        Dialect::parse(&self.dialect)
    }
}

/// A webhook to store.
#[derive(Debug, Clone)]
pub struct NewWebhook<'a> {
    /// Its id.
    pub id: &'a WebhookId,
    /// In whose words.
    pub dialect: Dialect,
    /// Its name.
    pub name: &'a str,
    /// Whether events are sent to it.
    pub enabled: bool,
    /// How it is configured.
    pub config: &'a Config,
}

fn json(config: &Config) -> Result<String, Error> {
    serde_json::to_string(config).map_err(|e| Error::Sql(sqlx::Error::Encode(e.into())))
}

/// Stores a webhook.
///
/// # Errors
/// [`Error::Taken`] where the name is; the engine's own.
pub async fn insert(
    tx: &mut Tx,
    instance: InstanceKey,
    webhook: &NewWebhook<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let config = json(webhook.config)?;
    on!(tx.conn(), c => sqlx::query(sql!("webhooks/insert"))
        .bind(webhook.id.as_str()).bind(instance.0).bind(webhook.dialect.as_str()).bind(webhook.name)
        .bind(webhook.enabled).bind(config).bind(now.0)
        .execute(c).await.map(drop))
    .map_err(|e| Error::taken(e, "webhook name"))
}

/// Configures a webhook anew; what was the reason for its being off is forgotten.
///
/// # Errors
/// The engine's own.
pub async fn set(
    tx: &mut Tx,
    id: &str,
    name: &str,
    enabled: bool,
    config: &Config,
    now: Timestamp,
) -> Result<(), Error> {
    let config = json(config)?;
    on!(tx.conn(), c => sqlx::query(sql!("webhooks/set"))
        .bind(id).bind(name).bind(enabled).bind(config).bind(now.0).execute(c).await.map(drop))?;
    Ok(())
}

/// Switches a webhook off and says why.
///
/// # Errors
/// The engine's own.
pub async fn disable(tx: &mut Tx, id: &str, reason: &str, now: Timestamp) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("webhooks/disable"))
        .bind(id).bind(reason).bind(now.0).execute(c).await.map(drop))?;
    Ok(())
}

/// Removes a webhook with its deliveries.
///
/// # Errors
/// The engine's own.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("webhooks/delete")).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// The webhooks of an instance, by dialect and name.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Webhook>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("webhooks/all"))
        .bind(instance.0).fetch_all(c).await)?)
}

/// The webhooks of one dialect on all instances of an account, by instance and name.
///
/// # Errors
/// The engine's own.
pub async fn by_account(
    conn: Conn<'_>,
    account: &AccountId,
    dialect: Dialect,
) -> Result<Vec<Webhook>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("webhooks/by_account"))
        .bind(account.as_str()).bind(dialect.as_str()).fetch_all(c).await)?)
}

/// One webhook.
///
/// # Errors
/// The engine's own.
pub async fn find(conn: Conn<'_>, id: &str) -> Result<Option<Webhook>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("webhooks/find"))
        .bind(id).fetch_optional(c).await)?)
}

/// Every enabled webhook of every instance.
///
/// # Errors
/// The engine's own.
pub async fn enabled(conn: Conn<'_>) -> Result<Vec<Webhook>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("webhooks/enabled")).fetch_all(c).await)?)
}

row! {
    /// What waits for an enabled webhook.
    pub struct Waiting {
        /// Which.
        pub webhook_id: String,
        /// When it was changed last; microseconds.
        pub updated_at: i64,
        /// The oldest pending delivery.
        pub oldest: Option<i64>,
        /// The newest pending delivery.
        pub newest: Option<i64>,
    }
}

/// What waits for each enabled webhook of every instance.
///
/// # Errors
/// The engine's own.
pub async fn standing(conn: Conn<'_>) -> Result<Vec<Waiting>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("webhooks/standing")).fetch_all(c).await)?)
}
