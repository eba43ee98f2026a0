//! Use cases on webhooks: where an instance's events are sent. What one looks like
//! in a dialect is the dialect's affair; here all are alike.

use std::net::Ipv6Addr;
use std::sync::Arc;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Event, Kind, Origin};
use labelwire_domain::ids::WebhookId;
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::{Config, Dialect, Secret};
use labelwire_store::deliveries::{self, NewDelivery};
pub use labelwire_store::deliveries::{Attempt, Delivery, Standing};
use labelwire_store::webhooks::{self, NewWebhook};

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::instance::Handle;

/// Webhooks one instance may have, over all dialects.
pub const MAX_WEBHOOKS: usize = 50;
/// Headers one webhook may send along.
const MAX_HEADERS: usize = 30;

/// A webhook as it is configured.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `whk_…`.
    pub id: String,
    /// In whose words it is told.
    pub dialect: Dialect,
    /// Unique within instance and dialect.
    pub name: String,
    /// Whether events are sent to it.
    pub enabled: bool,
    /// Why it is off, where the gateway switched it off.
    pub reason: Option<String>,
    /// How it is configured.
    pub config: Config,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Webhook {
    pub(crate) fn of(row: webhooks::Webhook) -> Result<Self, Error> {
        let config = row.config()?;
        let dialect = row
            .dialect()
            .ok_or(labelwire_store::Error::Corrupt("webhook"))?;
        Ok(Self {
            id: row.webhook_id,
            dialect,
            name: row.name,
            enabled: row.enabled,
            reason: row.reason,
            config,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        })
    }
}

impl App {
    /// A key for a webhook's secret.
    #[must_use]
    pub fn webhook_key(&self) -> [u8; 24] {
        let mut key = [0; 24];
        self.entropy().fill(&mut key);
        key
    }

