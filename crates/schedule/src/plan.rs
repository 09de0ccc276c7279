//! The plan: changes of the store that bring apps closer to what is wanted.

use std::collections::BTreeSet;

use model::{AppId, Launch, Task, TaskId, Timestamp};
use rand::RngCore;

use crate::app::plan_app;
use crate::placement::Room;
use crate::{Config, View, progress};

/// Changes to make, in one or several transactions.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// New tasks.
    pub start: Vec<Task>,
    /// Tasks whose goal becomes to stop, with the reason.
    pub stop: Vec<(TaskId, String)>,
    /// Records of ended tasks to delete.
    pub forget: Vec<TaskId>,
    /// Launch records to write.
    pub launches: Vec<Launch>,
    /// Launch records to delete, their apps being gone.
    pub drop_launches: Vec<AppId>,
    /// Kill records to delete, their tasks being told or gone.
    pub drop_kills: Vec<TaskId>,
    /// Deployments that have become true.
    pub done: Vec<String>,
    /// When to plan again although nothing happens: the next end of a delay.
    pub again_at: Option<Timestamp>,
}

impl Plan {
    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
            && self.stop.is_empty()
            && self.forget.is_empty()
            && self.launches.is_empty()
            && self.drop_launches.is_empty()
            && self.drop_kills.is_empty()
            && self.done.is_empty()
    }

    /// Remembers the earliest point at which planning again is worth it.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.again_at = Some(self.again_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Makes the plan for everything in `view`.
pub fn plan(view: &View<'_>, config: &Config, rng: &mut dyn RngCore) -> Plan {
    let mut plan = Plan::default();
    let mut room = Room::new(view);
    let killed = plan_kills(view, &mut plan);
    for (id, app) in &view.apps {
        plan_app(view, config, app, &killed, &mut room, rng, &mut plan);
        debug_assert_eq!(app.id, **id);
    }
    plan_orphans(view, &mut plan);
    for deployment in &view.deployments {
        if progress::is_done(view, deployment) {
            plan.done.push(deployment.id.clone());
        }
    }
    plan
}

/// Turns wishes to end tasks into goals; yields the tasks that are told now.
fn plan_kills<'a>(view: &View<'a>, plan: &mut Plan) -> BTreeSet<&'a TaskId> {
    let mut killed = BTreeSet::new();
    for kill in &view.kills {
        plan.drop_kills.push(kill.task.clone());
        let task = view.tasks.iter().find(|task| task.id == kill.task);
        if let Some(task) = task
            && view.counts(task)
        {
            plan.stop.push((task.id.clone(), kill.reason.clone()));
            killed.insert(&task.id);
        }
    }
    killed
}

/// Ends the tasks of apps that are gone, and forgets what has ended.
fn plan_orphans(view: &View<'_>, plan: &mut Plan) {
    for task in &view.tasks {
        if view.ended(task) {
            plan.forget.push(task.id.clone());
        } else if is_gone(view, &task.app)
            && view.counts(task)
            && !plan.stop.iter().any(|(id, _)| *id == task.id)
        {
            plan.stop
                .push((task.id.clone(), format!("app {} was deleted", task.app)));
        }
    }
    for app in view.launches.keys() {
        if is_gone(view, app) {
            plan.drop_launches.push((*app).clone());
        }
    }
}

fn is_gone(view: &View<'_>, app: &AppId) -> bool {
    !view.apps.contains_key(app) && !view.unreadable.contains(app)
}
