//! Images.

use std::time::Duration;

use futures::FutureExt;
use mesos::{Volume, VolumeMode};
use model::Task;

use super::image;
use crate::suite::{Body, Case, Place, Wish};

/// Prints its arguments after `from-image`, as user 65534 in /var/tmp.
pub(super) const SPEAKING: &str = "localhost/speaking:test";

pub(super) const SPEAKING_RUN: &str = r#"{"Entrypoint": ["/bin/sh", "-c", "echo from-image $MODE $(id -u) $(pwd) \"$@\"; trap 'exit 9' USR1; while :; do sleep 0.1; done", "speak"],
    "Cmd": ["cmd"], "Env": ["PATH=/bin", "MODE=image"], "User": "nobody", "WorkingDir": "/var/tmp", "StopSignal": "SIGUSR1"}"#;

pub(super) const CASES: &[(&str, Body)] = &[
    ("an image's own command", |c| own_command(c).boxed_local()),
    ("a task changes what an image does", |c| {
        changed(c).boxed_local()
    }),
    ("an image has a root file system of its own", |c| {
        own_root(c).boxed_local()
    }),
    (
        "an image on the host's network knows the host's names",
        |c| hosts_names(c).boxed_local(),
    ),
    ("a volume in an image's sandbox", |c| {
        volume_in_sandbox(c).boxed_local()
    }),
];

fn speaking(case: &Case<'_>) -> Task {
    let mut task = case.task(&Wish::on(Place::Host), "");
    task.command.shell = None;
    task.container.mesos = Some(image(SPEAKING));
    task
}

async fn own_command(case: &Case<'_>) {
    let task = speaking(case);
    case.engine.start(&task).await.unwrap();
    assert_eq!(
        case.printed(&task, "cmd\n").await,
        "from-image image 65534 /var/tmp cmd\n"
    );
    case.engine
        .stop(&task.id, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(case.exit_code(&task).await, 9, "the image's own signal");
}

async fn changed(case: &Case<'_>) {
    let mut task = speaking(case);
    task.command.args = vec!["one".to_owned(), "two".to_owned()];
    task.command.user = Some("root".to_owned());
    task.env.insert("MODE".to_owned(), "task".to_owned());
    case.engine.start(&task).await.unwrap();
    assert_eq!(
        case.printed(&task, "two").await,
        "from-image task 0 /var/tmp one two\n"
    );
    let mut task = speaking(case);
    task.command.shell =
        Some("echo $MODE; echo $MESOS_SANDBOX; touch $MESOS_SANDBOX/x && echo done".to_owned());
    case.engine.start(&task).await.unwrap();
    assert_eq!(
        case.printed(&task, "done").await,
        "image\n/mnt/mesos/sandbox\ndone\n"
    );
}

async fn own_root(case: &Case<'_>) {
    let first = case.plain("echo mine > /mine; ls -d /mine /work 2>&1; ls /dev; mount | grep -c ' /sys/fs/cgroup'; echo done; sleep 1000");
    case.engine.start(&first).await.unwrap();
    let printed = case.printed(&first, "done").await;
    assert!(
        printed.contains("/mine\n") && printed.contains("/work: No such"),
        "{printed}"
    );
    assert!(
        printed.contains("ptmx\n") && !printed.contains("vda"),
        "{printed}"
    );
    let second = case.plain("ls /mine || echo done; sleep 1000");
    case.engine.start(&second).await.unwrap();
    assert_eq!(case.printed(&second, "done").await, "done\n");
}

async fn hosts_names(case: &Case<'_>) {
    let task = case.task(&Wish::on(Place::Host), "cat /etc/hosts; echo; echo done");
    case.engine.start(&task).await.unwrap();
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap();
    assert_eq!(
        case.printed(&task, "done").await,
        format!("{hosts}\ndone\n")
    );
}

async fn volume_in_sandbox(case: &Case<'_>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("given"), "given\n").unwrap();
    let mut task = case.task(
        &Wish::on(Place::Host),
        "cat data/given; cat $MESOS_SANDBOX/data/given && echo done",
    );
    task.container.volumes = vec![Volume {
        mode: VolumeMode::Rw,
        container_path: "data".to_owned(),
        host_path: Some(dir.path().display().to_string()),
    }];
    case.engine.start(&task).await.unwrap();
    assert_eq!(case.printed(&task, "done").await, "given\ngiven\ndone\n");
}
