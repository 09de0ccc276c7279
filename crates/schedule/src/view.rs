//! What a plan is made from.

use std::collections::{BTreeMap, BTreeSet};

use marathon::App;
use model::{
    AppId, Deployment, Goal, Kill, Launch, Node, Task, TaskId, TaskState, TaskStatus, Timestamp,
};

/// Everything that is wanted and observed, at one point in time.
#[derive(Debug, Default)]
pub struct View<'a> {
    /// Apps in their current version.
    pub apps: BTreeMap<&'a AppId, &'a App>,
    /// Apps that exist and cannot be read. Nothing of theirs is touched: they must not
    /// pass for apps that were deleted.
    pub unreadable: BTreeSet<&'a AppId>,
    /// All task records.
    pub tasks: Vec<&'a Task>,
    /// Statuses by task.
    pub statuses: BTreeMap<&'a TaskId, &'a TaskStatus>,
    /// Nodes that are alive.
    pub nodes: Vec<&'a Node>,
    /// Deployments under way.
    pub deployments: Vec<&'a Deployment>,
    /// Launch records by app.
    pub launches: BTreeMap<&'a AppId, &'a Launch>,
    /// Wishes to end tasks.
    pub kills: Vec<&'a Kill>,
    /// The present.
    pub now: Timestamp,
}

impl<'a> View<'a> {
    /// The state of a task; staging until its node says something.
    pub(crate) fn state(&self, task: &Task) -> TaskState {
        self.statuses
            .get(&task.id)
            .map_or(TaskState::Staging, |status| status.state)
    }

    /// Whether a task has ended.
    pub(crate) fn ended(&self, task: &Task) -> bool {
        self.state(task).is_terminal()
    }

    /// Whether a task counts as an instance: wanted and not ended.
    pub(crate) fn counts(&self, task: &Task) -> bool {
        task.goal == Goal::Run && !self.ended(task)
    }

    /// Whether a task serves: running, and every check it has was passed.
    pub(crate) fn serves(&self, task: &Task) -> bool {
        self.statuses.get(&task.id).is_some_and(|status| {
            status.state == TaskState::Running
                && (task.health_checks.is_empty() || status.healthy == Some(true))
        })
    }

    /// The tasks of one app.
    pub(crate) fn tasks_of<'b>(&'b self, app: &'b AppId) -> impl Iterator<Item = &'a Task> + 'b {
        self.tasks
            .iter()
            .copied()
            .filter(move |task| task.app == *app)
    }
}

/// The version that decides whether a task is up to date: the last change of the
/// definition other than its number of instances.
pub(crate) fn config_version(app: &App) -> Timestamp {
    app.version_info
        .map(|info| info.last_config_change_at)
        .or(app.version)
        .unwrap_or_default()
}
