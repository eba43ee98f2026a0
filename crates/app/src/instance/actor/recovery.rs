//! What an instance does about being behind WhatsApp, beside its actor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use labelwire_domain::instance::State;

use super::{Actor, OWED};
use crate::error::Error;
use crate::instance::handle::{Recovery, Status};
use crate::phone::PhoneEvent;

impl Actor {
    /// Asks for a snapshot, once, with growing pauses where they do not help.
    pub(super) fn want_snapshot(&mut self) {
        if std::mem::replace(&mut self.needs_snapshot, true) {
            return;
        }
        let handle = Arc::clone(&self.handle);
        let tasks = self.parts.tasks.clone();
        self.parts.tasks.spawn(async move {
            let mut pause = Duration::from_millis(200);
            while !tasks.is_stopping() {
                let repaired = handle
                    .recovering(Recovery::ReadingSnapshot, handle.repair())
                    .await;
                match repaired {
                    Ok(()) | Err(Error::Stopping) => {
                        handle.show(Recovery::None);
                        return;
                    }
                    Err(Error::NotConnected(_)) => {
                        let mut status = handle.watch();
                        let online = status.wait_for(|s| s.state == State::Connected);
                        tokio::select! {
                            () = tasks.stopping() => return,
                            _ = online => {}
                        }
                    }
                    Err(error) => {
                        tracing::warn!(instance = %handle.name, %error, "the labels could not be read anew");
                    }
                }
                tokio::select! {
                    () = tasks.stopping() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 4).min(Duration::from_secs(300));
            }
        });
    }

    /// Fetches what was skipped (`protocol.md` A5). A storm of changes is skipped a
    /// thousand times: one catch-up runs and one may be owed, no more.
    pub(super) fn spawn_catch_up(&self) {
        let more = |running| Some(if running == 0 { 1 } else { OWED });
        let before = self
            .catch_ups
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        if before != Ok(0) {
            return;
        }
        let handle = Arc::clone(&self.handle);
        let catch_ups = Arc::clone(&self.catch_ups);
        let tasks = self.parts.tasks.clone();
        self.parts.tasks.spawn(async move {
            loop {
                let work = handle.catch_up_for_sure();
                tokio::select! {
                    () = tasks.stopping() => return,
                    ended = handle.recovering(Recovery::CatchingUp, work) => {
                        if let Err(error) = ended {
                            tracing::debug!(instance = %handle.name, %error, "catching up ended");
                        }
                    }
                }
                handle.show(Recovery::None);
                // Owed: once more. Not owed: none runs from here on.
                let ended = catch_ups.compare_exchange(1, 0, Ordering::AcqRel, Ordering::Acquire);
                if ended.is_ok() {
                    return;
                }
                catch_ups.store(1, Ordering::Release);
            }
        });
    }

    /// The phone may keep back the keys of a device just paired; the login then waits
    /// for them, and the status says so.
    pub(super) fn spawn_watch_for_keys(&self) {
        let handle = Arc::clone(&self.handle);
        let tasks = self.parts.tasks.clone();
        self.parts.tasks.spawn(async move {
            let mut status = handle.watch();
            let over = async {
                let ended = |s: &Status| {
                    s.synced || !matches!(s.state, State::Connecting | State::Connected)
                };
                let _ = status.wait_for(ended).await;
            };
            tokio::select! {
                () = tasks.stopping() => return,
                () = handle.ended.cancelled() => return,
                () = handle.recovering(Recovery::None, over) => {}
            }
            handle.show(Recovery::None);
        });
    }

    /// A login alone fetches nothing that changed while offline (`protocol.md`
    /// A5). Right after pairing the library runs its own first sync: it goes
    /// first, for ours would only make it count as skipped (A3).
    pub(super) fn spawn_first_catch_up(&self) {
        let handle = Arc::clone(&self.handle);
        let fresh = self.version == 0;
        let tasks = self.parts.tasks.clone();
        self.parts.tasks.spawn(async move {
            if fresh {
                let mut status = handle.watch();
                let synced = status.wait_for(|s| s.synced || s.state != State::Connected);
                let _ = tokio::time::timeout(Duration::from_secs(1), synced).await;
            }
            let caught_up = tokio::select! {
                () = tasks.stopping() => return,
                ended = handle.catch_up_for_sure() => ended,
            };
            if caught_up.is_ok()
                && let Some(line) = handle.line()
            {
                let _ = line.events.send(PhoneEvent::CaughtUp);
            }
        });
    }
}
