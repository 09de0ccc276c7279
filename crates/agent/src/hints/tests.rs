//! Hints under engines that misbehave.

use super::*;
use crate::scripted::Scripted;

#[tokio::test]
async fn an_engine_that_hangs_keeps_nobody_from_ending() {
    let engine = Arc::new(Scripted::new());
    engine.script().holds_events = true;
    let stop = CancellationToken::new();
    let following = tokio::spawn(Hints::new().follow(engine, stop.clone()));
    tokio::task::yield_now().await;
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), following).await;
    ended.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_that_begins_is_a_hint_about_everything() {
    let engine = Arc::new(Scripted::new());
    let (hints, stop) = (Hints::new(), CancellationToken::new());
    let mut heard = hints.subscribe();
    let following = tokio::spawn(hints.follow(Arc::clone(&engine) as _, stop.clone()));
    assert_eq!(heard.recv().await.unwrap(), EngineEvent { task: None });
    let task = "web.1".parse().unwrap();
    engine.hint(Some(&task));
    assert_eq!(heard.recv().await.unwrap().task, Some(task));
    stop.cancel();
    following.await.unwrap();
}
