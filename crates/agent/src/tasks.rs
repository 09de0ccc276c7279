//! One worker for each task of this node, and nothing left of any other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Task, TaskId};
use store::{Change, Expect, Mirror, Records, State};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vip::ServiceTable;

use crate::hints::Hints;
use crate::node::NodeOptions;
use crate::options::Engines;
use crate::report::Reports;
use crate::worker::{Surroundings, Worker};

/// How often everything is compared although nothing changed.
const PERIOD: Duration = Duration::from_secs(30);

/// Tasks whose logs are kept after they are gone.
const KEPT_LOGS: usize = 200;

/// The reconciler.
pub(crate) struct Tasks {
    pub(crate) records: Records,
    pub(crate) mirror: Mirror,
    pub(crate) engines: Engines,
    pub(crate) node: NodeOptions,
    pub(crate) logs: PathBuf,
    pub(crate) hints: Hints,
    pub(crate) table: watch::Receiver<(u64, Arc<ServiceTable>)>,
    pub(crate) reports: Reports,
}

/// A running worker: where its task's record is handed in.
struct Running {
    task: watch::Sender<Option<Arc<Task>>>,
}

impl Tasks {
    /// Reconciles on every change and every [`PERIOD`].
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut states = self.mirror.subscribe();
        self.mirror.at_least(1).await;
        let surroundings = Arc::new(Surroundings {
            records: self.records.clone(),
            mirror: self.mirror.clone(),
            node: self.node.clone(),
            hints: self.hints.clone(),
            table: self.table.clone(),
        });
        let mut workers = JoinSet::new();
        let mut running: BTreeMap<TaskId, Running> = BTreeMap::new();
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            let began = Instant::now();
            self.hand_out(&state, &surroundings, &mut running, &mut workers, &stop);
            let did = Some(format!("{} tasks", running.len()));
            self.reports.note("tasks", began, did, Vec::new());
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PERIOD) => self.collect(&running).await,
                changed = states.changed() => if changed.is_err() { break },
                Some(ended) = workers.join_next() => match ended {
                    Ok(id) => { running.remove(&id); }
                    // The map still holds the one that panicked: all whose channel
                    // is closed are begun again.
                    Err(error) => {
                        tracing::error!(%error, "a task's worker failed and is begun again");
                        running.retain(|_, worker| !worker.task.is_closed());
                    }
                },
            }
        }
        drop(running);
        workers.shutdown().await;
    }

    /// Gives every worker its record, beginning and ending workers as needed.
    fn hand_out(
        &self,
        state: &State,
        surroundings: &Arc<Surroundings>,
        running: &mut BTreeMap<TaskId, Running>,
        workers: &mut JoinSet<TaskId>,
        stop: &CancellationToken,
    ) {
        for (id, held) in &state.tasks {
            if held.node != self.node.id {
                continue;
            }
            let task = Arc::clone(&held.record);
            if let Some(worker) = running.get(id) {
                worker.task.send_if_modified(|current| {
                    let news = current.as_ref() != Some(&task);
                    *current = Some(Arc::clone(&task));
                    news
                });
                continue;
            }
            let Some(engine) = self.engines.of(task.container.kind) else {
                continue;
            };
            let (sender, receiver) = watch::channel(Some(task));
            let worker = Worker::new(
                id.clone(),
                receiver,
                Arc::clone(engine),
                Arc::clone(surroundings),
                state
                    .statuses
                    .get(id)
                    .map(|status| (*status.record).clone()),
            );
            workers.spawn(worker.run(stop.clone()));
            running.insert(id.clone(), Running { task: sender });
        }
        for (id, worker) in running.iter() {
            if !state.tasks.contains_key(id) {
                worker
                    .task
                    .send_if_modified(|current| current.take().is_some());
            }
        }
    }

    /// Removes containers and statuses that no task and no worker accounts for.
    async fn collect(&self, running: &BTreeMap<TaskId, Running>) {
        let state = self.mirror.state();
        let accounted = |id: &TaskId| state.tasks.contains_key(id) || running.contains_key(id);
        for engine in self.engines.all() {
            let Ok(containers) = engine.list().await else {
                continue;
            };
            for container in containers.iter().filter(|c| !accounted(&c.task)) {
                tracing::info!(task = %container.task, "removing a container without a task");
                if let Err(error) = engine.remove(&container.task).await {
                    tracing::warn!(task = %container.task, %error, "it could not be removed");
                }
            }
        }
        let mut change = Change::new();
        for (id, status) in &state.statuses {
            if status.node == self.node.id && !accounted(id) {
                change.delete_status(&self.node.id, id, Expect::Revision(status.revision));
            }
        }
        if !change.is_empty()
            && let Err(error) = self.records.commit(change).await
        {
            tracing::warn!(%error, "old statuses could not be deleted");
        }
        let logs = self.logs.clone();
        let live: Vec<String> = state.tasks.keys().map(ToString::to_string).collect();
        drop(tokio::task::spawn_blocking(move || {
            prune_logs(&logs, &live)
        }));
    }
}

/// Deletes the oldest kept logs beyond [`KEPT_LOGS`].
fn prune_logs(directory: &std::path::Path, live: &[String]) {
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
