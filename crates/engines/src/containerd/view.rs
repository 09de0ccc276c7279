//! What containerd knows of a container, in the engine's words.

use std::collections::HashMap;
use std::path::Path;

use containerd_client::services::v1::{
    Container as Record, GetContainerRequest, GetRequest, ListContainersRequest, ListTasksRequest,
};
use containerd_client::types::v1::{Process, Status};
use mesos::NetworkInfo;
use model::{TaskId, Timestamp};
use serde_json::Value;

use super::client::Absent;
use super::names::{self, Names};
use super::{ContainerdEngine, memory, time};
use crate::{Container, EngineError, Phase};

/// Exit code of a container whose process is gone with nobody having seen its end,
/// as after a reboot.
const UNKNOWN: i32 = 255;
/// 128 + SIGKILL, the kernel's way to free memory.
const KILLED: i32 = 137;

impl ContainerdEngine {
    /// containerd's record of the task's container.
    pub(super) async fn record(&self, names: &Names) -> Result<Option<Record>, EngineError> {
        let request = GetContainerRequest {
            id: names.id.clone(),
        };
        let mut containers = self.client.containers().await?;
        let action = format!("look for container {}", names.id);
        let answer = self
            .client
            .ask(&action, containers.get(request))
            .await
            .absent()?;
        Ok(answer.and_then(|answer| answer.container))
    }

    /// The container's process, if it was ever made and not yet removed.
    pub(super) async fn process(&self, id: &str) -> Result<Option<Process>, EngineError> {
        let request = GetRequest {
            container_id: id.to_owned(),
            exec_id: String::new(),
        };
        let mut tasks = self.client.tasks().await?;
        let answer = self
            .client
            .ask(&format!("look at task {id}"), tasks.get(request))
            .await
            .absent()?;
        Ok(answer.and_then(|answer| answer.process))
    }

    pub(super) async fn view(&self, task: &TaskId) -> Result<Option<Container>, EngineError> {
        let names = self.names(task);
        let Some(record) = self.record(&names).await? else {
            return Ok(None);
        };
        let process = self.process(&record.id).await?;
        Ok(Some(self.container(
            task,
            &names,
            &record,
            process.as_ref(),
        )))
    }

    pub(super) async fn views(&self) -> Result<Vec<Container>, EngineError> {
        let records = self.records().await?;
        let mut processes = self.processes().await?;
        let mut containers = Vec::with_capacity(records.len());
        for (task, record) in records {
            let process = match processes.remove(&record.id) {
                Some(process) => Some(process),
                // A shim that answers late is left out of the list, and a healthy
                // container must not pass for a dead one.
                None => self.process(&record.id).await?,
            };
            containers.push(self.container(&task, &self.names(&task), &record, process.as_ref()));
        }
        Ok(containers)
    }

    /// Records of this owner's containers. They are streamed, because a list of a
    /// few hundred would exceed a message's size.
    async fn records(&self) -> Result<Vec<(TaskId, Record)>, EngineError> {
        let filters = vec![format!(
            "labels.\"{}\"=={}",
            names::OWNER,
            quoted(&self.options.common.owner)
        )];
        let mut containers = self.client.containers().await?;
        let action = "list containers";
        let mut stream = self
            .client
            .ask(
                action,
                containers.list_stream(ListContainersRequest { filters }),
            )
            .await?;
        let mut found = Vec::new();
        while let Some(message) = stream
            .message()
            .await
            .map_err(|status| self.client.refused(action, &status))?
        {
            let Some(record) = message.container else {
                continue;
            };
            match record.labels.get(names::TASK).map(|text| text.parse()) {
                Some(Ok(task)) => found.push((task, record)),
                _ => tracing::warn!(
                    container = record.id,
                    "container of ours without a task's id is ignored"
                ),
            }
        }
        Ok(found)
    }

    async fn processes(&self) -> Result<HashMap<String, Process>, EngineError> {
        let mut tasks = self.client.tasks().await?;
        let request = ListTasksRequest {
            filter: String::new(),
        };
        let answer = self.client.ask("list tasks", tasks.list(request)).await?;
        Ok(answer
            .tasks
            .into_iter()
            .map(|process| (process.id.clone(), process))
            .collect())
    }

