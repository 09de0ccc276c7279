//! Names of tasks and nodes: DC/OS's and Mesos-DNS's, derived from tasks, statuses and
//! nodes as the service table is.
//!
//! | name | leads to |
//! |---|---|
//! | `<app>.<framework>.agentip.dcos.thisdcos.directory` | the nodes of its tasks |
//! | `<app>.<framework>.containerip.dcos.thisdcos.directory` | the tasks' own addresses |
//! | `<app>.<framework>.autoip.dcos.thisdcos.directory` | whichever of the two its ports are at |
//! | `<app>.<framework>.mesos` | the same |
//! | `<app>.<framework>.slave.mesos` | the nodes |
//! | `<app>-<hash>-<node>.<framework>.mesos` | one task; also with `slave` |
//! | `_<app>._tcp.<framework>.mesos`, `_<port>._<app>._tcp.<framework>.mesos` | ports (SRV) |
//! | `leader.mesos`, `master.mesos`, `master0.mesos`, `marathon.mesos` | who leads |
//! | `slave.mesos` | all nodes |
//!
//! Mesos-DNS gave the container's address under `mesos` or the node's, as it was
//! configured, and an SRV record led to whatever that was. Here it is the address at
//! which somebody on another node reaches the port, since a name that leads nowhere is
//! of no use: that is DC/OS's rule for `autoip`.
//!
//! All of it is pure; who publishes the names follows [`LiveNames`].

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use model::NodeId;

mod fleet;
mod instance;
mod live;
mod reverse;
mod task;

pub use live::LiveNames;
pub use reverse::reverse_name;

/// The zone of DC/OS's names of tasks, without dots at its ends.
pub const DCOS_ZONE: &str = "dcos.thisdcos.directory";

/// The zone of Mesos-DNS's names.
pub const MESOS_ZONE: &str = "mesos";

/// One thing that a name leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NameRecord {
    /// An address (A, AAAA).
    Address(IpAddr),
    /// A port at a name (SRV).
    Port {
        /// The port.
        port: u16,
        /// A name that leads to addresses, fully qualified, without the final dot.
        target: Arc<str>,
    },
    /// The name of an address (PTR), without the final dot.
    Pointer(Arc<str>),
}

/// Where names are seen from, and what no record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesView {
    /// The node that the names are for.
    pub node: NodeId,
    /// Networks whose addresses are valid from everywhere: addresses there have names
    /// on every node, others only on the node that has them.
    pub networks: Vec<IpNet>,
    /// Nodes that lead or may lead, in an order that stays.
    pub masters: Vec<NodeId>,
    /// The node that leads.
    pub leader: Option<NodeId>,
    /// Port of the API on the leader, if it is reachable there.
    pub api_port: Option<u16>,
}

impl NamesView {
    /// That of a node which leads alone.
    #[must_use]
    pub fn of(node: NodeId) -> Self {
        Self {
            networks: Vec::new(),
            masters: vec![node.clone()],
            leader: Some(node.clone()),
            api_port: None,
            node,
        }
    }
}

/// A node's addresses as names show them: the first one of each family, the node's own
/// address first.
fn shown(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut shown: Vec<IpAddr> = Vec::with_capacity(2);
    for address in addresses.iter().map(IpAddr::to_canonical) {
        if !shown.iter().any(|it| it.is_ipv4() == address.is_ipv4()) {
            shown.push(address);
        }
    }
    shown
}

#[cfg(test)]
mod tests;
