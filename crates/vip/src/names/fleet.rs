//! Names of nodes, and of the one that leads.

use std::net::IpAddr;
use std::sync::Arc;

use model::{Node, NodeId};

use super::{DCOS_ZONE, MESOS_ZONE, NameRecord, NamesView, shown};

/// Names of who leads, of each that may, of the node itself, and of all `nodes`.
pub(super) fn names<'a>(
    view: &NamesView,
    nodes: impl Fn(&NodeId) -> Option<&'a Node>,
    all: impl Iterator<Item = &'a Node>,
) -> Vec<(Arc<str>, NameRecord)> {
    let mut found = Vec::new();
    let addresses = |id| nodes(id).map_or_else(Vec::new, |node| shown(&node.addresses));
    for address in all.flat_map(|node| shown(&node.addresses)) {
        add(&mut found, &format!("slave.{MESOS_ZONE}"), address);
    }
    for address in addresses(&view.node) {
        add(&mut found, "thisnode.thisdcos.directory", address);
    }
    let leader = view.leader.as_ref().map(addresses).unwrap_or_default();
    let places = ["leader.mesos", "marathon.mesos"];
    for address in &leader {
        for name in places.iter().copied().chain([LEADER]) {
            add(&mut found, name, *address);
        }
    }
    let masters = view.masters.iter().map(addresses);
    for (index, addresses) in masters_of(masters, &leader).into_iter().enumerate() {
        for address in addresses {
            add(&mut found, &format!("master.{MESOS_ZONE}"), address);
            add(&mut found, &format!("master.{DCOS_ZONE}"), address);
            add(&mut found, &format!("master{index}.{MESOS_ZONE}"), address);
        }
    }
    if let Some(port) = view.api_port.filter(|_| !leader.is_empty()) {
        for (name, target) in [
            ("_leader._tcp.mesos", "leader.mesos"),
            ("_framework._tcp.marathon.mesos", "marathon.mesos"),
        ] {
            let target = target.into();
            found.push((name.into(), NameRecord::Port { port, target }));
        }
    }
    found
}

const LEADER: &str = "leader.dcos.thisdcos.directory";

/// The masters by their numbers: each once, and the leader last unless it is one of them.
fn masters_of(masters: impl Iterator<Item = Vec<IpAddr>>, leader: &[IpAddr]) -> Vec<Vec<IpAddr>> {
    let mut found: Vec<Vec<IpAddr>> = Vec::new();
    for master in masters.chain([leader.to_vec()]) {
        if !master.is_empty() && !found.contains(&master) {
            found.push(master);
        }
    }
    found
}

fn add(found: &mut Vec<(Arc<str>, NameRecord)>, name: &str, address: IpAddr) {
    found.push((name.into(), NameRecord::Address(address)));
}
