//! Plain commands on the host's file system.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};

use engines::{EngineError, LogStream};
use futures::FutureExt;
use mesos::{ContainerInfo, Volume, VolumeMode};
use model::Task;

use crate::suite::{Body, Case, Place, Wish};

pub(super) const CASES: &[(&str, Body)] = &[
    ("a command sees the host's files", |c| {
        sees_the_host(c).boxed_local()
    }),
    ("a command starts quickly", |c| {
        starts_quickly(c).boxed_local()
    }),
    ("many commands add no mounts to the host", |c| {
        many(c).boxed_local()
    }),
    ("a command without signal handlers ends at once", |c| {
        ends_at_once(c).boxed_local()
    }),
    ("a server behind a shell ends politely", |c| {
        ends_politely(c).boxed_local()
    }),
    ("a command runs as another user", |c| {
        as_another_user(c).boxed_local()
    }),
    ("volumes on the host's file system", |c| {
        volumes(c).boxed_local()
    }),
    ("a task with nothing to run", |c| {
        nothing_to_run(c).boxed_local()
    }),
    ("a wrong program leaves nothing", |c| {
        wrong_program(c).boxed_local()
    }),
    ("a wrong user leaves nothing", |c| {
        wrong_user(c).boxed_local()
    }),
    ("removal leaves logs only", |c| removal(c).boxed_local()),
];

/// A task on the host's network and file system.
fn command(case: &Case<'_>, shell: &str) -> Task {
    let mut task = case.task(&Wish::on(Place::Host), shell);
    task.container = ContainerInfo::native();
    task
}

fn state(case: &Case<'_>) -> std::path::PathBuf {
    case.fixture.host().directory().join("engine/state")
}

async fn sees_the_host(case: &Case<'_>) {
    let shell = "pwd; echo $MESOS_SANDBOX; echo pid $$; ls /usr/bin/env /proc/1/exe; \
        grep nameserver /etc/resolv.conf; touch file; touch /no 2>/dev/null || echo done; sleep 1000";
    let task = command(case, shell);
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let container = case.engine.start(&task).await.unwrap();
    let sandbox = state(case).join("sandbox").join(task.id.as_str());
    let shown = sandbox.display();
    let expected = format!(
        "{shown}\n{shown}\npid 1\n/proc/1/exe\n/usr/bin/env\nnameserver 198.51.100.1\ndone\n"
    );
    assert_eq!(case.printed(&task, "done").await, expected);
    assert!(sandbox.join("file").is_file() && !fs::exists("/no").unwrap());
    let device = fs::symlink_metadata("/dev/ptmx").unwrap().file_type();
    assert!(
        device.is_char_device(),
        "the host's devices were left alone"
    );
    let inside = case.engine.exec(
        &task.id,
        "cat /proc/sys/kernel/hostname",
        Duration::from_secs(20),
    );
    assert_eq!(inside.await.unwrap().output, hostname);
    let cgroups = fs::read_to_string(format!("/proc/{}/cgroup", container.pid.unwrap())).unwrap();
    let expected = format!(
        "0::{}/{}",
        case.fixture.host().cgroup_parent(),
        container.id
    );
    assert!(cgroups.lines().any(|line| line == expected), "{cgroups}");
}

async fn starts_quickly(case: &Case<'_>) {
    let mut took = Vec::new();
    for _ in 0..5 {
        let task = command(case, "exec sleep 1000");
        let begun = Instant::now();
        case.engine.start(&task).await.unwrap();
        took.push(begun.elapsed());
        case.engine.remove(&task.id).await.unwrap();
    }
    took.sort_unstable();
    println!("       starts took {took:?}");
    assert!(took[2] < Duration::from_secs(2));
}

