//! A store with a leader, and a test that plays the API and the node.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader::{Leader, LeaderOptions, LeaderReport};
use marathon::App;
use model::{Node, NodeId, PortRange, Resources, Task, TaskState, TaskStatus, Timestamp};
use serde_json::{Value, json};
use store::{Change, Commit, Expect, Mirror, Outcome, Records, RedbStore, State, Store, Write};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vip::VipRanges;

const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Bench {
    pub(crate) store: Arc<RedbStore>,
    pub(crate) records: Records,
    pub(crate) mirror: Mirror,
    pub(crate) report: Arc<Mutex<LeaderReport>>,
    leader: Option<Leader>,
    running: Option<JoinHandle<()>>,
    stop: CancellationToken,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// A leader that has not begun.
    pub(crate) async fn asleep() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let store = Arc::new(store.unwrap());
        let records = Records::new(Arc::clone(&store) as Arc<dyn Store>);
        let mirror = Mirror::start(records.clone());
        mirror.at_least(1).await;
        let leader = Leader::new(LeaderOptions {
            records: records.clone(),
            mirror: mirror.clone(),
            schedule: schedule::Config::default(),
            ranges: VipRanges::default(),
        });
        Self {
            store,
            records,
            mirror,
            report: leader.report(),
            leader: Some(leader),
            running: None,
            stop: CancellationToken::new(),
            _directory: directory,
        }
    }

    /// A leader with one node.
    pub(crate) async fn new() -> Self {
        let mut bench = Self::asleep().await;
        bench.add_node().await;
        bench.wake();
        bench
    }

    pub(crate) fn wake(&mut self) {
        let leader = self.leader.take().unwrap();
        self.running = Some(tokio::spawn(leader.run(self.stop.clone())));
    }

    /// Ends the leader, which must come soon.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let running = self.running.take().unwrap();
        tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    }

    pub(crate) async fn add_node(&self) {
        let lease = self.records.grant(600).await.unwrap();
        self.commit(|change| {
            change.put_node(&node(), lease, Expect::Any);
        })
        .await;
    }

    pub(crate) async fn commit(&self, fill: impl FnOnce(&mut Change)) -> Arc<State> {
        let mut change = Change::new();
        fill(&mut change);
        match self.records.commit(change).await.unwrap() {
            Outcome::Committed(revision) => self.mirror.at_least(revision).await,
            Outcome::Conflict => panic!("an expectation did not hold"),
        }
    }

    pub(crate) async fn put_app(&self, app: &App) {
        self.commit(|change| {
            change.put_app(app, Expect::Any);
        })
        .await;
    }

    pub(crate) async fn raw(&self, key: &str, value: &'static str) {
        let writes = vec![Write::Put(key.to_owned(), value.into(), None)];
        let compares = Vec::new();
        let commit = Commit { compares, writes };
        let Outcome::Committed(revision) = self.store.commit(commit).await.unwrap() else {
            panic!("nothing was expected")
        };
        self.mirror.at_least(revision).await;
    }

    /// What the node says of a task.
    pub(crate) async fn say(&self, task: &Task, state: TaskState, message: Option<&str>) {
        let status = TaskStatus {
            task: task.id.clone(),
            node: task.node.clone(),
            state,
            message: message.map(str::to_owned),
            network_infos: Vec::new(),
            healthy: None,
            health: Vec::new(),
            container: None,
            staged: task.created,
            started: None,
            ended: None,
            exit_code: None,
        };
        self.commit(|change| {
            change.put_status(&status, Expect::Any);
        })
        .await;
    }

    /// The state once it is as a test expects.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) -> Arc<State> {
        let mut states = self.mirror.subscribe();
        let found = states.wait_for(|state| holds(state));
        match tokio::time::timeout(SOON, found).await {
            Ok(state) => Arc::clone(&state.unwrap()),
            Err(_) => panic!(
                "{what} was not seen: {:#?} {:#?}",
                self.mirror.state(),
                self.report.lock().unwrap()
            ),
        }
    }

    /// The state once the leader has looked at it and found nothing more to do.
    pub(crate) async fn rest(&self) -> Arc<State> {
        let rounds = || self.report.lock().unwrap().rounds;
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let (before, begun) = (self.mirror.state().revision, rounds());
            // A change that means nothing to a plan makes the leader look again.
            self.raw("elsewhere/nudge", "1").await;
            while rounds() == begun {
                let late = tokio::time::Instant::now() > deadline;
                assert!(!late, "the leader does not come to rest");
                tokio::task::yield_now().await;
            }
            let state = self.mirror.state();
            if state.revision == before + 1 {
                return state;
            }
        }
    }
}

pub(crate) fn node() -> Node {
    Node {
        id: NodeId("n1".into()),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        resources: Resources {
            cpus: 16.0,
            mem: 16_384.0,
            disk: 10_000.0,
            gpus: 0,
        },
        ports: vec![PortRange {
            first: 31_000,
            last: 32_000,
        }],
        engines: vec!["docker".into(), "containerd".into()],
        busy: Vec::new(),
        zone: None,
        version: "1".into(),
        since: Timestamp::from_millis(0),
    }
}

/// An app in its canonical form: `given` over Marathon's defaults.
pub(crate) fn app(given: Value) -> App {
    let mut all = json!({
        "id": "/app", "cmd": "x", "instances": 1, "cpus": 1.0, "mem": 128.0, "disk": 0.0,
        "gpus": 0, "executor": "", "requirePorts": false, "backoffSeconds": 1,
        "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300, "networks": [{"mode": "host"}],
        "upgradeStrategy": {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0},
        "labels": {}, "killSelection": "YOUNGEST_FIRST", "unreachableStrategy": "disabled",
        "role": "*", "version": "2015-02-03T12:30:00.000Z",
    });
    for (key, value) in given.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

/// An app with one port that has the VIP `label`.
pub(crate) fn with_vip(id: &str, label: &str) -> App {
    let port = json!({"port": 10_000, "protocol": "tcp", "labels": {"VIP_0": label}});
    app(json!({"id": id, "instances": 0, "portDefinitions": [port]}))
}
