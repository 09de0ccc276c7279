//! Deployments: changes under way, and what the leader knows of launches.

use serde::{Deserialize, Serialize};

use crate::{AppId, NodeId, TaskId, TaskState, Timestamp};

/// What a deployment does to one app, in Marathon's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeploymentAction {
    /// A new app gets its first instances.
    StartApplication,
    /// The number of instances changes.
    ScaleApplication,
    /// Instances are replaced by ones of the new definition.
    RestartApplication,
    /// All instances end; the app record is already gone.
    StopApplication,
}

/// One app that a deployment touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffectedApp {
    /// The app.
    pub app: AppId,
    /// What happens to it.
    pub action: DeploymentAction,
}

/// A change under way (`deployments/<id>`): made by the API together with the
/// change itself, deleted by the leader when the change is true.
///
/// An app is in at most one deployment; a forced change replaces the older one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// A UUID.
    pub id: String,
    /// When the change was accepted; the version that its apps got.
    pub version: Timestamp,
    /// The apps, in the order of their ids.
    pub affected: Vec<AffectedApp>,
}

/// The most recent failure of an app's tasks (Marathon's `lastTaskFailure`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// The task.
    pub task: TaskId,
    /// How it ended.
    pub state: TaskState,
    /// Why, and what would help.
    pub message: String,
    /// Where it was.
    pub node: NodeId,
    /// When it ended.
    pub at: Timestamp,
    /// The app's configuration version it was made from.
    pub version: Timestamp,
}

/// What the leader knows of an app's launches (`launches/<app>`), written by it alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// The app.
    pub app: AppId,
    /// Configuration version that the delay belongs to; a newer one starts afresh.
    pub version: Timestamp,
    /// Instances that are wanted and not there yet.
    pub waiting: u32,
    /// Since when instances are waiting.
    pub since: Timestamp,
    /// No launch before this point, because earlier ones failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Delay after the next failure, in milliseconds; 0 before the first.
    #[serde(default)]
    pub next_delay_ms: u64,
    /// For people: why instances wait to be launched, to start or to end, and what
    /// would help; empty when none does.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The latest failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<TaskFailure>,
}

/// A wish to end one task (`kills/<task id>`): written by the API, deleted by the
/// leader once the task's goal says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// The task.
    pub task: TaskId,
    /// Why.
    pub reason: String,
}
