//! A plan as one change of the store.

use model::{Goal, Task};
use schedule::Plan;
use store::{Change, Expect, Held, State};

/// Everything the plan changes, expecting what it was made from.
///
/// The apps whose tasks start are expected to be unchanged too: a task of a
/// definition that was replaced meanwhile would be stopped right away.
pub(crate) fn change(state: &State, plan: &Plan) -> Change {
    let mut change = Change::new();
    for task in &plan.start {
        change.put_task(task, Expect::Absent);
        change.require_app(&task.app, revision(state.apps.get(&task.app)));
    }
    for (id, reason) in &plan.stop {
        if let Some(task) = state.tasks.get(id) {
            let stopping = Task {
                goal: Goal::Stop {
                    reason: reason.clone(),
                },
                ..Task::clone(task)
            };
            change.put_task(&stopping, Expect::Revision(task.revision));
        }
    }
    for id in &plan.forget {
        change.delete_task(id, revision(state.tasks.get(id)));
    }
    for launch in &plan.launches {
        change.put_launch(launch, revision(state.launches.get(&launch.app)));
    }
    for app in &plan.drop_launches {
        change.delete_launch(app, revision(state.launches.get(app)));
    }
    for task in &plan.drop_kills {
        change.delete_kill(task, revision(state.kills.get(task)));
    }
    for id in &plan.done {
        change.delete_deployment(id, revision(state.deployments.get(id)));
    }
    change
}

/// What a write of a record expects: that it is as it was read.
fn revision<T>(held: Option<&Held<T>>) -> Expect {
    held.map_or(Expect::Absent, |held| Expect::Revision(held.revision))
}
