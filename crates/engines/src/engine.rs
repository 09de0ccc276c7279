//! The trait that both engines implement.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use mesos::{ContainerType, NetworkInfo};
use model::{Task, TaskId, Timestamp};

use crate::{Discovery, EngineError, VirtualNetworks};

/// What an engine needs to know of the daemon that uses it.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Identity of the daemon's state; containers of other owners are left alone.
    pub owner: String,
    /// Parent of the containers' cgroups below the cgroup root, such as
    /// `/sealane-test`; absent leaves the engine's default. Containers of tasks that have
    /// opted out of translation are in a cgroup of their own below it, or below
    /// `/sealane`.
    pub cgroup_parent: Option<String>,
    /// Resolver that containers are given.
    pub dns_server: Ipv4Addr,
    /// The node's addresses, reported for containers on the host's network.
    pub node_addresses: Vec<IpAddr>,
    /// Directory for kept logs: `<logs>/<task id>/{stdout,stderr}`.
    pub logs: PathBuf,
    /// Directory for the engine's own files (resolv.conf, hosts).
    pub state: PathBuf,
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// `docker` or `containerd`.
    pub name: &'static str,
    /// Its version.
    pub version: String,
}

/// Life of a container's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Made, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process ended.
    Exited {
        /// Exit code; 128 + signal when a signal ended it.
        code: i32,
        /// The engine's reason, such as being out of memory.
        reason: Option<String>,
    },
}

/// A container as its engine sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The task it was made for.
    pub task: TaskId,
    /// The engine's id.
    pub id: String,
    /// Life of its process.
    pub phase: Phase,
    /// Process id of its first process in the daemon's PID namespace.
    pub pid: Option<u32>,
    /// The task's networks with the addresses assigned; for the host's network one
    /// unnamed entry with the node's addresses.
    pub network_infos: Vec<NetworkInfo>,
    /// Names of the engine's networks it is attached to; empty for the host's.
    pub networks: Vec<String>,
    /// When its process started.
    pub started: Option<Timestamp>,
    /// When its process ended.
    pub ended: Option<Timestamp>,
}

/// Result of a command inside a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Its exit code.
    pub code: i32,
    /// The last 1 KiB of what it printed, for messages.
    pub output: String,
}

/// Which output of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something happened to a container: look again.
///
/// Events are hints, never facts: after one, and after the stream ended and was
/// opened again, the agent lists containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// The task whose container changed; absent when the engine cannot say.
    pub task: Option<TaskId>,
}

/// A container engine.
///
/// Every call may be repeated; a call that finds its work done succeeds. Calls for
/// one task are never concurrent, calls for different tasks are.
#[async_trait]
pub trait Engine: Send + Sync + Debug {
    /// Which `ContainerInfo.type` it runs.
    fn kind(&self) -> ContainerType;

    /// Whether it answers, and its version.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] with what would help.
    async fn probe(&self) -> Result<EngineInfo, EngineError>;

    /// Makes and starts the task's container, pulling the image if needed, and
    /// returns it once its addresses are known. An existing container of the task
    /// is started if it was only created, and otherwise returned as it is. After
    /// an error nothing of the attempt is left.
    ///
    /// # Errors
    /// Says what could not be made and what would help.
    async fn start(&self, task: &Task) -> Result<Container, EngineError>;

    /// What a start of the task that is under way waits for, such as an image, in words;
    /// absent when there is nothing to say.
    fn progress(&self, _task: &TaskId) -> Option<String> {
        None
    }

    /// All containers of this owner.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn list(&self) -> Result<Vec<Container>, EngineError>;

    /// The task's container, if there is one.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn inspect(&self, task: &TaskId) -> Result<Option<Container>, EngineError>;

    /// Ends the task's process: SIGTERM, and SIGKILL after `grace`. Returns when it
    /// has ended; the container stays for [`Engine::inspect`] and logs.
    ///
    /// # Errors
    /// When the engine does not answer or the process cannot be ended.
    async fn stop(&self, task: &TaskId, grace: Duration) -> Result<(), EngineError>;

    /// Removes the task's container with its network, ending its process first if
    /// it still runs. Its logs stay in [`EngineOptions::logs`].
    ///
    /// # Errors
    /// Reports everything that could not be removed, having tried all of it.
    async fn remove(&self, task: &TaskId) -> Result<(), EngineError>;

    /// Runs `/bin/sh -c shell` inside the task's container.
    ///
    /// # Errors
    /// [`EngineError::Timeout`] after `timeout`, having killed the command.
    async fn exec(
        &self,
        task: &TaskId,
        shell: &str,
        timeout: Duration,
    ) -> Result<ExecOutcome, EngineError>;

    /// What the task printed, the last `tail` lines of it if given; also after its
    /// container was removed.
    ///
    /// # Errors
    /// When neither the engine nor the kept logs know the task.
    async fn logs(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Bytes, EngineError>;

    /// Hints that something changed. The stream ends when the engine goes away.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn events(&self) -> Result<BoxStream<'static, EngineEvent>, EngineError>;

    /// Where the containers of tasks that have opted out of translation are: a cgroup,
    /// as a path from the cgroup root, with nobody else below it. It need not be there
    /// yet. Absent for an engine that has no such place.
    ///
    /// # Errors
    /// When the engine does not answer, which it need not for a place that it knows.
    async fn untranslated(&self) -> Result<Option<PathBuf>, EngineError> {
        Ok(None)
    }

    /// Names of its own networks, sorted; none for an engine that joins others' networks.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn networks(&self) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    /// Makes as much of the task's container as has to be there before it starts, and
    /// tells the cgroup that it will have, as a path from the cgroup root. The cgroup need
    /// not be there yet, and may be made by whoever asks; [`Engine::start`] goes on from
    /// there. Absent for an engine that does not know.
    ///
    /// # Errors
    /// As [`Engine::start`].
    async fn stage(&self, _task: &Task) -> Result<Option<PathBuf>, EngineError> {
        Ok(None)
    }

    /// What it sees of containers that somebody else started; absent for an engine that
    /// nobody else uses.
    fn discovery(self: Arc<Self>) -> Option<Arc<dyn Discovery>> {
        None
    }

    /// Where it is told of virtual networks; absent for an engine whose containers join
    /// them without its doing.
    fn virtual_networks(self: Arc<Self>) -> Option<Arc<dyn VirtualNetworks>> {
        None
    }
}
