use std::fs;

use crate::cli::fake::Fake;

const APPS: &str = r#"{"apps": [
  {"id": "/shop", "instances": 3, "tasksRunning": 2, "tasksHealthy": 1, "healthChecks": [{}],
   "networks": [{"mode": "host"}], "portDefinitions": [{"labels": {"VIP_0": "shop:80", "x": "y"}}],
   "deployments": []},
  {"id": "/img", "instances": 1, "tasksRunning": 1, "deployments": [{"id": "d"}],
   "networks": [{"mode": "container", "name": "dcos"}],
   "container": {"type": "DOCKER", "portMappings": [{"labels": {"VIP_0": "img:1"}}]}}]}"#;

const CHANGED: &str = r#"{"version": "2020-01-01T00:00:00.000Z", "deploymentId": "d1"}"#;
const OPEN: &str = r#"[{"id": "d1"}, {"id": "other"}]"#;
const OTHERS: &str = r#"[{"id": "other"}]"#;
const WAITING: &str = r#"{"app": {"id": "/shop"}, "waiting": 2, "since": "T1", "notBefore": "T2",
    "reasons": ["no node offers 64 cpus"], "lastFailure": {"taskId": "shop.1", "state": "TASK_FAILED",
    "message": "exit code 1", "host": "n1", "timestamp": "T0", "version": "V"}}"#;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test]
async fn list() {
    let fake = Fake::start(&[("GET /v2/apps", 200, APPS)]).await;
    assert_eq!(
        fake.prints("app list").await,
        "ID     INSTANCES  HEALTHY  ENGINE      NETWORK  VIPS     STATE\n\
         /shop  2/3        1/2      containerd  host     shop:80  waiting\n\
         /img   1/1        -        docker      dcos     img:1    deploying\n"
    );
}

#[tokio::test]
async fn show_says_why_it_waits() {
    let app = r#"{"app": {"id": "/shop", "instances": 3, "tasksRunning": 1, "cmd": "run", "cpus": 0.1,
        "mem": 32, "version": "V", "tasks": [{"id": "shop.1", "appId": "/shop", "state": "TASK_RUNNING",
        "host": "10.0.0.1", "ports": [31000], "ipAddresses": [{"ipAddress": "172.17.0.2"}],
        "healthCheckResults": [{"alive": false, "lastFailureCause": "503"}]}]},
        "waiting": 2, "since": "T1", "notBefore": "T2", "reasons": ["no node offers 64 cpus"],
        "lastFailure": {"appId": "/shop", "taskId": "shop.1", "state": "TASK_FAILED",
        "message": "exit code 1", "host": "n1", "timestamp": "T0", "version": "V", "slaveId": "n1"}}"#;
    let fake = Fake::start(&[("GET /v1/apps/shop", 200, app)]).await;
    let text = fake.prints("app show shop").await;
    for part in [
        "instances     1 of 3 running\n",
        "waits for     2 instances since T1\n",
        "waits for     no node offers 64 cpus\n",
        "waits for     no new attempt before T2",
        "last failure  TASK_FAILED exit code 1 (shop.1 on n1, T0)\n",
        "unhealthy     shop.1: 503\n",
        "shop.1  /shop  running  failing  10.0.0.1  172.17.0.2  31000",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn deploying_replaces_the_whole_definition() {
    let fake = Fake::start(&[
        ("PUT /v2/apps/shop", 201, CHANGED),
        ("PUT /v2/apps/shop", 200, CHANGED),
        ("GET /v2/deployments", 200, OPEN),
        ("GET /v2/deployments", 200, OTHERS),
        ("GET /v1/apps/shop", 200, WAITING),
    ])
    .await;
    let file = file(r#"{"id": "shop", "cmd": "run"}"#);
    let line = format!("app deploy {} --wait", file.path().display());
    assert_eq!(
        fake.prints(&line).await,
        "/shop created, deployment d1\ndone\n"
    );
    let first = &fake.asked()[0];
    assert_eq!(
        first,
        r#"PUT /v2/apps/shop?partialUpdate=false&force=false {"cmd":"run","id":"/shop"}"#
    );
    let json = fake.prints(&format!("{line} -o json --force")).await;
    let expected =
        r#"[{"app": "/shop", "deploymentId": "d1", "version": "2020-01-01T00:00:00.000Z"}]"#;
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&json), parse(expected));
}

