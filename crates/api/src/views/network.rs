//! Networks, as far as records do not tell of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use model::{Occupied, Timestamp};
use serde::Serialize;

/// What this node knows of networks beside the records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworksView {
    /// This node's blocks of virtual networks.
    pub blocks: Vec<BlockView>,
    /// What is wrong with virtual networks on this node, by name.
    pub problems: BTreeMap<String, Vec<String>>,
    /// Networks that are not Sealane's.
    pub others: Vec<OtherNetworkView>,
    /// Engines all of whose networks are among those: `docker`, `cni`. One that is away
    /// is not.
    pub engines: BTreeSet<&'static str>,
    /// Addresses that this host uses for something else.
    pub occupied: Vec<Occupied>,
}

/// A node's block, with what is in use of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockView {
    /// The virtual network.
    #[serde(skip)]
    pub network: String,
    /// The block.
    pub net: IpNet,
    /// Addresses that containers can have in all; the largest number if there are more.
    pub capacity: u64,
    /// Addresses that they have.
    pub used: u64,
    /// Who has them, by address.
    pub leases: Vec<LeaseView>,
}

/// An address in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseView {
    /// The address.
    pub address: IpAddr,
    /// Whose it is: a container with its interface, or what its engine calls it.
    pub holder: String,
    /// Since when.
    pub since: Timestamp,
}

/// A network of an engine or of other CNI plugins, on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherNetworkView {
    /// Its name.
    pub name: String,
    /// Whose containers join it: `docker`, or `cni` for native ones.
    pub engine: &'static str,
    /// Types of its CNI plugins, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<String>,
    /// The file that configures it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Why it cannot be used, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
