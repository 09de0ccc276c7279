//! The life of one task on this node, from its record to its container and back.
//!
//! A worker does what the record's goal says and writes down what happens. It keeps
//! nothing that it could not find again: after a restart of the daemon a new worker
//! goes on from the stored status and from the engine's container.

mod checks;
mod status;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engines::{Container, Engine, EngineError, EngineEvent, Phase};
use model::{Goal, Task, TaskId, TaskState, TaskStatus, Timestamp};
use store::{Mirror, Records};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use vip::ServiceTable;

use crate::hints::Hints;
use crate::node::NodeOptions;
use checks::Checks;

/// How often the container is looked at although no engine said anything.
const PERIOD: Duration = Duration::from_secs(10);

/// Pauses between attempts while an engine is away: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long ending a container waits for the services to take note.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// What all workers share.
pub(crate) struct Surroundings {
    pub(crate) records: Records,
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeOptions,
    pub(crate) hints: Hints,
    pub(crate) table: watch::Receiver<(u64, Arc<ServiceTable>)>,
}

/// The worker of one task.
pub(crate) struct Worker {
    id: TaskId,
    /// The record; `None` once it is gone.
    task: watch::Receiver<Option<Arc<Task>>>,
    engine: Arc<dyn Engine>,
    around: Arc<Surroundings>,
    /// What was last written, or found at the start.
    status: Option<TaskStatus>,
}

/// Why watching a running container ended.
enum Outcome {
    /// The record changed or is gone.
    Wish,
    /// The process ended by itself.
    Exited(Container),
    /// The engine does not know the container any more.
    Vanished,
    /// A health check failed too often.
    Unhealthy(String),
}

impl Worker {
    pub(crate) fn new(
        id: TaskId,
        task: watch::Receiver<Option<Arc<Task>>>,
        engine: Arc<dyn Engine>,
        around: Arc<Surroundings>,
        status: Option<TaskStatus>,
    ) -> Self {
        Self {
            id,
            task,
            engine,
            around,
            status,
        }
    }

