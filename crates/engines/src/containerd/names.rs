//! What things are called: derived from the task, so that nothing has to be kept.

use std::path::{Path, PathBuf};

use model::{Task, TaskId};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::{EngineOptions, untranslated};

/// Label with the task's id.
pub(super) const TASK: &str = "sealane.task";
/// Label with the owner's identity.
pub(super) const OWNER: &str = "sealane.owner";
/// Label with the signal that ends the container's process politely.
pub(super) const STOP_SIGNAL: &str = "sealane.stop-signal";
/// Label with the ports that the image says it listens on.
pub(super) const PORTS: &str = "sealane.image-ports";
/// Extension with the networks as they were assigned (JSON).
pub(super) const NETWORKS: &str = "sealane.networks";

/// Names and places of one task's container.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// containerd's id, also the key of the container's snapshot.
    ///
    /// Task ids cannot be used: containerd allows 76 characters and no two
    /// separators in a row. The owner is part of it, so that two daemons on one
    /// containerd never take each other's containers for their own.
    pub(super) id: String,
    /// Directory of the engine's files for it.
    pub(super) files: PathBuf,
    /// Its working directory.
    pub(super) sandbox: PathBuf,
    /// Directory of its logs.
    pub(super) logs: PathBuf,
}

impl Names {
    pub(super) fn of(task: &TaskId, options: &EngineOptions) -> Self {
        let id = container_id(&options.owner, task);
        Self {
            files: options.state.join("containers").join(&id),
            sandbox: options.state.join("sandbox").join(task.as_str()),
            logs: logs(&options.logs, task),
            id,
        }
    }

    /// Path of its cgroup below the cgroup root.
    pub(super) fn cgroup(&self, task: &Task, options: &EngineOptions) -> String {
        let configured = options.cgroup_parent.as_deref();
        let parent = match untranslated::has_opted_out(task) {
            true => untranslated::parent(configured),
            false => configured.unwrap_or(untranslated::PARENT).to_owned(),
        };
        format!("/{}/{}", parent.trim_matches('/'), self.id)
    }

    /// File that marks a container whose process was started; absent when a start
    /// was interrupted.
    pub(super) fn started(&self) -> PathBuf {
        self.files.join("started")
    }
}

/// Directory of a task's logs.
pub(super) fn logs(logs: &Path, task: &TaskId) -> PathBuf {
    logs.join(task.as_str())
}

fn container_id(owner: &str, task: &TaskId) -> String {
    let mut hash = Sha256::new();
    hash.update(owner);
    hash.update([0]);
    hash.update(task.as_str());
    format!("sl-{}", &hex(&hash.finalize())[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_owner_and_task() {
        let long: TaskId = format!("a{}", "_.".repeat(100)).parse().unwrap();
        let short: TaskId = "b".parse().unwrap();
        let ids = [
            container_id("one", &long),
            container_id("two", &long),
            container_id("one", &short),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(id.len(), 35, "{id}");
            assert!(
                id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
                "{id}"
            );
            assert!(!ids[index + 1..].contains(id));
        }
        assert_eq!(container_id("one", &short), ids[2]);
    }
}
