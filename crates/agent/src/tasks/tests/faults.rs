//! Faults that must stay where they are.

use model::TaskState;

use super::bench::{Bench, task};

#[tokio::test]
async fn a_panic_stays_with_its_task() {
    let bench = Bench::new().await;
    let (bad, good) = (task("/bad"), task("/good"));
    bench.engine.script().panics_about.insert(bad.id.clone());
    bench.put(&bad).await;
    bench
        .engine_until("the panic", |engine| engine.called("start") == 1)
        .await;
    bench.put(&good).await;
    bench
        .status(&good, "running", |it| it.state == TaskState::Running)
        .await;
    let tries = bench.engine.called(&format!("start {}", bad.id));
    assert!(tries < 3, "it rests between attempts: {tries}");
    bench.engine.script().panics_about.clear();
    bench
        .status(&bad, "running", |it| it.state == TaskState::Running)
        .await;
}

#[tokio::test]
async fn a_panic_is_reported() {
    let bench = Bench::new().await;
    let (bad, good) = (task("/bad"), task("/good"));
    bench.engine.script().panics_about.insert(bad.id.clone());
    bench.put(&bad).await;
    bench
        .engine_until("a second attempt", |engine| engine.called("start") == 2)
        .await;
    // Any change has the reconciler report anew.
    bench.put(&good).await;
    bench
        .engine_until("the report", |_| {
            let reports = bench.reports.all();
            let failures = reports.get("tasks").map(|report| report.failures.clone());
            failures
                .unwrap_or_default()
                .iter()
                .any(|text| text.contains(bad.id.as_str()) && text.contains("its worker failed"))
        })
        .await;
}

#[tokio::test]
async fn an_engine_that_hangs_on_a_list_keeps_no_task_waiting() {
    let mut bench = Bench::asleep().await;
    bench.engine.script().holds_lists = true;
    bench.wake();
    let task = task("/web");
    bench.put(&task).await;
    bench
        .status(&task, "running", |it| it.state == TaskState::Running)
        .await;
    bench.engine.exit(&task.id, 0);
    bench
        .status(&task, "its end", |it| it.state == TaskState::Finished)
        .await;
}
