//! Ending tasks, whoever wants it, and being interrupted meanwhile.

use model::{TaskState, TaskStatus};
use store::Expect;

use super::bench::{Bench, checked, task};
use crate::scripted::{Start, unavailable};

fn is(state: TaskState) -> impl Fn(&TaskStatus) -> bool {
    move |status| status.state == state
}

/// A port that nobody listens on: it is bound, and refuses.
fn closed_port() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[tokio::test]
async fn no_process_ends_before_the_datapath_knows() {
    let bench = Bench::new().await;
    let task = task("/web");
    bench.put(&task).await;
    bench.status(&task, "running", is(TaskState::Running)).await;
    bench.datapath.send_replace(false);
    bench.stop_task(&task, "scaled down").await;
    let status = bench.status(&task, "killing", is(TaskState::Killing)).await;
    assert_eq!(status.message.as_deref(), Some("scaled down"));
    assert_eq!(bench.engine.called("stop"), 0);
    bench.datapath.send_replace(true);
    let status = bench.status(&task, "killed", is(TaskState::Killed)).await;
    assert_eq!(status.exit_code, Some(143));
    assert_eq!(status.message.as_deref(), Some("scaled down"));
    assert_eq!(
        bench
            .engine
            .called(&format!("stop {} within 1.5s", task.id)),
        1
    );
    assert_eq!(
        bench.engine.called("remove"),
        0,
        "its logs may be asked for"
    );
}

#[tokio::test]
async fn a_datapath_that_hangs_keeps_no_task_alive() {
    let bench = Bench::new().await;
    let task = task("/web");
    bench.put(&task).await;
    bench.status(&task, "running", is(TaskState::Running)).await;
    bench.datapath.send_replace(false);
    bench.stop_task(&task, "scaled down").await;
    bench.status(&task, "killed", is(TaskState::Killed)).await;
}

#[tokio::test]
async fn what_keeps_a_task_from_ending_is_told() {
    let bench = Bench::new().await;
    let task = task("/web");
    bench.put(&task).await;
    bench.status(&task, "running", is(TaskState::Running)).await;
    bench.engine.script().away = true;
    bench.stop_task(&task, "scaled down").await;
    let told = |status: &TaskStatus| {
        let message = status.message.as_deref().unwrap_or_default();
        message.starts_with("scaled down; it could not be ended yet: containerd does not answer")
    };
    let status = bench.status(&task, "the obstacle", told).await;
    assert_eq!(status.state, TaskState::Killing);
    bench.engine.script().away = false;
    let status = bench.status(&task, "killed", is(TaskState::Killed)).await;
    assert_eq!(status.message.as_deref(), Some("scaled down"));
}

#[tokio::test]
async fn what_never_began_needs_no_engine_to_end() {
    let bench = Bench::new().await;
    bench.engine.script().away = true;
    let task = task("/web");
    bench.stop_task(&task, "not wanted any more").await;
    bench.status(&task, "killed", is(TaskState::Killed)).await;
    assert_eq!(bench.engine.called("st"), 0);
}

#[tokio::test]
async fn a_start_that_takes_long_is_given_up_when_nobody_wants_it() {
    let bench = Bench::new().await;
    bench.engine.script().starts.push_back(Start::Hangs);
    let task = task("/web");
    bench.put(&task).await;
    bench
        .engine_until("the start", |engine| engine.called("start") == 1)
        .await;
    bench.stop_task(&task, "scaled down").await;
    bench.status(&task, "killed", is(TaskState::Killed)).await;
    bench
        .commit(|change| {
            change.delete_task(&task.id, Expect::Any);
        })
        .await;
    bench
        .until("no status", |state| state.statuses.is_empty())
        .await;
    assert_eq!(bench.engine.called("remove"), 1, "whatever it left is gone");
}

#[tokio::test]
async fn an_unhealthy_task_is_drained_and_fails() {
    let bench = Bench::new().await;
    let (_held, port) = closed_port();
    let task = checked("/web", port, 2);
    bench.datapath.send_replace(false);
    bench.put(&task).await;
    let status = bench.status(&task, "killing", is(TaskState::Killing)).await;
    assert_eq!(status.healthy, Some(false));
    assert_eq!(bench.engine.called("stop"), 0);
    bench.datapath.send_replace(true);
    let status = bench.status(&task, "failed", is(TaskState::Failed)).await;
    let message = status.message.unwrap();
    assert!(
        message.contains("health check 0 failed 2 times in a row (limit 2)"),
        "{message}"
    );
    assert!(message.contains("no connection to 127.0.0.1"), "{message}");
}

#[tokio::test]
async fn an_unhealthy_task_goes_on_ending_after_a_restart() {
    let mut bench = Bench::new().await;
    let (_held, port) = closed_port();
    let task = checked("/web", port, 1);
    bench.engine.script().holds_stops = true;
    bench.put(&task).await;
    bench.status(&task, "killing", is(TaskState::Killing)).await;
    bench.sleep().await;
    bench.engine.script().holds_stops = false;
    bench.engine.script().calls.clear();
    bench.wake();
    let status = bench.status(&task, "failed", is(TaskState::Failed)).await;
    assert!(status.message.unwrap().contains("failed 1 times in a row"));
    let calls = bench.engine.script().calls.clone();
    let first = calls.iter().find(|call| *call != "list").unwrap();
    assert!(
        first.starts_with("stop"),
        "not taken for running: {calls:?}"
    );
}

#[tokio::test]
async fn a_stop_while_it_is_given_up_is_the_last_word() {
    let bench = Bench::new().await;
    let (_held, port) = closed_port();
    let task = checked("/web", port, 1);
    bench.datapath.send_replace(false);
    bench.put(&task).await;
    bench.status(&task, "killing", is(TaskState::Killing)).await;
    bench.engine.script().away = true;
    bench.datapath.send_replace(true);
    let stuck = |status: &TaskStatus| {
        let message = status.message.as_deref().unwrap_or_default();
        message.contains(&unavailable().to_string())
    };
    bench.status(&task, "the obstacle", stuck).await;
    bench.stop_task(&task, "deleted").await;
    bench.engine.script().away = false;
    let status = bench.status(&task, "killed", is(TaskState::Killed)).await;
    assert_eq!(status.message.as_deref(), Some("deleted"));
}
