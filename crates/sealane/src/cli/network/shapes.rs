//! The parts of the API's answers on networks that tables need.

use serde::Deserialize;

use crate::cli::shapes::Problem;

/// `GET /v1/networks`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Networks {
    pub(super) networks: Vec<Network>,
    pub(super) others: Vec<Other>,
    pub(super) problems: Vec<Problem>,
}

/// `GET /v1/networks/{name}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) subnets: Vec<Subnet>,
    pub(super) mtu: Option<u16>,
    pub(super) masquerade: bool,
    pub(super) created: String,
    pub(super) nodes: Vec<Node>,
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Subnet {
    pub(super) net: String,
    pub(super) block: u8,
    pub(super) blocks: u64,
    pub(super) free: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) node: String,
    pub(super) since: String,
    pub(super) blocks: Vec<Block>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Block {
    pub(super) net: String,
    pub(super) capacity: Option<u64>,
    pub(super) used: Option<u64>,
    pub(super) leases: Vec<Lease>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lease {
    pub(super) address: String,
    pub(super) holder: String,
    pub(super) since: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Other {
    pub(super) name: String,
    pub(super) engine: String,
    pub(super) plugins: Vec<String>,
    pub(super) problem: Option<String>,
}

/// `DELETE /v1/networks/{name}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Deleted {
    pub(super) nodes: Vec<String>,
}

/// `DELETE /v1/networks/{name}/blocks/{node}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Released {
    pub(super) nets: Vec<String>,
}
