//! Whatever the state, no plan writes a record twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use marathon::App;
use model::{
    AffectedApp, AppId, Deployment, DeploymentAction, Kill, Launch, Node, NodeId, PortRange,
    Resources, TaskId, TaskState, TaskStatus, Timestamp,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
use store::{Records, RedbStore};

use super::*;
use crate::view;

/// One task of a random state: app, node, version, goal, status, kill.
type Seed = (usize, bool, bool, bool, Option<usize>, bool);

const STATES: [TaskState; 8] = [
    TaskState::Staging,
    TaskState::Starting,
    TaskState::Running,
    TaskState::Killing,
    TaskState::Finished,
    TaskState::Failed,
    TaskState::Killed,
    TaskState::Lost,
];

fn held<T>(record: T) -> Held<T> {
    Held {
        record: Arc::new(record),
        revision: 1,
    }
}

fn app_id(index: usize) -> AppId {
    AppId::resolve(["/a", "/b", "/c", "/d"][index % 4]).unwrap()
}

fn app(index: usize, instances: u32) -> App {
    serde_json::from_value(json!({
        "id": app_id(index).as_str(), "cmd": "x", "instances": instances, "cpus": 1.0,
        "mem": 1.0, "disk": 0.0, "gpus": 0, "executor": "", "requirePorts": false,
        "backoffSeconds": 1, "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300,
        "networks": [{"mode": "host"}], "labels": {}, "killSelection": "YOUNGEST_FIRST",
        "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.5},
        "unreachableStrategy": "disabled", "role": "*", "version": "1970-01-01T00:00:01.000Z",
    }))
    .unwrap()
}

fn node() -> Node {
    Node {
        id: NodeId("n1".into()),
        addresses: Vec::new(),
        resources: Resources {
            cpus: 9.0,
            mem: 99.0,
            disk: 0.0,
            gpus: 0,
        },
        ports: vec![PortRange {
            first: 31_000,
            last: 31_100,
        }],
        engines: vec!["containerd".into()],
        busy: Vec::new(),
        zone: None,
        version: "1".into(),
        since: Timestamp::default(),
    }
}

fn task(index: usize, (app, here, old, stopping, ..): Seed) -> Task {
    let app = app_id(app);
    let reason = "before".to_owned();
    Task {
        id: TaskId::for_instance(&app, &index.to_string()),
        app,
        framework: "marathon".into(),
        version: Timestamp::from_millis(if old { 500 } else { 1_000 }),
        node: NodeId(if here { "n1" } else { "gone" }.into()),
        goal: if stopping {
            Goal::Stop { reason }
        } else {
            Goal::Run
        },
        command: model::Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: mesos::ContainerInfo::native(),
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::default(),
    }
}

fn status(task: &Task, state: usize) -> TaskStatus {
    TaskStatus {
        task: task.id.clone(),
        node: task.node.clone(),
        state: STATES[state % STATES.len()],
        message: Some("so it is".into()),
        network_infos: Vec::new(),
        healthy: None,
        health: Vec::new(),
        container: None,
        staged: Timestamp::default(),
        started: None,
        ended: None,
        exit_code: None,
    }
}

fn state(
    apps: &[Option<u32>],
    tasks: &[Seed],
    launches: &[bool],
    unreadable: Option<usize>,
) -> State {
    let mut state = State::default();
    for (index, instances) in apps.iter().enumerate() {
        if let Some(instances) = instances {
            state
                .apps
                .insert(app_id(index), held(app(index, *instances)));
        }
    }
    if let Some(index) = unreadable {
        state.apps.remove(&app_id(index));
        let key = format!("apps/{}", app_id(index).task_prefix());
        state.unreadable.insert(key, "garbage".into());
    }
    for (index, seed) in tasks.iter().enumerate() {
        let task = task(index, *seed);
        if let Some(told) = seed.4 {
            let status = status(&task, told);
            state.statuses.insert(task.id.clone(), held(status));
        }
        if seed.5 {
            let (task, reason) = (task.id.clone(), "asked for".to_owned());
            state
                .kills
                .insert(task.clone(), held(Kill { task, reason }));
        }
        state.tasks.insert(task.id.clone(), held(task));
    }
    for (index, there) in launches.iter().enumerate() {
        let launch = Launch {
            app: app_id(index),
            version: Timestamp::from_millis(1_000),
            waiting: 1,
            since: Timestamp::default(),
            not_before: None,
            next_delay_ms: 0,
            reasons: Vec::new(),
            last_failure: None,
        };
        if *there {
            state.launches.insert(app_id(index), held(launch));
        }
        let deployment = Deployment {
            id: index.to_string(),
            version: Timestamp::default(),
            affected: vec![AffectedApp {
                app: app_id(index),
                action: DeploymentAction::ScaleApplication,
            }],
        };
        state
            .deployments
            .insert(index.to_string(), held(deployment));
    }
    state.nodes.insert(NodeId("n1".into()), held(node()));
    state
}

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let one = (
        0usize..4,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        proptest::option::of(0usize..8),
        any::<bool>(),
    );
    proptest::collection::vec(one, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_record_is_written_twice(
        apps in proptest::collection::vec(proptest::option::of(0u32..5), 4),
        tasks in seeds(),
        launches in proptest::collection::vec(any::<bool>(), 4),
        unreadable in proptest::option::of(0usize..4),
        seed: u64,
    ) {
        let state = state(&apps, &tasks, &launches, unreadable);
        let view = view::view(&state, Timestamp::from_millis(1_000_000));
        let mut rng = StdRng::seed_from_u64(seed);
        let plan = schedule::plan(&view, &schedule::Config::default(), &mut rng);
        let change = change(&state, &plan);
        if let Some(index) = unreadable {
            let app = app_id(index);
            let asked = |id: &TaskId| state.kills.contains_key(id);
            prop_assert!(plan.start.iter().all(|task| task.app != app));
            prop_assert!(plan.stop.iter().all(|(id, _)| state.tasks[id].app != app || asked(id)));
            prop_assert!(!plan.drop_launches.contains(&app));
        }
        // The store is the judge; that nothing is there to be changed is no matter.
        store_takes(change)?;
    }
}

fn store_takes(change: Change) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        match records.commit(change).await {
            Ok(_) => Ok(()),
            Err(error) => Err(TestCaseError::fail(error.to_string())),
        }
    })
}

#[test]
fn the_store_does_refuse_what_is_written_twice() {
    let mut change = Change::new();
    let task = TaskId::for_instance(&app_id(0), "1");
    change.delete_task(&task, Expect::Any);
    change.delete_task(&task, Expect::Any);
    assert!(store_takes(change).is_err());
}
