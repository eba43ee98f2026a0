//! When the program is to end.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use labelwire_app::tasks::Tasks;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals this close together are one: `make` hands on a signal that the whole
/// process group got already.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

/// The signals that end the program.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?,
            interrupt: signal(SignalKind::interrupt()).context("ctrl-C cannot be listened for")?,
        })
    }

    /// Resolves at the first signal; from then on a second one ends the program at once.
    pub(crate) async fn first(mut self) {
        self.any().await;
        tracing::info!("stopping; a second signal stops at once");
        // Runs beside the orderly stop and is not waited for.
        Tasks::new().spawn(async move {
            let first = Instant::now();
            while first.elapsed() < ONE_SIGNAL {
                self.any().await;
            }
            tracing::warn!("stopped at once");
            std::process::exit(130);
        });
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
