//! Tokens: whose one is, and making, listing, rotating and revoking them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use labelwire_domain::clock::{Clock, Entropy, Timestamp};
use labelwire_domain::ids::{AccountId, InstanceKey, TokenId};
use labelwire_domain::token::{self, Scope, Scopes, TokenHash};
use labelwire_store::{Db, tokens};
use tokio::time::Instant;

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;

/// How long a token is taken for what it was. What this program changes counts
/// at once; this is for changes by another one on the same database.
const TRUST: Duration = Duration::from_secs(1);
/// How often it is written down which tokens were used.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// 1 to 100 characters, for people.
    pub name: &'a str,
    /// The instance it is to be good for; `None`: all of the account's.
    pub instance: Option<&'a str>,
    /// What it is to be good for; at least one scope.
    pub scopes: Scopes,
    /// When it is to end; `None`: never by itself.
    pub expires_at: Option<Timestamp>,
}

/// A token, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenView {
    /// Public id.
    pub id: TokenId,
    /// Name for people.
    pub name: String,
    /// The name of the one instance it is good for; `None`: all of the account's.
    pub instance: Option<String>,
    /// What it is good for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it last opened something.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl TryFrom<tokens::Token> for TokenView {
    type Error = Error;

    fn try_from(row: tokens::Token) -> Result<Self, Error> {
        Ok(Self {
            id: TokenId::from_stored(row.token_id),
            name: row.name,
            instance: row.instance_name,
            scopes: scopes(&row.scopes)?,
            created_at: Timestamp(row.created_at),
            expires_at: row.expires_at.map(Timestamp),
            last_used_at: row.last_used_at.map(Timestamp),
            revoked_at: row.revoked_at.map(Timestamp),
        })
    }
}

fn scopes(words: &str) -> Result<Scopes, Error> {
    words
        .parse()
        .map_err(|_| labelwire_store::Error::Corrupt("tokens.scopes").into())
}

/// Callers known from their last request, and which tokens were used of late.
#[derive(Default)]
pub(crate) struct Callers {
    known: Mutex<Known>,
    used: Mutex<HashMap<TokenId, Timestamp>>,
}

#[derive(Default)]
struct Known {
    /// Grows with every change of tokens, so that what was read before one is
    /// not remembered after it.
    changes: u64,
    by_hash: HashMap<TokenHash, Entry>,
}

struct Entry {
    caller: Caller,
    /// The end of the token.
    expires_at: Option<Timestamp>,
    /// The end of this text of it.
    valid_until: Option<Timestamp>,
    read_at: Instant,
}

impl Entry {
    fn caller(&self, now: Timestamp) -> Result<Caller, Error> {
        let is_over = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
        if is_over(self.valid_until) {
            return Err(Error::InvalidToken);
        }
        if is_over(self.expires_at) {
            return Err(Error::TokenExpired);
        }
        Ok(self.caller.clone())
    }
}

impl Callers {
    /// Forgets callers: their tokens have changed.
    pub(crate) fn forget(&self, which: impl Fn(&Caller) -> bool) {
        let mut known = self.known();
        known.changes += 1;
        known.by_hash.retain(|_, entry| !which(&entry.caller));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, HashMap<TokenId, Timestamp>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, caller: &Caller, now: Timestamp) {
        let Some(token) = &caller.token else { return };
        let mut used = self.used();
        match used.get_mut(token) {
            Some(at) => *at = now,
            None => drop(used.insert(token.clone(), now)),
        }
    }
}

impl App {
    /// Whose token this is.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], [`Error::TokenExpired`]; the database's.
    pub async fn authenticate(&self, text: &str) -> Result<Caller, Error> {
        let hash = TokenHash::of(text);
        let callers = self.callers();
        let now = self.clock().now();
        let changes = {
            let known = callers.known();
            match known.by_hash.get(&hash) {
                Some(entry) if entry.read_at.elapsed() < TRUST => {
                    let caller = entry.caller(now)?;
                    callers.note(&caller, now);
                    return Ok(caller);
                }
                _ => known.changes,
            }
        };
        let mut reader = self.db().reader().await?;
        let grant = tokens::find(reader.conn(), hash).await?;
        drop(reader);
        let Some(grant) = grant else {
            callers.known().by_hash.remove(&hash);
            return Err(Error::InvalidToken);
        };
        let entry = Entry {
            caller: Caller {
                account: AccountId::from_stored(grant.account_id),
                instance: grant.instance.map(InstanceKey),
                token: Some(TokenId::from_stored(grant.token_id)),
                token_name: Some(grant.name.into()),
                scopes: scopes(&grant.scopes)?,
                request_id: None,
                idempotency_key: None,
            },
            expires_at: grant.expires_at.map(Timestamp),
            valid_until: grant.valid_until.map(Timestamp),
            read_at: Instant::now(),
        };
        let caller = entry.caller(now);
        let mut known = callers.known();
        if caller.is_err() {
            known.by_hash.remove(&hash);
        } else if known.changes == changes {
            known.by_hash.insert(hash, entry);
        }
        drop(known);
        let caller = caller?;
        callers.note(&caller, now);
        Ok(caller)
    }

