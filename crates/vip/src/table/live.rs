//! A service table that follows single changes of records.
//!
//! One task's change must cost the same in a table of ten services and of ten thousand.
//! So what each record contributes is kept by the VIP ports that it concerns; a change
//! replaces one record's contributions and marks those ports, and settling makes the
//! marked services, names and addresses anew, each as a whole and from nothing but what
//! is kept there. Nothing is added to or taken from a finished service: whose settings
//! count, for example, is decided among those who are left, never undone.
//!
//! A change of a node's record touches what runs on that node. Only the zone of the
//! node that the table is for concerns everybody.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use model::{AppId, External, Node, NodeId, Task, TaskId, TaskStatus};

use super::backends::Nodes;
use super::changes::Copies;
use super::contribution::Contributions;
use super::origin::{Origin, SourceId};
use super::problems::Problems;
use super::target::{Target, Virtual};
use super::vips::Vips;
use super::{Problem, ServiceKey, Standpoint};
use crate::record::VipRecord;

mod compare;
mod settle;

/// A table with what it is made from.
#[derive(Debug)]
pub struct LiveTable {
    standpoint: Standpoint,
    nodes: HashMap<NodeId, Arc<Node>>,
    sources: HashMap<Arc<SourceId>, Source>,
    by_node: HashMap<NodeId, HashSet<Arc<SourceId>>>,
    declared: HashMap<AppId, BTreeSet<String>>,
    vips: Vips,
    problems: Problems,
    dirty: Dirty,
    copies: Copies,
}

/// A task or external, and where its contributions are.
#[derive(Debug)]
struct Source {
    origin: Origin,
    status: Option<Arc<TaskStatus>>,
    targets: Vec<Target>,
    problems: Vec<Problem>,
}

/// What has to be made anew.
#[derive(Debug, Default)]
struct Dirty {
    ports: HashSet<Target>,
    services: HashSet<ServiceKey>,
    names: HashSet<Arc<str>>,
    addresses: HashSet<IpAddr>,
}

impl LiveTable {
    /// A table of no records.
    #[must_use]
    pub fn new(standpoint: Standpoint) -> Self {
        let mut dirty = Dirty::default();
        dirty.services.extend(standpoint.own.keys());
        dirty
            .addresses
            .extend(standpoint.own.keys().map(|key| key.address));
        Self {
            standpoint,
            nodes: HashMap::new(),
            sources: HashMap::new(),
            by_node: HashMap::new(),
            declared: HashMap::new(),
            vips: Vips::default(),
            problems: Problems::default(),
            dirty,
            copies: Copies::default(),
        }
    }

    /// The task is there, with its status if it has one; one from another node than the
    /// task's is ignored.
    pub fn set_task(&mut self, task: Arc<Task>, status: Option<Arc<TaskStatus>>) {
        let status = status.filter(|it| it.node == task.node && it.task == task.id);
        self.set_source(Origin::Task(task), status);
    }

    /// The task is gone.
    pub fn remove_task(&mut self, task: &TaskId) {
        self.remove_source(&SourceId::Task(task.clone()));
    }

    /// The external is there.
    pub fn set_external(&mut self, external: Arc<External>) {
        let id = Arc::new(external.id());
        self.set_source(Origin::External(external, id), None);
    }

    /// The external is gone.
    pub fn remove_external(&mut self, node: &NodeId, container: &str) {
        self.remove_source(&SourceId::External(node.clone(), container.to_owned()));
    }

