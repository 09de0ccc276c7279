//! Why a task could not be isolated, and what would help.

use std::io;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use model::Protocol;
use netlink::NetlinkError;

/// A failure of isolated ports on this node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsolationError {
    /// The ranges cannot be as they are configured.
    #[error("the ports {}-{} cannot be ranges of isolated tasks: {problem}", pool.start(), pool.end())]
    Pool {
        /// The pool.
        pool: RangeInclusive<u16>,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Every range is taken.
    #[error(
        "all {count} ranges of {each} ports in {}-{} are taken by isolated tasks; make the pool larger or the ranges smaller, or place tasks on other nodes",
        pool.start(), pool.end()
    )]
    Exhausted {
        /// The pool.
        pool: RangeInclusive<u16>,
        /// Size of a range.
        each: u16,
        /// How many there are.
        count: usize,
    },
    /// A port belongs to another task.
    #[error("port {port}/{protocol} is isolated task '{owner}''s; two cannot have it")]
    Owned {
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
        /// Whose it is.
        owner: String,
    },
    /// A program of the node has a port open, which would not be reached any more.
    #[error(
        "port {port}/{protocol} is in use on this node, by a socket on {socket}; stop that program or choose another port"
    )]
    InUse {
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
        /// The socket's address.
        socket: String,
    },
    /// A port lies in the pool.
    #[error(
        "port {port} is one of {}-{}, from which isolated tasks get ranges for what they begin; choose another port, or another pool",
        pool.start(), pool.end()
    )]
    InPool {
        /// The port.
        port: u16,
        /// The pool.
        pool: RangeInclusive<u16>,
    },
    /// No interface has the address.
    #[error(
        "no interface of this node has the address {address}, which isolated tasks are to share; set the node's address in the configuration"
    )]
    NoInterface {
        /// The address.
        address: Ipv4Addr,
    },
    /// The kernel refused.
    #[error("could not {action}")]
    Kernel {
        /// A verb and its object.
        action: String,
        /// What the kernel said.
        #[source]
        source: Box<NetlinkError>,
    },
    /// The programs or their maps.
    #[error("could not {action}; this needs root, Linux 5.10 and eBPF")]
    Programs {
        /// A verb and its object.
        action: String,
        /// What libbpf or the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A file.
    #[error("could not {action} {}", path.display())]
    File {
        /// A verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Work on another thread ended with a panic.
    #[error("the work on isolated ports panicked; the log has the place")]
    Panicked,
}
