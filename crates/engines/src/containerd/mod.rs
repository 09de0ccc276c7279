//! The native engine: containerd runs what Mesos' own containerizer ran.
//!
//! A `MESOS` container is a plain command on the host's file system, a Docker image that
//! containerd has or a registry gives, or an AppC image, on the CNI networks that its `NetworkInfo`s name or on
//! the host's network, there perhaps with isolated ports. Everything is made through containerd's gRPC interface and
//! held by its shims, so containers outlive this process and containerd itself.
//!
//! Nothing is remembered here: ids, places and cgroups follow from the task
//! ([`names`]), what was assigned is stored with containerd's record of the
//! container. So every step of a removal can be taken without knowing how far a
//! start came, and the record, by which a container is found, goes last.
//!
//! ```no_run
//! # async fn run(common: engines::EngineOptions, networks: networks::Networks) -> Result<(), engines::EngineError> {
//! use engines::{ContainerdEngine, ContainerdOptions, Engine};
//! let engine = ContainerdEngine::new(ContainerdOptions {
//!     socket: "/run/containerd/containerd.sock".into(),
//!     namespace: "sealane".to_owned(),
//!     snapshotter: "overlayfs".to_owned(),
//!     networks,
//!     common,
//! })?;
//! println!("containerd {}", engine.probe().await?.version);
//! # Ok(())
//! # }
//! ```

mod attach;
mod client;
mod command;
mod events;
mod exec;
mod files;
mod host_root;
mod image;
mod isolate;
mod lease;
mod logs;
mod memory;
mod names;
mod prepare;
#[cfg(test)]
mod properties;
mod record;
mod remove;
mod rootfs;
#[cfg(test)]
mod sample;
mod spec;
mod start;
mod stop;
mod time;
mod user;
mod view;
mod volumes;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use isolation::Isolation;
use mesos::ContainerType;
use model::{Task, TaskId};
use networks::Networks;

use self::client::{Client, ENGINE};
use self::image::{Puller, Snapshots};
use self::names::Names;
use crate::appc::{Appc, Limits};
use crate::error::chain;
use crate::progress::Board;
use crate::{
    Container, Engine, EngineError, EngineEvent, EngineInfo, EngineOptions, ExecOutcome,
    ImageOptions, LogStream, untranslated,
};

/// Settings of [`ContainerdEngine`].
#[derive(Debug, Clone)]
pub struct ContainerdOptions {
    /// containerd's gRPC socket, such as `/run/containerd/containerd.sock`.
    pub socket: PathBuf,
    /// Namespace of containerd for containers, and where images are looked for.
    /// Daemons may share it: their containers carry different owners.
    pub namespace: String,
    /// Snapshotter for images, such as `overlayfs`.
    pub snapshotter: String,
    /// The networks that containers join, under their tasks' ids; this daemon's alone.
    pub networks: Networks,
    /// What every engine needs to know. `state` is this daemon's alone; containerd and
    /// the tasks' users must see it at the same path.
    pub common: EngineOptions,
}

/// Runs [`ContainerType::Mesos`] tasks with containerd.
///
/// A container that ended keeps its exit code until it is removed. When its process
/// is gone without anyone having seen the end, as after a reboot, it is reported as
/// exited with code 255 and a reason that says so.
#[derive(Debug)]
pub struct ContainerdEngine {
    options: ContainerdOptions,
    client: Client,
    snapshots: Snapshots,
    puller: Puller,
    appc: Appc,
    /// Or why this node can isolate no task.
    isolation: Result<Isolation, String>,
    /// What starting tasks wait for.
    board: Board,
}

impl ContainerdEngine {
    /// An engine over the containerd at `options.socket`, which need not run yet.
    ///
    /// # Errors
    /// When the namespace's name cannot be one.
    pub fn new(options: ContainerdOptions) -> Result<Self, EngineError> {
        let client = Client::new(options.socket.clone(), &options.namespace)?;
        let snapshots = Snapshots::new(client.clone(), options.snapshotter.clone());
        let images = ImageOptions::default();
        Ok(Self {
            puller: Puller::new(client.clone(), &images),
            appc: Self::appc(&images, &options),
            options,
            client,
            snapshots,
            isolation: Err("it was not set up for that".to_owned()),
            board: Board::default(),
        })
    }

    /// The engine with other sources of images than the usual ones.
    #[must_use]
    pub fn with_images(self, images: &ImageOptions) -> Self {
        Self {
            puller: Puller::new(self.client.clone(), images),
            appc: Self::appc(images, &self.options),
            ..self
        }
    }

    /// The engine on a node that isolates the ports of tasks that ask for it, or that
    /// cannot and says why.
    #[must_use]
    pub fn isolating(self, isolation: Result<Isolation, String>) -> Self {
        Self { isolation, ..self }
    }

    fn appc(images: &ImageOptions, options: &ContainerdOptions) -> Appc {
        Appc::new(images, options.common.state.join("appc"), Limits::default())
    }

    fn names(&self, task: &TaskId) -> Names {
        Names::of(task, &self.options.common)
    }
}

#[async_trait]
impl Engine for ContainerdEngine {
    fn kind(&self) -> ContainerType {
        ContainerType::Mesos
    }

    async fn probe(&self) -> Result<EngineInfo, EngineError> {
        let mut version = self.client.version().await?;
        let answer = self
            .client
            .ask("tell its version", version.version(()))
            .await?;
        Ok(EngineInfo {
            name: ENGINE,
            version: answer.version,
        })
    }

    async fn start(&self, task: &Task) -> Result<Container, EngineError> {
        self.start_task(task).await
    }

    async fn list(&self) -> Result<Vec<Container>, EngineError> {
        self.views().await
    }

    async fn inspect(&self, task: &TaskId) -> Result<Option<Container>, EngineError> {
        self.view(task).await
    }

    async fn stop(&self, task: &TaskId, grace: Duration) -> Result<(), EngineError> {
        self.stop_task(task, grace).await
    }

    async fn remove(&self, task: &TaskId) -> Result<(), EngineError> {
        self.remove_task(task).await
    }

    async fn exec(
        &self,
        task: &TaskId,
        shell: &str,
        timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        self.exec_in_task(task, shell, timeout).await
    }

    async fn logs(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Bytes, EngineError> {
        let name = match stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        };
        let path = names::logs(&self.options.common.logs, task).join(name);
        let shown = path.display().to_string();
        match blocking(move || logs::read(&path, tail)).await? {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(EngineError::NoContainer(task.clone()))
            }
            Err(error) => Err(failed(format!("read {shown}"), &error)),
        }
    }

    async fn events(&self) -> Result<BoxStream<'static, EngineEvent>, EngineError> {
        self.event_stream().await
    }

    fn progress(&self, task: &TaskId) -> Option<String> {
        self.board.text(task)
    }

    async fn stage(&self, task: &Task) -> Result<Option<PathBuf>, EngineError> {
        let names = self.names(&task.id);
        Ok(Some(names.cgroup(task, &self.options.common).into()))
    }

    async fn untranslated(&self) -> Result<Option<PathBuf>, EngineError> {
        let configured = self.options.common.cgroup_parent.as_deref();
        Ok(Some(untranslated::parent(configured).into()))
    }
}

/// Something that the engine itself could not do; `action` completes "could not …".
fn failed(action: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> EngineError {
    EngineError::Failed {
        engine: ENGINE,
        action: action.into(),
        detail: chain(error),
    }
}

/// Runs work on files where waiting for a disk harms nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| failed("work with files", &error))
}
