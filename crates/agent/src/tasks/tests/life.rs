//! From the record to the container and its end.

use engines::EngineError;
use mesos::ContainerType;
use model::{Task, TaskState};
use store::Expect;

use super::bench::{Bench, checked, task};
use crate::scripted::Start;

#[tokio::test]
async fn a_task_runs_with_its_addresses_and_its_place() {
    let bench = Bench::new().await;
    let task = task("/web");
    bench.put(&task).await;
    let status = bench
        .status(&task, "running", |it| it.state == TaskState::Running)
        .await;
    assert_eq!(status.message, None);
    assert_eq!(status.container.as_deref(), Some("c-web.instance-1._app.1"));
    let addresses: Vec<_> = status.network_infos[0].addresses().collect();
    assert_eq!(
        addresses,
        ["172.30.0.2".parse::<std::net::IpAddr>().unwrap()]
    );
    assert!(status.started.is_some());
    // Whoever waits for it may have it connect at once.
    assert_eq!(bench.engine.called("place"), 1);
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let bench = Bench::new().await;
    let error = EngineError::Unsupported("no such thing here".into());
    bench.engine.script().starts.push_back(Start::Fails(error));
    let task = task("/web");
    bench.put(&task).await;
    let status = bench
        .status(&task, "failed", |it| it.state == TaskState::Failed)
        .await;
    assert_eq!(status.message.as_deref(), Some("no such thing here"));
    assert!(status.ended.is_some());
    assert_eq!(bench.engine.called("start"), 1, "the leader has the word");
}

#[tokio::test]
async fn a_start_that_takes_long_says_what_it_waits_for() {
    let bench = Bench::new().await;
    bench.engine.script().starts.push_back(Start::Hangs);
    bench.engine.script().progress = Some("pulling image web: 1.0 of 2.0 MiB".into());
    let task = task("/web");
    bench.put(&task).await;
    let status = bench
        .status(&task, "how far it is", |it| it.message.is_some())
        .await;
    assert_eq!(status.state, TaskState::Staging);
    let said = status.message.unwrap();
    assert_eq!(said, "pulling image web: 1.0 of 2.0 MiB");
}

#[tokio::test]
async fn an_engine_that_is_away_is_waited_for() {
    let bench = Bench::new().await;
    bench.engine.script().away = true;
    let task = task("/web");
    bench.put(&task).await;
    let status = bench
        .status(&task, "why it waits", |it| it.message.is_some())
        .await;
    assert_eq!(status.state, TaskState::Staging);
    assert!(
        status
            .message
            .unwrap()
            .contains("containerd does not answer")
    );
    bench.engine.script().away = false;
    bench.engine.hint(None);
    let status = bench
        .status(&task, "running", |it| it.state == TaskState::Running)
        .await;
    assert_eq!(status.message, None);
}

#[tokio::test]
async fn a_long_start_is_not_blamed_on_an_engine_that_came_back() {
    let bench = Bench::new().await;
    bench.engine.script().away = true;
    let task = task("/web");
    bench.put(&task).await;
    bench
        .status(&task, "why it waits", |it| it.message.is_some())
        .await;
    bench.engine.script().starts.push_back(Start::Hangs);
    bench.engine.script().away = false;
    bench.engine.hint(None);
    let status = bench
        .status(&task, "no message", |it| it.message.is_none())
        .await;
    assert_eq!(status.state, TaskState::Staging);
}

#[tokio::test]
async fn a_process_that_ends_is_told_with_its_exit_code() {
    let bench = Bench::new().await;
    for (name, code, state) in [
        ("/good", 0, TaskState::Finished),
        ("/bad", 7, TaskState::Failed),
    ] {
        let task = task(name);
        bench.put(&task).await;
        bench
            .status(&task, "running", |it| it.state == TaskState::Running)
            .await;
        bench.engine.exit(&task.id, code);
        let status = bench.status(&task, "its end", |it| it.state == state).await;
        assert_eq!(status.exit_code, Some(code));
        let message = status.message.unwrap();
        assert!(message.contains(&format!("exit code {code}")), "{message}");
    }
}

#[tokio::test]
async fn an_end_right_after_the_start_is_seen_at_once() {
    let bench = Bench::new().await;
    bench.engine.script().starts.push_back(Start::EndsAtOnce(3));
    let task = task("/web");
    bench.put(&task).await;
    let status = bench
        .status(&task, "its end", |it| it.state == TaskState::Failed)
        .await;
    assert_eq!(status.exit_code, Some(3));
}

#[tokio::test]
async fn a_container_that_somebody_removed_is_lost() {
    let bench = Bench::new().await;
    let task = task("/web");
    bench.put(&task).await;
    bench
        .status(&task, "running", |it| it.state == TaskState::Running)
        .await;
    bench.engine.script().containers.clear();
    bench.engine.hint(Some(&task.id));
    let status = bench
        .status(&task, "lost", |it| it.state == TaskState::Lost)
        .await;
    assert!(status.message.unwrap().contains("its container is gone"));
}

#[tokio::test]
async fn without_its_record_nothing_of_a_task_stays() {
    let bench = Bench::new().await;
    let task = task("/web");
    bench.put(&task).await;
    bench
        .status(&task, "running", |it| it.state == TaskState::Running)
        .await;
    bench
        .commit(|change| {
            change.delete_task(&task.id, Expect::Any);
        })
        .await;
    bench
        .until("no status", |state| state.statuses.is_empty())
        .await;
    assert!(bench.engine.script().containers.is_empty());
}

#[tokio::test]
async fn a_record_that_cannot_be_read_any_more_changes_nothing() {
    let bench = Bench::new().await;
    let (first, second) = (task("/first"), task("/second"));
    bench.put(&first).await;
    bench
        .status(&first, "running", |it| it.state == TaskState::Running)
        .await;
    bench.raw(format!("tasks/{}", first.id), "{garbage").await;
    // The second one shows that the first one's news has arrived.
    bench.put(&second).await;
    bench
        .status(&second, "running", |it| it.state == TaskState::Running)
        .await;
    bench
        .status(&first, "running", |it| it.state == TaskState::Running)
        .await;
    assert_eq!(bench.engine.called("remove"), 0);
}

#[tokio::test]
async fn an_engine_that_is_not_configured_fails_the_task_and_says_so() {
    let bench = Bench::new().await;
    let mut task = task("/web");
    task.container.kind = ContainerType::Docker;
    bench.put(&task).await;
    let status = bench
        .status(&task, "failed", |it| it.state == TaskState::Failed)
        .await;
    assert!(
        status
            .message
            .unwrap()
            .contains("docker.enabled is false in its configuration")
    );
    bench
        .commit(|change| {
            change.delete_task(&task.id, Expect::Any);
        })
        .await;
    bench
        .until("no status", |state| state.statuses.is_empty())
        .await;
}

#[tokio::test]
async fn a_task_becomes_healthy_and_one_of_another_node_is_left_alone() {
    let bench = Bench::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = Task {
        node: model::NodeId("n2".into()),
        ..task("/elsewhere")
    };
    bench.put(&elsewhere).await;
    let task = checked("/web", listener.local_addr().unwrap().port(), 3);
    bench.put(&task).await;
    let status = bench
        .status(&task, "healthy", |it| it.healthy == Some(true))
        .await;
    assert_eq!(status.state, TaskState::Running);
    assert!(status.health[0].first_success.is_some());
    assert_eq!(bench.engine.called("start"), 1);
    assert_eq!(bench.engine.called("place"), 0, "it stands on the host");
}
