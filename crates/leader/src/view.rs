//! The store's state as the planner reads it.

use std::collections::BTreeSet;

use model::{AppId, Timestamp};
use schedule::View;
use store::State;

/// Borrows everything that a plan is made from.
pub(crate) fn view(state: &State, now: Timestamp) -> View<'_> {
    View {
        apps: state
            .apps
            .iter()
            .map(|(id, app)| (id, &*app.record))
            .collect(),
        unreadable: unreadable(state),
        tasks: state.tasks.values().map(|task| &*task.record).collect(),
        statuses: state
            .statuses
            .iter()
            .map(|(id, status)| (id, &*status.record))
            .collect(),
        nodes: state.nodes.values().map(|node| &*node.record).collect(),
        deployments: state
            .deployments
            .values()
            .map(|held| &*held.record)
            .collect(),
        launches: state
            .launches
            .iter()
            .map(|(id, launch)| (id, &*launch.record))
            .collect(),
        kills: state.kills.values().map(|kill| &*kill.record).collect(),
        now,
    }
}

/// The apps that matter to a plan although they cannot be read.
fn unreadable(state: &State) -> BTreeSet<&AppId> {
    let of_tasks = state.tasks.values().map(|task| &task.app);
    let of_deployments = state.deployments.values();
    of_tasks
        .chain(state.launches.keys())
        .chain(of_deployments.flat_map(|it| it.affected.iter().map(|affected| &affected.app)))
        .filter(|app| state.has_unreadable_app(app))
        .collect()
}
