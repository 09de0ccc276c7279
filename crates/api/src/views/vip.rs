//! VIPs with their backends, and what a node has seen of them.

use std::net::{IpAddr, SocketAddr};

use model::{NodeId, Protocol, TaskId};
use serde::Serialize;
use vip::{Locality, Policy, Settings};

use super::ProblemView;

/// Where a VIP is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VipPort {
    /// Fully qualified name; absent for a VIP given as an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The virtual address.
    pub address: IpAddr,
    /// The VIP's port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// All VIPs of a node.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct VipsView {
    /// Their ports, sorted by address, port and protocol.
    pub vips: Vec<VipView>,
    /// Labels that are meant for VIPs and have no effect, by task or external.
    pub problems: Vec<ProblemView>,
}

/// A VIP's port with its backends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VipView {
    /// Where it is reached.
    #[serde(flatten)]
    pub at: VipPort,
    /// How it treats its connections.
    pub settings: SettingsView,
    /// Connections and datagrams refused for want of a backend since the VIP exists;
    /// absent where this node translates nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
    /// Who serves it, and those that left with connections still open.
    pub backends: Vec<BackendView>,
    /// What is wrong with it, and what would help.
    pub problems: Vec<String>,
}

/// How a service treats its connections, as its labels say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// How a backend is chosen.
    pub policy: Policy,
    /// For how long a client stays with its backend; 0 is not at all.
    pub affinity_seconds: u32,
    /// How long a new backend takes to come to its full share; 0 is none.
    pub slow_start_seconds: u32,
    /// Failed connects in a row that eject a backend; 0 is never.
    pub failures: u32,
    /// Share of the ready backends that may be ejected at a time.
    pub max_ejected_percent: u32,
    /// Whether TCP connections to a backend that is gone are ended.
    pub close: bool,
    /// Which backends clients are sent to, by where they run.
    pub locality: Locality,
    /// Whether backends that are not ready take connections.
    pub unready: bool,
}

impl From<Settings> for SettingsView {
    fn from(settings: Settings) -> Self {
        Self {
            policy: settings.policy,
            affinity_seconds: settings.affinity,
            slow_start_seconds: settings.slow_start,
            failures: settings.failures,
            max_ejected_percent: settings.max_ejected,
            close: settings.close,
            locality: settings.locality,
            unready: settings.unready,
        }
    }
}

/// When a backend takes new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendStanding {
    /// It does.
    Ready,
    /// It is elsewhere, and the service prefers others: when none of them can be used.
    Second,
    /// It ends or is unhealthy: when no other can be used.
    Draining,
    /// It has left the service: never; its open connections go on.
    Gone,
}

/// A backend, with what this node has seen of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendView {
    /// The task or external that serves; for a moment unknown after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The engine's id of its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Where the host and clients on the backend's own network are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<SocketAddr>,
    /// Where every other client is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub far: Option<SocketAddr>,
    /// Relative share of new connections.
    pub weight: u32,
    /// Whether it takes new connections.
    pub state: BackendStanding,
    /// What this node's datapath knows of it; absent before it is in the kernel.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub counts: Option<BackendCounts>,
}

/// What connections of this node's clients to a backend have come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendCounts {
    /// Whether it is within its service's slow start.
    pub warming: bool,
    /// Connections that are open or being opened, and UDP sockets pinned to it.
    pub open: u32,
    /// Those of them that are being opened.
    pub pending: u32,
    /// Connections and pinned UDP sockets ever, since it became a backend.
    pub total: u64,
    /// Moving average of the TCP handshake's time; absent before the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_millis: Option<f64>,
    /// TCP connects that did not succeed, by kind.
    pub failures: FailureCounts,
    /// Failures in a row; below 0 is credit that a probe has given.
    pub failing_in_row: i32,
    /// Whether new connections keep away from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejection: Option<EjectionView>,
    /// How many TCP handshakes took how long.
    pub connect_times: Vec<TimeBucket>,
}

/// TCP connects that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FailureCounts {
    /// Refused by the backend.
    pub refused: u32,
    /// Left without an answer for a second.
    pub unanswered: u32,
    /// To an address that could not be reached.
    pub unroutable: u32,
    /// Given up by the client, or failed for its own reasons; nothing against the backend.
    pub aborted: u32,
}

/// A backend that new connections keep away from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EjectionView {
    /// For how much longer; then one connection tries it.
    pub remaining_millis: u64,
    /// Which one in a row it is.
    pub row: u32,
}

/// How many handshakes took no longer than a time, and longer than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeBucket {
    /// The time; absent for those above all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to_micros: Option<u64>,
    /// How many.
    pub count: u32,
}
