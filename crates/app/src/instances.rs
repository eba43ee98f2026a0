//! Use cases on instances: make, list, connect, log out, delete.

use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{AccountId, InstanceId, TokenId};
use labelwire_domain::instance::{State, is_valid_name};
use labelwire_domain::token::{Scope, Scopes, TokenHash};
use labelwire_store::{instances, tokens};

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::instance::{Handle, Status};
use crate::settings::Settings;
use crate::tokens::{token_text, two_draws};

/// How long a caller waits for a QR or pairing code.
const CODE_PATIENCE: Duration = Duration::from_secs(60);

/// What connecting led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connecting {
    /// It is connected already.
    Connected,
    /// The text of a QR code to scan on the phone.
    Qr(String),
    /// A code to type on the phone, `ABCD-EFGH`.
    PairCode(String),
}

/// An instance with its standing.
pub struct Standing {
    /// The instance.
    pub handle: Arc<Handle>,
    /// How it stood when asked.
    pub status: Status,
}

impl App {
    /// Makes an instance and its token; `wished` is a token of the caller's choice.
    ///
    /// # Errors
    /// [`Error::NameInvalid`], [`Error::NameTaken`], [`Error::TokenInvalid`],
    /// [`Error::TokenTaken`], [`Error::AccountTokenRequired`].
    pub async fn create_instance(
        &self,
        caller: &Caller,
        name: &str,
        wished: Option<&str>,
    ) -> Result<(Standing, String), Error> {
        self.create_instance_with(caller, name, wished, Settings::default())
            .await
    }

