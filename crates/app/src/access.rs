//! Who may do what: the one place where that is decided, for every dialect alike.

use std::sync::Arc;

use labelwire_domain::ids::{AccountId, InstanceKey, TokenId};
use labelwire_domain::token::{Scope, Scopes};

use crate::app::App;
use crate::error::Error;
use crate::instance::Handle;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account the token belongs to.
    pub account: AccountId,
    /// The one instance an instance token is good for.
    pub instance: Option<InstanceKey>,
    /// The token's public id; `None` for the program itself.
    pub token: Option<TokenId>,
    /// The token's name.
    pub token_name: Option<Arc<str>>,
    /// What the token is good for.
    pub scopes: Scopes,
    /// The id of the request this caller makes, as the log knows it.
    pub request_id: Option<Arc<str>>,
    /// The `Idempotency-Key` of the request.
    pub idempotency_key: Option<Arc<str>>,
}

impl Caller {
    /// The program itself, acting for an account.
    #[must_use]
    pub const fn owner(account: AccountId) -> Self {
        Self {
            account,
            instance: None,
            token: None,
            token_name: None,
            scopes: Scopes::ALL,
            request_id: None,
            idempotency_key: None,
        }
    }

    /// How history names this caller: by the token's id, never by its text.
    #[must_use]
    pub fn actor(&self) -> String {
        match &self.token {
            Some(token) => format!("token:{token}"),
            None => format!("account:{}", self.account),
        }
    }

    /// Refuses instance tokens.
    ///
    /// # Errors
    /// [`Error::AccountTokenRequired`].
    pub fn require_account(&self) -> Result<(), Error> {
        match self.instance {
            None => Ok(()),
            Some(_) => Err(Error::AccountTokenRequired),
        }
    }

    /// Refuses tokens without a scope.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`].
    pub fn require(&self, scope: Scope) -> Result<(), Error> {
        if self.scopes.has(scope) {
            Ok(())
        } else {
            Err(Error::ScopeMissing(scope))
        }
    }
}

impl App {
    /// The instance of this name, if the caller may use it for this.
    ///
    /// Another account's instance is not found, so its existence is not told
    /// (`ryzeapi.md` decision 8); another instance of the caller's own account is
    /// refused as such.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`], [`Error::InstanceNotFound`],
    /// [`Error::InstanceMismatch`].
    pub fn instance(
        &self,
        caller: &Caller,
        scope: Scope,
        name: &str,
    ) -> Result<Arc<Handle>, Error> {
        caller.require(scope)?;
        let handle = self
            .handle(&caller.account, name)
            .ok_or_else(|| Error::InstanceNotFound(name.to_owned()))?;
        match caller.instance {
            Some(own) if own != handle.key => Err(Error::InstanceMismatch),
            _ => Ok(handle),
        }
    }
}
