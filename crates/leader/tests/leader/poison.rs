//! One record that cannot be read disturbs nothing else.

use model::{Goal, TaskState};
use serde_json::json;

use crate::bench::{Bench, app, with_vip};

#[tokio::test]
async fn an_app_that_cannot_be_read_keeps_its_tasks() {
    let bench = Bench::new().await;
    bench.put_app(&app(json!({"instances": 2}))).await;
    let state = bench.rest().await;
    for task in state.tasks.values() {
        bench.say(task, TaskState::Running, None).await;
    }
    bench.raw("apps/app", "{garbage").await;
    let state = bench.rest().await;
    assert!(state.apps.is_empty());
    assert_eq!(state.tasks.len(), 2);
    assert!(state.tasks.values().all(|task| task.goal == Goal::Run));
    bench.end().await;
}

#[tokio::test]
async fn a_launch_that_cannot_be_read_is_written_anew() {
    let bench = Bench::new().await;
    bench.raw("launches/app", "{garbage").await;
    bench.put_app(&app(json!({"cpus": 64.0}))).await;
    bench.put_app(&app(json!({"id": "/other"}))).await;
    let state = bench.rest().await;
    assert_eq!(state.tasks.len(), 1, "of the other app");
    let launch = state.launches.values().next().unwrap();
    assert_eq!(launch.waiting, 1);
    assert!(state.unreadable.is_empty());
    bench.end().await;
}

#[tokio::test]
async fn a_vip_that_cannot_be_read_is_left_as_it_is() {
    let bench = Bench::new().await;
    bench.raw("vips/shop.marathon", "{garbage").await;
    bench.put_app(&with_vip("/shop", "/shop:80")).await;
    bench.put_app(&app(json!({"id": "/other"}))).await;
    let state = bench.rest().await;
    assert_eq!(state.tasks.len(), 1);
    assert!(state.unreadable.contains_key("vips/shop.marathon"));
    let report = bench.report.lock().unwrap().clone();
    assert!(
        report.unclaimed[0].contains("cannot be read"),
        "{:?}",
        report.unclaimed
    );
    bench.end().await;
}
