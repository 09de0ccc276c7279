//! Single apps: made, shown, deleted.

use model::{TaskState, Timestamp};
use serde_json::{Value, json};

use crate::bench::Bench;

#[tokio::test]
async fn a_new_app() {
    let bench = Bench::new().await;
    let answer = bench
        .call("POST", "/v2/apps", r#"{"id":"/app","cmd":"cmd"}"#)
        .await;
    let deployment = answer.header("marathon-deployment-id").to_owned();
    assert_eq!(answer.header("location"), "/v2/apps/app");
    assert_eq!(
        answer.header("x-marathon-leader"),
        "http://one.example.com:8080"
    );
    assert!(answer.header("cache-control").contains("no-cache"));
    let app = answer.is(201);
    assert_eq!(app["id"], "/app");
    assert_eq!(app["role"], "*");
    assert_eq!(app["version"], bench.now().to_string());
    assert_eq!(
        app["upgradeStrategy"],
        json!({ "maximumOverCapacity": 1.0, "minimumHealthCapacity": 1.0 })
    );
    for count in [
        "tasksStaged",
        "tasksRunning",
        "tasksHealthy",
        "tasksUnhealthy",
    ] {
        assert_eq!(app[count], 0, "{count}");
    }
    assert_eq!(app["deployments"], json!([{ "id": deployment }]));
    assert_eq!(app.get("tasks"), None);
    assert_eq!(
        app["portDefinitions"][0]["port"], 0,
        "the assigned port shows later"
    );

    let app = &bench.get("/v2/apps//app").await["app"];
    assert_eq!(app["portDefinitions"][0]["port"], 10000);
    assert_eq!(app["tasks"], json!([]));
    assert_eq!(app["deployments"], json!([{ "id": deployment }]));
    assert_eq!(app["versionInfo"]["lastConfigChangeAt"], app["version"]);
    let deployments = bench.get("/v2/deployments").await;
    assert_eq!(deployments.as_array().unwrap().len(), 1);
    assert_eq!(deployments[0]["id"], Value::String(deployment));
    assert_eq!(deployments[0]["affectedApps"], json!(["/app"]));
    let action = json!({ "action": "StartApplication", "app": "/app" });
    assert_eq!(deployments[0]["steps"], json!([{ "actions": [action] }]));
    assert_eq!(deployments[0]["currentStep"], 1);
}

#[tokio::test]
async fn counts_and_tasks() {
    let bench = Bench::new().await;
    bench.node().await;
    bench
        .app(r#"{"id":"/foo/bar","cmd":"sleep 1","instances":5}"#)
        .await;
    bench.task("/foo/bar", "a", None, None).await;
    bench
        .task("/foo/bar", "b", Some(TaskState::Starting), None)
        .await;
    bench
        .task("/foo/bar", "c", Some(TaskState::Running), Some(true))
        .await;
    bench
        .task("/foo/bar", "d", Some(TaskState::Running), Some(false))
        .await;
    bench
        .task("/foo/bar", "e", Some(TaskState::Running), None)
        .await;
    bench
        .task("/foo/bar", "f", Some(TaskState::Failed), None)
        .await;
    let app = &bench.get("/v2/apps/foo/bar?embed=apps.counts").await["app"];
    let counts = [
        "tasksStaged",
        "tasksRunning",
        "tasksHealthy",
        "tasksUnhealthy",
    ]
    .map(|count| app[count].as_u64().unwrap());
    assert_eq!(counts, [2, 3, 1, 1]);
    let tasks = app["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 5, "a task that has ended is not shown");
    assert_eq!(
        tasks[0],
        json!({
            "appId": "/foo/bar", "healthCheckResults": [], "id": "foo_bar.instance-a._app.1",
            "ipAddresses": [], "host": "192.0.2.1", "state": "TASK_STAGING", "ports": [31001],
            "servicePorts": [], "stagedAt": "1970-01-01T00:00:01.024Z",
            "version": "1970-01-01T00:00:01.024Z", "slaveId": "one", "localVolumes": [],
            "role": "*",
        })
    );
    assert_eq!(
        tasks[2]["ipAddresses"],
        json!([
            { "ipAddress": "10.1.2.3", "protocol": "IPv4" },
            { "ipAddress": "fd01::3", "protocol": "IPv6" },
        ])
    );
    assert_eq!(tasks[2]["startedAt"], "1970-01-01T00:00:02.048Z");
    assert_eq!(
        tasks[3]["healthCheckResults"],
        json!([{
            "alive": false, "consecutiveFailures": 2,
            "firstSuccess": "1970-01-01T00:00:03.000Z", "lastFailureCause": "refused",
            "instanceId": "foo_bar.instance-d",
        }])
    );
    assert_eq!(
        tasks[4]["healthCheckResults"],
        json!([]),
        "no result, no entry"
    );
}

#[tokio::test]
async fn deleting() {
    let bench = Bench::new().await;
    // A deployment under way does not hold a delete back: force is the default.
    bench
        .call("POST", "/v2/apps", r#"{"id":"a","cmd":"sleep 1"}"#)
        .await
        .is(201);
    let locked = bench
        .call("DELETE", "/v2/apps/a?force=False", "")
        .await
        .is(409);
    assert_eq!(locked["deployments"].as_array().unwrap().len(), 1);
    let accepted = bench.call("DELETE", "/v2/apps/a", "").await.is(200);
    let deployments = bench.get("/v2/deployments").await;
    assert_eq!(
        deployments.as_array().unwrap().len(),
        1,
        "the older one is replaced"
    );
    assert_eq!(deployments[0]["id"], accepted["deploymentId"]);
    assert_eq!(
        deployments[0]["currentActions"][0]["action"],
        "StopApplication"
    );
    bench.call("GET", "/v2/apps/a", "").await.is(404);
    bench.call("GET", "/v2/apps/a/versions", "").await.is(404);
    bench.call("DELETE", "/v2/apps/a", "").await.is(404);

    let again = r#"{"id":"a","cmd":"sleep 2"}"#;
    bench.call("POST", "/v2/apps", again).await.is(409);
    bench
        .call("POST", "/v2/apps?force=true", again)
        .await
        .is(201);
    bench.finish().await;
    assert_eq!(bench.get("/v2/deployments").await, json!([]));
}

#[tokio::test]
async fn groups() {
    let bench = Bench::new().await;
    for id in ["/g/a", "/g/h/b", "/other", "/gg/c"] {
        bench
            .app(&json!({ "id": id, "cmd": "sleep 1" }).to_string())
            .await;
    }
    bench
        .task("/g/h/b", "a", Some(TaskState::Running), None)
        .await;
    let ids = async |uri: &str| {
        let found = bench.get(uri).await;
        let apps = found["*"].as_array().unwrap().iter();
        apps.map(|app| app["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("/v2/apps/g/*").await, ["/g/a", "/g/h/b"]);
    assert_eq!(ids("/v2/apps/*").await.len(), 4);
    let tasks = bench.get("/v2/apps/g/*/tasks").await;
    assert_eq!(tasks["tasks"][0]["appId"], "/g/h/b");

    for id in ["/g", "/g/h", "/other/x", "/g/a/b"] {
        let body = json!({ "id": id, "cmd": "sleep 1" }).to_string();
        let refused = bench.call("POST", "/v2/apps", &body).await.is(422);
        let error = &refused["details"][0]["errors"][0];
        assert_eq!(
            error, "Groups and Applications may not have the same identifier.",
            "{id}"
        );
    }
}

#[tokio::test]
async fn versions() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a/b","cmd":"sleep 1"}"#).await;
    bench.pass(1000);
    bench
        .call("PUT", "/v2/apps/a/b", r#"{"cmd":"sleep 2"}"#)
        .await
        .is(200);
    bench.finish().await;
    let versions = bench.get("/v2/apps/a/b/versions").await["versions"].clone();
    let versions: Vec<Timestamp> = serde_json::from_value(versions).unwrap();
    assert_eq!(versions.len(), 2);
    assert!(versions[0] > versions[1], "newest first");
    let old = bench
        .get(&format!("/v2/apps/a/b/versions/{}", versions[1]))
        .await;
    assert_eq!(old["cmd"], "sleep 1");
    assert_eq!(old["id"], "/a/b");
    let none = "/v2/apps/a/b/versions/2001-01-01T00:00:00.000Z";
    bench.call("GET", none, "").await.is(404);
    bench
        .call("GET", "/v2/apps/a/b/versions/yesterday", "")
        .await
        .is(422);
}

#[tokio::test]
async fn the_last_failure() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a","cmd":"false"}"#).await;
    let failure = model::TaskFailure {
        task: "a.instance-x._app.1".parse().unwrap(),
        state: TaskState::Failed,
        message: "Command exited with status 1".into(),
        node: model::NodeId("one".into()),
        at: Timestamp::from_millis(5000),
        version: Timestamp::from_millis(1024),
    };
    let launch = model::Launch {
        app: model::AppId::resolve("a").unwrap(),
        version: Timestamp::from_millis(1024),
        waiting: 2,
        since: Timestamp::from_millis(4000),
        not_before: Some(bench.now().plus_millis(1500)),
        next_delay_ms: 2000,
        reasons: vec!["no node has 9 cpus; the most is 2".into()],
        last_failure: Some(failure),
    };
    let mut change = store::Change::new();
    change.put_launch(&launch, store::Expect::Absent);
    bench.commit(change).await;
    let expected = json!({
        "appId": "/a", "host": "one", "message": "Command exited with status 1",
        "state": "TASK_FAILED", "taskId": "a.instance-x._app.1", "slaveId": "one",
        "timestamp": "1970-01-01T00:00:05.000Z", "version": "1970-01-01T00:00:01.024Z",
    });
    assert_eq!(
        bench.get("/v2/apps/a").await["app"]["lastTaskFailure"],
        expected
    );
    let all = "/v2/apps?embed=apps.lastTaskFailure";
    assert_eq!(bench.get(all).await["apps"][0]["lastTaskFailure"], expected);
    assert_eq!(
        bench.get("/v2/apps").await["apps"][0].get("lastTaskFailure"),
        None
    );

    let queue = bench.get("/v2/queue").await;
    let item = &queue["queue"][0];
    assert_eq!(item["count"], 2);
    assert_eq!(
        item["delay"],
        json!({ "timeLeftSeconds": 2, "overdue": false })
    );
    assert_eq!(item["app"]["id"], "/a");
    assert_eq!(item.get("role"), None, "a client stops at this field");
    let ours = bench.get("/v1/apps/a").await;
    assert_eq!(
        ours["reasons"],
        json!(["no node has 9 cpus; the most is 2"])
    );
    assert_eq!(ours["waiting"], 2);
    assert_eq!(ours["lastFailure"], expected);
    let problems = bench.get("/v1/problems").await;
    assert_eq!(problems["problems"][1]["about"], "app /a");

    bench.call("DELETE", "/v2/queue/a/delay", "").await.is(204);
    let item = &bench.get("/v2/queue").await["queue"][0];
    assert_eq!(
        item["delay"],
        json!({ "timeLeftSeconds": 0, "overdue": true })
    );
    let none = bench.call("DELETE", "/v2/queue//b/delay", "").await.is(404);
    assert_eq!(none["message"], "Application /b not found in tasks queue.");
}