    /// The node is alive.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let id = node.id.clone();
        let former = self.nodes.insert(id.clone(), Arc::clone(&node));
        self.renew_node(&id, former.as_deref(), Some(&node));
    }

    /// The node's record is gone.
    pub fn remove_node(&mut self, id: &NodeId) {
        let former = self.nodes.remove(id);
        self.renew_node(id, former.as_deref(), None);
    }

    /// The name has these addresses.
    pub fn set_vip(&mut self, record: Arc<VipRecord>) {
        let name = Arc::from(record.name.as_str());
        self.change_vip(&name, Some(record));
    }

    /// Nobody has claimed the name any more.
    pub fn remove_vip(&mut self, name: &str) {
        self.change_vip(&Arc::from(name), None);
    }

    /// The app asks for these record names (see [`wanted`](crate::wanted())), so that
    /// they resolve from the moment when it is accepted; none if it is gone.
    pub fn set_declared(&mut self, app: &AppId, names: BTreeSet<String>) {
        for name in &names {
            let name = Arc::from(name.as_str());
            self.vips
                .names
                .entry(Arc::clone(&name))
                .or_default()
                .declared += 1;
            self.dirty.names.insert(name);
        }
        let former = if names.is_empty() {
            self.declared.remove(app)
        } else {
            self.declared.insert(app.clone(), names)
        };
        for name in former.into_iter().flatten() {
            let name = Arc::from(name);
            if let Some(named) = self.vips.names.get_mut(&name) {
                named.declared -= 1;
            }
            self.dirty.names.insert(name);
        }
    }

    fn set_source(&mut self, origin: Origin, status: Option<Arc<TaskStatus>>) {
        let id = Arc::new(origin.source());
        let same = |known: &Source| {
            known.origin.is(&origin)
                && known.status.as_ref().map(Arc::as_ptr) == status.as_ref().map(Arc::as_ptr)
        };
        match self.sources.get(&id) {
            Some(known) if same(known) => return,
            Some(_) => drop(self.remove_source(&id)),
            None => {}
        }
        self.add_source(id, origin, status);
    }

    fn add_source(&mut self, id: Arc<SourceId>, origin: Origin, status: Option<Arc<TaskStatus>>) {
        let nodes = self.nodes_of(origin.node());
        let found = Contributions::of(&origin, status.as_deref(), nodes, &self.standpoint.ranges);
        self.problems.add(&found.problems);
        let mut targets = Vec::with_capacity(found.ports.len());
        for (target, contribution) in found.ports {
            let ports = self.vips.ports_mut(&target.vip);
            let members = &mut ports.entry(target.port).or_default().members;
            members.insert(Arc::clone(&id), contribution);
            self.dirty.ports.insert(target.clone());
            targets.push(target);
        }
        let on_node = self.by_node.entry(origin.node().clone()).or_default();
        on_node.insert(Arc::clone(&id));
        let source = Source {
            origin,
            status,
            targets,
            problems: found.problems,
        };
        self.sources.insert(id, source);
    }

    fn remove_source(&mut self, id: &SourceId) -> Option<Source> {
        let source = self.sources.remove(id)?;
        for target in &source.targets {
            if let Some(port) = self.vips.ports_mut(&target.vip).get_mut(&target.port) {
                port.members.remove(id);
            }
            self.dirty.ports.insert(target.clone());
        }
        self.problems.remove(&source.problems);
        if let Some(on_node) = self.by_node.get_mut(source.origin.node()) {
            on_node.remove(id);
            if on_node.is_empty() {
                self.by_node.remove(source.origin.node());
            }
        }
        Some(source)
    }

    /// Renews what depends on a node's record.
    fn renew_node(&mut self, id: &NodeId, former: Option<&Node>, node: Option<&Node>) {
        let zone = |node: Option<&Node>| node.map(|it| it.zone.clone());
        let addresses = |node: Option<&Node>| node.map(|it| it.addresses.clone());
        let moved = zone(former) != zone(node);
        let concerned: Vec<_> = if moved && *id == self.standpoint.node {
            self.sources.keys().cloned().collect()
        } else if moved || addresses(former) != addresses(node) {
            self.by_node
                .get(id)
                .into_iter()
                .flatten()
                .cloned()
                .collect()
        } else {
            return;
        };
        for id in concerned {
            if let Some(source) = self.remove_source(&id) {
                self.add_source(id, source.origin, source.status);
            }
        }
    }

    fn nodes_of(&self, node: &NodeId) -> Nodes<'_> {
        let record = |id: &NodeId| self.nodes.get(id).map(|node| &**node);
        Nodes {
            local: *node == self.standpoint.node,
            here: record(&self.standpoint.node),
            there: record(node),
            spanning: &self.standpoint.spanning,
        }
    }

    fn change_vip(&mut self, name: &Arc<str>, record: Option<Arc<VipRecord>>) {
        let named = self.vips.names.entry(Arc::clone(name)).or_default();
        let ports: Vec<_> = named.ports.keys().copied().collect();
        let former = mem::replace(&mut named.record, record.clone());
        let addresses = |it: Option<Arc<VipRecord>>| it.into_iter().flat_map(|it| it.addresses());
        for address in addresses(former) {
            let at = self.vips.addresses.entry(address).or_default();
            at.owners.remove(name);
            self.dirty
                .services
                .extend(ports.iter().map(|port| port.at(address)));
            self.mark_address(address);
        }
        for address in addresses(record) {
            let at = self.vips.addresses.entry(address).or_default();
            at.owners.insert(Arc::clone(name));
            self.mark_address(address);
        }
        let vip = Virtual::Name(Arc::clone(name));
        let targets = ports.into_iter().map(|port| Target {
            vip: vip.clone(),
            port,
        });
        self.dirty.ports.extend(targets);
        self.dirty.names.insert(Arc::clone(name));
    }

    /// Its owners changed, and with them whether labels may give it.
    fn mark_address(&mut self, address: IpAddr) {
        let at = self.vips.addresses.get(&address);
        let ports = at.into_iter().flat_map(|it| it.ports.keys());
        let vip = Virtual::Address(address);
        let targets = ports.map(|port| Target {
            vip: vip.clone(),
            port: *port,
        });
        self.dirty.ports.extend(targets);
        self.dirty.addresses.insert(address);
    }
}
