//! Why a container's networks could not be made or removed.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use cni::CniError;
use netlink::NetlinkError;

/// A failure of a container's networks: what, where, and what would help.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A task names a network that does not exist.
    #[error(
        "network '{name}' does not exist; known are: {}; put its CNI configuration in {}",
        list(known),
        directories(dirs)
    )]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
        /// Where configurations are looked for.
        dirs: Vec<PathBuf>,
    },
    /// A network's configuration is broken.
    #[error(transparent)]
    Configuration(CniError),
    /// None of the requests names a network.
    #[error("container '{0}' names no network; without one it belongs on the host's network")]
    NoNetwork(String),
    /// A container asks for one network more than once.
    #[error("container '{id}' asks for network '{name}' more than once; name each network once")]
    Duplicate {
        /// The container.
        id: String,
        /// The network.
        name: String,
    },
    /// A container id that is no safe file name.
    #[error(
        "'{0}' cannot be a container id: 1 to 255 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit"
    )]
    Id(String),
    /// A wanted address is no IP address.
    #[error("'{address}', wanted on network '{network}', is not an IP address")]
    Address {
        /// The network.
        network: String,
        /// The text given.
        address: String,
    },
    /// The network assigned other addresses than the one that was wanted.
    #[error(
        "network '{network}' assigned {} instead of the wanted {wanted}; choose a free address of its range, or a network that honours requests",
        list(assigned)
    )]
    NotAssigned {
        /// The network.
        network: String,
        /// The address that was wanted.
        wanted: IpAddr,
        /// What came instead.
        assigned: Vec<IpAddr>,
    },
    /// A port mapping that cannot be made.
    #[error(
        "port mapping {host_port} to {container_port}/{protocol} on network '{network}' is not possible: {rule}"
    )]
    PortMapping {
        /// The network.
        network: String,
        /// Port on the host.
        host_port: u32,
        /// Port in the container.
        container_port: u32,
        /// Protocol as given.
        protocol: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// A host port that is taken.
    #[error(
        "host port {port}/{protocol} is taken: {holder}; free it, or let the port be chosen with hostPort 0"
    )]
    PortInUse {
        /// The port.
        port: u16,
        /// Its protocol.
        protocol: model::Protocol,
        /// Who holds it, as far as is known.
        holder: String,
    },
    /// Joining a network failed; what had been done for the container is undone.
    /// The source, which says why, is worth showing with it.
    #[error("container '{id}' could not join network '{network}'")]
    Join {
        /// The container.
        id: String,
        /// The network.
        network: String,
        /// What failed.
        #[source]
        source: Box<CniError>,
    },
    /// Some of a container's networks could not be left. Everything was tried, the
    /// namespace is gone, and what failed is kept for [`crate::Networks::retry_failed`].
    #[error("networks of container '{id}' were not all undone: {}", problems.join("; "))]
    Detach {
        /// The container.
        id: String,
        /// Each failure.
        problems: Vec<String>,
    },
    /// The container has networks already, and other ones than are asked for.
    #[error("container '{0}' is attached to other networks already; detach it first")]
    AlreadyAttached(String),
    /// The namespace could not be made or removed.
    #[error("network namespace of container '{id}' failed")]
    Namespace {
        /// The container.
        id: String,
        /// What failed.
        #[source]
        source: Box<NetlinkError>,
    },
    /// A record could not be read or written.
    #[error("could not {action} {path}")]
    State {
        /// `read`, `write` …
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Records of the plugins could not be read or written.
    #[error("records of CNI attachments failed")]
    Records(#[source] CniError),
    /// A firewall rule was refused.
    #[error("{command} failed: {detail}")]
    Firewall {
        /// The command.
        command: String,
        /// What it said.
        detail: String,
    },
    /// The program `nft` is missing.
    #[error(
        "{} is not there, so host ports cannot lead to containers; install nftables (apt-get install nftables)",
        program.display()
    )]
    NoNft {
        /// The program.
        program: PathBuf,
    },
    /// Somebody else has a table of our table's name.
    #[error(
        "the nftables table 'inet {table}' was not made by this program, which therefore leaves it alone; give it another name, or remove it: nft delete table inet {table}"
    )]
    ForeignTable {
        /// Its name.
        table: String,
    },
    /// A host port that cannot lead anywhere.
    #[error("host port {port}/{protocol} of '{owner}' cannot be published: {rule}")]
    BadPort {
        /// Whose it is.
        owner: String,
        /// The port.
        port: u16,
        /// Its protocol.
        protocol: model::Protocol,
        /// What is allowed.
        rule: &'static str,
    },
    /// Work on a thread of its own did not end as it should.
    #[error("internal work was interrupted: {0}")]
    Interrupted(String),
}

pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn directories(dirs: &[PathBuf]) -> String {
    list(
        &dirs
            .iter()
            .map(|dir| dir.display().to_string())
            .collect::<Vec<_>>(),
    )
}