#[tokio::test]
async fn waiting_ends_with_the_reason() {
    let fake = Fake::start(&[
        ("PUT /v2/apps/shop", 201, CHANGED),
        ("GET /v2/deployments", 200, OPEN),
        ("GET /v1/apps/shop", 200, WAITING),
    ])
    .await;
    let file = file(r#"{"id": "shop", "cmd": "run"}"#);
    let line = format!("app deploy {} --wait --timeout 0s", file.path().display());
    let (outcome, text) = fake.run(&line).await;
    assert_eq!(text, "/shop created, deployment d1\n");
    let failure = outcome.unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    let message = failure.to_string();
    for part in [
        "not done after 0s",
        "/shop: waits for 2 instances",
        "64 cpus",
        "exit code 1",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}

#[tokio::test]
async fn several_apps_are_one_change() {
    let fake = Fake::start(&[
        ("PUT /v2/apps", 422, r#"{"message": "Object is not valid", "details": [{"path": "(1)/cpus", "errors": ["x"]}]}"#),
        ("PUT /v2/apps", 200, CHANGED),
    ])
    .await;
    let file = file(r#"[{"id": "a"}, {"id": "b"}]"#);
    let line = format!("app deploy {}", file.path().display());
    let (outcome, text) = fake.run(&line).await;
    assert_eq!((text.as_str(), outcome.unwrap_err().exit_code()), ("", 65));
    assert_eq!(
        fake.prints(&line).await,
        "/a deployed, deployment d1\n/b deployed, deployment d1\n"
    );
    let asked = fake.asked();
    assert_eq!(
        asked[1],
        r#"PUT /v2/apps?partialUpdate=false&force=false [{"id":"/a"},{"id":"/b"}]"#
    );
}

#[tokio::test]
async fn bad_files_change_nothing() {
    let fake = Fake::start(&[]).await;
    let (good, bad) = (file(r#"{"id": "a"}"#), file("{"));
    let both = format!(
        "app deploy {} {}",
        good.path().display(),
        bad.path().display()
    );
    let twice = format!("app deploy {0} {0}", good.path().display());
    for (line, code) in [
        (both.as_str(), 65),
        (&twice, 64),
        ("app deploy /does/not/exist", 65),
    ] {
        assert_eq!(
            fake.run(line).await.0.unwrap_err().exit_code(),
            code,
            "{line}"
        );
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn small_changes() {
    let fake = Fake::start(&[
        ("PATCH /v2/apps/shop/cart", 200, CHANGED),
        ("POST /v2/apps/shop/cart/restart", 200, CHANGED),
        ("DELETE /v2/apps/shop/cart", 200, CHANGED),
        (
            "PATCH /v2/apps/none",
            404,
            r#"{"message": "App '/none' does not exist"}"#,
        ),
    ])
    .await;
    assert_eq!(
        fake.prints("app scale shop/cart 3").await,
        "/shop/cart scaled, deployment d1\n"
    );
    fake.prints("app restart /shop/cart --force").await;
    fake.prints("app delete shop/cart").await;
    let asked = fake.asked();
    assert_eq!(
        asked[..],
        [
            r#"PATCH /v2/apps/shop/cart?force=false {"instances":3}"#,
            "POST /v2/apps/shop/cart/restart?force=true",
            "DELETE /v2/apps/shop/cart?force=true",
        ]
    );
    let (outcome, _) = fake.run("app scale none 3").await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "App '/none' does not exist"
    );
}
