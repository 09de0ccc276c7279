//! Cases of what a task executes.

use std::time::{Duration, Instant};

use engines::{EngineError, LogStream};
use mesos::{Volume, VolumeMode};

use super::{Case, Place, Wish};

pub(super) async fn shell(case: &Case<'_>) {
    let task = case.plain("echo \"said: $GREETING\" && echo oops >&2; echo done; sleep 1000");
    case.engine.start(&task).await.unwrap();
    assert_eq!(case.printed(&task, "done").await, "said: good day\ndone\n");
    let errors = case
        .engine
        .logs(&task.id, LogStream::Stderr, None)
        .await
        .unwrap();
    assert_eq!(&errors[..], b"oops\n");
    let last = case
        .engine
        .logs(&task.id, LogStream::Stdout, Some(1))
        .await
        .unwrap();
    assert_eq!(&last[..], b"done\n");
}

pub(super) async fn args(case: &Case<'_>) {
    let mut task = case.plain("");
    task.command.shell = None;
    task.command.args = ["/bin/echo", "$GREETING", "a  b"]
        .map(str::to_owned)
        .to_vec();
    case.engine.start(&task).await.unwrap();
    assert_eq!(case.printed(&task, "b").await, "$GREETING a  b\n");
}

pub(super) async fn user_and_hostname(case: &Case<'_>) {
    let mut task = case.plain("echo $(id -u) $(hostname) done; sleep 1000");
    task.command.user = Some("nobody".to_owned());
    task.container.hostname = Some("cart-7".to_owned());
    case.engine.start(&task).await.unwrap();
    assert_eq!(case.printed(&task, "done").await, "65534 cart-7 done\n");
}

pub(super) async fn exec(case: &Case<'_>) {
    let task = case.plain("echo ready; sleep 1000");
    let container = case.engine.start(&task).await.unwrap();
    case.printed(&task, "ready").await;
    let exec = async |shell: &str, seconds| {
        case.engine
            .exec(&task.id, shell, Duration::from_secs(seconds))
            .await
    };
    let fine = exec("echo \"$GREETING\"", 20).await.unwrap();
    assert_eq!((fine.code, fine.output.as_str()), (0, "good day\n"));
    let bad = exec("echo why >&2; exit 9", 20).await.unwrap();
    assert_eq!((bad.code, bad.output.as_str()), (9, "why\n"));
    let much = exec("seq 1 5000", 20).await.unwrap();
    assert!(much.output.ends_with("\n5000\n") && much.output.len() <= 1024);

    let begun = Instant::now();
    // The shell waits for a child: both must end.
    let late = exec("sleep 7654; echo never", 1).await.unwrap_err();
    assert!(matches!(late, EngineError::Timeout { .. }), "{late:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    let left = exec("ps | grep -c '[7]654'", 20).await.unwrap();
    assert_eq!(left.output, "0\n", "the command was killed");
    assert_eq!(
        case.engine.inspect(&task.id).await.unwrap().unwrap(),
        container
    );
}

pub(super) async fn volumes(case: &Case<'_>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("given"), "given\n").unwrap();
    let volume = |mode, path: &str| Volume {
        mode,
        container_path: path.to_owned(),
        host_path: Some(dir.path().to_str().unwrap().to_owned()),
    };
    let shell = "cat /ro/given; echo new > /rw/new; echo no > /ro/no || echo done";
    let mut task = case.task(&Wish::on(Place::Host), shell);
    task.container.volumes = vec![volume(VolumeMode::Ro, "/ro"), volume(VolumeMode::Rw, "/rw")];
    case.engine.start(&task).await.unwrap();
    assert_eq!(case.printed(&task, "done").await, "given\ndone\n");
    assert_eq!(
        std::fs::read_to_string(dir.path().join("new")).unwrap(),
        "new\n"
    );
    assert!(!dir.path().join("no").exists());
}