    /// The webhooks of an instance, by name; `dialect` picks those of one.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `admin`: they hold secrets; the database's.
    pub async fn webhooks(
        &self,
        caller: &Caller,
        name: &str,
        dialect: Option<Dialect>,
    ) -> Result<Vec<Webhook>, Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        self.webhooks_of(&handle, dialect).await
    }

    async fn webhooks_of(
        &self,
        handle: &Handle,
        dialect: Option<Dialect>,
    ) -> Result<Vec<Webhook>, Error> {
        let mut reader = self.db().reader().await?;
        let rows = webhooks::all(reader.conn(), handle.key).await?;
        let all: Vec<Webhook> = rows
            .into_iter()
            .map(Webhook::of)
            .collect::<Result<_, _>>()?;
        Ok(all
            .into_iter()
            .filter(|w| dialect.is_none_or(|d| d == w.dialect))
            .collect())
    }

    /// One webhook by its id.
    ///
    /// # Errors
    /// [`Error::WebhookNotFound`]; as [`App::webhooks`].
    pub async fn webhook(&self, caller: &Caller, name: &str, id: &str) -> Result<Webhook, Error> {
        self.own_webhook(caller, name, id).await.map(|(_, w)| w)
    }

    async fn own_webhook(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
    ) -> Result<(Arc<Handle>, Webhook), Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        let all = self.webhooks_of(&handle, None).await?;
        let found = all.into_iter().find(|w| w.id == id);
        let webhook = found.ok_or_else(|| Error::WebhookNotFound(id.chars().take(60).collect()))?;
        Ok((handle, webhook))
    }

    /// Makes the webhook of this dialect and name, or configures it anew.
    ///
    /// # Errors
    /// [`Error::WebhookInvalid`], [`Error::TooManyWebhooks`]; as [`App::webhooks`].
    pub async fn put_webhook(
        &self,
        caller: &Caller,
        name: &str,
        dialect: Dialect,
        webhook: &str,
        enabled: bool,
        config: &Config,
    ) -> Result<Webhook, Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        check(webhook, enabled, config)?;
        let all = self.webhooks_of(&handle, None).await?;
        let now = self.clock().now();
        let known = all
            .iter()
            .find(|w| w.dialect == dialect && w.name == webhook);
        let mut tx = self.db().begin().await?;
        let id = match known {
            Some(known) => {
                webhooks::set(&mut tx, &known.id, webhook, enabled, config, now).await?;
                known.id.clone()
            }
            None if all.len() >= MAX_WEBHOOKS => {
                return Err(Error::TooManyWebhooks(MAX_WEBHOOKS));
            }
            None => {
                let mut random = [0; 10];
                self.entropy().fill(&mut random);
                let id = WebhookId::new(now, random);
                let new = NewWebhook {
                    id: &id,
                    dialect,
                    name: webhook,
                    enabled,
                    config,
                };
                webhooks::insert(&mut tx, handle.key, &new, now)
                    .await
                    .map_err(|error| match error {
                        labelwire_store::Error::Taken(_) => {
                            Error::WebhookNameTaken(webhook.to_owned())
                        }
                        other => other.into(),
                    })?;
                id.to_string()
            }
        };
        tx.commit().await?;
        self.bell().notify_one();
        self.webhook(caller, name, &id).await
    }

    /// Configures a webhook anew, under its id.
    ///
    /// # Errors
    /// As [`App::put_webhook`]; [`Error::WebhookNotFound`].
    pub async fn set_webhook(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
        enabled: bool,
        config: &Config,
    ) -> Result<Webhook, Error> {
        let (_, known) = self.own_webhook(caller, name, id).await?;
        check(&known.name, enabled, config)?;
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        webhooks::set(&mut tx, id, &known.name, enabled, config, now).await?;
        tx.commit().await?;
        self.bell().notify_one();
        self.webhook(caller, name, id).await
    }

    /// Removes a webhook with what was still to be sent to it.
    ///
    /// # Errors
    /// As [`App::webhook`].
    pub async fn delete_webhook(&self, caller: &Caller, name: &str, id: &str) -> Result<(), Error> {
        self.own_webhook(caller, name, id).await?;
        let mut tx = self.db().begin().await?;
        webhooks::delete(&mut tx, id).await?;
        tx.commit().await?;
        self.bell().notify_one();
        Ok(())
    }

    /// Gives a webhook another secret; the one before signs along until `until`.
    ///
    /// # Errors
    /// As [`App::webhook`].
    pub async fn rotate_webhook_secret(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
        secret: String,
        until: Timestamp,
    ) -> Result<Webhook, Error> {
        let (_, known) = self.own_webhook(caller, name, id).await?;
        let now = self.clock().now();
        let mut config = known.config;
        config
            .secrets
            .retain(|s| s.until.is_none_or(|end| end > now));
        for secret in &mut config.secrets {
            secret.until = Some(secret.until.map_or(until, |end| end.min(until)));
        }
        config.secrets.insert(
            0,
            Secret {
                text: secret,
                until: None,
            },
        );
        config
            .secrets
            .retain(|s| s.until.is_none_or(|end| end > now));
        self.set_webhook(caller, name, id, known.enabled, &config)
            .await
    }

    /// Sends a test event to one webhook; its delivery's id is told.
    ///
    /// # Errors
    /// As [`App::webhook`]; [`Error::WebhookDisabled`].
    pub async fn test_webhook(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
    ) -> Result<String, Error> {
        let (handle, known) = self.own_webhook(caller, name, id).await?;
        if !known.enabled {
            return Err(Error::WebhookDisabled(id.to_owned()));
        }
        let now = self.clock().now();
        let mut random = [0; 10];
        self.entropy().fill(&mut random);
        let event = Event {
            id: labelwire_domain::event::passing_id(now, random),
            seq: None,
            kind: Kind::WebhookTest,
            instance: handle.name.clone(),
            at: now,
            seen_at: now,
            origin: Origin::Api,
            actor: Some(caller.actor()),
            cause: None,
            request_id: caller.request_id.as_deref().map(str::to_owned),
            chat: None,
            label: None,
            message_id: None,
            before: None,
            after: None,
            details: serde_json::json!({}),
            initial: false,
        };
        let delivery = NewDelivery {
            webhook_id: id.to_owned(),
            seq: None,
            event_id: event.id.clone(),
            kind: event.kind.as_str(),
            lane: "test".to_owned(),
            event: serde_json::to_string(&event).ok(),
        };
        let mut tx = self.db().begin().await?;
        deliveries::insert(&mut tx, handle.key, &[delivery], now).await?;
        tx.commit().await?;
        self.bell().notify_one();
        Ok(event.id)
    }

    /// Deliveries of a webhook before this number, latest first; `state` (`pending`,
    /// `done`, `dead`) picks some.
    ///
    /// # Errors
    /// As [`App::webhook`].
    pub async fn deliveries(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
        state: Option<&str>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Delivery>, Error> {
        self.own_webhook(caller, name, id).await?;
        let mut reader = self.db().reader().await?;
        let before = before.unwrap_or(i64::MAX);
        Ok(deliveries::page(reader.conn(), id, state, before, limit).await?)
    }

    /// One delivery and every try of it.
    ///
    /// # Errors
    /// As [`App::webhook`]; [`Error::DeliveryNotFound`].
    pub async fn delivery(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
        delivery: i64,
    ) -> Result<(Delivery, Vec<Attempt>), Error> {
        self.own_webhook(caller, name, id).await?;
        let mut reader = self.db().reader().await?;
        let found = deliveries::find(reader.conn(), id, delivery)
            .await?
            .ok_or(Error::DeliveryNotFound(delivery))?;
        let attempts = deliveries::attempts(reader.conn(), delivery).await?;
        Ok((found, attempts))
    }

    /// How the deliveries of a webhook stand.
    ///
    /// # Errors
    /// As [`App::webhook`].
    pub async fn webhook_standing(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
    ) -> Result<Vec<Standing>, Error> {
        self.own_webhook(caller, name, id).await?;
        let mut reader = self.db().reader().await?;
        Ok(deliveries::count(reader.conn(), id).await?)
    }

    /// Sends ended deliveries again, from one number to another, both included;
    /// `state` picks `dead` or `done` ones. Tells how many.
    ///
    /// # Errors
    /// As [`App::webhook`].
    pub async fn replay_deliveries(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
        state: Option<&str>,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<u64, Error> {
        self.own_webhook(caller, name, id).await?;
        let mut tx = self.db().begin().await?;
        let (from, to) = range.into_inner();
        let now = self.clock().now();
        let replayed = deliveries::replay(&mut tx, id, state, from, to, now).await?;
        tx.commit().await?;
        self.bell().notify_one();
        Ok(replayed)
    }
}

/// What no webhook may be; whether its host may be reached is found out when it is.
///
/// # Errors
/// [`Error::WebhookInvalid`].
pub fn check(name: &str, enabled: bool, config: &Config) -> Result<(), Error> {
    let invalid = |why: &str| Err(Error::WebhookInvalid(why.to_owned()));
    let characters = name.chars().count();
    if !(1..=100).contains(&characters) || name.chars().any(char::is_control) {
        return invalid("a name is 1 to 100 characters, none of them a control character");
    }
    // What is off may have nothing to go to.
    if !enabled && config.url.is_empty() {
        return Ok(());
    }
    let rest = config
        .url
        .strip_prefix("https://")
        .or_else(|| config.url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if host.is_none_or(|host| host.is_empty() || host.contains('@') || !has_right_brackets(host))
        || config.url.len() > 2_000
        || config
            .url
            .chars()
            .any(|c| c.is_whitespace() || c.is_control())
    {
        return invalid(
            "`url` must be `https://host/path` or `http://host/path`, of at most 2,000 characters",
        );
    }
    if config.headers.len() > MAX_HEADERS {
        return invalid("at most 30 headers may be sent along");
    }
    for (name, value) in &config.headers {
        let token = !name.is_empty()
            && name.len() <= 100
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        let visible = value.len() <= 2_000 && value.bytes().all(|b| (32..127).contains(&b));
        if !token || !visible {
            return invalid("a header is a name and a value of visible ASCII characters");
        }
    }
    Ok(())
}

/// Brackets stand around an IPv6 address, and nowhere else in a host.
fn has_right_brackets(host: &str) -> bool {
    match host.strip_prefix('[').map(|rest| rest.split_once(']')) {
        None => !host.contains(['[', ']']),
        Some(None) => false,
        Some(Some((address, port))) => {
            address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.starts_with(':'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::has_right_brackets;

    #[test]
    fn brackets_stand_around_an_address() {
        for right in [
            "example.org",
            "example.org:80",
            "[2001:db8::1]",
            "[::1]:8080",
        ] {
            assert!(has_right_brackets(right), "{right}");
        }
        for wrong in ["[05]", "[::1", "::1]", "a[::1]", "[::1]a", "[]"] {
            assert!(!has_right_brackets(wrong), "{wrong}");
        }
    }
}
