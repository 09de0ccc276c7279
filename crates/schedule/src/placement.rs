//! Placement: which node takes an instance, and with which host ports.

use std::collections::{BTreeMap, BTreeSet};

use marathon::{App, EngineType};
use model::{Node, NodeId, PortRange, Resources, Task, Timestamp};
use rand::RngCore;

use crate::ports::{NoPorts, choose_host_ports};
use crate::view::config_version;
use crate::{Config, View, constraint, task};

/// Any fixed number may be asked for; whether something else on the node listens
/// there is found out when the task starts, and explained. Mesos lets such a task
/// wait for ever when the number lies outside the offered range.
const FIXED: [PortRange; 1] = [PortRange {
    first: 1,
    last: u16::MAX,
}];

/// What one node has left.
struct Free<'a> {
    node: &'a Node,
    resources: Resources,
    ports: BTreeSet<u16>,
    instances: BTreeMap<String, usize>,
}

/// What all nodes have left, reduced with each instance that is placed.
pub(crate) struct Room<'a> {
    nodes: Vec<Free<'a>>,
}

impl<'a> Room<'a> {
    /// What the tasks that have not ended leave over.
    pub(crate) fn new(view: &View<'a>) -> Self {
        let nodes = view
            .nodes
            .iter()
            .map(|node| {
                let mut free = Free {
                    node,
                    resources: node.resources,
                    ports: BTreeSet::new(),
                    instances: BTreeMap::new(),
                };
                for task in &view.tasks {
                    if task.node == node.id && !view.ended(task) {
                        free.take(task);
                    }
                }
                free
            })
            .collect();
        Self { nodes }
    }

    /// Makes a task of `app` on the node with the fewest instances of it, then with
    /// the most free memory.
    ///
    /// # Errors
    /// Why no node takes it and what would help, for people.
    pub(crate) fn place(
        &mut self,
        config: &Config,
        app: &App,
        rng: &mut dyn RngCore,
        now: Timestamp,
    ) -> Result<Task, String> {
        if self.nodes.is_empty() {
            return Err("no node is alive; start the daemon on one".to_owned());
        }
        let key = app.id.as_str();
        let counts = self.counts(key);
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&self.nodes[*a], &self.nodes[*b]);
            let count = |free: &Free<'_>| free.instances.get(key).copied().unwrap_or_default();
            count(a)
                .cmp(&count(b))
                .then(b.resources.mem.total_cmp(&a.resources.mem))
                .then(a.node.id.cmp(&b.node.id))
        });
        let mut refusals = Vec::new();
        for index in order {
            let free = &self.nodes[index];
            match free.offer(app, &counts, rng) {
                Ok(host_ports) => {
                    let task = task::build(config, app, free.node, &host_ports, rng, now);
                    self.nodes[index].take(&task);
                    return Ok(task);
                }
                Err(reason) => refusals.push(reason),
            }
        }
        Err(refusals.join("; "))
    }

    fn counts(&self, app: &str) -> BTreeMap<NodeId, usize> {
        self.nodes
            .iter()
            .filter_map(|free| Some((free.node.id.clone(), *free.instances.get(app)?)))
            .collect()
    }
}

impl Free<'_> {
    fn take(&mut self, task: &Task) {
        self.resources.cpus -= task.resources.cpus;
        self.resources.mem -= task.resources.mem;
        self.resources.disk -= task.resources.disk;
        self.resources.gpus = self.resources.gpus.saturating_sub(task.resources.gpus);
        self.ports
            .extend(task.ports.iter().filter_map(|port| port.host_port));
        *self
            .instances
            .entry(task.app.as_str().to_owned())
            .or_default() += 1;
    }

    /// Host ports for an instance, or why this node does not take it.
    fn offer(
        &self,
        app: &App,
        counts: &BTreeMap<NodeId, usize>,
        rng: &mut dyn RngCore,
    ) -> Result<Vec<Option<u16>>, String> {
        let counts = counts.iter().map(|(node, count)| (node, *count)).collect();
        for rule in &app.constraints {
            constraint::check(rule, &self.node.id, &counts)?;
        }
        self.has_engine(app)?;
        self.has_resources(app)?;
        let wishes = task::host_port_wishes(app);
        let node = self.node;
        choose_host_ports(&wishes, &node.ports, &FIXED, &self.ports, &node.busy, rng)
            .map_err(|problem| self.explain(app, problem))
    }

    fn has_engine(&self, app: &App) -> Result<(), String> {
        let docker = app
            .container
            .as_ref()
            .is_some_and(|c| c.kind == EngineType::Docker);
        let engine = if docker { "docker" } else { "containerd" };
        if self.node.engines.iter().any(|name| name == engine) {
            return Ok(());
        }
        Err(format!(
            "node {} has no {engine} that answers; start it, or see `sealane doctor` there",
            self.node.id
        ))
    }

    fn has_resources(&self, app: &App) -> Result<(), String> {
        let free = &self.resources;
        let checks = [
            ("cpus", app.cpus, free.cpus),
            ("MiB of memory", app.mem, free.mem),
            ("MiB of disk", app.disk, free.disk),
            ("gpus", f64::from(app.gpus), f64::from(free.gpus)),
        ];
        for (unit, wanted, free) in checks {
            // Sums of decimal shares are not exact; a millionth is no reason to wait.
            if wanted > free + 1e-6 {
                let free = free.max(0.0);
                return Err(format!(
                    "node {} has {free} {unit} left and an instance asks for {wanted}; \
                     ask for less, stop something, or let the node offer more",
                    self.node.id
                ));
            }
        }
        Ok(())
    }

    fn explain(&self, app: &App, problem: NoPorts) -> String {
        let node = &self.node.id;
        match problem {
            NoPorts::NotOffered(port) => format!("host port {port} is not a port of node {node}"),
            NoPorts::Taken(port) => format!(
                "host port {port} of node {node} is held by another task, perhaps by the instance \
                 of {} that is to be replaced: choose another port, use hostPort 0, or lower \
                 upgradeStrategy.minimumHealthCapacity below 1 (version {})",
                app.id,
                config_version(app)
            ),
            NoPorts::TooFew => {
                format!("node {node} has too few free host ports; let it offer a larger range")
            }
        }
    }
}
