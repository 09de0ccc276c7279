//! Docker's own fields and parameters.

use engines::{EngineError, LogStream};
use futures::FutureExt;
use mesos::Parameter;
use model::Task;

use super::SPEAKING;
use crate::suite::{Body, Case, DNS, Place, SOON, Wish};

pub(super) const CASES: &[(&str, Body)] = &[
    ("the last lines of one stream", |c| {
        tail_of_one_stream(c).boxed_local()
    }),
    ("arguments follow the image's entry point", |c| {
        entry_point(c).boxed_local()
    }),
    (
        "the resolver is ours unless a parameter says otherwise",
        |c| resolver(c).boxed_local(),
    ),
    ("aliases are names on the network", |c| {
        aliases(c).boxed_local()
    }),
    ("parameters reach the container", |c| {
        parameters(c).boxed_local()
    }),
    ("an unknown parameter is refused by name", |c| {
        unknown(c).boxed_local()
    }),
    ("capabilities are given only when asked for", |c| {
        capabilities(c).boxed_local()
    }),
];

fn parameter(task: &mut Task, key: &str, value: &str) {
    let parameter = Parameter {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    task.container
        .docker
        .as_mut()
        .unwrap()
        .parameters
        .push(parameter);
}

async fn tail_of_one_stream(case: &Case<'_>) {
    let task = case.plain("seq 1 20; for i in $(seq 1 50); do echo $i >&2; done; sleep 1000");
    case.engine.start(&task).await.unwrap();
    let tail = async |stream, lines| {
        let bytes = case
            .engine
            .logs(&task.id, stream, Some(lines))
            .await
            .unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let seen = testlab::wait_for_async("everything printed", SOON, async || {
        (tail(LogStream::Stderr, 1).await == "50\n").then_some(())
    });
    seen.await.unwrap();
    assert_eq!(tail(LogStream::Stdout, 2).await, "19\n20\n");
    assert_eq!(tail(LogStream::Stdout, 1000).await.lines().count(), 20);
    assert_eq!(tail(LogStream::Stdout, 0).await, "");
}

/// What the task's shell prints until it says that it is done.
async fn output(case: &Case<'_>, task: &Task) -> String {
    case.engine.start(task).await.unwrap();
    case.printed(task, "done").await
}

async fn entry_point(case: &Case<'_>) {
    let mut task = case.plain("");
    task.container.docker.as_mut().unwrap().image = SPEAKING.to_owned();
    task.command.shell = None;
    task.command.args = vec!["a  b".to_owned(), "done".to_owned()];
    assert_eq!(output(case, &task).await, "from-image a  b done\n");

    let mut task = case.plain("echo from-shell done");
    task.container.docker.as_mut().unwrap().image = SPEAKING.to_owned();
    assert_eq!(output(case, &task).await, "from-shell done\n");
}

async fn resolver(case: &Case<'_>) {
    for place in [Place::Host, Place::Bridge(Vec::new())] {
        let mut task = case.task(&Wish::on(place), "cat /etc/resolv.conf; echo done");
        assert!(
            output(case, &task)
                .await
                .contains(&format!("nameserver {DNS}\n"))
        );
        task = case.task(
            &Wish::on(Place::Bridge(Vec::new())),
            "cat /etc/resolv.conf; echo done",
        );
        parameter(&mut task, "dns", "192.0.2.53");
        let own = output(case, &task).await;
        assert!(
            own.contains("192.0.2.53") && !own.contains(&DNS.to_string()),
            "{own}"
        );
    }
}

async fn aliases(case: &Case<'_>) {
    let mut server = case.plain("sleep 1000");
    parameter(&mut server, "network-alias", "db");
    let started = case.engine.start(&server).await.unwrap();
    let address = started.network_infos[0].addresses().next().unwrap();
    let client = case.plain("getent hosts db || nslookup db; echo done");
    assert!(output(case, &client).await.contains(&address.to_string()));
}

async fn parameters(case: &Case<'_>) {
    let shell = "echo $(hostname) $(pwd) $(ulimit -n) $GREETING; grep -w other /etc/hosts; \
                 touch /file || echo read-only; cat /proc/sys/net/core/somaxconn; echo done";
    let mut task = case.plain(shell);
    for (key, value) in [
        ("hostname", "cart"),
        ("workdir", "/tmp"),
        ("ulimit", "nofile=123"),
        ("env", "GREETING=hi"),
        ("add-host", "other:192.0.2.7"),
        ("read-only", "true"),
        ("sysctl", "net.core.somaxconn=77"),
        ("log-opt", "max-file=3"),
    ] {
        parameter(&mut task, key, value);
    }
    let text = output(case, &task).await;
    let lines: Vec<_> = text.split_whitespace().collect();
    let expected = [
        "cart",
        "/tmp",
        "123",
        "hi",
        "192.0.2.7",
        "other",
        "read-only",
        "77",
        "done",
    ];
    assert_eq!(lines, expected);
}

async fn unknown(case: &Case<'_>) {
    let mut task = case.plain("true");
    parameter(&mut task, "restart", "always");
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(matches!(error, EngineError::Unsupported(_)), "{error:?}");
    assert!(error.to_string().contains("'restart'"), "{error}");
    assert!(case.is_gone(&task).await);
}

// `privileged` itself needs every capability there is, which not every machine that
// runs tests has; that it is handed on is tested where the request is made.
async fn capabilities(case: &Case<'_>) {
    let shell = "mount -t tmpfs none /tmp && echo mounted; echo done";
    let mut task = case.plain(shell);
    assert_eq!(output(case, &task).await, "done\n");
    task = case.plain(shell);
    parameter(&mut task, "cap-add", "SYS_ADMIN");
    assert_eq!(output(case, &task).await, "mounted\ndone\n");
}
