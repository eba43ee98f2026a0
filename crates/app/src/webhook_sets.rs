//! Use cases on all webhooks of one dialect at a time: dialects that keep them as one
//! list of a session, and lists of instances that show them.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use labelwire_domain::ids::{InstanceKey, WebhookId};
use labelwire_domain::token::Scope;
use labelwire_domain::webhook::{Config, Dialect};
use labelwire_store::webhooks::{self, NewWebhook};

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::webhooks::{MAX_WEBHOOKS, Webhook, check};

/// Longest URL that is a name as it is.
const LONGEST: usize = 90;

/// A webhook of a list that is set whole.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Whether events are sent to it.
    pub enabled: bool,
    /// How it is configured.
    pub config: Config,
}

impl App {
    /// The webhooks of one dialect on every instance a caller may see, by name. They
    /// hold secrets: who shows them leaves those out for a caller without `admin`.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `read`; the database's.
    pub async fn all_webhooks(
        &self,
        caller: &Caller,
        dialect: Dialect,
    ) -> Result<HashMap<InstanceKey, Vec<Webhook>>, Error> {
        caller.require(Scope::Read)?;
        let mut reader = self.db().reader().await?;
        let rows = webhooks::by_account(reader.conn(), &caller.account, dialect).await?;
        let mut all: HashMap<InstanceKey, Vec<Webhook>> = HashMap::new();
        for row in rows {
            let key = InstanceKey(row.instance);
            if caller.instance.is_none_or(|own| own == key) {
                all.entry(key).or_default().push(Webhook::of(row)?);
            }
        }
        Ok(all)
    }

    /// Makes these the webhooks of a dialect on an instance. One that goes where another
    /// went before is that one configured anew: what waits for it stays.
    ///
    /// # Errors
    /// [`Error::WebhookInvalid`], [`Error::TooManyWebhooks`]; as [`App::webhooks`].
    pub async fn replace_webhooks(
        &self,
        caller: &Caller,
        name: &str,
        dialect: Dialect,
        wanted: Vec<Listed>,
    ) -> Result<Vec<Webhook>, Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        let names = names(&wanted);
        for (name, listed) in names.iter().zip(&wanted) {
            check(name, listed.enabled, &listed.config)?;
        }
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let (own, others): (Vec<_>, Vec<_>) = webhooks::all(tx.conn(), handle.key)
            .await?
            .into_iter()
            .partition(|row| row.dialect() == Some(dialect));
        if others.len() + wanted.len() > MAX_WEBHOOKS {
            return Err(Error::TooManyWebhooks(MAX_WEBHOOKS));
        }
        for row in own.iter().filter(|row| !names.contains(&row.name)) {
            webhooks::delete(&mut tx, &row.webhook_id).await?;
        }
        for (name, listed) in names.iter().zip(&wanted) {
            let Listed { enabled, config } = listed;
            if let Some(known) = own.iter().find(|row| row.name == *name) {
                webhooks::set(&mut tx, &known.webhook_id, name, *enabled, config, now).await?;
                continue;
            }
            let mut random = [0; 10];
            self.entropy().fill(&mut random);
            let new = NewWebhook {
                id: &WebhookId::new(now, random),
                dialect,
                name,
                enabled: *enabled,
                config,
            };
            webhooks::insert(&mut tx, handle.key, &new, now).await?;
        }
        tx.commit().await?;
        self.bell().notify_one();
        self.webhooks(caller, &handle.name, Some(dialect)).await
    }
}

/// The name a webhook goes by that has none of its own: where it goes to.
#[must_use]
pub fn name_of(url: &str) -> String {
    if url.is_empty() {
        return "none".to_owned();
    }
    if url.chars().count() <= LONGEST {
        return url.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    url.hash(&mut hasher);
    let start: String = url.chars().take(LONGEST - 20).collect();
    format!("{start}… {:016x}", hasher.finish())
}

/// A name for each, with a number where several go to one place.
fn names(wanted: &[Listed]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut named = Vec::new();
    for listed in wanted {
        let place = name_of(&listed.config.url);
        let mut name = place.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{place} ({number})");
            number += 1;
        }
        named.push(name);
    }
    named
}
