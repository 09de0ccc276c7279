//! A node with its store, whose engine and datapath a test plays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engines::Engine;
use mesos::{ContainerInfo, NetworkInfo};
use model::{
    AppId, Command, Goal, HealthCheck, NodeId, Resources, Task, TaskId, TaskStatus, Timestamp,
};
use store::{Change, Commit, Expect, Mirror, Outcome, Records, RedbStore, State, Store, Write};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vip::ServiceTable;

use crate::exempt::Beforehand;
use crate::hints::Hints;
use crate::node::NodeOptions;
use crate::options::Engines;
use crate::owners::Before;
use crate::placing::placing;
use crate::report::Reports;
use crate::scripted::Scripted;
use crate::services::Kernel;
use crate::tasks::Tasks;

/// Well below the period of looking without a hint, so that nothing passes because of
/// that one.
pub(super) const SOON: Duration = Duration::from_secs(8);

pub(super) struct Bench {
    pub(super) store: Arc<RedbStore>,
    pub(super) records: Records,
    pub(super) mirror: Mirror,
    pub(super) engine: Arc<Scripted>,
    pub(super) reports: Reports,
    /// Whether the datapath keeps up with the store.
    pub(super) datapath: watch::Sender<bool>,
    parts: JoinSet<()>,
    stop: CancellationToken,
    directory: tempfile::TempDir,
}

impl Bench {
    /// A node that runs.
    pub(super) async fn new() -> Self {
        let mut bench = Self::asleep().await;
        bench.wake();
        bench
    }

    /// A node whose agent has not begun.
    pub(super) async fn asleep() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let store = Arc::new(store.unwrap());
        let records = Records::new(Arc::clone(&store) as Arc<dyn Store>);
        Self {
            mirror: Mirror::start(records.clone()),
            store,
            records,
            engine: Arc::new(Scripted::new()),
            reports: Reports::default(),
            datapath: watch::Sender::new(true),
            parts: JoinSet::new(),
            stop: CancellationToken::new(),
            directory,
        }
    }

    /// Begins the agent's part that is tested, and stand-ins for its neighbours.
    pub(super) fn wake(&mut self) {
        self.stop = CancellationToken::new();
        let (hints, stop) = (Hints::new(), self.stop.clone());
        let engine = Arc::clone(&self.engine) as Arc<dyn Engine>;
        let follow = hints.clone().follow(Arc::clone(&engine), stop.clone());
        self.parts.spawn(follow);
        let (sender, table) = watch::channel((0, Arc::new(ServiceTable::default())));
        let (mirror, datapath) = (self.mirror.clone(), self.datapath.subscribe());
        self.parts.spawn(keep_up(mirror, datapath, sender));
        let (placing, mut asked) = placing();
        let seen = Arc::clone(&self.engine);
        self.parts.spawn(async move {
            loop {
                asked.again().await;
                let turn = asked.turn();
                seen.script().calls.push("place".into());
                asked.answer(turn);
            }
        });
        let tasks = Tasks {
            records: self.records.clone(),
            mirror: self.mirror.clone(),
            engines: Engines {
                docker: None,
                native: Some(engine),
            },
            node: node(),
            logs: self.directory.path().join("logs"),
            hints,
            table,
            placing,
            beforehand: Beforehand::new(Kernel::new(None)),
            before: Before::new(Kernel::new(None), false),
            reports: self.reports.clone(),
        };
        self.parts.spawn(tasks.run(stop));
    }

    /// Ends the agent in the middle of whatever it does.
    pub(super) async fn sleep(&mut self) {
        self.stop.cancel();
        self.parts.shutdown().await;
    }

    pub(super) async fn restart(&mut self) {
        self.sleep().await;
        self.wake();
    }

    pub(super) async fn commit(&self, fill: impl FnOnce(&mut Change)) -> Arc<State> {
        let mut change = Change::new();
        fill(&mut change);
        match self.records.commit(change).await.unwrap() {
            Outcome::Committed(revision) => self.mirror.at_least(revision).await,
            Outcome::Conflict => panic!("an expectation did not hold"),
        }
    }

    pub(super) async fn put(&self, task: &Task) {
        self.commit(|change| {
            change.put_task(task, Expect::Any);
        })
        .await;
    }

    pub(super) async fn stop_task(&self, task: &Task, reason: &str) {
        let reason = reason.to_owned();
        let goal = Goal::Stop { reason };
        self.put(&Task {
            goal,
            ..task.clone()
        })
        .await;
    }

    pub(super) async fn raw(&self, key: String, value: &'static str) {
        let writes = vec![Write::Put(key, value.into(), None)];
        let compares = Vec::new();
        let commit = Commit { compares, writes };
        self.store.commit(commit).await.unwrap();
    }

    /// The state once it is as a test expects.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) -> Arc<State> {
        let mut states = self.mirror.subscribe();
        let found = states.wait_for(|state| holds(state));
        match tokio::time::timeout(SOON, found).await {
            Ok(state) => Arc::clone(&state.unwrap()),
            Err(_) => panic!("{what} was not seen; {:#?}", self.mirror.state().statuses),
        }
    }

    /// A task's status once it is as a test expects.
    pub(super) async fn status(
        &self,
        task: &Task,
        what: &str,
        holds: impl Fn(&TaskStatus) -> bool,
    ) -> TaskStatus {
        let held = |state: &State| state.statuses.get(&task.id).is_some_and(|it| holds(it));
        let state = self.until(what, held).await;
        TaskStatus::clone(&state.statuses[&task.id])
    }

    /// Waits until something is true of the engine.
    pub(super) async fn engine_until(&self, what: &str, holds: impl Fn(&Scripted) -> bool) {
        let deadline = tokio::time::Instant::now() + SOON;
        while !holds(&self.engine) {
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "{what} was not seen: {:#?}", self.engine);
            tokio::task::yield_now().await;
        }
    }
}

