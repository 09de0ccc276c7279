//! The table of a node.

use std::collections::BTreeMap;

use mesos::{ContainerInfo, ContainerType, DockerInfo, DockerNetwork, NetworkInfo};
use model::{AppId, Command, Goal, NodeId, Resources, Task, TaskPort, TaskState, TaskStatus};
use store::{Change, Expect, Outcome, Records, RedbStore};

use super::*;

fn bridged() -> Task {
    let app = AppId::resolve("/web").unwrap();
    Task {
        id: TaskId::for_instance(&app, "1"),
        app,
        framework: "marathon".into(),
        version: Timestamp::default(),
        node: NodeId("n1".into()),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: ContainerInfo {
            kind: ContainerType::Docker,
            docker: Some(DockerInfo {
                network: DockerNetwork::Bridge,
                ..DockerInfo::default()
            }),
            ..ContainerInfo::native()
        },
        ports: vec![TaskPort {
            index: 0,
            name: None,
            protocol: Protocol::Tcp,
            container_port: Some(80),
            host_port: Some(31_000),
            service_port: 10_000,
            network_names: Vec::new(),
            labels: BTreeMap::from([("VIP_0".to_owned(), "11.1.1.1:80".to_owned())]),
        }],
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::default(),
    }
}

fn running(task: &Task) -> TaskStatus {
    let address = ["172.17.0.2".parse().unwrap()];
    TaskStatus {
        task: task.id.clone(),
        node: task.node.clone(),
        state: TaskState::Running,
        message: None,
        network_infos: vec![NetworkInfo::default().assigned(&address)],
        healthy: None,
        health: Vec::new(),
        container: None,
        staged: Timestamp::default(),
        started: None,
        ended: None,
        exit_code: None,
    }
}

/// After a pause longer than its lease the node has no record for a moment.
#[tokio::test]
async fn a_node_without_its_record_keeps_its_backends() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(directory.path().join("store.redb")).await;
    let records = Records::new(Arc::new(store.unwrap()));
    let mirror = Mirror::start(records.clone());
    let task = bridged();
    let mut change = Change::new();
    change.put_task(&task, Expect::Absent);
    change.put_status(&running(&task), Expect::Absent);
    let Outcome::Committed(revision) = records.commit(change).await.unwrap() else {
        panic!("nothing was there")
    };
    let state = mirror.at_least(revision).await;
    let services = Services {
        mirror,
        node: NodeOptions {
            id: NodeId("n1".into()),
            addresses: vec!["10.0.0.1".parse().unwrap()],
            resources: Resources::default(),
            ports: Vec::new(),
            zone: None,
            version: "1".into(),
        },
        ranges: VipRanges::default(),
        dns: None,
        names: Arc::default(),
        kernel: Kernel::new(None),
        table: watch::Sender::new((0, Arc::default())),
        reports: Reports::default(),
    };
    let table = services.table_of(&state);
    let service = table.services.values().next().unwrap();
    let backend = &service.backends[0];
    assert_eq!(backend.state, BackendState::Ready);
    assert_eq!(backend.far, Some("10.0.0.1:31000".parse().unwrap()));
    assert!(backend.near.is_some());
}
