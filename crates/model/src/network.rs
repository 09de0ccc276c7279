//! Virtual networks, and the share of them that each node has.

mod choice;
mod flaw;
mod overlap;
mod subnet;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{NodeId, Timestamp};
pub use choice::Exhausted;
pub use flaw::NetworkFlaw;
pub use overlap::{Occupied, Overlap};
pub use subnet::Subnet;

/// Names that mean something else to an engine, whatever networks there are.
pub const RESERVED_NETWORKS: [&str; 4] = ["host", "bridge", "default", "none"];

/// Longest name of a network. Docker takes 64 hexadecimal digits for an id, and a name
/// within the limit of DNS fits whatever is made of it.
pub const MAX_NETWORK_NAME: usize = 63;

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

impl Network {
    /// Whether it means the same as another one, whenever each was made.
    #[must_use]
    pub fn means_the_same(&self, other: &Self) -> bool {
        let Self {
            name,
            subnets,
            mtu,
            masquerade,
            created: _,
        } = self;
        (name, subnets, mtu, masquerade)
            == (&other.name, &other.subnets, &other.mtu, &other.masquerade)
    }

    /// Whether the nets could have been taken from its subnets: one of each, in their
    /// order. Those of a network that was deleted and made anew need not be.
    #[must_use]
    pub fn has_given(&self, nets: &[IpNet]) -> bool {
        nets.len() == self.subnets.len()
            && self
                .subnets
                .iter()
                .zip(nets)
                .all(|(subnet, net)| subnet.has_block(*net))
    }
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

#[cfg(test)]
mod tests;
