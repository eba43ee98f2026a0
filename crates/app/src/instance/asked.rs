//! What was asked for here and has not come back yet: so that history can say
//! who asked, and a command is finished in the transaction of its last record.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use labelwire_domain::change::{Record, RecordKey};
use labelwire_domain::ids::CommandId;

use crate::ingest::{Asker, Attribution};

/// The records expected of commands under way.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    expected: HashMap<RecordKey, Expected>,
    commands: HashMap<CommandId, Progress>,
    /// Claimed whole, not yet asked for.
    finished: Vec<CommandId>,
}

#[derive(Debug)]
struct Expected {
    command: CommandId,
    record: Record,
}

#[derive(Debug)]
struct Progress {
    asker: Asker,
    left: usize,
    /// Nothing is to be sent for it after these.
    last: bool,
    done: bool,
}

impl Asked {
    /// Expects the echo of records just about to be sent for a command; `last`
    /// where they are the last of it.
    pub(super) fn expect(&self, asker: &Asker, records: &[Record], last: bool) {
        let command = &asker.command;
        let mut inner = self.lock();
        inner.forget(command);
        inner.commands.insert(
            command.clone(),
            Progress {
                asker: asker.clone(),
                left: records.len(),
                last,
                done: false,
            },
        );
        for record in records {
            let expected = Expected {
                command: command.clone(),
                record: record.clone(),
            };
            inner.expected.insert(record.key(), expected);
        }
    }

    /// Notes that these commands' rows are finished and committed.
    pub(super) fn committed(&self, commands: &[CommandId]) {
        let mut inner = self.lock();
        for command in commands {
            if let Some(progress) = inner.commands.get_mut(command) {
                progress.done = true;
            }
        }
    }

    /// Whether the command's row is finished and committed.
    pub(super) fn is_done(&self, command: &CommandId) -> bool {
        self.lock().commands.get(command).is_some_and(|p| p.done)
    }

    /// Expects nothing more of a command.
    pub(super) fn forget(&self, command: &CommandId) {
        self.lock().forget(command);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, command: &CommandId) {
        if self.commands.remove(command).is_some() {
            self.expected.retain(|_, e| e.command != *command);
        }
    }
}

impl Attribution for &Asked {
    fn is_idle(&self) -> bool {
        self.lock().expected.is_empty()
    }

    fn claim(&mut self, record: &Record) -> Option<Asker> {
        let mut inner = self.lock();
        if inner.expected.is_empty() {
            return None;
        }
        let key = record.key();
        if !inner.expected.get(&key)?.record.says_same(record) {
            return None;
        }
        let command = inner.expected.remove(&key)?.command;
        let inner = &mut *inner;
        let progress = inner.commands.get_mut(&command)?;
        progress.left = progress.left.saturating_sub(1);
        let asker = progress.asker.clone();
        if progress.left == 0 && progress.last {
            inner.finished.push(command);
        }
        Some(asker)
    }

    fn finished(&mut self) -> Vec<CommandId> {
        std::mem::take(&mut self.lock().finished)
    }
}
