//! The life of one task on this node, from its record to its container and back.
//!
//! A worker does what the record's goal says and writes down what happens. It keeps
//! nothing that it could not find again: after a restart of the daemon a new worker
//! goes on from the stored status and from the engine's container.

mod checks;
mod ending;
mod status;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engines::{Container, Engine, EngineError, EngineEvent, Phase};
use model::{Goal, Task, TaskId, TaskState, TaskStatus, Timestamp};
use store::{Mirror, Records};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use vip::ServiceTable;

use crate::exempt::Beforehand;
use crate::hints::Hints;
use crate::node::NodeOptions;
use crate::owners::Before;
use crate::placing::Placing;
use crate::report::Troubles;
use checks::Checks;

/// How often the container is looked at although no engine said anything.
const PERIOD: Duration = Duration::from_secs(30);

/// Pauses between attempts while an engine is away: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How often a start that takes long says what it waits for.
const TELL: Duration = Duration::from_secs(2);

/// Where hints arrive.
type Receiver = broadcast::Receiver<EngineEvent>;

/// What all workers share.
pub(crate) struct Surroundings {
    pub(crate) records: Records,
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeOptions,
    pub(crate) hints: Hints,
    pub(crate) table: watch::Receiver<(u64, Arc<ServiceTable>)>,
    pub(crate) placing: Placing,
    pub(crate) beforehand: Beforehand,
    pub(crate) before: Before,
    pub(crate) troubles: Troubles,
}

/// The worker of one task.
///
/// Everything it does may be cut off by the end of the daemon and is then done again
/// by the next worker: engines' calls may be repeated.
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

    /// Works until the record is gone or `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            // First: what a worker waits for may end together with the daemon, and
            // must not pass for what it waited for.
            biased;
            () = stop.cancelled() => {}
            () = self.live() => {}
        }
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
                    Goal::Run => match self.given_up() {
                        Some(cause) => self.give_up(&task, &cause).await,
                        None => self.keep_running(&task).await,
                    },
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

    /// Whether its container was seen running.
    fn was_running(&self) -> bool {
        self.status
            .as_ref()
            .is_some_and(|status| status.state == TaskState::Running)
    }

    async fn keep_running(&mut self, task: &Arc<Task>) {
        // Listening begins before anybody looks: an end in between is not missed.
        let mut hints = self.around.hints.subscribe();
        let Some(container) = self.obtain(task, &mut hints).await else {
            return;
        };
        if let Phase::Exited { .. } = container.phase {
            return self
                .write(status::exited(self.known(task), &container))
                .await;
        }
        if !self.was_running() && !task.on_host_network() {
            self.around.placing.now().await;
        }
        let running = status::running(self.known(task), task, &container);
        self.write(running).await;
        match self.observe(task, &container, &mut hints).await {
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
    async fn obtain(&mut self, task: &Arc<Task>, hints: &mut Receiver) -> Option<Container> {
        let mut wishes = self.task.clone();
        let mut pause = RETRY.0;
        loop {
            // Pulling an image takes long; a record that changes meanwhile wins. What
            // the attempt leaves is removed with the container.
            let found = tokio::select! {
                found = self.find_or_start(task) => found,
                _ = wishes.changed() => return None,
            };
            let error = match found {
                Ok(Some(container)) => return Some(container),
                Ok(None) => {
                    self.write(status::lost(self.known(task))).await;
                    return None;
                }
                Err(error) => error,
            };
            // An engine that cannot be asked says nothing about a container that ran.
            if !self.was_running() && !matches!(error, EngineError::Unavailable { .. }) {
                let failed = status::failed(self.known(task), &error.to_string());
                self.write(failed).await;
                return None;
            }
            let mut waiting = self.known(task);
            waiting.message = Some(error.to_string());
            self.write(waiting).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY.1),
                // An engine that comes back says so at once.
                () = hint(hints, &self.id) => {}
                _ = wishes.changed() => return None,
            }
            // The next attempt may take long, and then the old message would mislead.
            if !self.was_running() && self.engine.probe().await.is_ok() {
                let mut starting = self.known(task);
                starting.message = None;
                self.write(starting).await;
            }
        }
    }

    /// Starts the container, unless one was already running: that one is only looked
    /// for, since a container that vanished is not started again under the same id.
    async fn find_or_start(&mut self, task: &Task) -> Result<Option<Container>, EngineError> {
        if self.was_running() {
            return self.engine.inspect(&self.id).await;
        }
        if self.status.is_none() {
            let staging = self.known(task);
            self.write(staging).await;
        }
        self.around.beforehand.ready(&self.engine, task).await?;
        self.around.before.ready(&self.engine, task).await?;
        self.start(task).await.map(Some)
    }

    /// Starts the container, and says meanwhile what that waits for: a pull takes minutes.
    async fn start(&mut self, task: &Task) -> Result<Container, EngineError> {
        let engine = Arc::clone(&self.engine);
        let mut start = engine.start(task);
        let mut regularly = interval_at(Instant::now() + TELL, TELL);
        loop {
            tokio::select! {
                started = &mut start => return started,
                _ = regularly.tick() => {
                    let said = engine.progress(&self.id);
                    let mut staging = self.known(task);
                    if said.is_some() && staging.message != said {
                        staging.message = said;
                        self.write(staging).await;
                    }
                }
            }
        }
    }

    /// Watches a running container and asks its health checks.
    async fn observe(
        &mut self,
        task: &Arc<Task>,
        container: &Container,
        hints: &mut Receiver,
    ) -> Outcome {
        let mut checks = Checks::begin(
            task,
            &self.known(task),
            container,
            &self.engine,
            self.around.node.addresses.first().copied(),
        );
        // Of its own, so that checks that answer often do not put looking off.
        let mut regularly = interval_at(Instant::now() + PERIOD, PERIOD);
        regularly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = tokio::select! {
                _ = self.task.changed() => return Outcome::Wish,
                finding = checks.next() => {
                    let mut status = self.known(task);
                    status.healthy = checks.combined();
                    status.health = checks.states();
                    self.write(status).await;
                    if let Some(cause) = finding {
                        return Outcome::Unhealthy(cause);
                    }
                    false
                }
                () = hint(hints, &self.id) => true,
                _ = regularly.tick() => true,
            };
            if look && let Some(outcome) = self.look().await {
                return outcome;
            }
        }
    }

    /// Looks at a container that was running; `None` while it is.
    async fn look(&self) -> Option<Outcome> {
        match self.engine.inspect(&self.id).await {
            Ok(Some(container)) if matches!(container.phase, Phase::Exited { .. }) => {
                Some(Outcome::Exited(container))
            }
            Ok(None) => Some(Outcome::Vanished),
            // An engine that is away says nothing about its containers.
            Ok(Some(_)) | Err(_) => None,
        }
    }

    /// The status to go on from.
    fn known(&self, task: &Task) -> TaskStatus {
        self.status
            .clone()
            .unwrap_or_else(|| status::staging(task, now()))
    }
}

/// Returns when an engine hints that something happened to the task's container.
async fn hint(hints: &mut Receiver, id: &TaskId) {
    loop {
        match hints.recv().await {
            Ok(EngineEvent { task: Some(other) }) if other != *id => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
