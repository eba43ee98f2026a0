//! Folders that hold secrets, used by one program at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};

/// A folder that is ours until this is dropped.
pub(crate) struct Claim {
    _lock: File,
}

/// Makes a folder where it is missing, for this user only, and claims it.
///
/// # Errors
/// It cannot be made, or another program has it.
pub(crate) fn claim(path: &Path) -> anyhow::Result<Claim> {
    make(path)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.join("lock"))
        .with_context(|| format!("folder `{}` cannot be written to", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(Claim { _lock: lock }),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another labelwire uses folder `{}`; stop it or choose another one",
                path.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("folder `{}` cannot be locked", path.display()))
        }
    }
}

/// Makes a folder where it is missing, for this user only.
///
/// # Errors
/// It cannot be made.
pub(crate) fn make(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("folder `{}` cannot be made", path.display()))
}

/// Writes a file whole, for this user only: readers see the old one or the new one.
///
/// # Errors
/// The file system's.
#[cfg_attr(
    not(feature = "simulator"),
    expect(dead_code, reason = "only the demo keeps files")
)]
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let written = || {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    written().with_context(|| format!("`{}` cannot be written", path.display()))
}
