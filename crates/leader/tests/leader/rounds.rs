//! Rounds: what they come to, and that they end.

use model::{AffectedApp, AppId, Deployment, DeploymentAction, Goal, Kill, Launch, TaskState};
use serde_json::json;
use store::{Change, Expect, Outcome};

use crate::bench::{Bench, app};

fn deployment(action: DeploymentAction) -> Deployment {
    let app = AppId::resolve("/app").unwrap();
    Deployment {
        id: "d1".into(),
        version: model::Timestamp::from_millis(1),
        affected: vec![AffectedApp { app, action }],
    }
}

#[tokio::test]
async fn a_deployment_ends_when_its_app_is_true() {
    let bench = Bench::new().await;
    bench
        .commit(|change| {
            change.put_app(&app(json!({"instances": 2})), Expect::Absent);
            let start = deployment(DeploymentAction::StartApplication);
            change.put_deployment(&start, Expect::Absent);
        })
        .await;
    let state = bench.rest().await;
    assert_eq!((state.tasks.len(), state.deployments.len()), (2, 1));
    for task in state.tasks.values() {
        bench.say(task, TaskState::Running, None).await;
    }
    let state = bench.rest().await;
    assert!(state.deployments.is_empty());
    // And the way back.
    bench
        .commit(|change| {
            change.delete_app(&AppId::resolve("/app").unwrap(), Expect::Any);
            let stop = deployment(DeploymentAction::StopApplication);
            change.put_deployment(&stop, Expect::Absent);
        })
        .await;
    let state = bench.rest().await;
    assert!(state.tasks.values().all(|task| task.goal != Goal::Run));
    for task in state.tasks.values() {
        bench.say(task, TaskState::Killed, None).await;
    }
    let state = bench.rest().await;
    assert!(state.tasks.is_empty() && state.deployments.is_empty() && state.launches.is_empty());
    bench.end().await;
}

#[tokio::test]
async fn a_kill_of_a_task_that_ended_meanwhile_is_one_change() {
    let mut bench = Bench::asleep().await;
    bench.add_node().await;
    bench.put_app(&app(json!({}))).await;
    let world = Bench::new().await;
    world.put_app(&app(json!({}))).await;
    let task = world.rest().await.tasks.values().next().unwrap().clone();
    world.end().await;
    bench
        .commit(|change| {
            change.put_task(&task, Expect::Absent);
            let reason = "asked for".to_owned();
            let task = task.id.clone();
            change.put_kill(&Kill { task, reason }, Expect::Absent);
        })
        .await;
    bench.say(&task, TaskState::Failed, Some("broken")).await;
    bench.wake();
    let state = bench
        .until("neither kill nor task", |state| {
            state.kills.is_empty() && !state.tasks.contains_key(&task.id)
        })
        .await;
    let launch = state.launches.values().next().unwrap();
    assert_eq!(launch.last_failure.as_ref().unwrap().message, "broken");
    bench.end().await;
}

#[tokio::test]
async fn a_delay_that_somebody_takes_away_is_over() {
    let bench = Bench::new().await;
    bench.put_app(&app(json!({"backoffSeconds": 200}))).await;
    let state = bench.rest().await;
    let task = state.tasks.values().next().unwrap();
    bench.say(task, TaskState::Failed, Some("broken")).await;
    let state = bench.rest().await;
    assert!(state.tasks.is_empty());
    let held = state.launches.values().next().unwrap();
    assert_eq!(held.waiting, 1);
    assert!(held.not_before.is_some());
    let launch = Launch {
        not_before: None,
        next_delay_ms: 0,
        ..Launch::clone(held)
    };
    bench
        .commit(|change| {
            change.put_launch(&launch, Expect::Any);
        })
        .await;
    let state = bench.rest().await;
    assert_eq!(state.tasks.len(), 1);
    assert_eq!(state.launches.values().next().unwrap().waiting, 0);
    bench.end().await;
}

#[tokio::test]
async fn a_delay_ends_by_itself() {
    let bench = Bench::new().await;
    bench.put_app(&app(json!({"backoffSeconds": 1}))).await;
    let state = bench.rest().await;
    let task = state.tasks.values().next().unwrap();
    bench.say(task, TaskState::Failed, Some("broken")).await;
    let old = task.id.clone();
    bench
        .until("another task", |state| {
            state.tasks.len() == 1 && !state.tasks.contains_key(&old)
        })
        .await;
    bench.end().await;
}

#[tokio::test]
async fn why_a_task_does_not_start_is_a_reason_of_its_app() {
    let bench = Bench::new().await;
    bench.put_app(&app(json!({"instances": 2}))).await;
    let state = bench.rest().await;
    for task in state.tasks.values() {
        let message = Some("containerd does not answer");
        bench.say(task, TaskState::Staging, message).await;
    }
    let state = bench.rest().await;
    let launch = state.launches.values().next().unwrap();
    assert_eq!(launch.waiting, 0, "they were launched");
    assert_eq!(
        launch.reasons,
        ["2 instances waiting to start on node n1: containerd does not answer"]
    );
    for task in state.tasks.values() {
        bench.say(task, TaskState::Running, None).await;
    }
    let state = bench.rest().await;
    assert!(state.launches.values().all(|it| it.reasons.is_empty()));
    bench.end().await;
}

/// Somebody who changes the app all the time keeps winning; the leader looks again.
#[tokio::test]
async fn conflicts_are_looked_at_again() {
    let bench = Bench::new().await;
    let mut last = 0;
    for instances in 1..30 {
        let mut wanted = app(json!({"instances": instances % 7}));
        let version = 1_500_000_000_000 + i64::from(instances);
        wanted.version = Some(model::Timestamp::from_millis(version));
        wanted.version_info = None;
        let mut change = Change::new();
        change.put_app(&wanted, Expect::Any);
        let outcome = bench.records.commit(change).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)));
        last = version;
    }
    let version = model::Timestamp::from_millis(last);
    // The node obeys until the app is as it was wanted last.
    loop {
        let state = bench.rest().await;
        let wanted = 29 % 7;
        let done = |task: &model::Task| task.goal == Goal::Run && task.version == version;
        let running = |task: &model::Task| {
            let status = state.statuses.get(&task.id);
            status.is_some_and(|it| it.state == TaskState::Running)
        };
        if state.tasks.len() == wanted && state.tasks.values().all(|it| done(it) && running(it)) {
            break;
        }
        for task in state.tasks.values() {
            let state = match task.goal {
                Goal::Run => TaskState::Running,
                Goal::Stop { .. } => TaskState::Killed,
            };
            bench.say(task, state, None).await;
        }
    }
    assert_eq!(bench.report.lock().unwrap().failure, None);
    bench.end().await;
}
