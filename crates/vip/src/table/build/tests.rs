//! Tables of small fleets. Node `n1` is 10.0.0.1, `n2` is 10.0.0.2; container
//! addresses are 172.x (Docker) and 9.x (CNI).

mod conflicts;
mod cost;
mod dual_stack;
mod externals;
mod incremental;
mod labels;
mod locality;
mod modes;
mod names;
mod permutations;
mod settings;
mod states;

use mesos::{ContainerInfo, ContainerType, DockerInfo, DockerNetwork, IpAddress, NetworkInfo};
use model::{
    Command, Goal, HealthCheck, HealthProbe, HealthState, HealthTarget, NodeId, Protocol,
    Resources, TaskId, TaskPort, TaskState, Timestamp,
};

use super::*;
use crate::name::ZONE;
use crate::table::{Backend, BackendState, NetworkKey, Service};
use crate::{EXTERNAL_FRAMEWORK, VipRanges, claim, wanted};

/// A fleet to be; `table` claims every name that its tasks ask for.
#[derive(Debug, Clone)]
struct Fleet {
    tasks: Vec<Task>,
    statuses: Vec<TaskStatus>,
    externals: Vec<External>,
    nodes: Vec<Node>,
    spanning: BTreeSet<NetworkKey>,
    declared: BTreeSet<String>,
    ranges: VipRanges,
}

impl Fleet {
    fn of(members: impl IntoIterator<Item = (Task, TaskStatus)>) -> Self {
        let (tasks, statuses) = members.into_iter().unzip();
        Self {
            tasks,
            statuses,
            externals: Vec::new(),
            nodes: vec![node("n1", &["10.0.0.1"]), node("n2", &["10.0.0.2"])],
            spanning: BTreeSet::new(),
            declared: BTreeSet::new(),
            ranges: VipRanges::default(),
        }
    }

    /// Records for all names, claimed in the order of names.
    fn records(&self) -> Vec<VipRecord> {
        let mut all = crate::Wanted::default();
        for task in &self.tasks {
            let ports = task.ports.iter().map(|port| &port.labels);
            all.extend(wanted(ports, &task.labels, &task.framework));
        }
        for external in &self.externals {
            let ports = external.ports.iter().map(|port| &port.labels);
            all.extend(wanted(ports, &BTreeMap::new(), EXTERNAL_FRAMEWORK));
        }
        all.names.extend(self.declared.iter().cloned());
        let mut records: Vec<VipRecord> = Vec::new();
        for name in &all.names {
            let taken = |address| {
                all.addresses.contains(&address)
                    || records
                        .iter()
                        .any(|it| it.addresses().any(|owned| owned == address))
            };
            let record = claim(name, &self.ranges, taken).unwrap();
            records.push(record);
        }
        records
    }

    fn table(&self, this_node: &str) -> ServiceTable {
        let records = self.records();
        self.table_with(this_node, &records)
    }

    fn table_with(&self, this_node: &str, records: &[VipRecord]) -> ServiceTable {
        build(&self.input(this_node, records))
    }

    fn input(&self, this_node: &str, records: &[VipRecord]) -> TableInput {
        let node = NodeId(this_node.to_owned());
        let app = AppId::resolve("/declaring").unwrap();
        let asked = (!self.declared.is_empty()).then(|| (app.clone(), self.declared.clone()));
        TableInput {
            standpoint: Standpoint {
                spanning: self.spanning.clone(),
                ..Standpoint::of(node, self.ranges.clone())
            },
            tasks: shared(&self.tasks),
            statuses: shared(&self.statuses),
            externals: shared(&self.externals),
            vips: shared(records),
            nodes: shared(&self.nodes),
            declared: asked.into_iter().collect(),
        }
    }
}

fn shared<T: Clone>(records: &[T]) -> Vec<Arc<T>> {
    records.iter().cloned().map(Arc::new).collect()
}

fn node(id: &str, addresses: &[&str]) -> Node {
    Node {
        id: NodeId(id.to_owned()),
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        resources: Resources::default(),
        ports: Vec::new(),
        engines: Vec::new(),
        busy: Vec::new(),
        zone: None,
        version: String::new(),
        since: Timestamp::default(),
    }
}

/// A task of framework `marathon` and its status TASK_RUNNING.
fn running(id: &str, on: &str, net: Net, ports: Vec<TaskPort>) -> (Task, TaskStatus) {
    let node = NodeId(on.to_owned());
    let id: TaskId = id.parse().unwrap();
    let task = Task {
        id: id.clone(),
        app: AppId::resolve("/app").unwrap(),
        framework: "marathon".to_owned(),
        version: Timestamp::default(),
        node: node.clone(),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: net.container,
        ports,
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::default(),
    };
    let status = TaskStatus {
        task: id,
        node,
        state: TaskState::Running,
        message: None,
        network_infos: net.assigned,
        healthy: None,
        health: Vec::new(),
        container: None,
        staged: Timestamp::default(),
        started: None,
        ended: None,
        exit_code: None,
    };
    (task, status)
}