async fn many(case: &Case<'_>) {
    let id = |container: &engines::Container| container.id.clone();
    let tasks: Vec<_> = (0..12).map(|_| command(case, "exec sleep 1000")).collect();
    let starts = tasks.iter().map(|task| case.engine.start(task));
    let started = futures::future::join_all(starts).await;
    let ids: Vec<_> = started
        .iter()
        .map(|result| id(result.as_ref().unwrap()))
        .collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!ids.iter().any(|id| mounts.contains(id)), "{mounts}");
    assert_eq!(case.engine.list().await.unwrap().len(), tasks.len());
}

async fn ends_at_once(case: &Case<'_>) {
    let task = command(case, "exec sleep 1000");
    case.engine.start(&task).await.unwrap();
    let begun = Instant::now();
    case.engine
        .stop(&task.id, Duration::from_secs(60))
        .await
        .unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(case.exit_code(&task).await, 137);
}

async fn ends_politely(case: &Case<'_>) {
    let server = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let task = command(case, &format!("sh -c \"{server}\"; echo after"));
    case.engine.start(&task).await.unwrap();
    case.printed(&task, "ready").await;
    case.engine
        .stop(&task.id, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(case.printed(&task, "after").await, "ready\nbye\nafter\n");
    assert_eq!(case.exit_code(&task).await, 0);
}

async fn as_another_user(case: &Case<'_>) {
    let mut task = command(case, "id -u; echo mine > file; cat file; sleep 1000");
    task.command.user = Some("nobody".to_owned());
    case.engine.start(&task).await.unwrap();
    assert_eq!(case.printed(&task, "mine").await, "65534\nmine\n");
}

async fn volumes(case: &Case<'_>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("given"), "given\n").unwrap();
    let mut task = command(
        case,
        "cat data/given; touch data/no 2>/dev/null || echo done; sleep 1000",
    );
    task.container.volumes = vec![Volume {
        mode: VolumeMode::Ro,
        container_path: "data".to_owned(),
        host_path: Some(dir.path().display().to_string()),
    }];
    case.engine.start(&task).await.unwrap();
    assert_eq!(case.printed(&task, "done").await, "given\ndone\n");
    case.engine.remove(&task.id).await.unwrap();
    assert!(
        dir.path().join("given").exists(),
        "a removal leaves volumes alone"
    );
}

async fn nothing_to_run(case: &Case<'_>) {
    let mut task = command(case, "");
    task.command.shell = None;
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(matches!(&error, EngineError::Unsupported(text) if text.contains("nothing to run")));
    assert!(case.is_gone(&task).await);
}

async fn wrong_program(case: &Case<'_>) {
    let mut task = case.plain("");
    task.command.shell = None;
    task.command.args = vec!["/no/such".to_owned()];
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(error.to_string().contains("/no/such"), "{error}");
    assert!(case.is_gone(&task).await);
    assert_eq!(left_in(&state(case)), Vec::<String>::new());
    let logs = case.engine.logs(&task.id, LogStream::Stderr, None).await;
    assert!(matches!(logs, Err(EngineError::NoContainer(_))), "{logs:?}");
}

async fn wrong_user(case: &Case<'_>) {
    let mut task = case.plain("true");
    task.command.user = Some("who".to_owned());
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no user 'who' in the image"),
        "{error}"
    );
    assert!(case.is_gone(&task).await);
    assert_eq!(left_in(&state(case)), Vec::<String>::new());
    assert_eq!(
        left_in(&case.fixture.host().directory().join("run/netns")),
        Vec::<String>::new()
    );
}

async fn removal(case: &Case<'_>) {
    let task = command(case, "echo ready; sleep 1000");
    let container = case.engine.start(&task).await.unwrap();
    case.printed(&task, "ready").await;
    case.engine.remove(&task.id).await.unwrap();
    assert_eq!(left_in(&state(case)), Vec::<String>::new());
    assert!(!case.fixture.host().cgroup().join(&container.id).exists());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&container.id), "{mounts}");
}

/// What is in the directories below `dir`.
fn left_in(dir: &std::path::Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut left = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let names = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().path().display().to_string());
        left.extend(names);
    }
    left
}
