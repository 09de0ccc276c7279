//! Making and starting containers.

use std::path::PathBuf;
use std::time::Duration;

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListNetworksOptions, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use model::Task;

use super::connection::Client;
use super::failure::{ENGINE, Obstacle, detail, obstacle, status};
use super::{DockerEngine, draft, image, observe, parent};
use crate::{Container, EngineError, Phase, untranslated};

/// Docker knows addresses before it says that a container runs; remote drivers may
/// take a moment.
const ADDRESSES_WITHIN: Duration = Duration::from_secs(5);

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

impl DockerEngine {
    pub(super) async fn run(&self, task: &Task) -> Result<Container, EngineError> {
        let client = self.connection.client().await?;
        match self.look(&client, task.id.as_str()).await? {
            None => self.create(&client, task).await?,
            Some(seen) => match observe::container(&seen, &self.options) {
                Some(container) if container.phase == Phase::Created => {}
                Some(_) => return self.with_addresses(&client, task).await,
                None => return Err(name_taken(task)),
            },
        }
        let started = self.begin(&client, task).await;
        if started.is_err() {
            self.discard(&client, task).await;
        }
        started
    }

    /// Makes the task's container, unless it is there; tells the cgroup that it will have.
    pub(super) async fn make(&self, task: &Task) -> Result<PathBuf, EngineError> {
        let client = self.connection.client().await?;
        let mut seen = self.look(&client, task.id.as_str()).await?;
        if seen.is_none() {
            self.create(&client, task).await?;
            seen = self.look(&client, task.id.as_str()).await?;
        }
        let seen = seen.ok_or_else(|| EngineError::NoContainer(task.id.clone()))?;
        let container = observe::container(&seen, &self.options).ok_or_else(|| name_taken(task))?;
        let configured = self.options.cgroup_parent.as_deref();
        let opted_out = untranslated::has_opted_out(task);
        let parent = parent::name(configured, client.systemd_cgroups, opted_out)?;
        Ok(parent::cgroup(
            parent.as_deref(),
            client.systemd_cgroups,
            &container.id,
        ))
    }

    async fn create(&self, client: &Client, task: &Task) -> Result<(), EngineError> {
        let configured = self.options.cgroup_parent.as_deref();
        let opted_out = untranslated::has_opted_out(task);
        let parent = parent::name(configured, client.systemd_cgroups, opted_out)?;
        let body = draft::body(task, &self.options, parent)?;
        let wanted = body.image.clone().unwrap_or_default();
        let docker = task.container.docker.as_ref();
        let mut pulled = docker.is_some_and(|docker| docker.force_pull_image);
        if pulled {
            image::pull(&self.connection, client, &wanted).await?;
        }
        let name = CreateContainerOptionsBuilder::new()
            .name(task.id.as_str())
            .build();
        loop {
            let made = client
                .docker
                .create_container(Some(name.clone()), body.clone())
                .await;
            match made {
                Ok(made) => {
                    for warning in made.warnings {
                        tracing::warn!(task = %task.id, "Docker warns: {warning}");
                    }
                    return Ok(());
                }
                Err(error) if !pulled && image_is_missing(&error) => {
                    image::pull(&self.connection, client, &wanted).await?;
                    pulled = true;
                }
                // Newer Dockers look for the network here, older ones at the start.
                Err(error) => return Err(self.explain(client, task, "make", error).await),
            }
        }
    }

    async fn begin(&self, client: &Client, task: &Task) -> Result<Container, EngineError> {
        let started = client
            .docker
            .start_container(task.id.as_str(), None::<StartContainerOptions>)
            .await;
        if let Err(error) = started {
            return Err(self.explain(client, task, "start", error).await);
        }
        self.with_addresses(client, task).await
    }

    /// The container, once its addresses are known or it has ended.
    async fn with_addresses(&self, client: &Client, task: &Task) -> Result<Container, EngineError> {
        let deadline = tokio::time::Instant::now() + ADDRESSES_WITHIN;
        loop {
            let seen = self.look(client, task.id.as_str()).await?;
            let container = seen
                .as_ref()
                .and_then(|s| observe::container(s, &self.options));
            let (Some(seen), Some(container)) = (seen, container) else {
                return Err(EngineError::NoContainer(task.id.clone()));
            };
            let Some(network) = observe::addressed_network(&seen) else {
                return Ok(container);
            };
            let addressed = container
                .network_infos
                .iter()
                .any(|info| info.addresses().next().is_some());
            if addressed || matches!(container.phase, Phase::Exited { .. }) {
                return Ok(container);
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(EngineError::Network {
                    network: network.to_owned(),
                    detail: "Docker runs the container but reports no address; look at the \
                             network's IPAM driver"
                        .to_owned(),
                });
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Removes what a failed attempt made. The attempt's own error is the one to
    /// report; what stays is found by the next start.
    async fn discard(&self, client: &Client, task: &Task) {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let removed = client
            .docker
            .remove_container(task.id.as_str(), Some(options))
            .await;
        if let Err(error) = removed
            && status(&error) != Some(404)
        {
            tracing::warn!(task = %task.id, "removing the failed container: {}", detail(&error));
        }
    }

    async fn explain(
        &self,
        client: &Client,
        task: &Task,
        verb: &str,
        error: bollard::errors::Error,
    ) -> EngineError {
        let fallback = self
            .connection
            .failed(&format!("{verb} container {}", task.id), &error);
        let EngineError::Failed { detail, .. } = &fallback else {
            return fallback;
        };
        let docker = task.container.docker.clone().unwrap_or_default();
        let mappings = docker.port_mappings.iter();
        let ports: Vec<u16> = mappings
            .filter_map(|mapping| mapping.host_port.try_into().ok())
            .collect();
        let named = task
            .container
            .network_infos
            .first()
            .and_then(|info| info.name.clone());
        let network = named.unwrap_or_else(|| format!("{:?}", docker.network).to_lowercase());
        match obstacle(detail, &ports) {
            Obstacle::PortTaken(port) => EngineError::PortInUse {
                port,
                detail: detail.clone(),
            },
            Obstacle::NetworkMissing => {
                let help = self.network_help(client, &network).await;
                EngineError::NetworkMissing {
                    engine: ENGINE,
                    network,
                    help,
                }
            }
            Obstacle::Network => EngineError::Network {
                network,
                detail: detail.clone(),
            },
            Obstacle::ImageMissing => EngineError::Image {
                image: docker.image,
                detail: detail.clone(),
            },
            Obstacle::Other => fallback,
        }
    }

    async fn network_help(&self, client: &Client, wanted: &str) -> String {
        let make = format!("make it with 'docker network create {wanted}'");
        match self.network_names(client).await {
            Ok(names) => format!("there are {}; {make}", names.join(", ")),
            Err(_) => make,
        }
    }

    pub(super) async fn network_names(&self, client: &Client) -> Result<Vec<String>, EngineError> {
        let networks = client
            .docker
            .list_networks(None::<ListNetworksOptions>)
            .await
            .map_err(|error| self.connection.failed("list its networks", &error))?;
        let mut names: Vec<_> = networks
            .into_iter()
            .filter_map(|network| network.name)
            .collect();
        names.sort_unstable();
        Ok(names)
    }
}

fn image_is_missing(error: &bollard::errors::Error) -> bool {
    status(error) == Some(404) && obstacle(&detail(error), &[]) == Obstacle::ImageMissing
}

fn name_taken(task: &Task) -> EngineError {
    EngineError::Failed {
        engine: ENGINE,
        action: format!("make container {}", task.id),
        detail: "a container of somebody else has this name; remove or rename it".to_owned(),
    }
}
