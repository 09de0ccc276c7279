//! Networks of native containers, and what the host needs around them.
//!
//! [`Networks::attach`] gives a container a network namespace and joins it to the
//! CNI networks that its `NetworkInfo`s name, as Mesos' `network/cni` isolator
//! did: eth0, eth1 … in the order of the named entries. A network is whatever CNI
//! configuration lies in the configuration directories, read at each use, so that
//! a new one needs no restart; a bridge called `mesos-bridge` is there without any.
//!
//! Unlike Mesos it honours what `NetworkInfo` only documents: a wanted address is
//! assigned or the attachment fails, and a host port that is taken is refused.
//! Everything is on disk before it is done, so a crash at any point leaves only
//! what [`Networks::leftovers`] names and [`Networks::detach`] undoes.
//!
//! [`Fabric`] is what makes virtual networks on this node: leases of addresses, links,
//! routes and the tunnel to other nodes. Containers of all engines reach it by plugins.
//! [`HostPorts`] is the node's one table of host ports and masquerading.
//!
//! It never starts a container and never decides which should exist.
//!
//! ```no_run
//! use mesos::NetworkInfo;
//! use networks::{Networks, Options};
//! # async fn run() -> Result<(), networks::NetworkError> {
//! let networks = Networks::new(Options::default())?;
//! let attachment = networks.attach("web.1", &[NetworkInfo::named("mesos-bridge")]).await?;
//! println!("{} has {:?}", attachment.netns.display(), attachment.addresses);
//! networks.detach("web.1").await?;
//! # Ok(())
//! # }
//! ```

mod attach;
mod attachment;
mod bridge;
mod error;
mod fabric;
mod forwarding;
mod host_ports;
mod intent;
mod locks;
mod networks;
mod options;
mod survey;
mod wanted;

pub use attachment::Attachment;
pub use cni::Dns;
pub use error::NetworkError;
pub use fabric::{
    DockerLink, Endpoint, EndpointId, EndpointRequest, EndpointRoute, Fabric, FabricError,
    FabricNetwork, FabricOptions, HolderKind, Lease, LinkGuard, OverlayOptions, Reconciled, Usage,
};
pub use forwarding::{Forwarding, ensure_forwarding};
pub use host_ports::holder::ports_in_use;
pub use host_ports::{HostPorts, HostPortsOptions, Masquerade, NatRules, Published, Tunnel};
pub use networks::{NetworkSummary, Networks};
pub use options::Options;
