//! Use cases on an instance's client: start, stop, start anew.

use labelwire_domain::token::Scope;

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;

impl App {
    /// Runs the instance's client, if none runs, and does not wait for where that
    /// leads: a login where it is paired, else QR codes.
    ///
    /// # Errors
    /// [`Error::Phone`] where no client could be started.
    pub async fn start_instance(&self, caller: &Caller, name: &str) -> Result<(), Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        self.to_the_end(async move { handle.connect().await }).await
    }

    /// Disconnects the instance without unlinking it. It stays so, restarts of the
    /// program included, until it is started or connected.
    ///
    /// # Errors
    /// The database's.
    pub async fn stop_instance(&self, caller: &Caller, name: &str) -> Result<(), Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        self.to_the_end(async move { handle.stop().await }).await
    }

    /// Disconnects the instance, if it is connected, and connects it anew.
    ///
    /// # Errors
    /// [`Error::Phone`] where no client could be started.
    pub async fn restart_instance(&self, caller: &Caller, name: &str) -> Result<(), Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        self.to_the_end(async move { handle.restart().await }).await
    }
}
