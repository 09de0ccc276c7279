//! What crashes and other people leave behind.

use std::time::Duration;

use engines::{Engine, EngineError, Phase};
use futures::StreamExt;
use mesos::ContainerInfo;

use super::{Native, on_the_host};
use crate::suite::{Case, Fixture, OWNER, Place, SOON, Wish};

fn case(native: &Native) -> Case<'_> {
    Case {
        fixture: native,
        engine: native.engine(OWNER),
    }
}

fn command(case: &Case<'_>, shell: &str) -> model::Task {
    let mut task = case.task(&Wish::on(Place::Host), shell);
    task.container = ContainerInfo::native();
    task
}

#[test]
fn containers_outlive_containerd() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let task = command(&case, "sleep 1000");
        let before = case.engine.start(&task).await.unwrap();
        let mut events = case.engine.events().await.unwrap();
        native.daemon.restart(&native.host).unwrap();
        tokio::time::timeout(SOON, async { while events.next().await.is_some() {} })
            .await
            .expect("the stream ends");
        let after = case.engine.inspect(&task.id).await.unwrap();
        assert_eq!(after, Some(before));
        case.engine.remove(&task.id).await.unwrap();
    });
}

#[test]
fn nothing_is_taken_from_a_container_while_containerd_is_away() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let task = case.plain("sleep 1000");
        let before = case.engine.start(&task).await.unwrap();
        native.daemon.stop().unwrap();
        let error = case.engine.remove(&task.id).await.unwrap_err();
        assert!(
            matches!(error, EngineError::Unavailable { .. }),
            "{error:?}"
        );
        let attachment = native.networks().attachment(task.id.as_str()).await;
        assert!(attachment.unwrap().is_some());
        native.daemon.restart(&native.host).unwrap();
        let after = case.engine.start(&task).await.unwrap();
        assert_eq!(after, before);
        case.engine.remove(&task.id).await.unwrap();
        assert!(case.is_gone(&task).await);
        let attachment = native.networks().attachment(task.id.as_str()).await;
        assert!(attachment.unwrap().is_none());
    });
}

#[test]
fn a_task_that_nobody_saw_end() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let task = command(&case, "sleep 1000");
        let container = case.engine.start(&task).await.unwrap();
        // What a reboot leaves: a record without a process.
        native
            .daemon
            .ctr(&["tasks", "delete", "--force", &container.id])
            .unwrap();
        for seen in [
            case.engine.inspect(&task.id).await.unwrap().unwrap(),
            case.engine.list().await.unwrap().remove(0),
        ] {
            assert!(
                matches!(
                    seen.phase,
                    Phase::Exited {
                        code: 255,
                        reason: Some(_)
                    }
                ),
                "{seen:?}"
            );
        }
        case.engine.stop(&task.id, SOON).await.unwrap();
        case.engine.remove(&task.id).await.unwrap();
        assert!(case.is_gone(&task).await);
    });
}

#[test]
fn an_interrupted_start_is_begun_anew() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let task = case.plain("echo ready; sleep 1000");
        let container = case.engine.start(&task).await.unwrap();
        let files = native
            .dir("engine")
            .join("state/containers")
            .join(&container.id);
        native
            .daemon
            .ctr(&["tasks", "delete", "--force", &container.id])
            .unwrap();
        std::fs::remove_file(files.join("started")).unwrap();
        assert_eq!(
            case.engine.inspect(&task.id).await.unwrap().unwrap().phase,
            Phase::Created
        );
        let again = case.engine.start(&task).await.unwrap();
        assert_eq!(again.phase, Phase::Running);
        case.engine.remove(&task.id).await.unwrap();
        // A start that did not even come to the record leaves a snapshot.
        let image = "docker.io/library/busybox:test";
        native.daemon.ctr(&["images", "unpack", image]).ok();
        let chain = native.daemon.ctr(&["snapshots", "list"]).unwrap();
        let chain = chain
            .lines()
            .find_map(|line| {
                line.split_whitespace()
                    .find(|word| word.starts_with("sha256:"))
            })
            .unwrap()
            .to_owned();
        native
            .daemon
            .ctr(&["snapshots", "prepare", &container.id, &chain])
            .unwrap();
        case.engine.start(&task).await.unwrap();
        case.engine.remove(&task.id).await.unwrap();
        assert!(
            !native
                .daemon
                .ctr(&["snapshots", "list"])
                .unwrap()
                .contains(&container.id)
        );
    });
}

#[test]
fn an_image_is_unpacked_once_and_stays() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let tasks: Vec<_> = (0..3)
            .map(|_| case.task(&Wish::on(Place::Host), "sleep 1000"))
            .collect();
        let started =
            futures::future::join_all(tasks.iter().map(|task| case.engine.start(task))).await;
        for container in started {
            container.unwrap();
        }
        for task in &tasks {
            case.engine.remove(&task.id).await.unwrap();
        }
        let snapshots = native.daemon.ctr(&["snapshots", "list"]).unwrap();
        assert_eq!(snapshots.matches("sha256:").count(), 1, "{snapshots}");
        assert!(
            !snapshots.contains("unpack-") && !snapshots.contains("sl-"),
            "{snapshots}"
        );
        assert_eq!(
            native.daemon.ctr(&["leases", "list", "--quiet"]).unwrap(),
            ""
        );
    });
}

#[test]
fn an_engine_without_its_daemon() {
    let native = Native::new();
    on_the_host(&native, async |native| {
        let engine = native.native_engine(OWNER);
        let info = engine.probe().await.unwrap();
        assert_eq!(info.name, "containerd");
        assert!(
            info.version.starts_with(|c: char| c.is_ascii_digit()),
            "{info:?}"
        );
    });
    let engine = on_the_host(&native, async |native| native.native_engine(OWNER));
    drop(native);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let error = runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), engine.probe())
            .await
            .unwrap()
            .unwrap_err()
    });
    assert!(
        matches!(error, EngineError::Unavailable { .. }),
        "{error:?}"
    );
}
