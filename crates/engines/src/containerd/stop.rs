//! Ending a task's process.
//!
//! The first process of a PID namespace is special: the kernel drops every signal
//! for which it has no handler, so `sh -c "sleep 1000"` would sleep on through its
//! whole grace period. What the signal would have done elsewhere is done here:
//! - A first process that handles the signal gets it, and nobody else: it knows its
//!   children. Docker does the same.
//! - Where the signal would end it, every process of the container gets it, as in
//!   Mesos, so that a server behind a shell ends politely; and when the first one
//!   is alone, there is nobody to be polite to and it is killed at once.

use std::fs;
use std::str::FromStr;
use std::time::Duration;

use containerd_client::services::v1::{KillRequest, ListPidsRequest, WaitRequest};
use containerd_client::types::v1::{Process, Status};
use model::TaskId;
use nix::sys::signal::Signal;

use super::client::Absent;
use super::{ContainerdEngine, names};
use crate::EngineError;

/// A killed process is gone in milliseconds, unless the kernel itself holds it.
const KILL_PATIENCE: Duration = Duration::from_secs(30);

impl ContainerdEngine {
    pub(super) async fn stop_task(
        &self,
        task: &TaskId,
        grace: Duration,
    ) -> Result<(), EngineError> {
        let names = self.names(task);
        let Some(process) = self.process(&names.id).await?.filter(is_alive) else {
            return Ok(());
        };
        let record = self.record(&names).await?;
        let signal = record.and_then(|record| signal(record.labels.get(names::STOP_SIGNAL)?));
        let polite = !grace.is_zero()
            && self
                .ask_to_end(&process, signal.unwrap_or(Signal::SIGTERM))
                .await?;
        if polite && self.wait(&names.id, grace).await? {
            return Ok(());
        }
        self.kill_task(&names.id).await
    }

    /// Ends all processes of the container and waits for that.
    pub(super) async fn kill_task(&self, id: &str) -> Result<(), EngineError> {
        self.signal(id, Signal::SIGKILL, true).await?;
        if self.wait(id, KILL_PATIENCE).await? {
            return Ok(());
        }
        Err(EngineError::Timeout {
            what: format!("the end of container {id} after SIGKILL"),
            seconds: KILL_PATIENCE.as_secs(),
        })
    }

    /// Sends the polite signal; false when there is no use in waiting.
    async fn ask_to_end(&self, process: &Process, signal: Signal) -> Result<bool, EngineError> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap_or_default();
        if disposition(&status, signal) != Disposition::Ends {
            self.signal(&process.id, signal, false).await?;
            return Ok(true);
        }
        if self.is_alone(&process.id).await? {
            return Ok(false);
        }
        self.signal(&process.id, signal, true).await?;
        Ok(true)
    }

    async fn is_alone(&self, id: &str) -> Result<bool, EngineError> {
        let request = ListPidsRequest {
            container_id: id.to_owned(),
        };
        let mut tasks = self.client.tasks().await?;
        let answer = self
            .client
            .ask(&format!("list processes of {id}"), tasks.list_pids(request))
            .await;
        Ok(answer
            .absent()?
            .is_none_or(|answer| answer.processes.len() <= 1))
    }

    /// Signals the first process or all; one that has ended is fine.
    async fn signal(&self, id: &str, signal: Signal, all: bool) -> Result<(), EngineError> {
        let request = KillRequest {
            container_id: id.to_owned(),
            exec_id: String::new(),
            signal: signal as u32,
            all,
        };
        let mut tasks = self.client.tasks().await?;
        self.client
            .ask(&format!("send {signal} to {id}"), tasks.kill(request))
            .await
            .absent()
            .map(drop)
    }

    /// Waits for the end of the container's process; false when it took too long.
    async fn wait(&self, id: &str, limit: Duration) -> Result<bool, EngineError> {
        let request = WaitRequest {
            container_id: id.to_owned(),
            exec_id: String::new(),
        };
        let mut tasks = self.client.tasks().await?;
        let action = format!("wait for {id}");
        let end = self.client.ask_patiently(&action, tasks.wait(request));
        match tokio::time::timeout(limit, end).await {
            Ok(answer) => answer.absent().map(|_| true),
            Err(_) => Ok(false),
        }
    }
}

/// Whether there is still something to end.
pub(super) fn is_alive(process: &Process) -> bool {
    process.status() != Status::Stopped
}

/// What a process does about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disposition {
    Handles,
    Ignores,
    /// The signal would end it, were it not the first of its namespace.
    Ends,
}

/// Reads `SigIgn` and `SigCgt` of `/proc/<pid>/status` (proc(5)): masks in which
/// signal n is bit n-1. A process that cannot be looked at is trusted to handle it.
fn disposition(status: &str, signal: Signal) -> Disposition {
    let is_in = |mask: &str| {
        let bits = status
            .lines()
            .find_map(|line| line.strip_prefix(mask)?.strip_prefix(':'));
        let bits = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        bits.map(|bits| bits >> (signal as u32 - 1) & 1 == 1)
    };
    match (is_in("SigCgt"), is_in("SigIgn")) {
        (Some(false), Some(false)) => Disposition::Ends,
        (Some(false), Some(true)) => Disposition::Ignores,
        _ => Disposition::Handles,
    }
}

/// A signal as images write it: `SIGINT`, `INT` or `2`.
pub(super) fn signal(text: &str) -> Option<Signal> {
    let name = text.trim().to_ascii_uppercase();
    if let Ok(number) = name.parse::<i32>() {
        return Signal::try_from(number).ok();
    }
    let name = if name.starts_with("SIG") {
        name
    } else {
        format!("SIG{name}")
    };
    Signal::from_str(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispositions() {
        // SIGTERM is 15, so bit 14.
        let status = |ignored: &str, caught: &str| {
            format!("Name:\tsh\nSigBlk:\t0000000000004000\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n")
        };
        for (text, expected) in [
            (
                status("0000000000000000", "0000000000000000"),
                Disposition::Ends,
            ),
            (
                status("0000000000000000", "0000000000004002"),
                Disposition::Handles,
            ),
            (
                status("0000000000004000", "0000000000000000"),
                Disposition::Ignores,
            ),
            (status("0000000000000000", "zz"), Disposition::Handles),
            (String::new(), Disposition::Handles),
        ] {
            assert_eq!(disposition(&text, Signal::SIGTERM), expected, "{text}");
        }
    }

    #[test]
    fn signals_in_every_spelling() {
        for text in ["SIGINT", "int", "2", " SigInt "] {
            assert_eq!(signal(text), Some(Signal::SIGINT), "{text}");
        }
        for text in ["", "SIG", "999", "SIGNONE", "-1", "0"] {
            assert_eq!(signal(text), None, "{text}");
        }
    }
}
