//! Commands inside a task's container.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use containerd_client::services::v1::{
    DeleteProcessRequest, ExecProcessRequest, StartRequest, WaitRequest,
};
use model::TaskId;
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use prost_types::Any;
use serde_json::{Value, json};
use tokio::net::unix::pipe;

use super::client::Absent;
use super::{ContainerdEngine, failed, spec, time, view};
use crate::tail::Tail;
use crate::{EngineError, ExecOutcome};

/// How much of a command's output is kept: its end.
const OUTPUT: usize = 1024;

/// A command on its way, with the pipe that its output comes through.
struct Command<'a> {
    engine: &'a ContainerdEngine,
    container: String,
    id: String,
    pipe: PathBuf,
}

impl ContainerdEngine {
    pub(super) async fn exec_in_task(
        &self,
        task: &TaskId,
        shell: &str,
        timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        let names = self.names(task);
        let no_container = || EngineError::NoContainer(task.clone());
        let record = self.record(&names).await?.ok_or_else(no_container)?;
        let process = process(&view::spec(&record), shell);
        let id = unique();
        let command = Command {
            engine: self,
            container: names.id,
            pipe: names.files.join(&id),
            id,
        };
        // The pipe is opened for both directions, so it never ends; containerd's shim
        // opens its side when the command starts.
        mkfifo(&command.pipe, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|error| failed(format!("make {}", command.pipe.display()), &error))?;
        let opened = pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(&command.pipe);
        let result = match opened {
            Ok(output) => command.run(process, output, timeout).await,
            Err(error) => Err(failed(format!("open {}", command.pipe.display()), &error)),
        };
        let _ = std::fs::remove_file(&command.pipe);
        result?.ok_or_else(no_container)
    }
}

impl Command<'_> {
    /// `None` when the container has no process to run it beside.
    async fn run(
        &self,
        process: Value,
        mut output: pipe::Receiver,
        timeout: Duration,
    ) -> Result<Option<ExecOutcome>, EngineError> {
        if self.add(process).await?.is_none() {
            return Ok(None);
        }
        let mut kept = Tail::new(OUTPUT);
        let ended = tokio::select! {
            ended = self.start_and_wait(timeout) => ended,
            never = keep(&mut output, &mut kept) => match never {},
        };
        // The shim has copied all of the output once the process is deleted.
        let deleted = tokio::select! {
            deleted = self.delete() => deleted,
            never = keep(&mut output, &mut kept) => match never {},
        };
        drain(&output, &mut kept);
        let code = ended?;
        deleted?;
        Ok(Some(ExecOutcome {
            code,
            output: kept.into_text(),
        }))
    }

    async fn add(&self, process: Value) -> Result<Option<()>, EngineError> {
        let pipe = self.pipe.display().to_string();
        let request = ExecProcessRequest {
            container_id: self.container.clone(),
            exec_id: self.id.clone(),
            stdout: pipe.clone(),
            stderr: pipe,
            spec: Some(Any {
                type_url: spec::PROCESS_TYPE_URL.to_owned(),
                value: process.to_string().into_bytes(),
            }),
            ..ExecProcessRequest::default()
        };
        let client = &self.engine.client;
        client
            .ask("add a command", client.tasks().await?.exec(request))
            .await
            .absent()
    }

    async fn start_and_wait(&self, timeout: Duration) -> Result<i32, EngineError> {
        let client = &self.engine.client;
        let request = StartRequest {
            container_id: self.container.clone(),
            exec_id: self.id.clone(),
        };
        let mut tasks = client.tasks().await?;
        let pid = client
            .ask("start a command", tasks.start(request))
            .await?
            .pid;
        let request = WaitRequest {
            container_id: self.container.clone(),
            exec_id: self.id.clone(),
        };
        let action = "wait for a command";
        match tokio::time::timeout(
            timeout,
            client.ask_patiently(action, tasks.wait(request.clone())),
        )
        .await
        {
            Ok(answer) => Ok(i32::try_from(answer?.exit_status).unwrap_or(255)),
            Err(_) => {
                // runc makes the command leader of a session of its own, so its children
                // go with it, unless they left the group on purpose.
                if let Ok(pid) = i32::try_from(pid) {
                    let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
                }
                client.ask(action, tasks.wait(request)).await?;
                Err(EngineError::Timeout {
                    what: "the command".to_owned(),
                    seconds: timeout.as_secs(),
                })
            }
        }
    }

    async fn delete(&self) -> Result<(), EngineError> {
        let request = DeleteProcessRequest {
            container_id: self.container.clone(),
            exec_id: self.id.clone(),
        };
        let client = &self.engine.client;
        client
            .ask(
                "delete a command",
                client.tasks().await?.delete_process(request),
            )
            .await
            .absent()
            .map(drop)
    }
}

/// The container's process with another command line.
fn process(spec: &Value, shell: &str) -> Value {
    let mut process = spec["process"].clone();
    process["args"] = json!(["/bin/sh", "-c", shell]);
    process
}

/// No other command has this id, before or after a restart.
fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("exec-{}-{number}", time::now().as_millis())
}

/// Reads on and on, remembering the end.
async fn keep(output: &mut pipe::Receiver, kept: &mut Tail) -> std::convert::Infallible {
    loop {
        if output.readable().await.is_err() {
            return std::future::pending().await;
        }
        drain(output, kept);
        // A command that never stops printing must not keep its time from running out.
        tokio::task::yield_now().await;
    }
}

/// Takes what is in the pipe, but no more than a pipe holds.
fn drain(output: &pipe::Receiver, kept: &mut Tail) {
    let mut buffer = [0; 4096];
    for _ in 0..16 {
        let Ok(length @ 1..) = output.try_read(&mut buffer) else {
            return;
        };
        kept.push(&buffer[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_command_line_changes() {
        let spec = json!({"process": {"args": ["server"], "cwd": "/srv", "env": ["A=b"]}});
        assert_eq!(
            process(&spec, "echo $A"),
            json!({"args": ["/bin/sh", "-c", "echo $A"], "cwd": "/srv", "env": ["A=b"]})
        );
        assert_ne!(unique(), unique());
    }
}
