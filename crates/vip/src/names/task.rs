//! Names of one task.

use std::net::IpAddr;
use std::sync::Arc;

use mesos::NetworkInfo;
use model::{Node, Task, TaskPort, TaskState, TaskStatus};

use super::instance::instance_label;
use super::{DCOS_ZONE, MESOS_ZONE, NameRecord, NamesView, reverse_name, shown};
use crate::fragment::{fragment, label};
use crate::name::MAX_NAME;

/// Longest label of an app in SRV names, which begin with an underscore.
const LONGEST_SERVICE: usize = 62;

/// What a task's names lead to. None while it does not run: a health check that fails
/// does not take it away, which is the business of VIPs.
pub(super) fn names(
    task: &Task,
    status: Option<&TaskStatus>,
    node: Option<&Node>,
    view: &NamesView,
) -> Box<[(Arc<str>, NameRecord)]> {
    let running = status.filter(|it| it.state == TaskState::Running && it.node == task.node);
    let draft = running.and_then(|status| Draft::of(task, status, node));
    draft.map_or_else(Default::default, |draft| draft.finish(view))
}

struct Draft<'a> {
    task: &'a Task,
    app: String,
    framework: String,
    instance: String,
    /// The node's addresses.
    agent: Vec<IpAddr>,
    /// The task's own.
    container: Vec<IpAddr>,
    /// Those at which its ports are reached.
    auto: Vec<IpAddr>,
    found: Vec<(Arc<str>, NameRecord)>,
}

impl<'a> Draft<'a> {
    fn of(task: &'a Task, status: &TaskStatus, node: Option<&Node>) -> Option<Self> {
        let app = label(&task.app.discovery_name());
        let framework = fragment(&task.framework);
        if app.is_empty() || framework.is_empty() {
            return None;
        }
        let host = task.on_host_network();
        let reported = reported(&status.network_infos);
        let mut agent = node.map_or_else(Vec::new, |node| shown(&node.addresses));
        if agent.is_empty() && host {
            // On the host's network the node's addresses are repeated there.
            agent = shown(&reported);
        }
        let container = if host && reported.is_empty() {
            agent.clone()
        } else {
            reported
        };
        let published = task.ports.iter().any(|port| usable(port.host_port));
        let auto = if published {
            // Whether anybody listens in the node's second family is not known, unless
            // the task has an address of it.
            let first = agent.first().map(IpAddr::is_ipv4);
            let has = |ipv4| container.iter().any(|it| it.is_ipv4() == ipv4);
            let serves = |it: &&IpAddr| Some(it.is_ipv4()) == first || has(it.is_ipv4());
            agent.iter().filter(serves).copied().collect()
        } else {
            container.clone()
        };
        Some(Self {
            instance: instance_label(&app, &task.id, &task.node),
            task,
            app,
            framework,
            agent,
            container,
            auto,
            found: Vec::new(),
        })
    }

    fn finish(mut self, view: &NamesView) -> Box<[(Arc<str>, NameRecord)]> {
        let (app, framework) = (self.app.clone(), self.framework.clone());
        let (agent, container) = (self.agent.clone(), self.container.clone());
        let auto = self.auto.clone();
        for (kind, addresses) in [
            ("agentip", &agent),
            ("containerip", &container),
            ("autoip", &auto),
        ] {
            self.lead(format!("{app}.{framework}.{kind}.{DCOS_ZONE}"), addresses);
        }
        let instance = self.instance.clone();
        for name in [&app, &instance] {
            self.lead(format!("{name}.{framework}.{MESOS_ZONE}"), &auto);
            self.lead(format!("{name}.{framework}.slave.{MESOS_ZONE}"), &agent);
        }
        for port in &self.task.ports {
            self.port(port);
        }
        if !self.task.on_host_network() {
            self.pointers(view);
        }
        // A task on several networks may repeat itself.
        self.found.sort();
        self.found.dedup();
        self.found.into()
    }

    /// SRV records of a port. Ports of the node lead to the node, others to the task,
    /// so that each is reached at the addresses of its target.
    fn port(&mut self, port: &TaskPort) {
        let framework = &self.framework;
        let on_node = usable(port.host_port);
        let number = if on_node {
            port.host_port
        } else {
            port.container_port
        };
        let Some(number) = number.filter(|number| *number != 0) else {
            return;
        };
        let (host, addresses) = if on_node {
            (
                format!("{}.{framework}.slave.{MESOS_ZONE}", self.instance),
                &self.agent,
            )
        } else if self.auto == self.container {
            (
                format!("{}.{framework}.{MESOS_ZONE}", self.instance),
                &self.container,
            )
        } else {
            // The task's other ports are at its node.
            let host = format!("{}.{framework}.containerip.{DCOS_ZONE}", self.instance);
            let addresses = self.container.clone();
            self.lead(host.clone(), &addresses);
            (host, &self.container)
        };
        if addresses.is_empty() || host.len() > MAX_NAME {
            return;
        }
        let app = self.app.get(..LONGEST_SERVICE).unwrap_or(&self.app);
        let service = format!("_{app}._{}.{}", port.protocol, self.framework);
        let mut names = vec![format!("{service}.{MESOS_ZONE}")];
        if on_node {
            names.push(format!("{service}.slave.{MESOS_ZONE}"));
        }
        let name = port.name.as_deref().map(label).unwrap_or_default();
        if !name.is_empty() && name.len() <= LONGEST_SERVICE {
            names.push(format!("_{name}.{service}.{MESOS_ZONE}"));
        }
        let target: Arc<str> = host.into();
        for name in names {
            let target = Arc::clone(&target);
            self.add(
                name,
                NameRecord::Port {
                    port: number,
                    target,
                },
            );
        }
    }

    /// Names of the task's own addresses. Other nodes may have the same ones, unless
    /// they are of a network that all nodes share.
    fn pointers(&mut self, view: &NamesView) {
        let name = format!("{}.{}.containerip.{DCOS_ZONE}", self.app, self.framework);
        let name: Arc<str> = name.into();
        let here = self.task.node == view.node;
        for address in self.container.clone() {
            let everywhere = view.networks.iter().any(|net| net.contains(&address));
            if (here || everywhere) && !self.agent.contains(&address) {
                let pointer = NameRecord::Pointer(Arc::clone(&name));
                self.add(reverse_name(address), pointer);
            }
        }
    }

    fn lead(&mut self, name: String, addresses: &[IpAddr]) {
        let name: Arc<str> = name.into();
        if name.len() > MAX_NAME {
            return;
        }
        for address in addresses {
            self.found
                .push((Arc::clone(&name), NameRecord::Address(*address)));
        }
    }

    fn add(&mut self, name: String, record: NameRecord) {
        if name.len() <= MAX_NAME {
            self.found.push((name.into(), record));
        }
    }
}

/// Addresses that a task got; link-local ones mean nothing to others.
fn reported(infos: &[NetworkInfo]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let addresses = infos.iter().flat_map(NetworkInfo::addresses);
    for address in addresses.map(|it| it.to_canonical()) {
        let local = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        if !local && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

fn usable(port: Option<u16>) -> bool {
    port.is_some_and(|number| number != 0)
}
