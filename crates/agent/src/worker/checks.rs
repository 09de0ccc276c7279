//! The health checks of one running task, side by side.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engines::{Container, Engine};
use model::{HealthCheck, HealthState, Task, TaskStatus};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::health::{Subject, Tracker, Verdict, ask, combined};

/// Answers that may wait for the worker; askers pause when it is behind.
const WAITING: usize = 16;

/// Running checks; dropping this ends them.
pub(super) struct Checks {
    trackers: Vec<Tracker>,
    answers: mpsc::Receiver<(usize, Result<(), String>)>,
    pauses: Vec<mpsc::Sender<Duration>>,
    _askers: JoinSet<()>,
}

impl Checks {
    /// Begins to ask every check of `task`, going on from what `status` says.
    pub(super) fn begin(
        task: &Arc<Task>,
        status: &TaskStatus,
        container: &Container,
        engine: &Arc<dyn Engine>,
        node: Option<IpAddr>,
    ) -> Self {
        let subject = Subject {
            task: Arc::clone(task),
            status: status.clone(),
            engine: Arc::clone(engine),
            pid: container.pid,
            node,
        };
        let started = status.started.unwrap_or(status.staged);
        let (sender, answers) = mpsc::channel(WAITING);
        let mut askers = JoinSet::new();
        let mut trackers = Vec::new();
        let mut pauses = Vec::new();
        for (index, check) in task.health_checks.iter().enumerate() {
            let state = status.health.get(index).cloned().unwrap_or_default();
            let first = if state.first_success.is_none() {
                check.delay_ms
            } else {
                0
            };
            trackers.push(Tracker::new(check.clone(), started, state));
            let (pause, waits) = mpsc::channel(1);
            pauses.push(pause);
            let asker = Asker {
                index,
                check: check.clone(),
                subject: subject.clone(),
            };
            askers.spawn(asker.run(Duration::from_millis(first), sender.clone(), waits));
        }
        Self {
            trackers,
            answers,
            pauses,
            _askers: askers,
        }
    }

    /// Waits for an answer that matters: `Some` is why the task should be ended,
    /// `None` that its standing changed. Never returns for a task without checks.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            let Some((index, answer)) = self.answers.recv().await else {
                return std::future::pending().await;
            };
            let Some(tracker) = self.trackers.get_mut(index) else {
                continue;
            };
            let verdict = tracker.note(answer, SystemTime::now().into());
            let pause = Duration::from_millis(tracker.pause_ms());
            if let Some(asker) = self.pauses.get(index) {
                // An asker waits for just one pause after each answer.
                _ = asker.try_send(pause);
            }
            match verdict {
                Verdict::Same => {}
                Verdict::Changed => return None,
                Verdict::Kill => return Some(tracker_cause(index, tracker)),
            }
        }
    }

    pub(super) fn combined(&self) -> Option<bool> {
        combined(self.trackers.iter().map(Tracker::state))
    }

    pub(super) fn states(&self) -> Vec<HealthState> {
        self.trackers
            .iter()
            .map(|tracker| tracker.state().clone())
            .collect()
    }
}

fn tracker_cause(index: usize, tracker: &Tracker) -> String {
    let state = tracker.state();
    let cause = state
        .last_failure_cause
        .as_deref()
        .unwrap_or("no cause was given");
    format!(
        "health check {index} failed {} times in a row (limit {}): {cause}",
        state.consecutive_failures,
        tracker.check().max_failures
    )
}

/// Asks one check again and again.
struct Asker {
    index: usize,
    check: HealthCheck,
    subject: Subject,
}

impl Asker {
    async fn run(
        self,
        first: Duration,
        answers: mpsc::Sender<(usize, Result<(), String>)>,
        mut pauses: mpsc::Receiver<Duration>,
    ) {
        tokio::time::sleep(first).await;
        loop {
            let answer = ask(&self.subject, &self.check).await;
            if answers.send((self.index, answer)).await.is_err() {
                return;
            }
            let Some(pause) = pauses.recv().await else {
                return;
            };
            tokio::time::sleep(pause).await;
        }
    }
}
