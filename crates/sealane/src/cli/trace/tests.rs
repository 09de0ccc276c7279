use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::fake::Fake;

const LINES: &str = r#"{"kind": "decision", "at": "2026-01-01T10:20:30.400Z", "how": "lighter", "vip": {"name": "web.marathon.l4lb.thisdcos.directory", "address": "11.0.0.1", "port": 80, "protocol": "tcp"}, "task": "web.2", "address": "172.17.0.3:80", "client": {"host": false, "container": "c0ffeec0ffeec0ffee"}, "pid": 77, "comm": "cu\u001brl"}
{"kind": "lost", "at": "2026-01-01T10:20:31.000Z", "count": 12, "why": "watch fewer"}

{"kind": "later", "what": "is not known yet"}
{"kind": "decision", "at": "2026-01-01T10:20:32.000Z", "how": "refused", "vip": {"address": "fd01:c::1", "port": 81, "protocol": "udp"}, "client": {"host": true}, "pid": 1, "comm": "x"}
"#;

#[tokio::test]
async fn a_line_each_until_there_were_enough() {
    let fake = Fake::start(&[("GET /v1/trace", 200, LINES)]).await;
    assert_eq!(
        fake.prints("trace --vip web.marathon:80 --every 10 --count 2").await,
        "\
TIME          VIP                       HOW       BACKEND           ADDRESS                CLIENT            PROCESS
10:20:30.400  web.marathon:80/tcp       lighter   web.2             172.17.0.3:80          container c0ffeec0ffee  cu rl[77]
10:20:31.000  lost 12 decisions: watch fewer
10:20:32.000  [fd01:c::1]:81/udp        refused   -                 -                      host              x[1]
"
    );
    assert_eq!(fake.asked(), ["GET /v1/trace?every=10&vip=web.marathon:80"]);
    let one = fake.prints("trace --count 1").await;
    assert_eq!(one.lines().count(), 2, "{one}");
}

/// The kernel does not count what it has no leave to tell.
#[tokio::test]
async fn a_loss_that_nobody_counts_is_told_too() {
    let lost = r#"{"kind": "lost", "at": "2026-01-01T10:20:31.000Z", "why": "there is a limit"}"#;
    let lines = format!("{lost}\n{LINES}").leak();
    let fake = Fake::start(&[("GET /v1/trace", 200, lines)]).await;
    let text = fake.prints("trace --count 1").await;
    let second = text.lines().nth(1);
    assert_eq!(
        second,
        Some("10:20:31.000  lost some decisions: there is a limit")
    );
}

#[tokio::test]
async fn json_is_what_the_daemon_says() {
    let fake = Fake::start(&[("GET /v1/trace", 200, LINES)]).await;
    let text = fake.prints("trace --count 2 -o json").await;
    let told: Vec<Value> = text
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let said = LINES.lines().filter(|it| !it.is_empty());
    let said: Vec<Value> = said.map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(told, said);
}

#[tokio::test]
async fn a_daemon_that_ends_is_no_success() {
    let fake = Fake::start(&[("GET /v1/trace", 200, LINES)]).await;
    let (outcome, text) = fake.run("trace").await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.exit_code(), 69, "{failure}");
    assert_eq!(
        text.lines().count(),
        4,
        "what was told before is printed: {text}"
    );

    let fake = Fake::start(&[("GET /v1/trace", 200, "no JSON\n")]).await;
    let (outcome, _) = fake.run("trace").await;
    assert!(matches!(outcome, Err(Failure::Strange { .. })));
    let busy = r#"{"message": "this node translates nothing; see `sealane doctor`"}"#;
    let fake = Fake::start(&[("GET /v1/trace", 503, busy)]).await;
    let (outcome, text) = fake.run("trace").await;
    assert_eq!(outcome.unwrap_err().exit_code(), 69);
    assert_eq!(text, "", "no heading before the daemon has agreed");
}