    /// The same with settings, which are there from the beginning.
    ///
    /// # Errors
    /// As [`App::create_instance`].
    pub async fn create_instance_with(
        &self,
        caller: &Caller,
        name: &str,
        wished: Option<&str>,
        settings: Settings,
    ) -> Result<(Standing, String), Error> {
        caller.require_account()?;
        caller.require(Scope::Admin)?;
        if !is_valid_name(name) {
            return Err(Error::NameInvalid);
        }
        let token = match wished.filter(|t| !t.is_empty()) {
            Some(t) if (16..=200).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic()) => {
                t.to_owned()
            }
            Some(_) => return Err(Error::TokenInvalid),
            None => token_text(self.entropy()),
        };
        let ids = self.new_ids();
        self.make_instance(caller, ids, name.to_owned(), token, settings)
            .await
    }

    /// Makes an instance named by its own id: `prefix` and the id's short form.
    ///
    /// # Errors
    /// [`Error::AccountTokenRequired`].
    pub async fn create_instance_by_id(
        &self,
        caller: &Caller,
        prefix: &str,
    ) -> Result<(Standing, String), Error> {
        caller.require_account()?;
        caller.require(Scope::Admin)?;
        let ids = self.new_ids();
        let name = format!("{prefix}{}", ids.0.short());
        let token = token_text(self.entropy());
        self.make_instance(caller, ids, name, token, Settings::default())
            .await
    }

    fn new_ids(&self) -> (InstanceId, TokenId) {
        let now = self.clock().now();
        let random = two_draws(self.entropy());
        (
            InstanceId::new(now, random[0]),
            TokenId::new(now, random[1]),
        )
    }

    async fn make_instance(
        &self,
        caller: &Caller,
        ids: (InstanceId, TokenId),
        name: String,
        token: String,
        settings: Settings,
    ) -> Result<(Standing, String), Error> {
        let now = self.clock().now();
        let (app, account) = (self.clone(), caller.account.clone());
        let hash = TokenHash::of(&token);
        let made = self.to_the_end(async move {
            app.insert_instance(&ids, &account, &name, hash, now, settings)
                .await
        });
        Ok((made.await?, token))
    }

    async fn insert_instance(
        &self,
        (id, token_id): &(InstanceId, TokenId),
        account: &AccountId,
        name: &str,
        hash: TokenHash,
        now: Timestamp,
        settings: Settings,
    ) -> Result<Standing, Error> {
        let mut tx = self.db().begin().await?;
        let key = instances::insert(&mut tx, id, account, name, now)
            .await
            .map_err(|e| match e {
                labelwire_store::Error::Taken(_) => Error::NameTaken(name.to_owned()),
                other => Error::Store(other),
            })?;
        let token = tokens::NewToken {
            id: token_id,
            account,
            instance: Some(key),
            name: "instance",
            scopes: Scopes::ALL,
            created_at: now,
            expires_at: None,
        };
        tokens::insert(&mut tx, &token, hash)
            .await
            .map_err(|e| match e {
                labelwire_store::Error::Taken(_) => Error::TokenTaken,
                other => Error::Store(other),
            })?;
        settings.write(&mut tx, key).await?;
        let row = instances::find(tx.conn(), key).await?;
        tx.commit().await?;
        let row = row.ok_or(labelwire_store::Error::Corrupt("instances"))?;
        let handle = self.adopt(&row)?;
        let status = handle.status();
        Ok(Standing { handle, status })
    }

    /// The instances a caller may see, by name.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `read`.
    pub fn list_instances(&self, caller: &Caller) -> Result<Vec<Standing>, Error> {
        caller.require(Scope::Read)?;
        let handles = match caller.instance {
            Some(own) => self.by_key(own).into_iter().collect(),
            None => self.of_account(&caller.account),
        };
        Ok(handles
            .into_iter()
            .map(|handle| Standing {
                status: handle.status(),
                handle,
            })
            .collect())
    }

    /// Connects an instance: answers with a code where it must be paired first.
    /// `number` (digits) asks for a pairing code instead of a QR code.
    ///
    /// # Errors
    /// [`Error::PairingTimeout`], [`Error::InvalidNumber`], [`Error::Phone`].
    pub async fn connect_instance(
        &self,
        caller: &Caller,
        name: &str,
        number: Option<&str>,
    ) -> Result<Connecting, Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        let number = number.map(digits).transpose()?;
        tokio::time::timeout(CODE_PATIENCE, connect(&handle, number))
            .await
            .map_err(|_| Error::PairingTimeout)?
    }

    /// Unlinks an instance from its account; the record and its tokens stay.
    ///
    /// # Errors
    /// The database's.
    pub async fn logout_instance(&self, caller: &Caller, name: &str) -> Result<(), Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        self.to_the_end(async move { handle.logout().await }).await
    }

    /// Unlinks an instance and removes it with its mirror and tokens.
    ///
    /// # Errors
    /// [`Error::AccountTokenRequired`]; the database's.
    pub async fn delete_instance(&self, caller: &Caller, name: &str) -> Result<(), Error> {
        caller.require_account()?;
        let handle = self.instance(caller, Scope::Admin, name)?;
        let app = self.clone();
        self.to_the_end(async move {
            handle.logout().await?;
            // From here on nobody finds it; whoever holds it sees it end.
            app.disown(handle.key);
            handle.end().await;
            let mut tx = app.db().begin().await?;
            instances::delete(&mut tx, handle.key).await?;
            tx.commit().await?;
            // Once more: its token may have been looked up in between.
            app.disown(handle.key);
            Ok(())
        })
        .await
    }
}

async fn connect(handle: &Handle, number: Option<String>) -> Result<Connecting, Error> {
    let mut status = handle.watch();
    if status.borrow().state == State::Connected {
        return Ok(Connecting::Connected);
    }
    handle.connect().await?;
    // A QR code or a login shows that the client has reached WhatsApp.
    let (state, qr, reason) = {
        let seen = status
            .wait_for(|s| s.qr.is_some() || s.state != State::Connecting)
            .await
            .map_err(|_| Error::Stopping)?;
        (seen.state, seen.qr.clone(), seen.reason.clone())
    };
    match (state, number, qr) {
        (State::Connected, _, _) => Ok(Connecting::Connected),
        (_, Some(number), Some(_)) => handle
            .request_pair_code(&number)
            .await
            .map(Connecting::PairCode),
        (_, None, Some(code)) => Ok(Connecting::Qr(code)),
        _ if reason.is_empty() => Err(Error::PairingTimeout),
        _ => Err(Error::ConnectingEnded(reason)),
    }
}

fn digits(number: &str) -> Result<String, Error> {
    let digits: String = number
        .trim()
        .trim_start_matches('+')
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.'))
        .collect();
    if (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(digits)
    } else {
        Err(Error::InvalidNumber(number.chars().take(40).collect()))
    }
}
