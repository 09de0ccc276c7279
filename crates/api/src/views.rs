//! What the API shows of the running node; the binary provides it.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use bytes::Bytes;
use model::{Protocol, TaskId};
use serde::Serialize;

/// Live data of this node, in place of a dependency on the parts that have it.
#[async_trait]
pub trait Views: Send + Sync {
    /// The VIPs as this node's datapath has them.
    fn vips(&self) -> Vec<VipView>;

    /// State of the daemon's parts, as a JSON object.
    fn status(&self) -> serde_json::Value;

    /// The last `tail` lines (all without) that a task wrote on this node, where its
    /// logs may be kept although it has no record any more. `None` when nothing is
    /// known of such a task.
    ///
    /// # Errors
    /// Why they cannot be read, and what would help.
    async fn logs(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Option<Bytes>, String>;

    /// All metrics as Prometheus text.
    fn metrics(&self) -> String;

    /// What is wrong on this node at the moment.
    fn problems(&self) -> Vec<ProblemView>;
}

/// One of a task's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogStream {
    /// `stdout`.
    Stdout,
    /// `stderr`.
    Stderr,
}

/// A VIP's port with its backends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VipView {
    /// Fully qualified name; absent for a VIP given as an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The virtual address.
    pub address: IpAddr,
    /// The VIP's port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// How a backend is chosen.
    pub policy: vip::Policy,
    /// Who serves it.
    pub backends: Vec<BackendView>,
}

/// A backend, with what the datapath has counted of it on this node.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendView {
    /// The task that serves.
    pub task: TaskId,
    /// Where clients on the task's own network are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<SocketAddr>,
    /// Where every other client is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub far: Option<SocketAddr>,
    /// Relative share of new connections.
    pub weight: u32,
    /// Whether it takes new connections.
    pub state: vip::BackendState,
    /// Connections that are open now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<u64>,
    /// Connections so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connects: Option<u64>,
    /// Connections that failed so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
}

/// Something that needs somebody's attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemView {
    /// What it is about: an app, a task, a file, a part of the daemon.
    pub about: String,
    /// What is wrong, and what would help.
    pub message: String,
}
