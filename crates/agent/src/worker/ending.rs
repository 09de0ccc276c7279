//! Ending a task's container, and removing what is left of it.

use std::sync::Arc;
use std::time::Duration;

use engines::{Container, EngineError};
use model::{Task, TaskState};

use super::{RETRY, Worker, status};

/// How long ending a container waits for the services to take note.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Between why a task ends and what stands in the way.
const OBSTACLE: &str = "; it could not be ended yet: ";

impl Worker {
    /// Why this task is being ended although its record says that it should run: a
    /// health check failed too often, perhaps before the daemon was started again.
    pub(super) fn given_up(&self) -> Option<String> {
        let status = self.status.as_ref()?;
        let message = status.message.as_deref().unwrap_or("it was unhealthy");
        let cause = message
            .split_once(OBSTACLE)
            .map_or(message, |(cause, _)| cause);
        (status.state == TaskState::Killing).then(|| cause.to_owned())
    }

    /// Ends the container because the record says so.
    pub(super) async fn end(&mut self, task: &Arc<Task>, reason: &str) {
        if self.status.is_none() {
            // Nothing was begun, so an engine that is away need not be waited for.
            let killed = status::killed(self.known(task), &None, reason);
            return self.write(killed).await;
        }
        self.announce(task, reason).await;
        if let Some(container) = self.end_container(task, reason).await {
            self.write(status::killed(self.known(task), &container, reason))
                .await;
        }
    }

    /// Ends the container because a health check failed too often.
    pub(super) async fn give_up(&mut self, task: &Arc<Task>, cause: &str) {
        self.announce(task, cause).await;
        if self.end_container(task, cause).await.is_some() {
            self.write(status::failed(self.known(task), cause)).await;
        }
    }

    /// Says that the task is ending: no new connection should go there.
    async fn announce(&mut self, task: &Task, message: &str) {
        let mut killing = self.known(task);
        killing.state = TaskState::Killing;
        killing.message = Some(message.to_owned());
        self.write(killing).await;
    }

    /// Stops the container politely, once no new connection is sent to it. Yields it
    /// as it ended, `Some(None)` if there was none, and `None` when the record changed
    /// before the engine could do it.
    async fn end_container(&mut self, task: &Task, reason: &str) -> Option<Option<Container>> {
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
                    self.announce(task, &format!("{reason}{OBSTACLE}{error}"))
                        .await;
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
    pub(super) async fn clean_up(&mut self) {
        // Somebody may have deleted the record of a task that still serves.
        self.drained().await;
        let mut pause = RETRY.0;
        while let Err(error) = self.engine.remove(&self.id).await {
            let message = format!("removing its container failed: {error}");
            self.around.troubles.note(&self.id, message);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
        self.delete_status().await;
    }
}
