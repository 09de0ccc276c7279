//! Commands inside containers.

use std::fs;
use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures::StreamExt;
use model::TaskId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::DockerEngine;
use super::connection::Client;
use super::failure::{ENGINE, status};
use crate::tail::Tail;
use crate::{EngineError, ExecOutcome};

/// How much of a command's output is kept, in bytes.
const OUTPUT: usize = 1024;

/// Docker notes a command's exit code shortly after its output has ended.
const NOTED_WITHIN: Duration = Duration::from_secs(5);

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

impl DockerEngine {
    pub(super) async fn execute(
        &self,
        task: &TaskId,
        shell: &str,
        timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        let client = self.connection.client().await?;
        if self.ours(&client, task).await?.is_none() {
            return Err(EngineError::NoContainer(task.clone()));
        }
        let fail = |error: bollard::errors::Error| match status(&error) {
            Some(404) => EngineError::NoContainer(task.clone()),
            _ => self
                .connection
                .failed(&format!("run a command in {task}"), &error),
        };
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec!["/bin/sh", "-c", shell]),
            ..CreateExecOptions::default()
        };
        let exec = client
            .docker
            .create_exec(task.as_str(), options)
            .await
            .map_err(fail)?
            .id;
        let run = async {
            let mut tail = Tail::new(OUTPUT);
            let started = client
                .docker
                .start_exec(&exec, None::<StartExecOptions>)
                .await;
            if let StartExecResults::Attached { mut output, .. } = started.map_err(fail)? {
                while let Some(piece) = output.next().await {
                    tail.push(&piece.map_err(fail)?.into_bytes());
                }
            }
            let code = self.exec_code(&client, &exec).await?;
            Ok(ExecOutcome {
                code,
                output: tail.into_text(),
            })
        };
        match tokio::time::timeout(timeout, run).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.end_exec(&client, &exec).await;
                let what = format!("command '{shell}' in {task}");
                Err(EngineError::Timeout {
                    what,
                    seconds: timeout.as_secs(),
                })
            }
        }
    }

    async fn exec_code(&self, client: &Client, exec: &str) -> Result<i32, EngineError> {
        let deadline = tokio::time::Instant::now() + NOTED_WITHIN;
        loop {
            let seen = client
                .docker
                .inspect_exec(exec)
                .await
                .map_err(|error| self.connection.failed("inspect a command", &error))?;
            if let (Some(false), Some(code)) = (seen.running, seen.exit_code) {
                return Ok(i32::try_from(code).unwrap_or(-1));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(EngineError::Failed {
                    engine: ENGINE,
                    action: "tell a command's exit code".to_owned(),
                    detail: "its output has ended, but Docker says that it runs".to_owned(),
                });
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Kills a command with all that it started. Docker has no call for that, but
    /// tells the process' id on this machine.
    async fn end_exec(&self, client: &Client, exec: &str) {
        let Ok(seen) = client.docker.inspect_exec(exec).await else {
            return;
        };
        let pid = seen
            .pid
            .and_then(|pid| i32::try_from(pid).ok())
            .filter(|pid| *pid > 1);
        if let (Some(true), Some(pid)) = (seen.running, pid) {
            for member in descent(pid, &parents()) {
                // It may have ended by itself meanwhile.
                let _ = kill(Pid::from_raw(member), Signal::SIGKILL);
            }
        }
    }
}

/// Every process of this machine with its parent.
fn parents() -> Vec<(i32, i32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let parent_of = |entry: fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The program's name, in parentheses, may hold anything; state and parent
        // follow its end.
        let parent = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        Some((pid, parent))
    };
    entries.filter_map(|entry| parent_of(entry.ok()?)).collect()
}

/// `root` and all below it, parents first, so that none can replace a killed child.
fn descent(root: i32, parents: &[(i32, i32)]) -> Vec<i32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        let children = parents
            .iter()
            .filter(|(pid, of)| *of == parent && !found.contains(pid));
        let children: Vec<_> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descent_is_the_whole_tree_and_nothing_else() {
        let parents = [(2, 1), (3, 1), (4, 2), (5, 4), (6, 3)];
        assert_eq!(descent(2, &parents), [2, 4, 5]);
        assert_eq!(descent(9, &parents), [9]);
        assert_eq!(descent(1, &[(1, 1)]), [1], "a loop ends");
    }

    #[test]
    fn this_process_has_a_parent() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(
            parents()
                .iter()
                .any(|(pid, parent)| *pid == own && *parent > 0)
        );
    }
}