    pub(super) fn container(
        &self,
        task: &TaskId,
        names: &Names,
        record: &Record,
        process: Option<&Process>,
    ) -> Container {
        let assigned = assigned(record);
        let started = started(&names.started());
        // A record without files is older than the files' file system, so than the boot.
        let was_started = started.is_some() || !names.files.exists();
        let phase = phase(record, process, was_started);
        Container {
            task: task.clone(),
            id: record.id.clone(),
            pid: match phase {
                Phase::Running => process.map(|process| process.pid).filter(|pid| *pid != 0),
                _ => None,
            },
            networks: assigned
                .iter()
                .filter_map(|network| network.name.clone())
                .collect(),
            network_infos: match assigned.as_slice() {
                [] => vec![NetworkInfo::default().assigned(&self.options.common.node_addresses)],
                _ => assigned,
            },
            started: match phase {
                Phase::Created => None,
                _ => started.or_else(|| time::from_proto(record.created_at.as_ref())),
            },
            ended: match phase {
                Phase::Exited { .. } => {
                    process.and_then(|process| time::from_proto(process.exited_at.as_ref()))
                }
                _ => None,
            },
            phase,
        }
    }
}

/// Networks of a container with a network namespace of its own; empty for the host's. Of
/// isolated ports it is an entry without a name.
pub(super) fn assigned(record: &Record) -> Vec<NetworkInfo> {
    let json = record.extensions.get(names::NETWORKS);
    json.and_then(|json| serde_json::from_slice(&json.value).ok())
        .unwrap_or_default()
}

/// The container's OCI specification.
pub(super) fn spec(record: &Record) -> Value {
    let json = record
        .spec
        .as_ref()
        .map(|spec| spec.value.as_slice())
        .unwrap_or_default();
    serde_json::from_slice(json).unwrap_or_default()
}

/// Marks the container's process as started.
pub(super) fn mark_started(file: &Path, at: Timestamp) -> std::io::Result<()> {
    std::fs::write(file, at.as_millis().to_string())
}

fn started(file: &Path) -> Option<Timestamp> {
    let millis = std::fs::read_to_string(file).ok()?.parse().ok()?;
    Some(Timestamp::from_millis(millis))
}

fn phase(record: &Record, process: Option<&Process>, was_started: bool) -> Phase {
    let Some(process) = process else {
        if !was_started {
            return Phase::Created;
        }
        let reason =
            "its process is gone and nobody saw its end; the host or containerd's shim was ended";
        return Phase::Exited {
            code: UNKNOWN,
            reason: Some(reason.to_owned()),
        };
    };
    match process.status() {
        Status::Created => Phase::Created,
        Status::Stopped => {
            let code = i32::try_from(process.exit_status).unwrap_or(UNKNOWN);
            Phase::Exited {
                code,
                reason: reason(record, code),
            }
        }
        // containerd says "unknown" when the shim answers late.
        Status::Running | Status::Paused | Status::Pausing | Status::Unknown => Phase::Running,
    }
}

/// Why the process ended, where the exit code does not say enough.
fn reason(record: &Record, code: i32) -> Option<String> {
    if code != KILLED {
        return None;
    }
    let spec = spec(record);
    let limit = spec.pointer("/linux/resources/memory/limit")?.as_i64()?;
    let killed = memory::kills(spec.pointer("/linux/cgroupsPath")?.as_str()?) > 0;
    killed.then(|| {
        format!(
            "out of memory: it wanted more than its {} MiB; raise 'mem'",
            limit >> 20
        )
    })
}

/// A value in containerd's filter language.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(status: Status, exit_status: u32) -> Process {
        Process {
            status: status.into(),
            exit_status,
            ..Process::default()
        }
    }

    #[test]
    fn phases() {
        let record = Record::default();
        let exited = |code| Phase::Exited { code, reason: None };
        for (process, was_started, expected) in [
            (Some(process(Status::Created, 0)), false, Phase::Created),
            (Some(process(Status::Running, 0)), false, Phase::Running),
            (Some(process(Status::Unknown, 0)), true, Phase::Running),
            (Some(process(Status::Stopped, 3)), true, exited(3)),
            (Some(process(Status::Stopped, 137)), true, exited(137)),
            (None, false, Phase::Created),
        ] {
            assert_eq!(phase(&record, process.as_ref(), was_started), expected);
        }
        let lost = phase(&record, None, true);
        assert!(
            matches!(
                lost,
                Phase::Exited {
                    code: 255,
                    reason: Some(_)
                }
            ),
            "{lost:?}"
        );
    }

    #[test]
    fn filters_are_quoted() {
        assert_eq!(quoted(r#"a"b\"#), r#""a\"b\\""#);
    }
}
