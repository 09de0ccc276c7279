//! Apps with what belongs to them.

use std::collections::BTreeMap;

use marathon::App;
use model::{AppId, Task, TaskFailure, TaskState};
use serde_json::{Map, Value, json};
use store::State;

use super::{ServicePorts, shown_state, task};
use crate::params::Params;
use crate::refusal::Refusal;

/// What an app is shown with, besides its counts and deployments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Embed {
    pub(crate) tasks: bool,
    pub(crate) readiness: bool,
    pub(crate) last_task_failure: bool,
}

impl Embed {
    /// What the query asks for.
    pub(crate) fn of(params: &Params) -> Self {
        let failures = params.embeds("failures");
        Self {
            tasks: params.embeds("tasks") || failures,
            readiness: params.embeds("readiness"),
            last_task_failure: params.embeds("lastTaskFailure") || failures,
        }
    }

    /// What a single app is shown with, whatever the query says.
    pub(crate) fn single(params: &Params) -> Self {
        Self {
            tasks: true,
            last_task_failure: true,
            ..Self::of(params)
        }
    }
}

/// A state with its tasks and deployments by app.
#[derive(Debug)]
pub(crate) struct Board<'a> {
    state: &'a State,
    tasks: BTreeMap<&'a AppId, Vec<&'a Task>>,
    deployments: BTreeMap<&'a AppId, Vec<&'a str>>,
}

impl<'a> Board<'a> {
    pub(crate) fn of(state: &'a State) -> Self {
        let mut tasks: BTreeMap<_, Vec<&Task>> = BTreeMap::new();
        for task in state.tasks.values() {
            let status = state.statuses.get(&task.id).map(|held| &*held.record);
            // What has ended is gone from Marathon's view at once.
            if !shown_state(task, status).is_terminal() {
                tasks.entry(&task.app).or_default().push(task);
            }
        }
        let mut deployments: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for deployment in state.deployments.values() {
            for affected in &deployment.affected {
                deployments
                    .entry(&affected.app)
                    .or_default()
                    .push(&deployment.id);
            }
        }
        Self {
            state,
            tasks,
            deployments,
        }
    }

    /// The living tasks of an app, in the order of their ids.
    pub(crate) fn tasks(&self, app: &AppId) -> &[&'a Task] {
        self.tasks.get(app).map_or(&[], Vec::as_slice)
    }

    /// The shapes of an app's living tasks.
    pub(crate) fn task_shapes(&self, app: &AppId) -> Result<Vec<Value>, Refusal> {
        let shape = |one: &&Task| serde_json::to_value(task(self.state, one, ServicePorts::Left));
        Ok(self
            .tasks(app)
            .iter()
            .map(shape)
            .collect::<Result<_, _>>()?)
    }

    /// The shape of an app.
    pub(crate) fn app(&self, app: &App, embed: Embed) -> Result<Value, Refusal> {
        let Value::Object(mut shape) = serde_json::to_value(app)? else {
            return Ok(Value::Null);
        };
        self.count(&app.id, &mut shape);
        let deployments = self.deployments.get(&app.id).map_or(&[][..], Vec::as_slice);
        let deployments: Vec<Value> = deployments.iter().map(|id| json!({ "id": id })).collect();
        shape.insert("deployments".to_owned(), deployments.into());
        if embed.tasks {
            shape.insert("tasks".to_owned(), self.task_shapes(&app.id)?.into());
        }
        if embed.readiness {
            shape.insert("readinessCheckResults".to_owned(), json!([]));
        }
        let launch = self.state.launches.get(&app.id);
        if embed.last_task_failure
            && let Some(last) = launch.and_then(|launch| launch.last_failure.as_ref())
        {
            shape.insert(
                "lastTaskFailure".to_owned(),
                failure(self.state, &app.id, last),
            );
        }
        Ok(Value::Object(shape))
    }

    fn count(&self, app: &AppId, shape: &mut Map<String, Value>) {
        let (mut staged, mut running, mut healthy, mut unhealthy) = (0, 0, 0, 0);
        for task in self.tasks(app) {
            let status = self.state.statuses.get(&task.id).map(|held| &*held.record);
            match shown_state(task, status) {
                TaskState::Staging | TaskState::Starting => staged += 1,
                TaskState::Running => {
                    running += 1;
                    match status.and_then(|status| status.healthy) {
                        Some(true) => healthy += 1,
                        Some(false) => unhealthy += 1,
                        None => {}
                    }
                }
                _ => {}
            }
        }
        for (name, count) in [
            ("tasksStaged", staged),
            ("tasksRunning", running),
            ("tasksHealthy", healthy),
            ("tasksUnhealthy", unhealthy),
        ] {
            shape.insert(name.to_owned(), count.into());
        }
    }
}

/// `lastTaskFailure`.
pub(crate) fn failure(state: &State, app: &AppId, failure: &TaskFailure) -> Value {
    let address = state
        .nodes
        .get(&failure.node)
        .and_then(|node| node.address());
    json!({
        "appId": app,
        "host": address.map_or_else(|| failure.node.to_string(), |address| address.to_string()),
        "message": failure.message,
        "state": failure.state,
        "taskId": failure.task,
        "timestamp": failure.at,
        "version": failure.version,
        "slaveId": failure.node,
    })
}
