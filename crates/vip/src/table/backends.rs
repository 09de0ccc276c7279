//! One task as a backend: whether it is one, and at which addresses.
//!
//! Docker drops packets between its bridges, and newer Dockers drop whatever reaches
//! a container's address from elsewhere. So a container's own address is for clients
//! in the node's namespace or on the same network (*near*), and everybody else goes
//! to the node's host port (*far*). HOST tasks, and networks that span nodes, have
//! one address for all, which is a far one.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use mesos::{ContainerType, NetworkInfo, NetworkPlan, networks_of};
use model::{Goal, Node, NodeId, Task, TaskPort, TaskState, TaskStatus};

use super::{Backend, BackendState, Near, NetworkKey};

/// Share of new connections that a backend gets.
const WEIGHT: u32 = 1;

/// Name of Docker's default bridge among Docker's networks.
const DOCKER_BRIDGE: &str = "bridge";

/// A task that serves, with what its addresses depend on.
pub(super) struct Instance<'a> {
    task: &'a Task,
    state: BackendState,
    /// Whether it runs on the node that the table is for.
    local: bool,
    /// The node's own address; unknown when its record is gone.
    node: Option<IpAddr>,
    place: Place,
    spanning: &'a BTreeSet<NetworkKey>,
}

/// Where the task's ports are open.
enum Place {
    /// In the node's network namespace, at the node's address.
    Host,
    /// At addresses on these networks, in the order of the task's interfaces.
    Networks(Vec<(NetworkKey, Vec<IpAddr>)>),
}

impl<'a> Instance<'a> {
    /// The task as a backend, or `None` when it is not one: it does not run, or it has
    /// health checks and was never healthy, or its networks contradict each other.
    ///
    /// A task on a node without a record is *suspended*: it may well serve, so it is
    /// used when no other backend can be, which is what draining means.
    pub(super) fn of(
        task: &'a Task,
        status: &TaskStatus,
        node: Option<&Node>,
        this_node: &NodeId,
        spanning: &'a BTreeSet<NetworkKey>,
    ) -> Option<Self> {
        let local = task.node == *this_node;
        let state = match state(task, status)? {
            BackendState::Ready if !local && node.is_none() => BackendState::Draining,
            state => state,
        };
        let place = place(task, status)?;
        let mut address = node.and_then(Node::address);
        if address.is_none() && matches!(place, Place::Host) {
            // A status on the host's network repeats the node's addresses.
            address = status
                .network_infos
                .iter()
                .find_map(|network| network.addresses().next());
        }
        Some(Self {
            task,
            state,
            local,
            node: address,
            place,
            spanning,
        })
    }

    /// The port's backends whose addresses are of one family.
    pub(super) fn backends(&self, port: &TaskPort, ipv4: bool) -> Vec<Backend> {
        let of_family = |address: &IpAddr| address.is_ipv4() == ipv4;
        let published = self
            .node
            .filter(of_family)
            .zip(usable(port.host_port))
            .map(|(address, number)| SocketAddr::new(address, number));
        let Place::Networks(networks) = &self.place else {
            return self.backend(None, published).into_iter().collect();
        };
        let mut own = networks
            .iter()
            .filter(|(key, _)| {
                port.network_names.is_empty() || port.network_names.contains(&key.name)
            })
            .filter_map(|(key, addresses)| {
                let address = *addresses.iter().find(|it| of_family(it))?;
                Some((key, SocketAddr::new(address, usable(port.container_port)?)))
            });
        if port.host_port.is_some() {
            let near = own.next().filter(|_| self.local).map(near);
            return self.backend(near, published).into_iter().collect();
        }
        own.filter_map(|(key, address)| {
            if self.spanning.contains(key) {
                return self.backend(None, Some(address));
            }
            self.backend(self.local.then(|| near((key, address))), None)
        })
        .collect()
    }

    fn backend(&self, near: Option<Near>, far: Option<SocketAddr>) -> Option<Backend> {
        if near.is_none() && far.is_none() {
            return None;
        }
        let task = self.task.id.clone();
        Some(Backend {
            task,
            near,
            far,
            weight: WEIGHT,
            state: self.state,
        })
    }
}

fn near((key, address): (&NetworkKey, SocketAddr)) -> Near {
    Near {
        address,
        network: key.clone(),
    }
}

/// Port 0 stands for one that is not settled.
fn usable(port: Option<u16>) -> Option<u16> {
    port.filter(|number| *number != 0)
}

/// Whether the task takes connections, or `None` when it never gets any.
fn state(task: &Task, status: &TaskStatus) -> Option<BackendState> {
    let killing = match status.state {
        TaskState::Running => false,
        TaskState::Killing => true,
        _ => return None,
    };
    let checks = task.health_checks.len();
    let healthy = checks == 0 || status.healthy == Some(true);
    let passed = status
        .health
        .iter()
        .filter(|check| check.first_success.is_some())
        .count();
    if !healthy && passed < checks {
        return None;
    }
    let ending = killing || matches!(task.goal, Goal::Stop { .. });
    Some(if healthy && !ending {
        BackendState::Ready
    } else {
        BackendState::Draining
    })
}

fn place(task: &Task, status: &TaskStatus) -> Option<Place> {
    let reported = |name: &str| {
        status
            .network_infos
            .iter()
            .find(|network| network.name.as_deref() == Some(name))
    };
    // A Docker container is on one network, so whatever it reports is from there; in
    // BRIDGE mode the entry has no name, or one that Mesos ignored.
    let in_docker = |name| {
        let entry = reported(name).or_else(|| status.network_infos.first());
        Place::Networks(vec![attached(ContainerType::Docker, name, entry)])
    };
    Some(match networks_of(&task.container).ok()? {
        NetworkPlan::Host => Place::Host,
        NetworkPlan::None => Place::Networks(Vec::new()),
        NetworkPlan::Bridge => in_docker(DOCKER_BRIDGE),
        NetworkPlan::DockerNetwork(network) => in_docker(network.name.as_deref()?),
        NetworkPlan::Cni(networks) => Place::Networks(
            networks
                .iter()
                .filter_map(|network| network.name.as_deref())
                .map(|name| attached(ContainerType::Mesos, name, reported(name)))
                .collect(),
        ),
    })
}

fn attached(
    kind: ContainerType,
    name: &str,
    entry: Option<&NetworkInfo>,
) -> (NetworkKey, Vec<IpAddr>) {
    let addresses = entry
        .map(|network| network.addresses().collect())
        .unwrap_or_default();
    (NetworkKey::new(kind, name), addresses)
}
