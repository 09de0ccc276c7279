//! Why Docker is refused.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use networks::{FabricError, NetworkError};

/// A refusal, for the person who typed a `docker` command.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A request that is no JSON of the expected shape.
    #[error("the request makes no sense: {0}")]
    Request(String),
    /// Nothing says which virtual network is meant.
    #[error(
        "which virtual network? say --opt network=NAME --ipam-opt network=NAME; known are: {}",
        list(known)
    )]
    Unnamed {
        /// The virtual networks of this node.
        known: Vec<String>,
    },
    /// The virtual network does not exist, or this node has no block of it yet.
    #[error(
        "virtual network '{name}' is not on this node; known are: {}; make it with 'sealane network create'",
        list(known)
    )]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The virtual networks of this node.
        known: Vec<String>,
    },
    /// Docker's own driver chose addresses that lead nowhere here.
    #[error(
        "{pool} is not of virtual network '{network}', whose addresses on this node are {}; add --ipam-driver {driver} --ipam-opt network={network}, with the virtual network's own --subnet",
        list(block)
    )]
    ForeignPool {
        /// The pool that Docker offers.
        pool: String,
        /// The virtual network.
        network: String,
        /// What it has here.
        block: Vec<String>,
        /// The name under which Docker knows this plugin.
        driver: String,
    },
    /// Docker was told no subnet. It would ask for another pool for as long as the one it is
    /// given overlaps a route of the host, which a node's own block always does.
    #[error("a network of virtual network '{network}' needs {}", subnets.join(" "))]
    NoSubnet {
        /// The virtual network.
        network: String,
        /// What to add to the command.
        subnets: Vec<String>,
    },
    /// The virtual network has no addresses of a family.
    #[error("virtual network '{network}' has no {family} addresses")]
    Family {
        /// The virtual network.
        network: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// A network that should be cut off, which is not kept.
    #[error("internal networks are not made by this driver: keep containers apart by groups")]
    Internal,
    /// A container would be on one virtual network twice.
    #[error(
        "the container is on virtual network '{network}' already, by another network of Docker's"
    )]
    Twice {
        /// The virtual network.
        network: String,
    },
    /// A published port at an address that no address of the container goes with.
    #[error(
        "port {container_port} cannot be published at {host_ip}: the container has no address of that family here"
    )]
    Nowhere {
        /// The container's port.
        container_port: u16,
        /// The host's address.
        host_ip: IpAddr,
    },
    /// Docker names something that was never made, or that is gone.
    #[error("{what} {id} is not known here; remove it and make it again")]
    Missing {
        /// `network`, `endpoint` or `pool`.
        what: &'static str,
        /// Docker's id.
        id: String,
    },
    /// A text that should be an address.
    #[error("'{0}' is not an IP address")]
    Address(String),
    /// A published port that cannot be told back to Docker.
    #[error(
        "port {container_port} is published without a host port, which networks of this driver cannot report: say which with -p HOST:{container_port}"
    )]
    ChosenPort {
        /// The container's port.
        container_port: u16,
    },
    /// A protocol without ports, or one that cannot be published.
    #[error(
        "port {container_port} is published for IP protocol {protocol}; only TCP and UDP can be"
    )]
    Protocol {
        /// The container's port.
        container_port: u16,
        /// Its number in IP.
        protocol: u8,
    },
    /// The node's side of the virtual network refused.
    #[error(transparent)]
    Fabric(Box<FabricError>),
    /// Host ports could not be published.
    #[error("host ports failed")]
    Ports(#[source] Box<NetworkError>),
    /// The plugin's own records failed.
    #[error("could not {action} {path}: {source}")]
    Book {
        /// `read`, `write` …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket that Docker looks for could not be made.
    #[error("could not listen on {path}: {source}")]
    Listen {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

fn list(items: &[String]) -> String {
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

impl From<FabricError> for PluginError {
    fn from(error: FabricError) -> Self {
        Self::Fabric(Box::new(error))
    }
}
