//! One task or external that serves: at which addresses.
//!
//! Docker drops packets between its bridges, and newer Dockers drop whatever reaches
//! a container's address from elsewhere. So a container's own address is for clients
//! in the node's namespace or on the same network (*near*), and everybody else goes
//! to the node's host port (*far*). HOST tasks, and networks that span nodes, have
//! one address for all, which is a far one.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use mesos::{ContainerType, NetworkInfo, NetworkPlan, networks_of};
use model::{External, ExternalState, Goal, Node, Task, TaskState, TaskStatus};

use super::candidate::{Candidate, Distance, Standing};
use super::port::Port;
use super::{BackendState, Near, NetworkKey};

/// Name of Docker's default bridge among Docker's networks.
const DOCKER_BRIDGE: &str = "bridge";

/// A task or external that runs, with what its addresses depend on.
pub(super) struct Instance<'a> {
    standing: Standing,
    distance: Distance,
    node: NodeAddresses,
    place: Place,
    spanning: &'a BTreeSet<NetworkKey>,
}

/// The node that the table is for, and the one that somebody runs on.
#[derive(Clone, Copy)]
pub(super) struct Nodes<'a> {
    /// Whether they are the same one.
    pub(super) local: bool,
    /// The record of the one that the table is for.
    pub(super) here: Option<&'a Node>,
    /// The record of the other.
    pub(super) there: Option<&'a Node>,
    /// Networks whose addresses are valid from everywhere.
    pub(super) spanning: &'a BTreeSet<NetworkKey>,
}

/// Which of its addresses somebody's host ports are offered at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// For a name: the node's address, the first one, if it is of this family. A
    /// second family is not announced because a node happens to have it: whether
    /// anybody listens there is not known.
    Named { ipv4: bool },
    /// For an address: the node's first one of that family, since that is what was
    /// asked for. A container's host port counts there if the container has an address
    /// of the family, too, or it is that of the node's address.
    Addressed { ipv4: bool },
}

/// Where the ports are open.
enum Place {
    /// In the node's network namespace, at the node's address.
    Host,
    /// At addresses on these networks, in the order of the interfaces.
    Networks(Vec<(NetworkKey, Vec<IpAddr>)>),
}

/// A node's own addresses; unknown when its record is gone.
#[derive(Debug, Clone, Copy, Default)]
struct NodeAddresses {
    first: Option<IpAddr>,
    /// The first IPv4 one.
    ipv4: Option<IpAddr>,
    /// The first IPv6 one.
    ipv6: Option<IpAddr>,
}

impl<'a> Instance<'a> {
    /// The task as one that serves, or `None` when it does not run, or when its
    /// networks contradict each other.
    pub(super) fn of_task(task: &Task, status: &TaskStatus, nodes: Nodes<'a>) -> Option<Self> {
        let state = task_state(task, status)?;
        let place = task_place(task, status)?;
        Some(Self::new(state, place, &status.network_infos, nodes))
    }

    /// The external as one that serves.
    pub(super) fn of_external(external: &External, nodes: Nodes<'a>) -> Self {
        let state = match external.state {
            ExternalState::Starting => None,
            ExternalState::Ready => Some(BackendState::Ready),
            ExternalState::Draining => Some(BackendState::Draining),
        };
        let infos = &external.network_infos;
        let place = if external.host_network {
            Place::Host
        } else {
            let named = infos
                .iter()
                .filter_map(|info| Some((info.name.as_deref()?, info)));
            Place::Networks(
                named
                    .map(|(name, info)| attached(external.kind, name, Some(info)))
                    .collect(),
            )
        };
        Self::new(state, place, infos, nodes)
    }

