//! Decisions of the datapath, told as they are made.

use std::net::{IpAddr, SocketAddr};

use model::{Protocol, TaskId, Timestamp};
use serde::Serialize;

use super::{ClientView, VipPort};

/// What somebody wants to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceWish {
    /// Only decisions about one of these; absent means all.
    pub only: Option<Vec<TraceTarget>>,
    /// One decision of so many, at least 1.
    pub every: u32,
}

/// A VIP's address, or a port of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceTarget {
    /// The address.
    pub address: IpAddr,
    /// The port; absent means all.
    pub port: Option<u16>,
    /// The protocol; absent means both.
    pub protocol: Option<Protocol>,
}

impl TraceTarget {
    /// Whether this is part of it.
    #[must_use]
    pub fn covers(&self, address: IpAddr, port: u16, protocol: Protocol) -> bool {
        self.address == address
            && self.port.is_none_or(|wanted| wanted == port)
            && self.protocol.is_none_or(|wanted| wanted == protocol)
    }
}

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TraceView {
    /// A client of a VIP was given a backend, or refused.
    Decision(Box<DecisionView>),
    /// Some decisions before this line are missing.
    Lost {
        /// When this was noticed.
        at: Timestamp,
        /// How many lines; absent where nobody knows.
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
        /// Why, and what would help.
        why: String,
    },
}

/// How a client's VIP became a backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionView {
    /// When.
    pub at: Timestamp,
    /// What the client asked for.
    pub vip: VipPort,
    /// One word for why it was this backend: `only`, `drawn`, `lighter`, `hash`,
    /// `affinity`, `trial`, `fallback`; or `refused`.
    pub how: &'static str,
    /// The backend; absent for a refusal, and for one that has gone meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The address that the client got; absent for a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Who asked.
    pub client: ClientView,
    /// The process that asked, in the host's numbering.
    pub pid: u32,
    /// What its thread calls itself.
    pub comm: String,
}
