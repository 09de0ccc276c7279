//! Endpoints, as they are asked for and as they are.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use cni::{Bandwidth, PortMap};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Names an endpoint: one interface of one container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndpointId {
    /// The container's id, as its runtime calls it.
    pub container: String,
    /// The interface inside.
    pub ifname: String,
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.container, self.ifname)
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRequest {
    /// Whose it is.
    pub id: EndpointId,
    /// The virtual network.
    pub network: String,
    /// The container's network namespace: a file it is mounted on, or of `/proc`.
    pub netns: PathBuf,
    /// Addresses that it must get, at most one of each family; the others are chosen.
    #[serde(default)]
    pub wanted: Vec<IpAddr>,
    /// Hardware address, as `02:42:ac:11:00:02`; one is chosen if absent.
    #[serde(default)]
    pub mac: Option<String>,
    /// MTU; the network's if absent.
    #[serde(default)]
    pub mtu: Option<u16>,
    /// Ports of the host that lead to it.
    #[serde(default)]
    pub port_mappings: Vec<PortMap>,
    /// Limits of its traffic; none if absent, and for a rate of 0. A burst of 0 is chosen
    /// to fit, and one that holds no whole packet is made larger.
    #[serde(default)]
    pub bandwidth: Option<Bandwidth>,
}

/// An endpoint that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Whose it is.
    pub id: EndpointId,
    /// The virtual network.
    pub network: String,
    /// The container's network namespace.
    pub netns: PathBuf,
    /// The link on the host.
    pub host_interface: String,
    /// Hardware address of the link on the host.
    pub host_mac: String,
    /// Hardware address of the container's link.
    pub mac: String,
    /// MTU of both.
    pub mtu: u16,
    /// One address for each family of the network, with prefix 32 or 128.
    pub addresses: Vec<IpNet>,
    /// The gateway of each address, in their order.
    pub gateways: Vec<IpAddr>,
    /// Routes in the container, besides those to the gateways.
    pub routes: Vec<EndpointRoute>,
}

/// A route in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRoute {
    /// Destination.
    pub to: IpNet,
    /// Gateway.
    pub via: IpAddr,
}

/// A pair of links for an endpoint of Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerLink {
    /// The end that Docker moves into the container.
    pub movable: String,
    /// The end that stays.
    pub host_interface: String,
    /// Hardware address of the movable end.
    pub mac: String,
    /// MTU of both.
    pub mtu: u16,
    /// Gateways for the families of the addresses.
    pub gateways: Vec<IpAddr>,
}
