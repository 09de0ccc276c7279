//! Names of a node, followed through a real store.

use mesos::{ContainerInfo, NetworkInfo};
use model::{
    AppId, Command, Goal, Network, NodeId, Resources, Subnet, Task, TaskId, TaskState, TaskStatus,
};
use store::{Change, Expect, Outcome, Records, RedbStore};

use super::*;

/// What tests may wait for at most.
const LIMIT: Duration = Duration::from_secs(20);

struct Fleet {
    records: Records,
    mirror: Mirror,
    names: Arc<ArcSwap<dns::Snapshot>>,
    reports: Reports,
    _directory: tempfile::TempDir,
}

impl Fleet {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        Self {
            mirror: Mirror::start(records.clone()),
            records,
            names: Arc::new(ArcSwap::from_pointee(dns::Snapshot::awaiting())),
            reports: Reports::default(),
            _directory: directory,
        }
    }

    fn reconciler(&self) -> Names {
        Names {
            mirror: self.mirror.clone(),
            node: NodeOptions {
                id: NodeId("n1".into()),
                addresses: vec!["10.0.0.1".parse().unwrap()],
                resources: Resources::default(),
                ports: Vec::new(),
                zone: None,
                version: "1".into(),
            },
            api_port: Some(8080),
            vips: VipRanges::default(),
            names: Arc::clone(&self.names),
            reports: self.reports.clone(),
        }
    }

    async fn commit(&self, change: Change) {
        let outcome = self.records.commit(change).await.unwrap();
        let Outcome::Committed(revision) = outcome else {
            panic!("nothing was expected")
        };
        self.mirror.at_least(revision).await;
    }

    /// What DNS says of an address record.
    fn addresses(&self, name: &str) -> Vec<[u8; 4]> {
        let mut query = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend(label.as_bytes());
        }
        query.extend([0, 0, 1, 0, 1]);
        let context = dns::Context {
            transport: dns::Transport::Udp,
            allowed: true,
            turn: 0,
        };
        let dns::Verdict::Answer(reply) = dns::consider(&query, context, &self.names.load()) else {
            panic!("{name} is not ours")
        };
        let count = usize::from(reply[7]);
        let records = &reply[query.len()..];
        (0..count)
            .map(|index| {
                records[index * 16 + 12..index * 16 + 16]
                    .try_into()
                    .unwrap()
            })
            .collect()
    }

    async fn eventually(&self, name: &str, expected: &[[u8; 4]]) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        while self.addresses(name) != expected {
            let found = self.addresses(name);
            let now = tokio::time::Instant::now();
            assert!(now < deadline, "{name}: {found:?} instead of {expected:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn task(name: &str) -> Task {
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
            network_infos: vec![NetworkInfo {
                name: Some("dcos".to_owned()),
                ..NetworkInfo::default()
            }],
            ..ContainerInfo::native()
        },
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::default(),
    }
}

fn status(task: &Task, state: TaskState) -> TaskStatus {
    let address = ["9.0.1.2".parse().unwrap()];
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

const WEB: &str = "web.marathon.autoip.dcos.thisdcos.directory";

#[tokio::test]
async fn names_come_and_go_with_tasks() {
    let fleet = Fleet::new().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(fleet.reconciler().run(stop.clone()));
    let task = task("/web");
    let mut change = Change::new();
    change.put_task(&task, Expect::Absent);
    change.put_status(&status(&task, TaskState::Starting), Expect::Absent);
    fleet.commit(change).await;
    fleet.eventually("leader.mesos", &[[10, 0, 0, 1]]).await;
    fleet
        .eventually("thisnode.thisdcos.directory", &[[10, 0, 0, 1]])
        .await;
    assert!(fleet.addresses(WEB).is_empty());
    for (state, expected) in [
        (TaskState::Running, &[[9, 0, 1, 2]][..]),
        (TaskState::Killing, &[]),
        (TaskState::Running, &[[9, 0, 1, 2]]),
    ] {
        let mut change = Change::new();
        change.put_status(&status(&task, state), Expect::Any);
        fleet.commit(change).await;
        fleet.eventually(WEB, expected).await;
        fleet.eventually("web.marathon.mesos", expected).await;
    }
    let mut change = Change::new();
    change.delete_task(&task.id, Expect::Any);
    fleet.commit(change).await;
    fleet.eventually(WEB, &[]).await;
    assert_eq!(fleet.reports.all()["names"].failures, [""; 0]);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn addresses_of_virtual_networks_are_named_here_alone() {
    let fleet = Fleet::new().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(fleet.reconciler().run(stop.clone()));
    let network = Network {
        name: "dcos".into(),
        subnets: vec![Subnet {
            net: "9.0.0.0/8".parse().unwrap(),
            block: 24,
        }],
        mtu: None,
        masquerade: true,
        created: Timestamp::default(),
    };
    let has = |net: &str| {
        let net: IpNet = net.parse().unwrap();
        fleet.names.load().ranges().contains(&net)
    };
    let wait = async |net: &str, there: bool| {
        let deadline = tokio::time::Instant::now() + LIMIT;
        while has(net) != there {
            assert!(tokio::time::Instant::now() < deadline, "{net}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    wait("11.0.0.0/8", true).await;
    let mut change = Change::new();
    change.put_network(&network, Expect::Absent);
    fleet.commit(change).await;
    wait("9.0.0.0/8", true).await;
    let mut change = Change::new();
    change.delete_network("dcos", Expect::Any);
    fleet.commit(change).await;
    wait("9.0.0.0/8", false).await;
    assert!(has("11.0.0.0/8"));
    stop.cancel();
    running.await.unwrap();
}

/// What was followed and what is made anew say the same.
#[tokio::test]
async fn everything_anew_tells_nothing_new() {
    let fleet = Fleet::new().await;
    let names = fleet.reconciler();
    let mut follower = Follower {
        live: LiveNames::new(NamesView::of(names.node.id.clone())),
        here: Arc::new(
            names
                .node
                .record(Vec::new(), Vec::new(), Timestamp::default()),
        ),
        revision: 0,
    };
    let first = fleet.mirror.at_least(1).await;
    names.reconcile(&mut follower, &first, true);
    drop(first);
    for app in ["/a", "/b"] {
        let task = task(app);
        let mut change = Change::new();
        change.put_task(&task, Expect::Absent);
        change.put_status(&status(&task, TaskState::Running), Expect::Absent);
        fleet.commit(change).await;
        names.reconcile(&mut follower, &fleet.mirror.state(), false);
    }
    let serial = fleet.names.load().serial();
    assert_eq!(serial, 3);
    // Names of VIPs are somebody else's.
    let known = fleet.names.load();
    assert!(!known.awaits(dns::Source::Tasks) && known.awaits(dns::Source::Vips));
    assert_eq!(
        fleet
            .addresses("b.marathon.containerip.dcos.thisdcos.directory")
            .len(),
        1
    );
    names.reconcile(&mut follower, &fleet.mirror.state(), true);
    assert_eq!(fleet.names.load().serial(), serial);
}
