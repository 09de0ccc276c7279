//! Virtual networks, and the share of them that each node has.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{NodeId, Timestamp};

/// Addresses of one family on a virtual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subnet {
    /// All of its addresses; host bits are zero.
    pub net: IpNet,
    /// Prefix length of the block that a node takes from it: 24 of 9.0.0.0/8 gives
    /// every node 256 addresses.
    pub block: u8,
}

/// A virtual network (`networks/<name>`), written by the API alone.
///
/// Containers on it have addresses that are valid on every node, routed, not bridged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name, the same under every engine.
    pub name: String,
    /// Its addresses: one subnet, or one of each family.
    pub subnets: Vec<Subnet>,
    /// MTU of its containers' interfaces; found by the node if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Whether what leaves for addresses outside of the network gets the node's address.
    pub masquerade: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// A node's share of a virtual network (`blocks/<network>/<node>`), written by that
/// node alone, together with a claim on each of its nets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The network.
    pub network: String,
    /// Whose it is.
    pub node: NodeId,
    /// One net for each of the network's subnets, in their order.
    pub nets: Vec<IpNet>,
    /// When it was taken.
    pub since: Timestamp,
}
