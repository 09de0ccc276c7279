//! The service table: what a node's datapath and DNS are made from.
//!
//! It is derived from tasks, statuses, externals and VIP records, and never stored:
//! [`build`] makes it from all records, a [`LiveTable`] follows each of their changes.
//! This is the only place that decides which address a client on this node should use
//! for a backend.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use mesos::ContainerType;
use model::{Protocol, TaskId};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

mod backends;
mod build;
mod candidate;
mod changes;
mod contribution;
mod draft;
mod families;
mod live;
mod origin;
mod port;
mod problems;
mod service_map;
mod standpoint;
mod target;
mod vip_port;
mod vips;
mod wishes;

pub use build::{TableInput, build};
pub use changes::Changes;
pub use live::LiveTable;
pub use service_map::ServiceMap;
pub use standpoint::Standpoint;

/// A network on this node within which container addresses are valid.
///
/// Engines have their own name spaces: Docker's `bridge` is not a CNI `bridge`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkKey {
    /// Name of the engine, `docker` or `cni`.
    pub engine: String,
    /// The network's name there.
    pub name: String,
}

impl NetworkKey {
    /// The network `name` of an engine's kind.
    #[must_use]
    pub fn new(kind: ContainerType, name: impl Into<String>) -> Self {
        let engine = match kind {
            ContainerType::Docker => "docker",
            ContainerType::Mesos => "cni",
        };
        Self {
            engine: engine.to_owned(),
            name: name.into(),
        }
    }
}

/// Where a VIP is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceKey {
    /// The virtual address.
    pub address: IpAddr,
    /// The VIP's port.
    pub port: u16,
    /// TCP and UDP are separate services.
    pub protocol: Protocol,
}

/// A container's own address, usable only from the right place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Near {
    /// Address and container port.
    pub address: SocketAddr,
    /// The network it is valid in; the host itself reaches it too.
    pub network: NetworkKey,
}

/// Whether a backend takes new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendState {
    /// It does.
    Ready,
    /// It ends or is unhealthy: only when no backend is ready.
    Draining,
}

/// One instance or external behind a VIP.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Backend {
    /// The task that serves, or what stands for the external that does
    /// ([`External::id`](model::External::id)).
    pub task: TaskId,
    /// For clients in this node's host namespace or on the same network; absent
    /// when the task runs elsewhere or has one address for everybody.
    pub near: Option<Near>,
    /// For every other client: the node's address and host port, or an address
    /// that is the same for all. Absent: such clients cannot use this backend.
    pub far: Option<SocketAddr>,
    /// Relative share of new connections, at least 1.
    pub weight: u32,
    /// Whether it takes new connections.
    pub state: BackendState,
    /// Whether clients on this node use it before those that are not. All of them are
    /// unless the service prefers backends of a zone or node and this one is elsewhere.
    pub preferred: bool,
}

/// A VIP's port with its backends.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Service {
    /// Fully qualified name; absent for a VIP given as an address.
    pub name: Option<String>,
    /// How it treats its connections.
    pub settings: Settings,
    /// Sorted by task and address, without duplicates; may be empty.
    pub backends: Vec<Backend>,
}

/// Something in the input that could not become part of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The task or external it comes from.
    pub task: TaskId,
    /// What is wrong and what would work.
    pub message: String,
}

/// Every VIP as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceTable {
    /// Allocated virtual addresses, also those without any service: a port that
    /// is not in `services` is refused at once there.
    pub addresses: BTreeSet<IpAddr>,
    /// The services.
    pub services: ServiceMap,
    /// Names to virtual addresses: fully qualified, without the trailing dot.
    pub names: BTreeMap<String, BTreeSet<IpAddr>>,
    /// What was left out, and why; sorted, each once.
    pub problems: Vec<Problem>,
}
