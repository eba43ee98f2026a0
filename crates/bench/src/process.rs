//! Processes under measurement.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A child process that is killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a program that stands beside this one.
    pub(crate) fn start(program: &str, args: &[&str]) -> Result<Self> {
        let folder = std::env::current_exe()?;
        let path = folder.with_file_name(program);
        if !path.exists() {
            bail!("`{}` is not built; run `make bench`", path.display());
        }
        let mut child = Command::new(path)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(match std::env::var("BENCH_LOG") {
                Ok(_) => Stdio::inherit(),
                Err(_) => Stdio::null(),
            })
            .env("RUST_LOG", "warn")
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("the child has no stdout")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// The next line of its output.
    pub(crate) async fn line(&mut self) -> Result<String> {
        tokio::time::timeout(Duration::from_secs(120), self.lines.next_line())
            .await
            .context("the child said nothing for two minutes")??
            .context("the child ended")
    }

    /// Peak resident memory so far, KiB.
    pub(crate) fn peak_kib(&self) -> Result<f64> {
        self.memory("VmHWM:")
    }

    /// Resident memory now, KiB.
    pub(crate) fn resident_kib(&self) -> Result<f64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> Result<f64> {
        let pid = self.child.id().context("the child has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find(|l| l.starts_with(field))
            .context("no such field")?;
        Ok(line
            .split_whitespace()
            .nth(1)
            .context("no number")?
            .parse()?)
    }

    /// Ends it and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}