/// What the services' reconciler does, as far as workers see it.
async fn keep_up(
    mirror: Mirror,
    mut datapath: watch::Receiver<bool>,
    table: watch::Sender<(u64, Arc<ServiceTable>)>,
) {
    let mut states = mirror.subscribe();
    loop {
        if datapath.wait_for(|works| *works).await.is_err() {
            return;
        }
        let revision = states.borrow_and_update().revision;
        table.send_replace((revision, Arc::default()));
        if states.changed().await.is_err() {
            return;
        }
    }
}

pub(super) fn node() -> NodeOptions {
    NodeOptions {
        id: NodeId("n1".into()),
        addresses: vec!["127.0.0.1".parse().unwrap()],
        resources: Resources::default(),
        ports: Vec::new(),
        zone: None,
        version: "1".into(),
    }
}

/// A native task on a network.
pub(super) fn task(name: &str) -> Task {
    let app = AppId::resolve(name).unwrap();
    let network = NetworkInfo {
        name: Some("net".into()),
        ..NetworkInfo::default()
    };
    Task {
        id: TaskId::for_instance(&app, "1"),
        app,
        framework: "marathon".into(),
        version: Timestamp::from_millis(1),
        node: NodeId("n1".into()),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: ContainerInfo {
            network_infos: vec![network],
            ..ContainerInfo::native()
        },
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 1_500,
        created: Timestamp::from_millis(1),
    }
}

/// A task on the host's network with a TCP check of one port, asked often.
pub(super) fn checked(name: &str, port: u16, max_failures: u32) -> Task {
    let check = HealthCheck {
        probe: model::HealthProbe::Tcp,
        target: model::HealthTarget::Port(port),
        inside: false,
        ipv6: false,
        grace_ms: 0,
        interval_ms: 20,
        timeout_ms: 1_000,
        delay_ms: 0,
        max_failures,
    };
    Task {
        container: ContainerInfo::native(),
        health_checks: vec![check],
        ..task(name)
    }
}
