//! What the API shows of the running node; the binary provides it.

mod explain;
mod group;
mod network;
mod statistics;
mod trace;
mod vip;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::TaskId;
use serde::Serialize;

pub use explain::{CandidateView, Client, ClientView, ExplainError, ExplanationView};
pub use group::{DropView, GroupEndView, GroupWhyError, GroupWhyView};
pub use network::{BlockView, LeaseView, NetworksView, OtherNetworkView};
pub use statistics::{PortsView, StatisticsView, TrafficControlView};
pub use trace::{DecisionView, TraceTarget, TraceView, TraceWish};
pub use vip::{
    BackendCounts, BackendStanding, BackendView, EjectionView, FailureCounts, SettingsView,
    TimeBucket, VipPort, VipView, VipsView,
};

/// Live data of this node, in place of a dependency on the parts that have it.
#[async_trait]
pub trait Views: Send + Sync {
    /// The VIPs as this node's datapath has them.
    fn vips(&self) -> VipsView;

    /// What a new connection of `client` to a VIP's port would get, and why.
    ///
    /// # Errors
    /// When the client is not known here, or this node translates nothing.
    async fn explain(
        &self,
        vip: &VipPort,
        client: &Client,
    ) -> Result<ExplanationView, ExplainError>;

    /// Whether two ends may talk to each other: addresses, tasks or apps.
    ///
    /// # Errors
    /// When one of them is nobody, or they cannot be compared.
    fn group_why(&self, from: &str, to: &str) -> Result<Vec<GroupWhyView>, GroupWhyError>;

    /// What the datapath decides from now on, until the reader goes or the daemon ends.
    ///
    /// # Errors
    /// Why nothing can be watched, and what would help.
    fn trace(&self, wish: TraceWish) -> Result<BoxStream<'static, TraceView>, String>;

    /// This node's blocks, other networks that it knows, and addresses that are in use.
    /// Runs no plugin: those of others may hang.
    async fn networks(&self) -> NetworksView;

    /// Why plugins of CNI networks say that they would take no container now, by the
    /// network. Runs them, and waits for some seconds at most.
    async fn readiness(&self) -> BTreeMap<String, String>;

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

    /// What went through the link of a task on this node; nothing for a task that has none
    /// of its own.
    ///
    /// # Errors
    /// Why the kernel does not tell.
    async fn statistics(&self, task: &TaskId) -> Result<Option<StatisticsView>, String>;

    /// All metrics as Prometheus text.
    async fn metrics(&self) -> String;

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

/// Something that needs somebody's attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemView {
    /// What it is about: an app, a task, a file, a part of the daemon.
    pub about: String,
    /// What is wrong, and what would help.
    pub message: String,
}

impl fmt::Display for ProblemView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.message)
    }
}
