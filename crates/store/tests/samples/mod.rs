//! A record of each kind, by number: different numbers make different records, and the
//! same number the same again.
#![allow(dead_code, reason = "each test crate uses those that it needs")]

use std::collections::BTreeMap;

use model::{
    AppId, Block, Command, Deployment, External, ExternalState, Goal, Kill, Launch, Network, Node,
    NodeId, Resources, Subnet, Task, TaskId, TaskState, TaskStatus, Timestamp,
};
use vip::VipRecord;

pub(crate) fn app_id(index: usize) -> AppId {
    AppId::resolve(["/a", "/a/b", "/shop/cart.x"][index % 3]).unwrap()
}

pub(crate) fn task_id(index: usize) -> TaskId {
    TaskId::for_instance(&app_id(index), &format!("{index}"))
}

pub(crate) fn app(index: usize, version: i64) -> marathon::App {
    serde_json::from_value(serde_json::json!({
        "id": app_id(index).as_str(), "cmd": "sleep 1", "instances": 1, "cpus": 1.0, "mem": 1.0,
        "disk": 0.0, "gpus": 0, "executor": "", "requirePorts": false, "backoffSeconds": 1,
        "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300, "networks": [{"mode": "host"}],
        "upgradeStrategy": {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0},
        "labels": {}, "killSelection": "YOUNGEST_FIRST", "unreachableStrategy": "disabled",
        "role": "*", "version": Timestamp::from_millis(version).to_string(),
    }))
    .unwrap()
}

pub(crate) fn task(index: usize) -> Task {
    Task {
        id: task_id(index),
        app: app_id(index),
        framework: "marathon".into(),
        version: Timestamp::from_millis(1),
        node: node_id(index),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: mesos::ContainerInfo::native(),
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 3000,
        created: Timestamp::from_millis(1),
    }
}

pub(crate) fn node_id(index: usize) -> NodeId {
    NodeId(["one", "two/odd%"][index % 2].into())
}

pub(crate) fn status(index: usize) -> TaskStatus {
    TaskStatus {
        task: task_id(index),
        node: node_id(index),
        state: TaskState::Running,
        message: None,
        network_infos: Vec::new(),
        healthy: Some(true),
        health: Vec::new(),
        container: None,
        staged: Timestamp::from_millis(1),
        started: None,
        ended: None,
        exit_code: None,
    }
}

pub(crate) fn node(index: usize) -> Node {
    Node {
        id: node_id(index),
        addresses: Vec::new(),
        resources: Resources::default(),
        ports: Vec::new(),
        engines: Vec::new(),
        busy: Vec::new(),
        zone: None,
        version: "1".into(),
        since: Timestamp::from_millis(1),
    }
}

pub(crate) fn launch(index: usize) -> Launch {
    Launch {
        app: app_id(index),
        version: Timestamp::from_millis(1),
        waiting: 1,
        since: Timestamp::from_millis(1),
        not_before: None,
        next_delay_ms: 0,
        reasons: vec!["no node".into()],
        last_failure: None,
    }
}

pub(crate) fn vip(index: usize) -> VipRecord {
    VipRecord {
        name: format!("v{index}.marathon"),
        ipv4: std::net::Ipv4Addr::new(11, 0, 0, index as u8),
        ipv6: None,
    }
}

pub(crate) fn deployment(index: usize) -> Deployment {
    Deployment {
        id: format!("d{index}"),
        version: Timestamp::from_millis(1),
        affected: vec![],
    }
}

pub(crate) fn kill(index: usize) -> Kill {
    Kill {
        task: task_id(index),
        reason: "asked".into(),
    }
}

pub(crate) fn external(index: usize) -> External {
    External {
        node: node_id(index),
        container: format!("c{index}"),
        name: "web".into(),
        kind: mesos::ContainerType::Docker,
        state: ExternalState::Ready,
        host_network: false,
        network_infos: Vec::new(),
        ports: Vec::new(),
        problems: Vec::new(),
    }
}

pub(crate) fn network(index: usize) -> Network {
    Network {
        name: format!("net{index}"),
        subnets: vec![Subnet {
            net: format!("10.{index}.0.0/22").parse().unwrap(),
            block: 24,
        }],
        mtu: None,
        masquerade: true,
        created: Timestamp::from_millis(1),
    }
}

/// The block of that position of the network of that number, on any node.
pub(crate) fn block_on(node: NodeId, network: usize, position: usize) -> Block {
    Block {
        network: format!("net{network}"),
        node,
        nets: vec![format!("10.{network}.{position}.0/24").parse().unwrap()],
        since: Timestamp::from_millis(1),
    }
}

pub(crate) fn block(index: usize) -> Block {
    block_on(node_id(index), index, index % 4)
}
