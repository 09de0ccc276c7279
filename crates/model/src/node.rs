//! Nodes: hosts that run tasks.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Resources, Timestamp};

/// Name of a node, unique in the fleet; the host name unless configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub String);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

impl PortRange {
    /// Whether `port` lies in the range.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// What a node says of itself (`nodes/<node>`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// Addresses at which other nodes and containers reach it; the first is the
    /// node's address in statuses and VIP backends.
    pub addresses: Vec<IpAddr>,
    /// Everything it offers to tasks.
    pub resources: Resources,
    /// Host ports it offers to tasks.
    pub ports: Vec<PortRange>,
    /// Those of them on which somebody listens or has a socket who is no task; in order.
    /// They are left out where a port is chosen freely.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<u16>,
    /// Engines that answer, by name (`docker`, `containerd`).
    pub engines: Vec<String>,
    /// Fault domain, for choosing near backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Version of the daemon.
    pub version: String,
    /// When the daemon started.
    pub since: Timestamp,
}

impl Node {
    /// The node's own address: its first one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }
}
