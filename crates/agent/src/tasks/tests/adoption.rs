//! What a daemon finds when it starts.

use model::{Task, TaskState, TaskStatus};
use store::Expect;

use super::bench::{Bench, task};
use crate::scripted::{Start, container};

async fn running(bench: &Bench, task: &Task) -> TaskStatus {
    bench.put(task).await;
    bench
        .status(task, "running", |it| it.state == TaskState::Running)
        .await
}

#[tokio::test]
async fn a_container_that_is_there_goes_on_as_it_is() {
    let mut bench = Bench::new().await;
    let task = task("/web");
    let before = running(&bench, &task).await;
    bench.engine.script().calls.clear();
    bench.restart().await;
    let inspected = format!("inspect {}", task.id);
    bench
        .engine_until("a look", |engine| engine.called(&inspected) > 0)
        .await;
    bench.engine.exit(&task.id, 0);
    let after = bench
        .status(&task, "its end", |it| it.state == TaskState::Finished)
        .await;
    assert_eq!(after.started, before.started);
    assert_eq!(bench.engine.called("start"), 0);
    assert_eq!(bench.engine.called("place"), 0, "its place is known");
}

#[tokio::test]
async fn a_container_that_is_gone_is_lost_and_not_started_again() {
    let mut bench = Bench::new().await;
    let task = task("/web");
    running(&bench, &task).await;
    bench.sleep().await;
    bench.engine.script().containers.clear();
    bench.wake();
    bench
        .status(&task, "lost", |it| it.state == TaskState::Lost)
        .await;
    assert_eq!(bench.engine.called("start"), 1);
}

#[tokio::test]
async fn an_engine_that_errs_does_not_end_what_runs() {
    let mut bench = Bench::new().await;
    let task = task("/web");
    running(&bench, &task).await;
    bench.sleep().await;
    bench.engine.script().confused = true;
    bench.wake();
    let status = bench
        .status(&task, "the error", |it| it.message.is_some())
        .await;
    assert_eq!(status.state, TaskState::Running);
    bench.engine.script().confused = false;
    bench
        .status(&task, "no error", |it| it.message.is_none())
        .await;
}

#[tokio::test]
async fn a_start_that_was_cut_off_is_begun_again() {
    let mut bench = Bench::new().await;
    let task = task("/web");
    bench.engine.script().starts.push_back(Start::Hangs);
    bench.put(&task).await;
    bench
        .engine_until("the start", |engine| engine.called("start") == 1)
        .await;
    bench.restart().await;
    bench
        .status(&task, "running", |it| it.state == TaskState::Running)
        .await;
    assert_eq!(bench.engine.called("start"), 2);
}

#[tokio::test]
async fn what_no_task_accounts_for_is_removed() {
    let mut bench = Bench::asleep().await;
    let (wanted, orphan, poisoned) = (task("/wanted"), task("/orphan"), task("/poisoned"));
    for one in [&wanted, &orphan, &poisoned] {
        let mut script = bench.engine.script();
        script.containers.insert(one.id.clone(), container(&one.id));
    }
    bench
        .commit(|change| {
            let state = TaskState::Killed;
            change.put_task(&wanted, Expect::Any);
            change.put_status(&status_of(&orphan, state), Expect::Any);
        })
        .await;
    bench
        .raw(format!("tasks/{}", poisoned.id), "{garbage")
        .await;
    bench.wake();
    bench
        .until("no status of the orphan", |state| {
            state.statuses.contains_key(&wanted.id) && !state.statuses.contains_key(&orphan.id)
        })
        .await;
    let script = bench.engine.script();
    assert!(!script.containers.contains_key(&orphan.id));
    assert!(script.containers.contains_key(&wanted.id));
    assert!(
        script.containers.contains_key(&poisoned.id),
        "its record may be repaired"
    );
}

fn status_of(task: &Task, state: TaskState) -> TaskStatus {
    TaskStatus {
        task: task.id.clone(),
        node: task.node.clone(),
        state,
        message: None,
        network_infos: Vec::new(),
        healthy: None,
        health: Vec::new(),
        container: None,
        staged: task.created,
        started: None,
        ended: None,
        exit_code: None,
    }
}
