//! Why instances that were launched are slow to start or to end.

use std::collections::BTreeMap;

use marathon::App;
use model::{Goal, Task, TaskState};

use crate::View;

/// One reason for each thing that holds instances up, with how many it holds.
pub(crate) fn of_app(view: &View<'_>, app: &App) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for task in view.tasks_of(&app.id).filter(|task| !view.ended(task)) {
        if let Some(reason) = of_task(view, task) {
            *counts.entry(reason).or_default() += 1;
        }
    }
    let told = |(reason, count)| match count {
        1 => format!("1 instance {reason}"),
        _ => format!("{count} instances {reason}"),
    };
    counts.into_iter().map(told).collect()
}

fn of_task(view: &View<'_>, task: &Task) -> Option<String> {
    let node = &task.node;
    if !view.nodes.iter().any(|alive| alive.id == *node) {
        // They go on counting: their containers may well serve, and only that node
        // can say otherwise.
        return Some(format!(
            "on node {node}, whose daemon does not answer; start it there"
        ));
    }
    let status = view.statuses.get(&task.id)?;
    let message = status.message.as_ref()?;
    match (&task.goal, status.state) {
        (Goal::Run, TaskState::Staging | TaskState::Starting) => {
            Some(format!("waiting to start on node {node}: {message}"))
        }
        (Goal::Run, TaskState::Running) => Some(format!("on node {node}, not watched: {message}")),
        // The goal's own reason is no obstacle.
        (Goal::Stop { reason }, _) if reason != message => {
            Some(format!("waiting to end on node {node}: {message}"))
        }
        _ => None,
    }
}
