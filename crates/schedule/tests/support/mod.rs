//! Apps, nodes and a world that obeys plans, for the tests of this crate.
#![allow(dead_code, reason = "every test binary uses its own part of it")]

use std::collections::BTreeMap;

use marathon::App;
use model::{
    Deployment, Goal, Kill, Launch, Node, NodeId, PortRange, Resources, Task, TaskId, TaskState,
    TaskStatus, Timestamp,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use schedule::{Config, Plan, View, plan};
use serde_json::{Value, json};

/// An app in its canonical form: `given` over Marathon's defaults.
pub(crate) fn app(given: Value) -> App {
    let mut all = json!({
        "id": "/app", "instances": 1, "cpus": 1.0, "mem": 128.0, "disk": 0.0, "gpus": 0,
        "executor": "", "requirePorts": false, "backoffSeconds": 1, "backoffFactor": 1.15,
        "maxLaunchDelaySeconds": 300, "networks": [{"mode": "host"}],
        "upgradeStrategy": {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0},
        "labels": {}, "killSelection": "YOUNGEST_FIRST",
        "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
        "role": "*", "version": "2015-02-03T12:30:00.000Z",
    });
    for (key, value) in given.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

pub(crate) fn node() -> Node {
    Node {
        id: NodeId("n1".into()),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        resources: Resources {
            cpus: 16.0,
            mem: 16384.0,
            disk: 10000.0,
            gpus: 2,
        },
        ports: vec![PortRange {
            first: 31000,
            last: 32000,
        }],
        engines: vec!["docker".into(), "containerd".into()],
        busy: Vec::new(),
        zone: None,
        version: "1".into(),
        since: Timestamp::from_millis(0),
    }
}

/// A store and a node that does what it is told when it is asked to step.
pub(crate) struct World {
    pub(crate) apps: Vec<App>,
    pub(crate) unreadable: Vec<model::AppId>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) statuses: BTreeMap<TaskId, TaskStatus>,
    pub(crate) launches: BTreeMap<model::AppId, Launch>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) kills: Vec<Kill>,
    pub(crate) now: Timestamp,
    pub(crate) rng: StdRng,
}

impl World {
    pub(crate) fn new(apps: Vec<App>) -> Self {
        Self {
            apps,
            unreadable: Vec::new(),
            nodes: vec![node()],
            tasks: BTreeMap::new(),
            statuses: BTreeMap::new(),
            launches: BTreeMap::new(),
            deployments: Vec::new(),
            kills: Vec::new(),
            now: Timestamp::from_millis(1_000_000),
            rng: StdRng::seed_from_u64(3),
        }
    }

    /// Plans once and makes the plan true in the store.
    pub(crate) fn plan(&mut self) -> Plan {
        let view = View {
            apps: self.apps.iter().map(|app| (&app.id, app)).collect(),
            unreadable: self.unreadable.iter().collect(),
            tasks: self.tasks.values().collect(),
            statuses: self.statuses.iter().collect(),
            nodes: self.nodes.iter().collect(),
            deployments: self.deployments.iter().collect(),
            launches: self.launches.iter().collect(),
            kills: self.kills.iter().collect(),
            now: self.now,
        };
        let plan = plan(&view, &Config::default(), &mut self.rng);
        for task in &plan.start {
            self.tasks.insert(task.id.clone(), task.clone());
        }
        for (id, reason) in &plan.stop {
            self.tasks.get_mut(id).unwrap().goal = Goal::Stop {
                reason: reason.clone(),
            };
        }
        for id in &plan.forget {
            self.tasks.remove(id);
            self.statuses.remove(id);
        }
        for launch in &plan.launches {
            self.launches.insert(launch.app.clone(), launch.clone());
        }
        for app in &plan.drop_launches {
            self.launches.remove(app);
        }
        self.kills
            .retain(|kill| !plan.drop_kills.contains(&kill.task));
        self.deployments
            .retain(|deployment| !plan.done.contains(&deployment.id));
        plan
    }

    /// Plans until there is nothing more to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100 {
            if self.plan().is_empty() {
                return;
            }
        }
        panic!("plans do not come to an end");
    }

    /// Sets what the node says of a task.
    pub(crate) fn report(&mut self, id: &TaskId, state: TaskState, healthy: Option<bool>) {
        let status = TaskStatus {
            task: id.clone(),
            node: NodeId("n1".into()),
            state,
            message: None,
            network_infos: Vec::new(),
            healthy,
            health: Vec::new(),
            container: None,
            staged: self.now,
            started: Some(self.now),
            ended: state.is_terminal().then_some(self.now),
            exit_code: None,
        };
        self.statuses.insert(id.clone(), status);
    }

    /// The node does everything it was told: wanted tasks run, others end.
    pub(crate) fn obey(&mut self) {
        for task in self.tasks.values().cloned().collect::<Vec<_>>() {
            let ended = self
                .statuses
                .get(&task.id)
                .is_some_and(|s| s.state.is_terminal());
            match task.goal {
                _ if ended => {}
                Goal::Run => self.report(&task.id, TaskState::Running, None),
                Goal::Stop { .. } => self.report(&task.id, TaskState::Killed, None),
            }
        }
    }

    /// Tasks that should run and have not ended.
    pub(crate) fn wanted(&self) -> Vec<&Task> {
        let ended = |task: &&Task| {
            self.statuses
                .get(&task.id)
                .is_some_and(|s| s.state.is_terminal())
        };
        self.tasks
            .values()
            .filter(|task| task.goal == Goal::Run && !ended(task))
            .collect()
    }

    /// Tasks that run and are not told to stop.
    pub(crate) fn serving(&self) -> usize {
        let running = |task: &&&Task| {
            self.statuses
                .get(&task.id)
                .is_some_and(|status| status.state == TaskState::Running)
        };
        self.wanted().iter().filter(running).count()
    }
}
