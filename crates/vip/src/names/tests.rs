//! Names of small fleets.

mod dcos;
mod following;
mod mesos_dns;

use mesos::{ContainerInfo, ContainerType, DockerInfo, DockerNetwork};
use model::{
    AppId, Command, Goal, Node, Protocol, Resources, Task, TaskId, TaskPort, TaskState, TaskStatus,
    Timestamp,
};

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// What a task is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Host,
    Bridge,
    Network,
}

pub(super) fn node(id: &str, addresses: &[&str]) -> Arc<Node> {
    Arc::new(Node {
        id: NodeId(id.into()),
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        resources: Resources::default(),
        ports: Vec::new(),
        engines: Vec::new(),
        busy: Vec::new(),
        zone: None,
        version: "1".into(),
        since: Timestamp::default(),
    })
}

/// A port: its name, container port and host port.
pub(super) fn port(name: &str, container: Option<u16>, host: Option<u16>) -> TaskPort {
    TaskPort {
        index: 0,
        name: (!name.is_empty()).then(|| name.to_owned()),
        protocol: Protocol::Tcp,
        container_port: container,
        host_port: host,
        service_port: 10_000,
        network_names: Vec::new(),
        labels: BTreeMap::new(),
    }
}

pub(super) fn task(app: &str, node: &str, on: On, ports: Vec<TaskPort>) -> Task {
    let app = AppId::resolve(app).unwrap();
    let docker = |network| DockerInfo {
        network,
        ..DockerInfo::default()
    };
    let network = match on {
        On::Host => DockerNetwork::Host,
        On::Bridge => DockerNetwork::Bridge,
        On::Network => DockerNetwork::User,
    };
    Task {
        id: TaskId::for_instance(&app, "1"),
        app,
        framework: "marathon".into(),
        version: Timestamp::default(),
        node: NodeId(node.into()),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: ContainerInfo {
            kind: ContainerType::Docker,
            docker: Some(docker(network)),
            ..ContainerInfo::native()
        },
        ports,
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::default(),
    }
}

pub(super) fn running(task: &Task, addresses: &[&str]) -> TaskStatus {
    let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    TaskStatus {
        task: task.id.clone(),
        node: task.node.clone(),
        state: TaskState::Running,
        message: None,
        network_infos: vec![::mesos::NetworkInfo::default().assigned(&addresses)],
        healthy: None,
        health: Vec::new(),
        container: None,
        staged: Timestamp::default(),
        started: None,
        ended: None,
        exit_code: None,
    }
}

pub(super) fn view() -> NamesView {
    NamesView::of(NodeId("n1".into()))
}

/// Everything a name leads to, as people write it.
pub(super) fn shown_of(live: &LiveNames, name: &str) -> Vec<String> {
    let all = live.all();
    let records: Option<&BTreeSet<NameRecord>> = all.get(name);
    records.map_or_else(Vec::new, |records| {
        records
            .iter()
            .map(|record| match record {
                NameRecord::Address(address) => address.to_string(),
                NameRecord::Port { port, target } => format!("{target}:{port}"),
                NameRecord::Pointer(name) => name.to_string(),
            })
            .collect()
    })
}