/// A container's networks: what it asks for and what it got.
#[derive(Debug, Clone)]
struct Net {
    container: ContainerInfo,
    assigned: Vec<NetworkInfo>,
}

/// A native task on its node's network; the status repeats the node's address.
fn host(node_address: &str) -> Net {
    Net {
        container: ContainerInfo::native(),
        assigned: vec![got(None, &[node_address])],
    }
}

/// A native container on CNI networks with addresses.
fn cni(networks: &[(&str, &[&str])]) -> Net {
    let mut container = ContainerInfo::native();
    container.network_infos = networks
        .iter()
        .map(|(name, _)| NetworkInfo::named(*name))
        .collect();
    let assigned = networks
        .iter()
        .map(|(name, addresses)| got(Some(name), addresses))
        .collect();
    Net {
        container,
        assigned,
    }
}

fn docker(network: DockerNetwork, name: Option<&str>, addresses: &[&str]) -> Net {
    let mut container = ContainerInfo::native();
    container.kind = ContainerType::Docker;
    container.docker = Some(DockerInfo {
        network,
        ..DockerInfo::default()
    });
    container.network_infos = name.map(NetworkInfo::named).into_iter().collect();
    Net {
        container,
        assigned: vec![got(name, addresses)],
    }
}

fn got(name: Option<&str>, addresses: &[&str]) -> NetworkInfo {
    let assigned = |it: &&str| IpAddress {
        protocol: None,
        ip_address: Some((*it).to_owned()),
    };
    NetworkInfo {
        name: name.map(str::to_owned),
        ip_addresses: addresses.iter().map(assigned).collect(),
        ..NetworkInfo::default()
    }
}

fn port(container: Option<u16>, host: Option<u16>, labels: &[(&str, &str)]) -> TaskPort {
    TaskPort {
        index: 0,
        name: None,
        protocol: Protocol::Tcp,
        container_port: container,
        host_port: host,
        service_port: 0,
        network_names: Vec::new(),
        labels: pairs(labels),
    }
}

/// A port in host mode with `VIP_0` = `web:80` and other labels.
fn set(host_port: u16, labels: &[(&str, &str)]) -> TaskPort {
    let all: Vec<_> = [("VIP_0", "web:80")]
        .iter()
        .chain(labels)
        .copied()
        .collect();
    port(None, Some(host_port), &all)
}

/// The messages of all problems.
fn messages(table: &ServiceTable) -> Vec<&str> {
    table
        .problems
        .iter()
        .map(|it| it.message.as_str())
        .collect()
}

/// A port with the label `VIP_0` = `web:80`.
fn web(container: Option<u16>, host: Option<u16>) -> TaskPort {
    port(container, host, &[("VIP_0", "/web:80")])
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn health_check() -> HealthCheck {
    HealthCheck {
        probe: HealthProbe::Tcp,
        target: HealthTarget::PortIndex(0),
        inside: false,
        ipv6: false,
        grace_ms: 0,
        interval_ms: 0,
        timeout_ms: 0,
        delay_ms: 0,
        max_failures: 0,
    }
}

/// One line a backend: VIP, then where it is near and far, then what is unusual: its
/// state, its weight, `other` if it is not preferred.
///
/// `tcp web:80 a near cni/dcos 9.0.1.6:80, far 10.0.0.1:31000 draining`; a VIP without
/// backends has the line `tcp web:80 nothing`. IPv6 services end in `(v6)`.
fn lines(table: &ServiceTable) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, service) in &table.services {
        let name = match &service.name {
            Some(name) => name
                .replace(&format!(".{ZONE}"), "")
                .replace(".marathon", ""),
            None => key.address.to_string(),
        };
        let family = if service.name.is_some() && key.address.is_ipv6() {
            " (v6)"
        } else {
            ""
        };
        let head = format!("{} {name}:{}", key.protocol, key.port);
        if service.backends.is_empty() {
            lines.push(format!("{head} nothing{family}"));
        }
        for backend in &service.backends {
            let near = backend.near.as_ref().map(|near| {
                format!(
                    " near {}/{} {}",
                    near.network.engine, near.network.name, near.address
                )
            });
            let far = backend.far.map(|far| format!(" far {far}"));
            let places: Vec<String> = near.into_iter().chain(far).collect();
            lines.push(format!(
                "{head} {}{}{}{family}",
                backend.task,
                places.join(","),
                unusual(backend)
            ));
        }
    }
    lines
}

fn unusual(backend: &Backend) -> String {
    let state = match backend.state {
        BackendState::Ready => "",
        BackendState::Draining => " draining",
    };
    let weight = match backend.weight {
        1 => String::new(),
        weight => format!(" weight {weight}"),
    };
    let preferred = if backend.preferred { "" } else { " other" };
    format!("{state}{weight}{preferred}")
}

/// The lines on `n1` and on `n2`.
fn views(fleet: &Fleet) -> [Vec<String>; 2] {
    [lines(&fleet.table("n1")), lines(&fleet.table("n2"))]
}