    /// Whether a token has been let in before, since this program started. Asks
    /// no database.
    #[must_use]
    pub fn knows_token(&self, text: &str) -> bool {
        let known = self.callers().known();
        known.by_hash.contains_key(&TokenHash::of(text))
    }

    /// Makes a token; its text is not to be had again.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `admin`; [`Error::AccountTokenRequired`]
    /// where an instance token asks for one of the account; what
    /// [`App::instance`] says of the instance; [`Error::TokenNameInvalid`],
    /// [`Error::ScopesEmpty`], [`Error::ExpiryPast`]; the database's.
    pub async fn create_token(
        &self,
        caller: &Caller,
        new: NewToken<'_>,
    ) -> Result<(TokenView, String), Error> {
        let handle = match new.instance {
            Some(name) => Some(self.instance(caller, Scope::Admin, name)?),
            None => {
                caller.require(Scope::Admin)?;
                caller.require_account()?;
                None
            }
        };
        let instance = handle.map(|h| (h.key, h.name.clone()));
        self.keyring().create(&caller.account, instance, &new).await
    }

    /// The tokens a caller may see, revoked ones included, oldest first.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `admin`; the database's.
    pub async fn list_tokens(&self, caller: &Caller) -> Result<Vec<TokenView>, Error> {
        caller.require(Scope::Admin)?;
        let mut found = self
            .keyring()
            .list(&caller.account, caller.instance)
            .await?;
        let used = self.callers().used();
        for view in &mut found {
            view.last_used_at = view.last_used_at.max(used.get(&view.id).copied());
        }
        Ok(found)
    }

    /// Gives a token a new text. The old one keeps working for `grace`, not at
    /// all where that is zero.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `admin`, [`Error::TokenNotFound`]; the
    /// database's.
    pub async fn rotate_token(
        &self,
        caller: &Caller,
        id: &str,
        grace: Duration,
    ) -> Result<(TokenView, String), Error> {
        caller.require(Scope::Admin)?;
        let (app, id) = (self.clone(), id.to_owned());
        let (account, instance) = (caller.account.clone(), caller.instance);
        self.to_the_end(async move {
            let made = app.keyring().rotate(&account, instance, &id, grace).await?;
            app.forget_token(&made.0.id);
            Ok(made)
        })
        .await
    }

    /// Ends a token. Its row stays, because history names tokens by their id.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `admin`, [`Error::TokenNotFound`] (revoked
    /// ones included); the database's.
    pub async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<TokenView, Error> {
        caller.require(Scope::Admin)?;
        let (app, id) = (self.clone(), id.to_owned());
        let (account, instance) = (caller.account.clone(), caller.instance);
        self.to_the_end(async move {
            let view = app.keyring().revoke(&account, instance, &id).await?;
            app.forget_token(&view.id);
            Ok(view)
        })
        .await
    }

    /// The token a caller came with; needs no scope.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`] for the program itself; the database's.
    pub async fn token_of(&self, caller: &Caller) -> Result<TokenView, Error> {
        let id = caller.token.as_ref().map_or("", |id| id.as_str());
        let mut view = self
            .keyring()
            .get(&caller.account, caller.instance, id)
            .await?;
        let used = self.callers().used().get(&view.id).copied();
        view.last_used_at = view.last_used_at.max(used);
        Ok(view)
    }

    /// Writes down when tokens were last used, all in one transaction.
    ///
    /// # Errors
    /// The database's; what was not written is kept for the next time.
    pub async fn note_used_tokens(&self) -> Result<(), Error> {
        let used: Vec<_> = {
            let used = self.callers().used();
            used.iter().map(|(id, at)| (id.clone(), *at)).collect()
        };
        if used.is_empty() {
            return Ok(());
        }
        let mut tx = self.db().begin().await?;
        for (id, at) in &used {
            tokens::set_used(&mut tx, id, *at).await?;
        }
        tx.commit().await?;
        let mut now = self.callers().used();
        for (id, at) in used {
            if now.get(&id) == Some(&at) {
                now.remove(&id);
            }
        }
        Ok(())
    }

    /// Notes used tokens every minute and once more at the end, and prunes
    /// kept answers every hour.
    pub(crate) fn keep_house(&self) {
        let app = self.clone();
        let tasks = self.tasks().clone();
        self.tasks().spawn(async move {
            let mut round = 0_u32;
            while !tasks.is_stopping() {
                tokio::select! {
                    () = tasks.stopping() => {}
                    () = tokio::time::sleep(NOTE_EVERY) => {}
                }
                if let Err(error) = app.note_used_tokens().await {
                    tracing::warn!(%error, "when tokens were last used could not be written down");
                }
                if round.is_multiple_of(60)
                    && !tasks.is_stopping()
                    && let Err(error) = app.prune_keyed().await
                {
                    tracing::warn!(%error, "answers kept too long could not be removed");
                }
                round = round.wrapping_add(1);
            }
        });
    }

    fn forget_token(&self, id: &TokenId) {
        self.callers()
            .forget(|caller| caller.token.as_ref() == Some(id));
    }

