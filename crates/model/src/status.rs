//! Statuses: what a node observes of a task.

use mesos::NetworkInfo;
use serde::{Deserialize, Serialize};

use crate::{NodeId, TaskId, Timestamp};

/// State of a task, in Mesos' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaskState {
    /// Accepted by the node; image or network are being prepared.
    #[serde(rename = "TASK_STAGING")]
    Staging,
    /// The container is being started.
    #[serde(rename = "TASK_STARTING")]
    Starting,
    /// The container runs and its addresses are known.
    #[serde(rename = "TASK_RUNNING")]
    Running,
    /// It was told to end and may still serve open connections.
    #[serde(rename = "TASK_KILLING")]
    Killing,
    /// Ended by itself with exit code 0.
    #[serde(rename = "TASK_FINISHED")]
    Finished,
    /// Could not start, or ended by itself with another exit code.
    #[serde(rename = "TASK_FAILED")]
    Failed,
    /// Ended because it was told to.
    #[serde(rename = "TASK_KILLED")]
    Killed,
    /// Its container is gone and nobody saw how.
    #[serde(rename = "TASK_LOST")]
    Lost,
}

impl TaskState {
    /// Whether the task has ended for good.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Finished | Self::Failed | Self::Killed | Self::Lost
        )
    }

    /// `TASK_RUNNING` and the like.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "TASK_STAGING",
            Self::Starting => "TASK_STARTING",
            Self::Running => "TASK_RUNNING",
            Self::Killing => "TASK_KILLING",
            Self::Finished => "TASK_FINISHED",
            Self::Failed => "TASK_FAILED",
            Self::Killed => "TASK_KILLED",
            Self::Lost => "TASK_LOST",
        }
    }
}

/// Standing of one health check of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HealthState {
    /// Result of the last check that counted; absent before the first.
    pub alive: Option<bool>,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// First success.
    pub first_success: Option<Timestamp>,
    /// Latest success.
    pub last_success: Option<Timestamp>,
    /// Latest failure.
    pub last_failure: Option<Timestamp>,
    /// Why the latest failure was one.
    pub last_failure_cause: Option<String>,
}

/// A status record (`status/<node>/<task id>`), written by the task's node alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// The task.
    pub task: TaskId,
    /// The node that observes it.
    pub node: NodeId,
    /// Its state.
    pub state: TaskState,
    /// For people: why it is in this state and what would help; never empty for
    /// [`TaskState::Failed`] and [`TaskState::Lost`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Networks with the addresses that were assigned; on the host's network one
    /// unnamed entry with the node's addresses.
    #[serde(default)]
    pub network_infos: Vec<NetworkInfo>,
    /// `None` without health checks or before the first result; a task with
    /// checks is a backend only at `Some(true)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// Standing of each health check, in the task's order.
    #[serde(default)]
    pub health: Vec<HealthState>,
    /// The engine's id of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// When the node accepted it.
    pub staged: Timestamp,
    /// When it reached TASK_RUNNING.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Exit code of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}
