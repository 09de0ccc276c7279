//! Cases of a container's life.

use std::time::{Duration, Instant};

use engines::{EngineError, LogStream, Phase};
use futures::StreamExt;

use super::{Case, OWNER, Place, SOON, Wish};

pub(super) async fn exit_codes(case: &Case<'_>) {
    for (shell, code) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)] {
        // The first process of a PID namespace cannot kill itself, a child can.
        let task = case.plain(&format!("sh -c '{shell}'; exit $?"));
        case.engine.start(&task).await.unwrap();
        assert_eq!(case.exit_code(&task).await, code, "{shell}");
        let container = case.engine.inspect(&task.id).await.unwrap().unwrap();
        assert!(container.ended >= container.started && container.started.is_some());
        assert_eq!(container.pid, None);
    }
}

pub(super) async fn missing_image(case: &Case<'_>) {
    let image = "localhost:1/nobody/nothing:never".to_owned();
    let wish = Wish {
        missing_image: Some(image.clone()),
        ..Wish::on(Place::Host)
    };
    let task = case.task(&wish, "true");
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(matches!(&error, EngineError::Image { image: named, .. } if *named == image));
    assert!(case.is_gone(&task).await);
}

pub(super) async fn start_again(case: &Case<'_>) {
    let task = case.plain("sleep 1000");
    let first = case.engine.start(&task).await.unwrap();
    assert_eq!(case.engine.start(&task).await.unwrap(), first);
    let ended = case.plain("exit 4");
    case.engine.start(&ended).await.unwrap();
    case.exit_code(&ended).await;
    let again = case.engine.start(&ended).await.unwrap();
    assert!(
        matches!(again.phase, Phase::Exited { code: 4, .. }),
        "a task runs once: {again:?}"
    );
}

pub(super) async fn logs_stay(case: &Case<'_>) {
    let task = case.plain("echo out; echo err >&2; echo last");
    case.engine.start(&task).await.unwrap();
    case.exit_code(&task).await;
    case.engine.remove(&task.id).await.unwrap();
    assert!(case.is_gone(&task).await);
    let logs = async |stream, tail| case.engine.logs(&task.id, stream, tail).await.unwrap();
    assert_eq!(&logs(LogStream::Stdout, None).await[..], b"out\nlast\n");
    assert_eq!(&logs(LogStream::Stdout, Some(1)).await[..], b"last\n");
    assert_eq!(&logs(LogStream::Stderr, None).await[..], b"err\n");
    let unknown = case.plain("true");
    let error = case
        .engine
        .logs(&unknown.id, LogStream::Stdout, None)
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::NoContainer(_)), "{error:?}");
}

pub(super) async fn grace_then_kill(case: &Case<'_>) {
    let polite = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let task = case.plain(polite);
    case.engine.start(&task).await.unwrap();
    case.printed(&task, "ready").await;
    case.engine
        .stop(&task.id, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(case.exit_code(&task).await, 7);
    case.printed(&task, "bye").await;

    let stubborn = case.plain("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    case.engine.start(&stubborn).await.unwrap();
    case.printed(&stubborn, "ready").await;
    let begun = Instant::now();
    case.engine
        .stop(&stubborn.id, Duration::from_secs(1))
        .await
        .unwrap();
    let took = begun.elapsed();
    assert_eq!(case.exit_code(&stubborn).await, 137);
    assert!((1..15).contains(&took.as_secs()), "{took:?}");
    case.engine
        .stop(&stubborn.id, Duration::from_secs(1))
        .await
        .unwrap();
}

pub(super) async fn adoption(case: &Case<'_>) {
    let task = case.plain("sleep 1000");
    let started = case.engine.start(&task).await.unwrap();
    let successor = case.fixture.engine(OWNER);
    let listed = successor.list().await.unwrap();
    let found = listed.iter().find(|container| container.task == task.id);
    assert_eq!(found, Some(&started));
    successor.stop(&task.id, Duration::ZERO).await.unwrap();
    successor.remove(&task.id).await.unwrap();
    assert!(case.is_gone(&task).await);
}

pub(super) async fn events(case: &Case<'_>) {
    let mut events = case.engine.events().await.unwrap();
    let task = case.plain("echo ready; sleep 1000");
    let mut await_hint = async |what: &str| {
        let hint = tokio::time::timeout(SOON, async {
            while let Some(event) = events.next().await {
                if event.task.as_ref().is_none_or(|named| *named == task.id) {
                    return;
                }
            }
            panic!("the stream of events ended before {what}");
        });
        hint.await.unwrap_or_else(|_| panic!("no event of {what}"));
    };
    case.engine.start(&task).await.unwrap();
    await_hint("the start").await;
    case.engine.stop(&task.id, Duration::ZERO).await.unwrap();
    await_hint("the end").await;
}

pub(super) async fn remove_again(case: &Case<'_>) {
    let task = case.plain("sleep 1000");
    case.engine.remove(&task.id).await.unwrap();
    case.engine.stop(&task.id, Duration::ZERO).await.unwrap();
    case.engine.start(&task).await.unwrap();
    case.engine.remove(&task.id).await.unwrap();
    assert!(
        case.is_gone(&task).await,
        "a running task is ended and removed"
    );
    case.engine.remove(&task.id).await.unwrap();
    let error = case.engine.exec(&task.id, "true", SOON).await.unwrap_err();
    assert!(matches!(error, EngineError::NoContainer(_)), "{error:?}");
}

pub(super) async fn other_owner(case: &Case<'_>) {
    let task = case.plain("sleep 1000");
    let started = case.engine.start(&task).await.unwrap();
    let stranger = case.fixture.engine("stranger");
    assert_eq!(stranger.list().await.unwrap(), []);
    assert_eq!(stranger.inspect(&task.id).await.unwrap(), None);
    stranger.stop(&task.id, Duration::ZERO).await.unwrap();
    stranger.remove(&task.id).await.unwrap();
    assert_eq!(case.engine.inspect(&task.id).await.unwrap(), Some(started));
}

pub(super) async fn side_by_side(case: &Case<'_>) {
    let tasks: Vec<_> = (0..4).map(|_| case.plain("sleep 1000")).collect();
    let started = futures::future::join_all(tasks.iter().map(|task| case.engine.start(task)));
    let mut addresses: Vec<_> = started
        .await
        .into_iter()
        .map(|c| super::address(&c.unwrap(), 0).ip())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(
        addresses.len(),
        tasks.len(),
        "everyone has an address of its own"
    );
    let removed = futures::future::join_all(tasks.iter().map(|t| case.engine.remove(&t.id)));
    assert!(removed.await.into_iter().all(|result| result.is_ok()));
}
