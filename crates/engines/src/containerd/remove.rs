//! Removing a task's container, however far its start came.

use std::io;
use std::path::PathBuf;

use containerd_client::services::v1::{DeleteContainerRequest, DeleteTaskRequest};
use model::TaskId;
use networks::NetworkError;

use super::client::{Absent, ENGINE};
use super::names::Names;
use super::stop::is_alive;
use super::{ContainerdEngine, blocking, chain, failed};
use crate::EngineError;

impl ContainerdEngine {
    pub(super) async fn remove_task(&self, task: &TaskId) -> Result<(), EngineError> {
        self.clear(task, &self.names(task)).await
    }

    /// Takes every step of a removal, also after one failed; what is absent is fine.
    /// The record goes last and only when the rest is gone: it is what makes somebody
    /// come back for the rest.
    ///
    /// Nothing is taken away while containerd does not say whether the process lives:
    /// after a start whose answer got lost, it may well run.
    pub(super) async fn clear(&self, task: &TaskId, names: &Names) -> Result<(), EngineError> {
        let process = self.delete_process(&names.id).await;
        if let Err(EngineError::Unavailable { .. }) = process {
            return process;
        }
        let mut problems: Vec<_> = process.err().into_iter().collect();
        problems.extend(self.detach(task).await.err());
        problems.extend(self.end_isolation(task).await.err());
        problems.extend(self.snapshots.remove(&names.id).await.err());
        let directories = vec![names.files.clone(), names.sandbox.clone()];
        problems.extend(delete_directories(directories).await.err());
        if problems.is_empty() {
            return self.delete_record(&names.id).await;
        }
        Err(joined(task, problems))
    }

    async fn delete_process(&self, id: &str) -> Result<(), EngineError> {
        let Some(process) = self.process(id).await? else {
            return Ok(());
        };
        if is_alive(&process) {
            self.kill_task(id).await?;
        }
        let request = DeleteTaskRequest {
            container_id: id.to_owned(),
        };
        let mut tasks = self.client.tasks().await?;
        self.client
            .ask(&format!("delete task {id}"), tasks.delete(request))
            .await
            .absent()
            .map(drop)
    }

    async fn detach(&self, task: &TaskId) -> Result<(), EngineError> {
        match self.options.networks.detach(task.as_str()).await {
            // The namespace is gone and the rest is kept for a retry of its own.
            Err(error @ NetworkError::Detach { .. }) => {
                tracing::warn!(%task, error = chain(&error), "networks will be left later");
                Ok(())
            }
            Err(error) => Err(failed(format!("leave the networks of {task}"), &error)),
            Ok(()) => Ok(()),
        }
    }

    async fn delete_record(&self, id: &str) -> Result<(), EngineError> {
        let request = DeleteContainerRequest { id: id.to_owned() };
        let mut containers = self.client.containers().await?;
        let action = format!("delete container {id}");
        self.client
            .ask(&action, containers.delete(request))
            .await
            .absent()
            .map(drop)
    }
}

/// A single problem as it is, several in one.
fn joined(task: &TaskId, mut problems: Vec<EngineError>) -> EngineError {
    if problems.len() == 1 {
        return problems.remove(0);
    }
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    EngineError::Failed {
        engine: ENGINE,
        action: format!("remove all of {task}"),
        detail: texts.join("; "),
    }
}

async fn delete_directories(paths: Vec<PathBuf>) -> Result<(), EngineError> {
    let delete = move || {
        let results = paths
            .into_iter()
            .map(|path| match std::fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(failed(format!("delete {}", path.display()), &error))
                }
                _ => Ok(()),
            });
        // All of them are deleted before the first failure is told.
        results
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map(drop)
    };
    blocking(delete).await?
}
