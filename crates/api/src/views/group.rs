//! Which containers may talk to each other, and why.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

/// What becomes of packets between two addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupWhyView {
    /// The one.
    pub from: GroupEndView,
    /// And the other.
    pub to: GroupEndView,
    /// Groups of both.
    pub shared: BTreeSet<String>,
    /// Whether they may talk, either way.
    pub allowed: bool,
    /// What this node has dropped between them.
    pub drops: Vec<DropView>,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupEndView {
    /// Its address.
    pub address: IpAddr,
    /// The task that has it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What it is: `task`, `unknown` (on a virtual network, and no task's), `node` or
    /// `outside`.
    pub side: &'static str,
    /// Its groups; none for nodes and what is outside, which groups do not concern.
    pub groups: BTreeSet<String>,
}

/// Packets that were dropped at one link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DropView {
    /// Who sent them.
    pub from: IpAddr,
    /// Whom they were for.
    pub to: IpAddr,
    /// The host's side of the container's link.
    pub link: String,
    /// `groups`: none in common; `source`: not the container's own address; `shape`: no
    /// whole packet.
    pub reason: &'static str,
    /// How many.
    pub packets: u64,
    /// How long ago the last one was, in milliseconds.
    pub ago_ms: u64,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupWhyError {
    /// Nobody is called so.
    Nobody(String),
    /// The two cannot be compared.
    Apart(String),
}
