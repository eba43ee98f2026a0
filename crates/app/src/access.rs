//! Who may do what: the one place where that is decided, for every dialect alike.

use std::sync::Arc;

use labelwire_domain::ids::{AccountId, InstanceKey};

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
}

impl Caller {
    /// How history names this caller. Never the token.
    #[must_use]
    pub fn actor(&self) -> String {
        match self.instance {
            Some(instance) => format!("instance-token:{instance}"),
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
}

impl App {
    /// The instance of this name, if the caller may use it.
    ///
    /// Another account's instance is not found, so its existence is not told
    /// (`ryzeapi.md` decision 8); another instance of the caller's own account is
    /// refused as such.
    ///
    /// # Errors
    /// [`Error::InstanceNotFound`], [`Error::InstanceMismatch`].
    pub fn instance(&self, caller: &Caller, name: &str) -> Result<Arc<Handle>, Error> {
        let handle = self
            .handle(&caller.account, name)
            .ok_or_else(|| Error::InstanceNotFound(name.to_owned()))?;
        match caller.instance {
            Some(own) if own != handle.key => Err(Error::InstanceMismatch),
            _ => Ok(handle),
        }
    }
}
