//! The table of a node, followed through a real store.

mod cost;
mod following;
mod running;
mod spanning;

use mesos::{ContainerInfo, ContainerType, DockerInfo, DockerNetwork, NetworkInfo};
use model::{
    AppId, Command, Goal, NodeId, Protocol, Resources, Task, TaskId, TaskPort, TaskState,
    TaskStatus,
};
use store::{Change, Expect, Outcome, Records, RedbStore};
use vip::BackendState;

use super::*;

/// A store and the services of node `n1`, without a datapath.
struct Fleet {
    store: Arc<RedbStore>,
    records: Records,
    mirror: Mirror,
    _directory: tempfile::TempDir,
}

impl Fleet {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let store = Arc::new(store.unwrap());
        let records = Records::new(Arc::clone(&store) as Arc<_>);
        Self {
            store,
            mirror: Mirror::start(records.clone()),
            records,
            _directory: directory,
        }
    }

    fn services(&self, kernel: Kernel) -> Services {
        Services {
            mirror: self.mirror.clone(),
            node: here(),
            ranges: VipRanges::default(),
            dns: None,
            names: Arc::default(),
            kernel,
            table: watch::Sender::new((0, Arc::default())),
            omissions: Arc::default(),
            reports: Reports::default(),
        }
    }

    async fn commit(&self, change: Change) -> u64 {
        committed(self.records.commit(change).await.unwrap())
    }

    async fn state(&self, change: Change) -> Arc<State> {
        let revision = self.commit(change).await;
        self.mirror.at_least(revision).await
    }
}

fn committed(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Committed(revision) => revision,
        Outcome::Conflict => panic!("nothing was expected"),
    }
}

fn here() -> NodeOptions {
    NodeOptions {
        id: NodeId("n1".into()),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        resources: Resources::default(),
        ports: Vec::new(),
        zone: None,
        version: "1".into(),
    }
}

/// A task of `n1` behind Docker's bridge, with a VIP label.
fn bridged(name: &str, vip: &str) -> Task {
    let app = AppId::resolve(name).unwrap();
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
            labels: BTreeMap::from([("VIP_0".to_owned(), vip.to_owned())]),
        }],
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::default(),
    }
}

fn status(task: &Task, state: TaskState) -> TaskStatus {
    let address = ["172.17.0.2".parse().unwrap()];
    TaskStatus {
        task: task.id.clone(),
        node: task.node.clone(),
        state,
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
    let fleet = Fleet::new().await;
    let task = bridged("/web", "11.1.1.1:80");
    let mut change = Change::new();
    change.put_task(&task, Expect::Absent);
    change.put_status(&status(&task, TaskState::Running), Expect::Absent);
    let state = fleet.state(change).await;
    let mut force = fleet.services(Kernel::new(None)).no_force();
    force.follower.rebuild(&state);
    let (table, _) = force.follower.settle();
    let service = table.services.values().next().unwrap();
    let backend = &service.backends[0];
    assert_eq!(backend.state, BackendState::Ready);
    assert_eq!(backend.far, Some("10.0.0.1:31000".parse().unwrap()));
    assert!(backend.near.is_some());
}