    fn keyring(&self) -> Keyring<'_> {
        Keyring {
            db: self.db(),
            clock: self.clock(),
            entropy: self.entropy(),
        }
    }
}

/// Tokens without an application around them (the CLI's way): nothing is asked
/// about permissions here.
pub struct Keyring<'a> {
    /// The database.
    pub db: &'a Db,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The source of randomness.
    pub entropy: &'a dyn Entropy,
}

impl Keyring<'_> {
    /// Makes a token of an account, or of one of its instances (key and name).
    ///
    /// # Errors
    /// [`Error::TokenNameInvalid`], [`Error::ScopesEmpty`],
    /// [`Error::ExpiryPast`]; the database's.
    pub async fn create(
        &self,
        account: &AccountId,
        instance: Option<(InstanceKey, String)>,
        new: &NewToken<'_>,
    ) -> Result<(TokenView, String), Error> {
        if !is_name(new.name) {
            return Err(Error::TokenNameInvalid);
        }
        if new.scopes.is_empty() {
            return Err(Error::ScopesEmpty);
        }
        let now = self.clock.now();
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::ExpiryPast);
        }
        let (key, instance) = instance.unzip();
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let id = TokenId::new(now, random);
        let text = token_text(self.entropy);
        let mut tx = self.db.begin().await?;
        let token = tokens::NewToken {
            id: &id,
            account,
            instance: key,
            name: new.name,
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_at,
        };
        tokens::insert(&mut tx, &token, TokenHash::of(&text)).await?;
        tx.commit().await?;
        let view = TokenView {
            id: token.id.clone(),
            name: new.name.to_owned(),
            instance,
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        Ok((view, text))
    }

    /// The tokens of an account, or of one of its instances, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list(
        &self,
        account: &AccountId,
        instance: Option<InstanceKey>,
    ) -> Result<Vec<TokenView>, Error> {
        let mut reader = self.db.reader().await?;
        tokens::all(reader.conn(), account)
            .await?
            .into_iter()
            .filter(|row| instance.is_none_or(|own| row.instance == Some(own.0)))
            .map(TokenView::try_from)
            .collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`]; the database's.
    pub async fn get(
        &self,
        account: &AccountId,
        instance: Option<InstanceKey>,
        id: &str,
    ) -> Result<TokenView, Error> {
        let mut reader = self.db.reader().await?;
        tokens::find_by_id(reader.conn(), account, id)
            .await?
            .filter(|row| instance.is_none_or(|own| row.instance == Some(own.0)))
            .ok_or_else(|| Error::TokenNotFound(id.chars().take(40).collect()))?
            .try_into()
    }

    /// Gives one of them a new text; the old one works for `grace` longer.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`], also for a revoked one; the database's.
    pub async fn rotate(
        &self,
        account: &AccountId,
        instance: Option<InstanceKey>,
        id: &str,
        grace: Duration,
    ) -> Result<(TokenView, String), Error> {
        let mut tx = self.db.begin().await?;
        let view = living(&mut tx, account, instance, id).await?;
        let now = self.clock.now();
        let text = token_text(self.entropy);
        tokens::set_valid_until(&mut tx, &view.id, now.after(grace), now).await?;
        tokens::insert_secret(&mut tx, &view.id, TokenHash::of(&text)).await?;
        tx.commit().await?;
        Ok((view, text))
    }

    /// Ends one of them.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`], also for one that is revoked already; the
    /// database's.
    pub async fn revoke(
        &self,
        account: &AccountId,
        instance: Option<InstanceKey>,
        id: &str,
    ) -> Result<TokenView, Error> {
        let mut tx = self.db.begin().await?;
        let mut view = living(&mut tx, account, instance, id).await?;
        let now = self.clock.now();
        tokens::set_revoked(&mut tx, &view.id, now).await?;
        tx.commit().await?;
        view.revoked_at = Some(now);
        Ok(view)
    }
}

/// A new token's text.
pub(crate) fn token_text(entropy: &dyn Entropy) -> String {
    let mut random = [0; 16];
    entropy.fill(&mut random);
    token::render(random)
}

/// Randomness for two ids that are made together.
pub(crate) fn two_draws(entropy: &dyn Entropy) -> [[u8; 10]; 2] {
    let mut random = [[0; 10]; 2];
    entropy.fill(random.as_flattened_mut());
    random
}

/// A token that is not revoked, read inside of the transaction that changes it.
async fn living(
    tx: &mut labelwire_store::Tx,
    account: &AccountId,
    instance: Option<InstanceKey>,
    id: &str,
) -> Result<TokenView, Error> {
    tokens::find_by_id(tx.conn(), account, id)
        .await?
        .filter(|row| instance.is_none_or(|own| row.instance == Some(own.0)))
        .filter(|row| row.revoked_at.is_none())
        .ok_or_else(|| Error::TokenNotFound(id.chars().take(40).collect()))?
        .try_into()
}

/// A name for people: 1 to 100 characters, no control character, no blank at an end.
pub(crate) fn is_name(name: &str) -> bool {
    let is_blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
    !(is_blank(name.chars().next())
        || is_blank(name.chars().next_back())
        || name.chars().count() > 100
        || name.chars().any(char::is_control))
}
