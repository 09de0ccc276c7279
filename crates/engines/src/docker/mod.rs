//! Docker, over its HTTP API on a unix socket.
//!
//! A task's container is named as the task and carries labels with its owner, its
//! task and the network entry that was asked for ([`labels`]); nothing else is
//! remembered. Containers without our owner's label do not exist for us,
//! except that it can be told what runs beside ours (`external`).
//!
//! What is sent to Docker is computed from the task alone, without asking anybody
//! (`draft`, `network`, `parameters`), and what Docker shows is read in one place
//! (`observe`). Where Docker leaves a choice, Mesos' Docker containerizer is the
//! model, so that app definitions mean what they meant there.
//!
//! No container has a restart policy: whether a task runs again is the leader's
//! decision, which Docker would race.

mod connection;
mod draft;
mod events;
mod exec;
mod external;
mod failure;
mod find;
mod image;
mod labels;
mod logs;
mod network;
mod observe;
mod parameters;
pub(crate) mod parent;
mod start;
mod stop;
mod virtual_networks;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use mesos::ContainerType;
use model::{Task, TaskId};

use crate::{
    Container, Discovery, Engine, EngineError, EngineEvent, EngineInfo, EngineOptions, ExecOutcome,
    LogStream, VirtualNetworks,
};
use connection::Connection;
use failure::ENGINE;

pub use external::sighted;

/// Where Docker is, and what the engine needs to know of the daemon.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// Docker's unix socket, usually `/run/docker.sock`.
    pub socket: PathBuf,
    /// The same for every engine.
    pub common: EngineOptions,
}

/// The engine for `DOCKER` containers.
#[derive(Debug)]
pub struct DockerEngine {
    connection: Connection,
    options: EngineOptions,
}

impl DockerEngine {
    /// An engine over the socket; connects when it is first used, so Docker may come
    /// later or go and come back.
    #[must_use]
    pub fn new(options: DockerOptions) -> Self {
        Self {
            connection: Connection::new(options.socket),
            options: options.common,
        }
    }

    /// Forgets the connection when the result says that Docker is away.
    async fn watched<T>(&self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        if let Err(EngineError::Unavailable { .. }) = result {
            self.connection.forget().await;
        }
        result
    }

    async fn version(&self) -> Result<EngineInfo, EngineError> {
        // Always anew: Docker may have been upgraded behind the same socket.
        self.connection.forget().await;
        let client = self.connection.client().await?;
        let version = client
            .docker
            .version()
            .await
            .map_err(|error| self.connection.failed("tell its version", &error))?;
        Ok(EngineInfo {
            name: ENGINE,
            version: version.version.unwrap_or_default(),
        })
    }
}

#[async_trait]
impl Engine for DockerEngine {
    fn kind(&self) -> ContainerType {
        ContainerType::Docker
    }

    async fn probe(&self) -> Result<EngineInfo, EngineError> {
        self.watched(self.version().await).await
    }

    async fn start(&self, task: &Task) -> Result<Container, EngineError> {
        self.watched(Box::pin(self.run(task)).await).await
    }

    async fn list(&self) -> Result<Vec<Container>, EngineError> {
        self.watched(self.all().await).await
    }

    async fn inspect(&self, task: &TaskId) -> Result<Option<Container>, EngineError> {
        let client = self.connection.client().await?;
        self.watched(self.ours(&client, task).await).await
    }

    async fn stop(&self, task: &TaskId, grace: Duration) -> Result<(), EngineError> {
        self.watched(self.end(task, grace).await).await
    }

    async fn remove(&self, task: &TaskId) -> Result<(), EngineError> {
        self.watched(self.clear(task).await).await
    }

    async fn exec(
        &self,
        task: &TaskId,
        shell: &str,
        timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        self.watched(self.execute(task, shell, timeout).await).await
    }

    async fn logs(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Bytes, EngineError> {
        self.watched(self.printed(task, stream, tail).await).await
    }

    async fn events(&self) -> Result<BoxStream<'static, EngineEvent>, EngineError> {
        self.watched(self.hints().await).await
    }

    async fn stage(&self, task: &Task) -> Result<Option<PathBuf>, EngineError> {
        self.watched(self.make(task).await).await.map(Some)
    }

    async fn untranslated(&self) -> Result<Option<PathBuf>, EngineError> {
        let client = self.connection.client().await?;
        parent::untranslated(
            self.options.cgroup_parent.as_deref(),
            client.systemd_cgroups,
        )
    }

    /// What `USER` may name, besides `host`, `bridge` and `none`.
    async fn networks(&self) -> Result<Vec<String>, EngineError> {
        let client = self.connection.client().await?;
        self.watched(self.network_names(&client).await).await
    }

    fn discovery(self: Arc<Self>) -> Option<Arc<dyn Discovery>> {
        Some(self)
    }

    fn virtual_networks(self: Arc<Self>) -> Option<Arc<dyn VirtualNetworks>> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn a_docker_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let engine = DockerEngine::new(DockerOptions {
            socket: socket.clone(),
            common: EngineOptions {
                owner: "me".to_owned(),
                cgroup_parent: None,
                dns_server: Ipv4Addr::LOCALHOST,
                node_addresses: Vec::new(),
                logs: dir.path().join("logs"),
                state: dir.path().join("state"),
            },
        });
        let unavailable = |error: EngineError| {
            assert!(
                matches!(error, EngineError::Unavailable { .. }),
                "{error:?}"
            );
            assert!(
                error.to_string().contains(socket.to_str().unwrap()),
                "{error}"
            );
        };
        unavailable(engine.probe().await.unwrap_err());
        unavailable(engine.events().await.err().unwrap());
        // A file of that name where nobody listens.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        unavailable(engine.list().await.unwrap_err());
    }
}
