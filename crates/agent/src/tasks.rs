//! One worker for each task of this node, and nothing left of any other.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engines::Engine;
use futures::FutureExt;
use model::{Task, TaskId};
use store::{Mirror, Records, State};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use vip::ServiceTable;

use crate::absent::Absent;
use crate::exempt::Beforehand;
use crate::hints::Hints;
use crate::leftovers::{self, Found, Leftovers};
use crate::node::NodeOptions;
use crate::options::Engines;
use crate::owners::Before;
use crate::placing::Placing;
use crate::report::{Reports, Troubles};
use crate::worker::{Surroundings, Worker};

/// How often leftovers are looked for.
const PERIOD: Duration = Duration::from_secs(30);

/// Pauses before a worker that panicked is begun again: the first and the longest.
const REST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A worker that lives this long has got over what the one before it panicked at.
const PROVEN: Duration = Duration::from_secs(60);

/// The reconciler.
pub(crate) struct Tasks {
    pub(crate) records: Records,
    pub(crate) mirror: Mirror,
    pub(crate) engines: Engines,
    pub(crate) node: NodeOptions,
    pub(crate) logs: PathBuf,
    pub(crate) hints: Hints,
    pub(crate) table: watch::Receiver<(u64, Arc<ServiceTable>)>,
    pub(crate) placing: Placing,
    pub(crate) beforehand: Beforehand,
    pub(crate) before: Before,
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
        let surroundings = Arc::new(self.surroundings());
        let mut workers = JoinSet::new();
        let mut running: BTreeMap<TaskId, Running> = BTreeMap::new();
        // Engines may be slow; workers are handed their records meanwhile.
        let mut cleaning = JoinSet::new();
        let mut regularly = tokio::time::interval(PERIOD);
        regularly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            let began = Instant::now();
            self.hand_out(&state, &surroundings, &mut running, &mut workers, &stop);
            let did = Some(format!("{} tasks", running.len()));
            let failures = surroundings.troubles.all();
            self.reports.note("tasks", began, did, failures);
            tokio::select! {
                () = stop.cancelled() => break,
                _ = regularly.tick() => if cleaning.is_empty() {
                    cleaning.spawn(leftovers::list(self.engines.clone()).map(Some));
                },
                Some(done) = cleaning.join_next() => match done {
                    Ok(Some(found)) => {
                        let removal = self.remove(found, &running);
                        cleaning.spawn(removal.map(|()| None));
                    }
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "looking for leftovers failed"),
                },
                changed = states.changed() => if changed.is_err() { break },
                Some(ended) = workers.join_next() => match ended {
                    Ok(id) => { running.remove(&id); }
                    // Nothing tells which one it was, but its channel is closed.
                    Err(error) => {
                        tracing::error!(%error, "a task's worker is gone and is begun again");
                        running.retain(|_, worker| !worker.task.is_closed());
                    }
                },
            }
        }
        workers.shutdown().await;
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            records: self.records.clone(),
            mirror: self.mirror.clone(),
            node: self.node.clone(),
            hints: self.hints.clone(),
            table: self.table.clone(),
            placing: self.placing.clone(),
            beforehand: self.beforehand.clone(),
            before: self.before.clone(),
            troubles: Troubles::default(),
        }
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
            let kind = task.container.kind;
            let engine = self.engines.of(kind).cloned();
            let (sender, receiver) = watch::channel(Some(task));
            workers.spawn(tend(
                id.clone(),
                receiver,
                engine.unwrap_or_else(|| Arc::new(Absent(kind))),
                Arc::clone(surroundings),
                stop.clone(),
            ));
            running.insert(id.clone(), Running { task: sender });
        }
        for (id, worker) in running.iter() {
            // A record that cannot be read any more says nothing new.
            if !state.tasks.contains_key(id) && !state.has_unreadable_task(id) {
                worker
                    .task
                    .send_if_modified(|current| current.take().is_some());
            }
        }
    }

    /// Removes what no task and no worker accounts for.
    fn remove(
        &self,
        found: Vec<Found>,
        running: &BTreeMap<TaskId, Running>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let has_worker = |id: &TaskId| running.contains_key(id);
        let state = self.mirror.state();
        Leftovers::choose(found, &state, &self.node.id, has_worker).remove(
            self.records.clone(),
            self.node.id.clone(),
            self.logs.clone(),
        )
    }
}

/// Runs the worker of one task, and another one after a panic. Panics are kept to
/// the task that they are about; pauses keep them from taking a whole core.
async fn tend(
    id: TaskId,
    task: watch::Receiver<Option<Arc<Task>>>,
    engine: Arc<dyn Engine>,
    around: Arc<Surroundings>,
    stop: CancellationToken,
) -> TaskId {
    let mut rest = REST.0;
    loop {
        let status = around.mirror.state().statuses.get(&id).cloned();
        let worker = Worker::new(
            id.clone(),
            task.clone(),
            Arc::clone(&engine),
            Arc::clone(&around),
            status.map(|status| (*status.record).clone()),
        );
        let mut life = AssertUnwindSafe(worker.run(stop.clone()))
            .catch_unwind()
            .boxed();
        let ended = tokio::select! {
            ended = &mut life => ended,
            () = tokio::time::sleep(PROVEN) => {
                around.troubles.clear(&id);
                rest = REST.0;
                life.await
            }
        };
        if ended.is_ok() {
            around.troubles.clear(&id);
            return id;
        }
        let message = "its worker failed, which is a defect; its panic is in the log";
        around.troubles.note(&id, message.to_owned());
        tokio::select! {
            () = stop.cancelled() => return id,
            () = tokio::time::sleep(rest) => rest = (rest * 2).min(REST.1),
        }
    }
}

#[cfg(test)]
mod tests;
