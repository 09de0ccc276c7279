//! The table of groups: which groups each container's address is in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use mesos::NetworkInfo;
use model::{AppId, Network, Node, NodeId, Task, TaskId, TaskStatus, Timestamp};

use super::{DEFAULT, MOST};

/// Everything that a table of groups follows from.
#[derive(Debug, Default)]
pub struct GroupInput<'a> {
    /// The virtual networks; groups hold on them alone.
    pub networks: Vec<&'a Network>,
    /// The nodes, whose addresses may talk to everybody.
    pub nodes: Vec<&'a Node>,
    /// All tasks.
    pub tasks: BTreeMap<&'a TaskId, &'a Task>,
    /// All statuses.
    pub statuses: Vec<&'a TaskStatus>,
    /// The groups of an app's networks as its definition has them now, by the network's
    /// name: they are in force before the app's tasks are replaced.
    pub apps: BTreeMap<&'a AppId, BTreeMap<&'a str, BTreeSet<String>>>,
    /// The node that the table is for.
    pub node: Option<&'a NodeId>,
}

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The task.
    pub task: TaskId,
    /// The interface's groups, at least one and at most [`MOST`].
    pub groups: BTreeSet<String>,
    /// When its task was accepted.
    pub since: Timestamp,
}

/// Which groups the addresses of containers are in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupTable {
    /// Addresses of tasks on virtual networks.
    pub holders: BTreeMap<IpAddr, Holder>,
    /// Addresses of nodes that lie in virtual networks: they may talk to everybody, as
    /// all addresses outside do.
    pub open: BTreeSet<IpAddr>,
    /// The virtual networks' subnets. An address in one of them that is neither a task's
    /// nor open is in the default group.
    pub realms: BTreeSet<IpNet>,
    /// Whether a task that is in other groups than the default one is about to start on
    /// this node. Until its address is known, one that is not known may be its own.
    pub expecting: bool,
}

impl GroupTable {
    /// Derives the table.
    #[must_use]
    pub fn build(input: &GroupInput<'_>) -> Self {
        let subnets = input.networks.iter().flat_map(|network| &network.subnets);
        let realms: BTreeSet<_> = subnets.map(|subnet| subnet.net).collect();
        let names: BTreeSet<_> = input
            .networks
            .iter()
            .map(|network| network.name.as_str())
            .collect();
        let inside = |ip: &IpAddr| realms.iter().any(|realm| realm.contains(ip));
        let addresses = input.nodes.iter().flat_map(|node| &node.addresses);
        let open = addresses.copied().filter(inside).collect();
        let mut holders = BTreeMap::new();
        let mut settled = BTreeSet::new();
        for status in &input.statuses {
            if status.state.is_terminal() {
                settled.insert(&status.task);
                continue;
            }
            let task = input.tasks.get(&status.task).copied();
            for info in joined(&status.network_infos, &names) {
                for address in info.addresses().filter(inside) {
                    settled.insert(&status.task);
                    let holder = Holder {
                        task: status.task.clone(),
                        groups: groups(input, task, info),
                        since: status.staged,
                    };
                    hold(&mut holders, address, holder);
                }
            }
        }
        let expecting = input.tasks.values().any(|task| {
            Some(&task.node) == input.node
                && !settled.contains(&task.id)
                && joined(&task.container.network_infos, &names)
                    .any(|info| !is_default(&groups(input, Some(task), info)))
        });
        Self {
            holders,
            open,
            realms,
            expecting,
        }
    }

    /// Whether an address belongs to a virtual network.
    #[must_use]
    pub fn is_inside(&self, address: IpAddr) -> bool {
        self.realms.iter().any(|realm| realm.contains(&address))
    }
}

/// Those of a container's networks that are virtual ones.
fn joined<'i>(
    infos: &'i [NetworkInfo],
    names: &BTreeSet<&str>,
) -> impl Iterator<Item = &'i NetworkInfo> {
    let is_virtual = move |info: &&NetworkInfo| {
        info.name
            .as_deref()
            .is_some_and(|name| names.contains(name))
    };
    infos.iter().filter(is_virtual)
}

/// An interface's groups: what its app says now, or else its task, or else its status.
fn groups(input: &GroupInput<'_>, task: Option<&Task>, info: &NetworkInfo) -> BTreeSet<String> {
    let name = info.name.as_deref().unwrap_or_default();
    let of_app = task
        .and_then(|task| input.apps.get(&task.app))
        .and_then(|networks| networks.get(name));
    let found: BTreeSet<String> = match (of_app, task) {
        (Some(groups), _) => groups.clone(),
        (None, Some(task)) => {
            let infos = task.container.network_infos.iter();
            let same = infos.filter(|it| it.name == info.name);
            same.flat_map(|it| it.groups.iter().cloned()).collect()
        }
        (None, None) => info.groups.iter().cloned().collect(),
    };
    match found.is_empty() {
        true => BTreeSet::from([DEFAULT.to_owned()]),
        // More are refused with the app; what comes from elsewhere is cut off.
        false => found.into_iter().take(MOST).collect(),
    }
}

fn is_default(groups: &BTreeSet<String>) -> bool {
    groups.len() == 1 && groups.contains(DEFAULT)
}

/// An address that two tasks say they have is the later one's: the other has ended, and
/// nobody has seen it yet.
fn hold(holders: &mut BTreeMap<IpAddr, Holder>, address: IpAddr, holder: Holder) {
    let held = holders.get(&address);
    if held.is_none_or(|held| (held.since, &held.task) < (holder.since, &holder.task)) {
        holders.insert(address, holder);
    }
}

#[cfg(test)]
mod tests;
