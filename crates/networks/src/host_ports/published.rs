//! What is asked of the table.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use model::Protocol;

use crate::NetworkError;

/// A port of this node that leads to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Published {
    /// Port on the node, not 0.
    pub host_port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The node's address that it is valid at, of the family of `to`; all of the family
    /// when absent, `0.0.0.0` or `::`.
    pub host_ip: Option<IpAddr>,
    /// The container's address and port.
    pub to: SocketAddr,
}

/// A network whose containers reach others by an address of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masquerade {
    /// Sources.
    pub from: IpNet,
    /// Destinations that see the source all the same: the network's own subnets of every
    /// node, and VIP ranges.
    pub except: Vec<IpNet>,
}

/// What leaves the node under the node's own address, and who may use the tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NatRules {
    /// One entry a network and family.
    pub masquerade: Vec<Masquerade>,
    /// The tunnel between nodes, if there is one.
    pub tunnel: Option<Tunnel>,
}

/// A tunnel between nodes that carries what containers send. It believes whoever reaches
/// its port, so that nobody but nodes may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// Its UDP port on every node.
    pub port: u16,
    /// The other nodes.
    pub nodes: Vec<IpAddr>,
}

/// The same with one spelling for all addresses.
pub(super) fn plain(ports: &[Published]) -> Vec<Published> {
    let plain = |port: &Published| Published {
        host_ip: port.host_ip.filter(|ip| !ip.is_unspecified()),
        ..*port
    };
    ports.iter().map(plain).collect()
}

/// Refuses what cannot be published.
pub(super) fn check(owner: &str, mappings: &[Published]) -> Result<(), NetworkError> {
    let bad = |port: &Published, rule| NetworkError::BadPort {
        owner: owner.to_owned(),
        port: port.host_port,
        protocol: port.protocol,
        rule,
    };
    let mut seen = HashSet::new();
    for port in mappings {
        if port.host_port == 0 || port.to.port() == 0 {
            return Err(bad(port, "ports must be 1 to 65535"));
        }
        if port
            .host_ip
            .is_some_and(|ip| ip.is_ipv4() != port.to.is_ipv4())
        {
            return Err(bad(
                port,
                "the host's address must be of the container's family",
            ));
        }
        if !seen.insert((
            port.host_port,
            port.protocol,
            port.host_ip,
            port.to.is_ipv4(),
        )) {
            return Err(bad(port, "it leads to one place only"));
        }
    }
    Ok(())
}