    /// Works until the record is gone or `stop`; yields the task's id.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> TaskId {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.live() => {}
        }
        self.id
    }

    async fn live(&mut self) {
        loop {
            let task = self.task.borrow_and_update().clone();
            match task {
                None => return self.clean_up().await,
                Some(_) if self.has_ended() => {
                    // The leader has the word now: it deletes the record.
                    if self.task.changed().await.is_err() {
                        return;
                    }
                }
                Some(task) => match &task.goal {
                    Goal::Run => self.keep_running(&task).await,
                    Goal::Stop { reason } => self.end(&task, reason).await,
                },
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.status
            .as_ref()
            .is_some_and(|status| status.state.is_terminal())
    }

    async fn keep_running(&mut self, task: &Arc<Task>) {
        let Some(container) = self.obtain(task).await else {
            return;
        };
        if let Phase::Exited { .. } = container.phase {
            return self
                .write(status::exited(self.known(task), &container))
                .await;
        }
        let running = status::running(self.known(task), task, &container);
        self.write(running).await;
        match self.observe(task, &container).await {
            Outcome::Wish => {}
            Outcome::Exited(container) => {
                self.write(status::exited(self.known(task), &container))
                    .await;
            }
            Outcome::Vanished => self.write(status::lost(self.known(task))).await,
            Outcome::Unhealthy(cause) => self.give_up(task, &cause).await,
        }
    }

    /// The task's container, running or ended; `None` when there is none and the
    /// status says why, or when the record changed while the engine was away.
    async fn obtain(&mut self, task: &Arc<Task>) -> Option<Container> {
        let mut wishes = self.task.clone();
        let mut pause = RETRY.0;
        loop {
            // Pulling an image takes long; a record that changes meanwhile wins. What
            // the attempt leaves is removed with the container.
            let found = tokio::select! {
                found = self.find_or_start(task) => found,
                _ = wishes.changed() => return None,
            };
            match found {
                Ok(Some(container)) => return Some(container),
                Ok(None) => {
                    self.write(status::lost(self.known(task))).await;
                    return None;
                }
                Err(error @ EngineError::Unavailable { .. }) => {
                    let mut waiting = self.known(task);
                    waiting.message = Some(error.to_string());
                    self.write(waiting).await;
                }
                Err(error) => {
                    self.write(status::failed(self.known(task), &error.to_string()))
                        .await;
                    return None;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY.1),
                _ = wishes.changed() => return None,
            }
        }
    }

    /// Starts the container, unless one was already running: that one is only looked
    /// for, since a container that vanished is not started again under the same id.
    async fn find_or_start(&mut self, task: &Task) -> Result<Option<Container>, EngineError> {
        let was_running = self
            .status
            .as_ref()
            .is_some_and(|status| matches!(status.state, TaskState::Running | TaskState::Killing));
        if was_running {
            return self.engine.inspect(&self.id).await;
        }
        if self.status.is_none() {
            let staging = self.known(task);
            self.write(staging).await;
        }
        self.engine.start(task).await.map(Some)
    }

    /// Watches a running container and asks its health checks.
    async fn observe(&mut self, task: &Arc<Task>, container: &Container) -> Outcome {
        let mut hints = self.around.hints.subscribe();
        let mut checks = Checks::begin(
            task,
            &self.known(task),
            container,
            &self.engine,
            self.around.node.addresses.first().copied(),
        );
        loop {
            tokio::select! {
                _ = self.task.changed() => return Outcome::Wish,
                finding = checks.next() => {
                    let mut status = self.known(task);
                    status.healthy = checks.combined();
                    status.health = checks.states();
                    self.write(status).await;
                    if let Some(cause) = finding {
                        return Outcome::Unhealthy(cause);
                    }
                }
                () = wait_for_hint(&mut hints, &self.id) => {
                    match self.engine.inspect(&self.id).await {
                        Ok(Some(container)) if matches!(container.phase, Phase::Exited { .. }) => {
                            return Outcome::Exited(container);
                        }
                        Ok(None) => return Outcome::Vanished,
                        // An engine that is away says nothing about its containers.
                        Ok(Some(_)) | Err(_) => {}
                    }
                }
            }
        }
    }

    /// Ends the container because the record says so.
    async fn end(&mut self, task: &Arc<Task>, reason: &str) {
        let mut killing = self.known(task);
        killing.state = TaskState::Killing;
        killing.message = Some(reason.to_owned());
        self.write(killing).await;
        if let Some(container) = self.end_container(task).await {
            self.write(status::killed(self.known(task), &container, reason))
                .await;
        }
    }

    /// Ends the container because a health check failed too often.
    async fn give_up(&mut self, task: &Arc<Task>, cause: &str) {
        let mut killing = self.known(task);
        killing.state = TaskState::Killing;
        killing.message = Some(cause.to_owned());
        self.write(killing).await;
        if self.end_container(task).await.is_some() {
            self.write(status::failed(self.known(task), cause)).await;
        }
    }

    /// Stops the container politely, once no new connection is sent to it. Yields it
    /// as it ended, `Some(None)` if there was none, and `None` when the record changed
    /// before the engine could do it.
    async fn end_container(&mut self, task: &Task) -> Option<Option<Container>> {
        self.drained().await;
        let grace = Duration::from_millis(task.kill_grace_ms);
        let mut pause = RETRY.0;
        loop {
            let ended = match self.engine.stop(&self.id, grace).await {
                Ok(()) => self.engine.inspect(&self.id).await,
                Err(EngineError::NoContainer(_)) => Ok(None),
                Err(error) => Err(error),
            };
            match ended {
                Ok(container) => return Some(container),
                Err(error) => {
                    tracing::warn!(task = %self.id, %error, "ending it failed; trying again")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY.1),
                _ = self.task.changed() => return None,
            }
        }
    }

    /// Waits until the datapath is in force that knows this task is ending.
    async fn drained(&self) {
        let revision = self.around.mirror.state().revision;
        let mut table = self.around.table.clone();
        let in_force = table.wait_for(|(of, _)| *of >= revision);
        // A datapath that fails must not keep tasks alive.
        drop(tokio::time::timeout(DRAIN_LIMIT, in_force).await);
    }

    /// Removes the container and the status; the record is gone.
    async fn clean_up(&mut self) {
        let mut pause = RETRY.0;
        while let Err(error) = self.engine.remove(&self.id).await {
            tracing::warn!(task = %self.id, %error, "removing its container failed; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
        self.delete_status().await;
    }

    /// The status to go on from.
    fn known(&self, task: &Task) -> TaskStatus {
        self.status
            .clone()
            .unwrap_or_else(|| status::staging(task, now()))
    }
}

/// Returns when something may have happened to the task's container.
async fn wait_for_hint(hints: &mut broadcast::Receiver<EngineEvent>, id: &TaskId) {
    let hint = async {
        loop {
            match hints.recv().await {
                Ok(EngineEvent { task: Some(other) }) if other != *id => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    drop(tokio::time::timeout(PERIOD, hint).await);
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
