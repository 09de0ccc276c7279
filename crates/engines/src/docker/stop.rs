//! Ending and removing containers.

use std::time::Duration;

use bollard::query_parameters::{RemoveContainerOptionsBuilder, StopContainerOptionsBuilder};
use model::TaskId;

use super::DockerEngine;
use super::connection::{ANSWER_WITHIN, Client};
use super::failure::status;
use crate::EngineError;

impl DockerEngine {
    pub(super) async fn end(&self, task: &TaskId, grace: Duration) -> Result<(), EngineError> {
        let client = self.connection.client().await?;
        if self.ours(&client, task).await?.is_none() {
            return Ok(());
        }
        // Docker counts grace in whole seconds; a part of one is given whole.
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options = StopContainerOptionsBuilder::new()
            .t(i32::try_from(seconds).unwrap_or(i32::MAX))
            .build();
        let mut docker = client.docker.clone();
        docker.set_timeout(ANSWER_WITHIN.saturating_add(grace));
        match docker.stop_container(task.as_str(), Some(options)).await {
            Err(error) if status(&error) != Some(404) => Err(self
                .connection
                .failed(&format!("stop container {task}"), &error)),
            _ => Ok(()),
        }
    }

    pub(super) async fn clear(&self, task: &TaskId) -> Result<(), EngineError> {
        let client = self.connection.client().await?;
        let Some(container) = self.ours(&client, task).await? else {
            return Ok(());
        };
        self.keep_logs(&client, task).await;
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        // By its id, since the name could be another's by now.
        match client
            .docker
            .remove_container(&container.id, Some(options))
            .await
        {
            Ok(()) => Ok(()),
            Err(error) => match status(&error) {
                // Gone, or somebody else is removing it.
                Some(404 | 409) => self.wait_until_gone(&client, task, &container.id).await,
                _ => Err(self
                    .connection
                    .failed(&format!("remove container {task}"), &error)),
            },
        }
    }

    async fn wait_until_gone(
        &self,
        client: &Client,
        task: &TaskId,
        id: &str,
    ) -> Result<(), EngineError> {
        let deadline = tokio::time::Instant::now() + ANSWER_WITHIN;
        while self.look(client, id).await?.is_some() {
            if tokio::time::Instant::now() >= deadline {
                let what = format!("the removal of container {task}");
                return Err(EngineError::Timeout {
                    what,
                    seconds: ANSWER_WITHIN.as_secs(),
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}
