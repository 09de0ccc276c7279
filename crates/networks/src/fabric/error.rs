//! Why an endpoint could not be made, and what would help.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use netlink::NetlinkError;

use super::EndpointId;
use crate::NetworkError;
use crate::error::list;

/// A failure of a virtual network on this node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FabricError {
    /// There is no such virtual network.
    #[error(
        "virtual network '{network}' does not exist; known are: {}; `sealane network create` makes one",
        list(known)
    )]
    Unknown {
        /// The name that was asked for.
        network: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The node has no share of the network's addresses at present.
    #[error(
        "this node has no block of virtual network '{network}' yet; it takes one as soon as the store answers, try again"
    )]
    NoBlock {
        /// The network.
        network: String,
    },
    /// Every address of a block is leased.
    #[error(
        "block {block} of virtual network '{network}' is full: {used} of {capacity} addresses are leased; remove containers here, place them on other nodes, or make a network with larger blocks"
    )]
    Full {
        /// The network.
        network: String,
        /// This node's block.
        block: IpNet,
        /// Addresses that can be leased.
        capacity: u64,
        /// Addresses that are.
        used: u64,
    },
    /// A wanted address is leased to somebody else.
    #[error(
        "address {address} of virtual network '{network}' is in use by '{holder}'; choose another one or none"
    )]
    InUse {
        /// The network.
        network: String,
        /// The address.
        address: IpAddr,
        /// Whose it is.
        holder: String,
    },
    /// A wanted address is not of this node's block.
    #[error(
        "address {address} is outside of this node's block {} of virtual network '{network}'; {}",
        list(block),
        whose.as_ref().map_or_else(
            || "no known node has it".to_owned(),
            |(block, node)| format!("it belongs to block {block} of node {node}")
        )
    )]
    Outside {
        /// The network.
        network: String,
        /// The address.
        address: IpAddr,
        /// This node's nets.
        block: Vec<IpNet>,
        /// The block that holds it, and its node.
        whose: Option<(IpNet, IpAddr)>,
    },
    /// A wanted address that no container can have.
    #[error(
        "address {address} of virtual network '{network}' is never given: it is the block's {role}"
    )]
    Reserved {
        /// The network.
        network: String,
        /// The address.
        address: IpAddr,
        /// What it is kept for.
        role: &'static str,
    },
    /// A part of a request that makes no sense.
    #[error("{what} '{value}' is not possible: {rule}")]
    Invalid {
        /// The part.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// The endpoint exists, made for another request.
    #[error(
        "endpoint {id} exists already, on virtual network '{network}' and made for another request; delete it first"
    )]
    Different {
        /// The endpoint.
        id: EndpointId,
        /// The network that it is on.
        network: String,
    },
    /// There is no such endpoint.
    #[error("there is no endpoint {0}; add it first")]
    Absent(EndpointId),
    /// An endpoint is no longer as it was made.
    #[error("endpoint {id} is not as it was made: {problem}; delete and add it again")]
    Changed {
        /// The endpoint.
        id: EndpointId,
        /// What is missing.
        problem: String,
    },
    /// A link that is not ours has the name that the host's end must have.
    #[error(
        "link '{link}' exists on this host and is not ours; delete or rename it, or use another container id"
    )]
    LinkTaken {
        /// The link.
        link: String,
    },
    /// Groups could not be put before a link.
    #[error(
        "link '{link}' cannot be guarded, so that its container would talk to everybody: {reason}"
    )]
    Unguarded {
        /// The link.
        link: String,
        /// What failed.
        reason: String,
    },
    /// The container has an interface of that name already.
    #[error("namespace {} has an interface '{ifname}' already; choose another name", netns.display())]
    IfnameTaken {
        /// The name.
        ifname: String,
        /// The namespace.
        netns: PathBuf,
    },
    /// There is no network namespace at the path, or not any more.
    #[error("{} is no network namespace; it ended with its container or with the last boot", netns.display())]
    NoNamespace {
        /// The path.
        netns: PathBuf,
    },
    /// The kernel refused.
    #[error("could not {action}")]
    Kernel {
        /// The step, as a verb and its object.
        action: String,
        /// What failed.
        #[source]
        source: Box<NetlinkError>,
    },
    /// Host ports or masquerading could not be set.
    #[error("host ports of {owner} failed")]
    Ports {
        /// The endpoint, or the network.
        owner: String,
        /// What failed.
        #[source]
        source: Box<NetworkError>,
    },
    /// A file could not be read or written.
    #[error("could not {action} {}", path.display())]
    State {
        /// `read`, `write` …
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Work on a thread of its own did not end as it should.
    #[error("internal work was interrupted: {0}")]
    Interrupted(String),
}
