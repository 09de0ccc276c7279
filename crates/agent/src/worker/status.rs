//! Statuses at the turns of a task's life, and writing them.

use std::time::Duration;

use engines::{Container, Phase};
use model::{Task, TaskState, TaskStatus, Timestamp};
use store::{Change, Expect, Outcome};

use super::{RETRY, Worker, now};

pub(super) fn staging(task: &Task, now: Timestamp) -> TaskStatus {
    TaskStatus {
        task: task.id.clone(),
        node: task.node.clone(),
        state: TaskState::Staging,
        message: None,
        network_infos: Vec::new(),
        healthy: None,
        health: Vec::new(),
        container: None,
        staged: now,
        started: None,
        ended: None,
        exit_code: None,
    }
}

/// Running, with its addresses; what health checks said before stays said.
pub(super) fn running(known: TaskStatus, task: &Task, container: &Container) -> TaskStatus {
    TaskStatus {
        state: TaskState::Running,
        message: None,
        network_infos: container.network_infos.clone(),
        container: Some(container.id.clone()),
        started: known.started.or(container.started).or_else(|| Some(now())),
        health: if known.health.len() == task.health_checks.len() {
            known.health
        } else {
            vec![model::HealthState::default(); task.health_checks.len()]
        },
        ..known
    }
}

/// Ended by itself.
pub(super) fn exited(known: TaskStatus, container: &Container) -> TaskStatus {
    let Phase::Exited { code, reason } = &container.phase else {
        return known;
    };
    let state = if *code == 0 {
        TaskState::Finished
    } else {
        TaskState::Failed
    };
    let mut message = format!("the command ended with exit code {code}");
    if let Some(reason) = reason {
        message = format!("{message}: {reason}");
    }
    if *code != 0 {
        message.push_str("; see `sealane task logs`");
    }
    let known = with_container(known, container);
    ended(
        TaskStatus {
            exit_code: Some(*code),
            ..known
        },
        state,
        message,
        container.ended,
    )
}

/// Ended because it was told to.
pub(super) fn killed(known: TaskStatus, container: &Option<Container>, reason: &str) -> TaskStatus {
    let exit_code = match container.as_ref().map(|container| &container.phase) {
        Some(Phase::Exited { code, .. }) => Some(*code),
        _ => None,
    };
    let at = container.as_ref().and_then(|container| container.ended);
    ended(
        TaskStatus { exit_code, ..known },
        TaskState::Killed,
        reason.to_owned(),
        at,
    )
}

/// Could not be started, or was given up.
pub(super) fn failed(known: TaskStatus, message: &str) -> TaskStatus {
    ended(known, TaskState::Failed, message.to_owned(), None)
}

/// Its container is gone.
pub(super) fn lost(known: TaskStatus) -> TaskStatus {
    let message = "its container is gone: somebody removed it, or the host was restarted";
    ended(known, TaskState::Lost, message.to_owned(), None)
}

fn with_container(known: TaskStatus, container: &Container) -> TaskStatus {
    TaskStatus {
        container: Some(container.id.clone()),
        started: known.started.or(container.started),
        ..known
    }
}

fn ended(
    known: TaskStatus,
    state: TaskState,
    message: String,
    at: Option<Timestamp>,
) -> TaskStatus {
    TaskStatus {
        state,
        message: Some(message),
        ended: at.or_else(|| Some(now())),
        ..known
    }
}

impl Worker {
    /// Writes a status unless it says what was said before. Does not return before
    /// the store has it: what is not written did not happen for anybody else.
    pub(super) async fn write(&mut self, status: TaskStatus) {
        if self.status.as_ref() == Some(&status) {
            return;
        }
        tracing::debug!(task = %self.id, state = status.state.as_str(), "status");
        self.commit(|change| {
            change.put_status(&status, Expect::Any);
        })
        .await;
        self.status = Some(status);
    }

    pub(super) async fn delete_status(&mut self) {
        let node = &self.around.node.id;
        self.commit(|change| {
            change.delete_status(node, &self.id, Expect::Any);
        })
        .await;
        self.status = None;
    }

    /// Tries until the store takes what `fill` puts into a change.
    async fn commit(&self, fill: impl Fn(&mut Change)) {
        let mut pause: Duration = RETRY.0;
        loop {
            let mut change = Change::new();
            fill(&mut change);
            match self.around.records.commit(change).await {
                Ok(Outcome::Committed(revision)) => {
                    self.around.mirror.at_least(revision).await;
                    return;
                }
                // Nothing is expected of the record, so nothing can conflict.
                Ok(Outcome::Conflict) => return,
                Err(error) => {
                    tracing::warn!(task = %self.id, %error, "its status could not be written; trying again");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }
}
