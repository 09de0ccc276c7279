//! Finding containers.

use std::collections::HashMap;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};
use futures::stream;
use futures::{StreamExt, TryStreamExt};
use model::TaskId;

use super::connection::Client;
use super::failure::status;
use super::{DockerEngine, labels, observe};
use crate::{Container, EngineError};

/// How many containers are inspected at a time.
const INSPECTIONS: usize = 8;

impl DockerEngine {
    /// Docker's view of a container by name or id.
    pub(super) async fn look(
        &self,
        client: &Client,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let options = None::<InspectContainerOptions>;
        match client.docker.inspect_container(name, options).await {
            Ok(seen) => Ok(Some(seen)),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.connection.failed("inspect a container", &error)),
        }
    }

    /// The task's container, if it is ours.
    pub(super) async fn ours(
        &self,
        client: &Client,
        task: &TaskId,
    ) -> Result<Option<Container>, EngineError> {
        let seen = self.look(client, task.as_str()).await?;
        Ok(seen.and_then(|seen| observe::container(&seen, &self.options)))
    }

    /// All containers of this owner.
    pub(super) async fn all(&self) -> Result<Vec<Container>, EngineError> {
        let client = self.connection.client().await?;
        let owner = format!("{}={}", labels::OWNER, self.options.owner);
        let filters = HashMap::from([("label", vec![owner.as_str()])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listed = client
            .docker
            .list_containers(Some(options))
            .await
            .map_err(|error| self.connection.failed("list containers", &error))?;
        let ids = listed.into_iter().filter_map(|summary| summary.id);
        let seen: Vec<_> = stream::iter(ids)
            .map(|id| {
                let client = &client;
                async move { self.look(client, &id).await }
            })
            .buffered(INSPECTIONS)
            .try_collect()
            .await?;
        let seen = seen.iter().flatten();
        Ok(seen
            .filter_map(|seen| observe::container(seen, &self.options))
            .collect())
    }
}
