//! What a node knows of its virtual networks.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use model::Network;

use crate::{HostPorts, HostPortsOptions};

/// Settings of [`crate::Fabric`]; [`FabricOptions::default`] is a daemon's.
#[derive(Debug, Clone)]
pub struct FabricOptions {
    /// Directory for leases and endpoints: one that a reboot empties, as it ends all
    /// containers.
    pub run: PathBuf,
    /// The node's host ports; endpoints have a part of their own there.
    pub host_ports: HostPorts,
    /// This node's address as other nodes know it, the one that their
    /// [`FabricNetwork::elsewhere`] names; the best default route's if absent.
    pub node: Option<IpAddr>,
    /// How nodes reach each other's blocks; the same on all nodes.
    pub overlay: OverlayOptions,
    /// Addresses of VIPs, towards which containers keep their own address.
    pub vip_ranges: Vec<IpNet>,
}

impl Default for FabricOptions {
    fn default() -> Self {
        Self {
            run: "/run/sealane".into(),
            host_ports: HostPorts::new(HostPortsOptions::default()),
            node: None,
            overlay: OverlayOptions::default(),
            vip_ranges: Vec::new(),
        }
    }
}

/// The tunnel between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverlayOptions {
    /// VXLAN network number.
    pub vni: u32,
    /// UDP port that nodes must let each other reach.
    pub port: u16,
}

impl Default for OverlayOptions {
    /// Port 64000 is what DC/OS used, apart from other software's 4789 and 8472.
    fn default() -> Self {
        Self {
            vni: 1024,
            port: 64000,
        }
    }
}

/// One virtual network as this node has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FabricNetwork {
    /// The record.
    pub network: Network,
    /// This node's nets, in the order of the network's subnets; empty until they are
    /// claimed.
    pub block: Vec<IpNet>,
    /// Other nodes' blocks, and the address under which each node is reached.
    pub elsewhere: Vec<(IpNet, IpAddr)>,
}
