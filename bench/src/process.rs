//! Running other programs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

/// A process that ends with this value at the latest.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn();
        child
            .map(Self)
            .with_context(|| format!("{program} could not be run; is it installed?"))
    }

    /// The first line that it prints; its standard output must be a pipe.
    pub(crate) fn first_line(&mut self) -> Result<String> {
        let output = self.0.stdout.as_mut().context("its output is no pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Nanoseconds that its threads have had a core (`/proc/PID/task/TID/schedstat`);
    /// 0 where the kernel does not tell.
    pub(crate) fn busy(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id()));
        let threads = threads.into_iter().flatten().flatten();
        threads.filter_map(|thread| on_core(&thread.path())).sum()
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nanoseconds that a thread has had a core, from its directory below `/proc`.
pub(crate) fn on_core(thread: &Path) -> Option<u64> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Runs a program to its end and returns what it printed, trimmed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let text = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{text} could not be run; is the program installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{text}: {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a part of this program to its end and returns the JSON that it printed.
///
/// Its errors go where ours go: what it starts in the background would keep a pipe
/// open.
pub(crate) fn report<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let text = format!("{command:?}");
    command.stderr(Stdio::inherit());
    let printed = output(command)?;
    serde_json::from_str(&printed).with_context(|| format!("{text} printed '{printed}'"))
}

/// The file of this program.
pub(crate) fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("the path of this program is unknown")
}
