//! A plan as one change of the store.

use model::{AppId, Goal, Task};
use schedule::Plan;
use store::{Change, Expect, Held, State};

/// Everything the plan changes, expecting what it was made from.
///
/// The apps whose tasks start or stop are expected to be unchanged too: a task of a
/// definition that was replaced meanwhile would be stopped right away, and one that
/// was surplus may be wanted again.
pub(crate) fn change(state: &State, plan: &Plan) -> Change {
    let mut change = Change::new();
    for task in &plan.start {
        change.put_task(task, Expect::Absent);
        require_app(&mut change, state, &task.app);
    }
    for (id, reason) in &plan.stop {
        if let Some(task) = state.tasks.get(id) {
            require_app(&mut change, state, &task.app);
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
        // One that cannot be read says nothing that is worth keeping, and expecting
        // none would keep everything else from being written, too.
        let expect = if state.has_unreadable_launch(&launch.app) {
            Expect::Any
        } else {
            revision(state.launches.get(&launch.app))
        };
        change.put_launch(launch, expect);
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

fn require_app(change: &mut Change, state: &State, app: &AppId) {
    // Of an app that cannot be read only kills are carried out.
    if !state.has_unreadable_app(app) {
        change.require_app(app, revision(state.apps.get(app)));
    }
}

/// What a write of a record expects: that it is as it was read.
fn revision<T>(held: Option<&Held<T>>) -> Expect {
    held.map_or(Expect::Absent, |held| Expect::Revision(held.revision))
}

#[cfg(test)]
mod tests;