    fn new(
        state: Option<BackendState>,
        place: Place,
        infos: &[NetworkInfo],
        nodes: Nodes<'a>,
    ) -> Self {
        let mut node = NodeAddresses::of(nodes.there.into_iter().flat_map(|it| &it.addresses));
        if node.first.is_none() && matches!(place, Place::Host) {
            // On the host's network the node's addresses are repeated there.
            let repeated: Vec<IpAddr> = infos.iter().flat_map(NetworkInfo::addresses).collect();
            node = NodeAddresses::of(&repeated);
        }
        Self {
            standing: Standing {
                state,
                suspended: !nodes.local && nodes.there.is_none(),
            },
            distance: if nodes.local {
                Distance::Node
            } else {
                Distance::between(nodes.here, nodes.there)
            },
            node,
            place,
            spanning: nodes.spanning,
        }
    }

    /// Adds the port's candidates whose addresses are of the offer's family.
    pub(super) fn offer(
        &self,
        port: &Port<'_>,
        weight: u32,
        offer: Offer,
        to: &mut Vec<Candidate>,
    ) {
        let local = self.distance == Distance::Node;
        let published = self.node.offered(offer).zip(usable(port.host_port));
        let published = published.map(|(address, number)| SocketAddr::new(address, number));
        let mut add = |near, far| to.extend(self.candidate(weight, near, far));
        let Place::Networks(networks) = &self.place else {
            return add(None, published);
        };
        let mut own = networks
            .iter()
            .filter(|(key, _)| {
                port.network_names.is_empty() || port.network_names.contains(&key.name)
            })
            .filter_map(|(key, addresses)| {
                let address = *addresses.iter().find(|it| offer.is_of_family(it))?;
                let address = SocketAddr::new(address, usable(port.container_port)?);
                Some((key, address))
            });
        if port.host_port.is_some() {
            let own = own.next();
            // Without an address of a second family nothing says that the port is
            // published in that family.
            let published = published.filter(|_| own.is_some() || self.node.is_first(offer));
            return add(own.filter(|_| local).map(near), published);
        }
        for (key, address) in own {
            if self.spanning.contains(key) {
                add(None, Some(address));
            } else {
                add(local.then(|| near((key, address))), None);
            }
        }
    }

    fn candidate(
        &self,
        weight: u32,
        near: Option<Near>,
        far: Option<SocketAddr>,
    ) -> Option<Candidate> {
        if near.is_none() && far.is_none() {
            return None;
        }
        Some(Candidate {
            near,
            far,
            weight,
            standing: self.standing,
            distance: self.distance,
        })
    }
}

impl Offer {
    fn is_of_family(self, address: &IpAddr) -> bool {
        let (Self::Named { ipv4 } | Self::Addressed { ipv4 }) = self;
        address.is_ipv4() == ipv4
    }
}

impl NodeAddresses {
    fn of<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) -> Self {
        let mut found = Self::default();
        for address in addresses {
            found.first = found.first.or(Some(*address));
            let family = if address.is_ipv4() {
                &mut found.ipv4
            } else {
                &mut found.ipv6
            };
            *family = family.or(Some(*address));
        }
        found
    }

    /// Whether the node's address, the first one, is of the offer's family.
    fn is_first(self, offer: Offer) -> bool {
        self.first.is_some_and(|it| offer.is_of_family(&it))
    }

    fn offered(self, offer: Offer) -> Option<IpAddr> {
        match offer {
            Offer::Named { .. } => self.first.filter(|_| self.is_first(offer)),
            Offer::Addressed { ipv4: true } => self.ipv4,
            Offer::Addressed { ipv4: false } => self.ipv6,
        }
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

/// Whether the task takes connections: `None` when it does not run, `Some(None)` when
/// it has health checks and was never healthy.
fn task_state(task: &Task, status: &TaskStatus) -> Option<Option<BackendState>> {
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
        return Some(None);
    }
    let ending = killing || matches!(task.goal, Goal::Stop { .. });
    Some(Some(if healthy && !ending {
        BackendState::Ready
    } else {
        BackendState::Draining
    }))
}

fn task_place(task: &Task, status: &TaskStatus) -> Option<Place> {
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
