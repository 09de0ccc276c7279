//! Plans when clocks jump, nodes vanish, engines are away and records are broken.

#![allow(
    clippy::unwrap_used,
    reason = "what these functions do wrong is a test's failure"
)]

mod support;

use model::{
    AffectedApp, AppId, Deployment, DeploymentAction, Goal, Launch, NodeId, TaskId, TaskState,
    Timestamp,
};
use serde_json::json;
use support::{World, app};

fn launch(world: &World) -> &Launch {
    world.launches.values().next().unwrap()
}

fn ids(world: &World) -> Vec<TaskId> {
    world.tasks.keys().cloned().collect()
}

/// The node says why a task is in its state.
fn say(world: &mut World, id: &TaskId, state: TaskState, message: &str) {
    world.report(id, state, None);
    world.statuses.get_mut(id).unwrap().message = Some(message.to_owned());
}

#[test]
fn a_clock_that_is_set_back_does_not_stretch_a_delay() {
    let mut world = World::new(vec![app(json!({"cmd": "x"}))]);
    world.now = Timestamp::from_millis(1_000_000_000);
    world.settle();
    let id = ids(&world).remove(0);
    world.report(&id, TaskState::Failed, None);
    world.settle();
    assert_eq!(world.tasks.len(), 0);
    // An hour back; the longest delay is five minutes.
    world.now = world.now.plus_millis(-3_600_000);
    world.settle();
    let plan = world.plan();
    assert_eq!(plan.again_at.unwrap().millis_since(world.now), 300_000);
    world.now = plan.again_at.unwrap();
    world.settle();
    assert_eq!(world.tasks.len(), 1);
}

#[test]
fn since_when_instances_wait_stays_until_they_are_there() {
    let mut world = World::new(vec![app(json!({"cmd": "x", "cpus": 64.0}))]);
    world.settle();
    let began = world.now;
    for step in [10_000, 10_000, -60_000] {
        world.now = world.now.plus_millis(step);
        assert!(world.plan().is_empty(), "time alone is no news");
        assert_eq!(launch(&world).since, began);
    }
    world.nodes[0].resources.cpus = 64.0;
    world.settle();
    assert_eq!(launch(&world).waiting, 0);
    world.now = world.now.plus_millis(100_000);
    world.apps[0].instances = 2;
    world.settle();
    assert_eq!(
        (launch(&world).waiting, launch(&world).since),
        (1, world.now)
    );
}

#[test]
fn an_end_that_lies_in_the_future_counts_as_now() {
    let mut world = World::new(vec![app(json!({"cmd": "x"}))]);
    world.settle();
    let id = ids(&world).remove(0);
    world.report(&id, TaskState::Failed, None);
    let ahead = world.now.plus_millis(3_600_000);
    world.statuses.get_mut(&id).unwrap().ended = Some(ahead);
    let plan = world.plan();
    assert_eq!(plan.again_at.unwrap().millis_since(world.now), 1_000);
}

#[test]
fn what_holds_instances_up_is_a_reason_and_goes_with_it() {
    let mut world = World::new(vec![app(json!({"cmd": "x", "instances": 3}))]);
    world.settle();
    let ids = ids(&world);
    say(&mut world, &ids[0], TaskState::Staging, "docker is away");
    say(&mut world, &ids[1], TaskState::Staging, "docker is away");
    say(&mut world, &ids[2], TaskState::Running, "docker is away");
    world.settle();
    assert_eq!(launch(&world).waiting, 0);
    let reasons = &launch(&world).reasons;
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert_eq!(
        reasons[0],
        "1 instance on node n1, not watched: docker is away"
    );
    assert_eq!(
        reasons[1],
        "2 instances waiting to start on node n1: docker is away"
    );
    world.obey();
    world.settle();
    assert!(launch(&world).reasons.is_empty());
}

#[test]
fn what_keeps_an_instance_from_ending_is_a_reason() {
    let mut world = World::new(vec![app(json!({"cmd": "x"}))]);
    world.settle();
    world.obey();
    world.apps[0].instances = 0;
    world.settle();
    let id = ids(&world).remove(0);
    let Goal::Stop { reason } = world.tasks[&id].goal.clone() else {
        panic!("it should end")
    };
    say(&mut world, &id, TaskState::Killing, &reason);
    world.settle();
    assert!(world.launches.is_empty(), "ending takes its time");
    say(&mut world, &id, TaskState::Killing, "docker is away");
    world.settle();
    assert_eq!(
        launch(&world).reasons,
        ["1 instance waiting to end on node n1: docker is away"]
    );
}

#[test]
fn tasks_of_a_lost_node_go_on_counting_and_say_so() {
    let mut world = World::new(vec![app(json!({"cmd": "x", "instances": 2}))]);
    world.settle();
    world.obey();
    world.settle();
    world.nodes[0].id = NodeId("n2".into());
    world.settle();
    assert_eq!(world.tasks.len(), 2, "they may well serve");
    assert!(world.tasks.values().all(|task| task.node.0 == "n1"));
    assert_eq!(
        launch(&world).reasons,
        ["2 instances on node n1, whose daemon does not answer; start it there"]
    );
    world.nodes[0].id = NodeId("n1".into());
    world.settle();
    assert!(launch(&world).reasons.is_empty());
}

#[test]
fn an_app_that_cannot_be_read_is_not_gone() {
    let mut world = World::new(vec![app(json!({"cmd": "x", "instances": 2}))]);
    let id = AppId::resolve("/app").unwrap();
    world.settle();
    world.obey();
    world.apps.clear();
    world.unreadable = vec![id.clone()];
    let action = DeploymentAction::StopApplication;
    let affected = vec![AffectedApp { app: id, action }];
    world.deployments = vec![Deployment {
        id: "d1".into(),
        version: Timestamp::from_millis(1),
        affected,
    }];
    world.settle();
    assert!(world.tasks.values().all(|task| task.goal == Goal::Run));
    assert_eq!((world.tasks.len(), world.deployments.len()), (2, 1));
    world.unreadable.clear();
    world.settle();
    assert!(world.tasks.values().all(|task| task.goal != Goal::Run));
}

#[test]
fn a_path_without_its_slash_gets_one() {
    let check = |path: &str| {
        json!([{"protocol": "HTTP", "path": path, "gracePeriodSeconds": 300,
            "intervalSeconds": 60, "timeoutSeconds": 20, "maxConsecutiveFailures": 3,
            "delaySeconds": 15}])
    };
    for (given, expected) in [("health", "/health"), ("/health", "/health"), ("", "/")] {
        let given = app(json!({"cmd": "x", "healthChecks": check(given)}));
        let mut world = World::new(vec![given]);
        world.settle();
        let task = world.tasks.values().next().unwrap();
        let model::HealthProbe::Http { path, .. } = &task.health_checks[0].probe else {
            panic!("not an HTTP check")
        };
        assert_eq!(path, expected);
    }
}
