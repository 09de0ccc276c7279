//! Plans over time: scaling, replacing, failing, waiting.

#![allow(
    clippy::unwrap_used,
    reason = "what these functions do wrong is a test's failure"
)]

mod support;

use model::{AffectedApp, AppId, Deployment, DeploymentAction, Goal, Kill, TaskState, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use support::{World, app};

fn deployment(app: &str, action: DeploymentAction) -> Deployment {
    let app = AppId::resolve(app).unwrap();
    let affected = vec![AffectedApp { app, action }];
    Deployment {
        id: "d1".into(),
        version: Timestamp::from_millis(1),
        affected,
    }
}

/// Moves the world on until nothing happens any more.
fn run(world: &mut World) {
    for _ in 0..200 {
        let plan = world.plan();
        world.obey();
        if plan.is_empty() && world.plan().is_empty() {
            return;
        }
    }
    panic!("the world does not come to rest");
}

#[test]
fn a_new_app_gets_its_instances_and_its_deployment_ends() {
    let mut world = World::new(vec![app(json!({"cmd": "x", "instances": 3}))]);
    world.deployments = vec![deployment("/app", DeploymentAction::StartApplication)];
    assert_eq!(world.plan().start.len(), 3);
    assert!(
        world.plan().is_empty(),
        "nothing more to do before the node answers"
    );
    assert_eq!(world.deployments.len(), 1);
    world.obey();
    world.settle();
    assert!(world.deployments.is_empty());
    assert_eq!(world.serving(), 3);
}

#[test]
fn scaling_down_stops_the_youngest_first() {
    let mut world = World::new(vec![app(json!({"cmd": "x", "instances": 1}))]);
    run(&mut world);
    let oldest = world.tasks.keys().next().unwrap().clone();
    world.now = world.now.plus_millis(5_000);
    world.apps[0].instances = 3;
    run(&mut world);
    world.apps[0].instances = 1;
    let plan = world.plan();
    assert_eq!(plan.stop.len(), 2);
    assert!(
        plan.stop
            .iter()
            .all(|(id, reason)| *id != oldest && reason.contains("scaled to 1"))
    );
    run(&mut world);
    assert_eq!(world.tasks.keys().collect::<Vec<_>>(), [&oldest]);
}

#[test]
fn a_deleted_app_leaves_nothing() {
    let mut world = World::new(vec![app(json!({"cmd": "x", "instances": 2}))]);
    run(&mut world);
    world.apps.clear();
    world.deployments = vec![deployment("/app", DeploymentAction::StopApplication)];
    world.plan();
    assert!(
        world
            .tasks
            .values()
            .all(|task| matches!(task.goal, Goal::Stop { .. }))
    );
    assert_eq!(world.deployments.len(), 1);
    run(&mut world);
    assert!(world.tasks.is_empty() && world.deployments.is_empty());
}

#[test]
fn an_unhealthy_replacement_keeps_the_old_instances() {
    let checks = json!([{
        "protocol": "TCP", "gracePeriodSeconds": 300, "intervalSeconds": 60, "timeoutSeconds": 20,
        "maxConsecutiveFailures": 3, "delaySeconds": 15}]);
    let mut world = World::new(vec![app(
        json!({"cmd": "x", "instances": 2, "healthChecks": checks}),
    )]);
    world.plan();
    for id in world.tasks.keys().cloned().collect::<Vec<_>>() {
        world.report(&id, TaskState::Running, Some(true));
    }
    let old: Vec<_> = world.tasks.keys().cloned().collect();
    world.apps[0].version = Some(Timestamp::from_millis(9_000_000_000_000));
    world.settle();
    // Twice as many may exist: two more start at once, and wait to pass their check.
    assert_eq!(world.tasks.len(), 4);
    for id in world.tasks.keys().cloned().collect::<Vec<_>>() {
        if !old.contains(&id) {
            world.report(&id, TaskState::Running, None);
        }
    }
    world.settle();
    assert!(old.iter().all(|id| world.tasks[id].goal == Goal::Run));
    let new = world
        .tasks
        .keys()
        .find(|id| !old.contains(id))
        .unwrap()
        .clone();
    world.report(&new, TaskState::Running, Some(true));
    world.settle();
    let stopped = old
        .iter()
        .filter(|id| world.tasks[*id].goal != Goal::Run)
        .count();
    assert_eq!(stopped, 1, "one new instance serves, so one old one may go");
}

#[test]
fn failures_delay_the_next_launch_longer_and_longer() {
    let mut world = World::new(vec![app(json!({"cmd": "x", "backoffFactor": 2.0}))]);
    let mut delays = Vec::new();
    for _ in 0..4 {
        world.settle();
        let id = world.wanted()[0].id.clone();
        world.report(&id, TaskState::Failed, None);
        let plan = world.plan();
        assert!(plan.start.is_empty());
        let launch = &world.launches[&AppId::resolve("/app").unwrap()];
        assert_eq!(launch.waiting, 1);
        assert!(
            launch.reasons[0].contains("trying again at"),
            "{:?}",
            launch.reasons
        );
        let at = plan.again_at.unwrap();
        delays.push(at.millis_since(world.now));
        world.now = at;
    }
    assert_eq!(delays, [1_000, 2_000, 4_000, 8_000]);
    // After a long quiet time the first delay counts again.
    world.settle();
    world.now = world.now.plus_millis(301_000);
    let id = world.wanted()[0].id.clone();
    world.report(&id, TaskState::Failed, None);
    assert_eq!(
        world.plan().again_at.unwrap().millis_since(world.now),
        1_000
    );
}

#[test]
fn what_cannot_be_placed_waits_and_says_why() {
    for (given, expected) in [
        (
            json!({"cmd": "x", "cpus": 64.0}),
            "16 cpus left and an instance asks for 64",
        ),
        (json!({"cmd": "x", "mem": 1e6}), "MiB of memory left"),
        (
            json!({"cmd": "x", "constraints": [["hostname", "LIKE", "other"]]}),
            "does not hold on n1",
        ),
    ] {
        let mut world = World::new(vec![app(given)]);
        world.settle();
        assert!(world.tasks.is_empty());
        let launch = world.launches.values().next().unwrap();
        assert!(launch.reasons[0].contains(expected), "{:?}", launch.reasons);
    }
    let mut world = World::new(vec![app(json!({"cmd": "x"}))]);
    world.nodes[0].engines.clear();
    world.settle();
    assert!(
        world.launches.values().next().unwrap().reasons[0].contains("no containerd that answers")
    );
    world.nodes[0].engines.push("containerd".into());
    world.settle();
    assert_eq!(world.tasks.len(), 1);
    assert!(
        world
            .launches
            .values()
            .all(|launch| launch.waiting == 0 && launch.reasons.is_empty())
    );
}

#[test]
fn a_fixed_port_held_by_the_old_instance_is_explained() {
    let ports = json!([{"port": 8080, "protocol": "tcp"}]);
    let given = json!({"cmd": "x", "requirePorts": true, "portDefinitions": ports});
    let mut world = World::new(vec![app(given)]);
    run(&mut world);
    world.apps[0].version = Some(Timestamp::from_millis(9_000_000_000_000));
    world.settle();
    let launch = world.launches.values().next().unwrap();
    assert!(
        launch.reasons[0].contains("minimumHealthCapacity below 1"),
        "{:?}",
        launch.reasons
    );
    world.apps[0].upgrade_strategy.minimum_health_capacity = 0.0;
    run(&mut world);
    assert_eq!(world.serving(), 1);
}

#[test]
fn a_kill_is_carried_out_once_and_the_instance_replaced() {
    let mut world = World::new(vec![app(json!({"cmd": "x"}))]);
    run(&mut world);
    let id = world.tasks.keys().next().unwrap().clone();
    world.kills = vec![Kill {
        task: id.clone(),
        reason: "asked for".into(),
    }];
    let plan = world.plan();
    assert_eq!(plan.stop, [(id.clone(), "asked for".to_owned())]);
    assert!(world.kills.is_empty());
    run(&mut world);
    assert_eq!(world.serving(), 1);
    assert!(!world.tasks.contains_key(&id));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the strategy and however instances come up and fail, replacing never
    /// takes more serving instances than allowed, and comes to an end.
    #[test]
    fn replacing_keeps_the_promised_capacity(
        instances in 1u32..6,
        least in 0.0f64..=1.0,
        over in 0.0f64..=1.0,
        turns in proptest::collection::vec((0usize..8, 0u8..10), 0..40),
    ) {
        let strategy = json!({"minimumHealthCapacity": least, "maximumOverCapacity": over});
        let given = json!({"cmd": "x", "instances": instances, "upgradeStrategy": strategy});
        let mut world = World::new(vec![app(given)]);
        run(&mut world);
        prop_assert_eq!(world.serving(), instances as usize);
        world.apps[0].version = Some(Timestamp::from_millis(9_000_000_000_000));
        let floor = (f64::from(instances) * least).ceil() as usize;
        for (index, luck) in turns {
            let before = world.serving();
            world.plan();
            prop_assert!(world.serving() >= floor.min(before), "{} < {floor}", world.serving());
            let tasks: Vec<_> = world.tasks.values().cloned().collect();
            if let Some(task) = tasks.get(index) {
                let ended = world.statuses.get(&task.id).is_some_and(|s| s.state.is_terminal());
                let state = match (&task.goal, luck) {
                    (Goal::Stop { .. }, _) => TaskState::Killed,
                    (Goal::Run, 0) => TaskState::Failed,
                    (Goal::Run, _) => TaskState::Running,
                };
                if !ended {
                    world.report(&task.id, state, None);
                }
            }
        }
        world.now = world.now.plus_millis(600_000);
        run(&mut world);
        prop_assert_eq!(world.serving(), instances as usize);
        let version = world.apps[0].version.unwrap();
        prop_assert!(world.tasks.values().all(|task| task.version == version));
    }
}

#[test]
fn native_tasks_have_the_image_that_their_app_names() {
    let image = |container: serde_json::Value| {
        let mut given = json!({"type": "MESOS", "volumes": []});
        given
            .as_object_mut()
            .unwrap()
            .extend(container.as_object().unwrap().clone());
        let mut world = World::new(vec![app(json!({"cmd": "x", "container": given}))]);
        world.plan();
        let task = world.tasks.values().next().unwrap();
        serde_json::to_value(task.container.mesos.clone()).unwrap()["image"].clone()
    };
    assert_eq!(
        image(
            json!({"appc": {"image": "example.com/a", "id": "sha512-0", "forcePullImage": true,
            "labels": {"version": "1", "os": "linux"}}})
        ),
        json!({"type": "APPC", "cached": false, "appc": {"name": "example.com/a", "id": "sha512-0",
            "labels": {"labels": [{"key": "os", "value": "linux"}, {"key": "version", "value": "1"}]}}})
    );
    assert_eq!(
        image(
            json!({"docker": {"image": "i", "forcePullImage": false, "privileged": false, "parameters": []}})
        ),
        json!({"type": "DOCKER", "cached": true, "docker": {"name": "i"}})
    );
    assert_eq!(image(json!({})), serde_json::Value::Null);
}
