//! The application: what all use cases share.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use labelwire_domain::clock::{Clock, Entropy, Timestamp};
use labelwire_domain::ids::{AccountId, InstanceKey, TokenId};
use labelwire_domain::intent::LabelRules;
use labelwire_domain::token::{Scopes, TokenHash};
use labelwire_store::{Db, accounts, idempotency, instances, tokens};

use tokio::sync::{Notify, oneshot};

use crate::access::Caller;
use crate::error::Error;
use crate::instance::{Handle, Parts};
use crate::lists::Lists;
use crate::phone::Connector;
use crate::tasks::Tasks;
use crate::tokens::{Callers, is_name, token_text, two_draws};

/// The usual bound of kept answers.
pub const LIST_BUDGET: usize = 64 * 1024 * 1024;

/// What the application is made of; all of it comes from outside.
pub struct Outside {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Starts WhatsApp clients.
    pub connector: Arc<dyn Connector>,
    /// Runs background tasks.
    pub tasks: Tasks,
    /// Bytes of kept answers, over all instances; see [`LIST_BUDGET`].
    pub list_budget: usize,
    /// What labels may look like.
    pub rules: LabelRules,
    /// Rung where deliveries were queued: whoever makes them looks then.
    pub bell: Arc<Notify>,
}

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: Arc<Parts>,
    entropy: Arc<dyn Entropy>,
    lists: Lists,
    instances: RwLock<HashMap<InstanceKey, Arc<Handle>>>,
    callers: Callers,
    views: crate::timeline::Views,
    /// Names this run of the program.
    run: i64,
}

impl App {
    /// Loads what is stored; nothing is connected yet.
    ///
    /// # Errors
    /// The database's.
    pub async fn new(outside: Outside) -> Result<Self, Error> {
        let Outside {
            db,
            clock,
            entropy,
            connector,
            tasks,
            list_budget,
            rules,
            bell,
        } = outside;
        let mut tx = db.begin().await?;
        let run = idempotency::take_run(&mut tx).await?;
        tx.commit().await?;
        let lists = Lists::new(db.clone(), tasks.clone(), list_budget);
        let app = Self(Arc::new(Inner {
            parts: Arc::new(Parts {
                db: db.clone(),
                clock,
                connector,
                tasks,
                rules,
                bell,
            }),
            entropy,
            lists,
            instances: RwLock::default(),
            callers: Callers::default(),
            views: crate::timeline::Views::default(),
            run,
        }));
        let mut reader = app.db().reader().await?;
        for row in instances::all(reader.conn()).await? {
            app.adopt(&row)?;
        }
        app.keep_house();
        app.keep_history();
        Ok(app)
    }

    /// Connects every instance that was paired and neither logged out nor stopped.
    ///
    /// # Errors
    /// The database's.
    pub async fn resume_all(&self) -> Result<(), Error> {
        let rows = {
            let mut reader = self.db().reader().await?;
            instances::all(reader.conn()).await?
        };
        for row in rows {
            let connector = &self.0.parts.connector;
            let stopped = row.stopped_at.is_some();
            if stopped || !(row.wanted || connector.is_paired(row.key()).await) {
                continue;
            }
            if let Some(handle) = self.by_key(row.key())
                && let Err(error) = handle.connect().await
            {
                tracing::warn!(instance = %handle.name, %error, "instance `{}` could not be resumed", handle.name);
            }
        }
        Ok(())
    }

    /// Makes an account and its token. The token is not to be had again.
    ///
    /// # Errors
    /// [`Error::NameTaken`]; the database's.
    pub async fn create_account(&self, name: &str) -> Result<(AccountId, String), Error> {
        create_account(self.db(), &*self.0.parts.clock, &*self.0.entropy, name).await
    }

    /// The names of all accounts, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn accounts(&self) -> Result<Vec<(AccountId, String)>, Error> {
        let mut reader = self.db().reader().await?;
        Ok(accounts::all(reader.conn())
            .await?
            .into_iter()
            .map(|a| (AccountId::from_stored(a.account_id), a.name))
            .collect())
    }

    /// Does work that must not stop half way because whoever asked for it hangs up.
    ///
    /// # Errors
    /// The work's; [`Error::Stopping`] where it was not begun or broke.
    pub async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, wait) = oneshot::channel();
        self.0.parts.tasks.spawn(async move {
            let _ = done.send(work.await);
        });
        wait.await.map_err(|_| Error::Stopping)?
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.parts.db
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0.parts.tasks
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.parts.clock
    }

    pub(crate) fn bell(&self) -> &Notify {
        &self.0.parts.bell
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    pub(crate) fn lists(&self) -> &Lists {
        &self.0.lists
    }

    pub(crate) fn adopt(&self, row: &instances::Instance) -> Result<Arc<Handle>, Error> {
        let handle = Handle::start(row, &self.0.parts)?;
        self.0
            .instances
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(handle.key, Arc::clone(&handle));
        Ok(handle)
    }

    pub(crate) fn disown(&self, key: InstanceKey) {
        self.0
            .instances
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
        self.0.lists.forget(key);
        self.callers().forget(|caller| caller.instance == Some(key));
    }

    pub(crate) fn handle(&self, account: &AccountId, name: &str) -> Option<Arc<Handle>> {
        self.0
            .instances
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .find(|h| h.name == name && h.account == *account)
            .cloned()
    }

    /// The name of the caller's instance that this names: by the short form of its
    /// id ([`labelwire_domain::ids::InstanceId::short`]), else by name.
    #[must_use]
    pub fn name_of(&self, caller: &Caller, text: &str) -> String {
        self.0
            .instances
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .find(|h| h.account == caller.account && h.id.short() == text)
            .map_or_else(|| text.to_owned(), |handle| handle.name.clone())
    }

    pub(crate) fn by_key(&self, key: InstanceKey) -> Option<Arc<Handle>> {
        self.0
            .instances
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned()
    }

    pub(crate) fn of_account(&self, account: &AccountId) -> Vec<Arc<Handle>> {
        let mut handles: Vec<_> = self
            .0
            .instances
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .filter(|h| h.account == *account)
            .cloned()
            .collect();
        handles.sort_by(|a, b| a.name.cmp(&b.name));
        handles
    }

    pub(crate) fn views(&self) -> &crate::timeline::Views {
        &self.0.views
    }

    pub(crate) fn all_handles(&self) -> Vec<Arc<Handle>> {
        self.0
            .instances
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    pub(crate) fn run(&self) -> i64 {
        self.0.run
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.0.callers
    }
}

/// Makes an account and its token, without an application around it (the CLI's way).
///
/// # Errors
/// [`Error::NameTaken`]; the database's.
pub async fn create_account(
    db: &Db,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    name: &str,
) -> Result<(AccountId, String), Error> {
    if !is_name(name) {
        return Err(Error::AccountNameInvalid);
    }
    let now = clock.now();
    let random = two_draws(entropy);
    let (id, token_id) = (AccountId::new(now, random[0]), TokenId::new(now, random[1]));
    let token = token_text(entropy);
    let mut tx = db.begin().await?;
    accounts::insert(&mut tx, &id, name, now)
        .await
        .map_err(|e| match e {
            labelwire_store::Error::Taken(_) => Error::NameTaken(name.to_owned()),
            other => Error::Store(other),
        })?;
    let new = tokens::NewToken {
        id: &token_id,
        account: &id,
        instance: None,
        name: "account",
        scopes: Scopes::ALL,
        created_at: now,
        expires_at: None,
    };
    tokens::insert(&mut tx, &new, TokenHash::of(&token)).await?;
    tx.commit().await?;
    Ok((id, token))
}
