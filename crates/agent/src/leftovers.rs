//! Containers, statuses and logs that no task accounts for any more.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engines::Engine;
use model::{NodeId, TaskId};
use store::{Change, Expect, Records, State};

use crate::options::Engines;

/// Tasks whose logs are kept after they are gone.
const KEPT_LOGS: usize = 200;

/// A task that an engine has a container of.
pub(crate) struct Found {
    engine: Arc<dyn Engine>,
    task: TaskId,
}

/// What may go.
pub(crate) struct Leftovers {
    containers: Vec<Found>,
    /// Statuses with their revisions.
    statuses: Vec<(TaskId, u64)>,
    /// Tasks whose logs stay.
    live: Vec<String>,
}

/// Everything that the engines have; what is away is looked at another time.
pub(crate) async fn list(engines: Engines) -> Vec<Found> {
    let mut all = Vec::new();
    for engine in engines.all() {
        let Ok(containers) = engine.list().await else {
            continue;
        };
        all.extend(containers.into_iter().map(|container| Found {
            engine: Arc::clone(engine),
            task: container.task,
        }));
    }
    all
}

impl Leftovers {
    /// Chooses what may go. `state` must be read after the engines were asked: a
    /// container that was found then belongs to a task that `state` knows, or to one
    /// that is gone by now.
    pub(crate) fn choose(
        found: Vec<Found>,
        state: &State,
        node: &NodeId,
        has_worker: impl Fn(&TaskId) -> bool,
    ) -> Self {
        // A record that cannot be read is not a record that was deleted.
        let accounted = |id: &TaskId| {
            state.tasks.contains_key(id) || state.has_unreadable_task(id) || has_worker(id)
        };
        let statuses = state.statuses.iter();
        Self {
            containers: found
                .into_iter()
                .filter(|found| !accounted(&found.task))
                .collect(),
            statuses: statuses
                .filter(|(id, status)| status.node == *node && !accounted(id))
                .map(|(id, status)| (id.clone(), status.revision))
                .collect(),
            live: state.tasks.keys().map(ToString::to_string).collect(),
        }
    }

    /// Removes it all; what fails is tried again in the next round.
    pub(crate) async fn remove(self, records: Records, node: NodeId, logs: PathBuf) {
        for Found { engine, task } in self.containers {
            tracing::info!(%task, "removing a container without a task");
            if let Err(error) = engine.remove(&task).await {
                tracing::warn!(%task, %error, "it could not be removed");
            }
        }
        let mut change = Change::new();
        for (id, revision) in &self.statuses {
            change.delete_status(&node, id, Expect::Revision(*revision));
        }
        if !change.is_empty()
            && let Err(error) = records.commit(change).await
        {
            tracing::warn!(%error, "old statuses could not be deleted");
        }
        let live = self.live;
        drop(tokio::task::spawn_blocking(move || prune_logs(&logs, &live)).await);
    }
}

/// Deletes the oldest kept logs beyond [`KEPT_LOGS`].
fn prune_logs(directory: &Path, live: &[String]) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let mut ended: Vec<_> = entries
        .flatten()
        .filter(|entry| !live.iter().any(|id| entry.file_name().to_str() == Some(id)))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    ended.sort();
    let surplus = ended.len().saturating_sub(KEPT_LOGS);
    for (_, path) in ended.into_iter().take(surplus) {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "old logs could not be deleted");
        }
    }
}
