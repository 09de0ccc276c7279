//! Tasks: listed and ended.

use model::TaskState;
use serde_json::{Value, json};

use crate::bench::Bench;

async fn bench() -> Bench {
    let bench = Bench::new().await;
    bench.node().await;
    bench
        .app(r#"{"id":"/a","cmd":"sleep 1","instances":3}"#)
        .await;
    bench
        .app(r#"{"id":"/b","cmd":"sleep 1","instances":1}"#)
        .await;
    for unique in ["1", "2", "3"] {
        bench
            .task("/a", unique, Some(TaskState::Running), None)
            .await;
    }
    bench.task("/b", "1", None, None).await;
    bench.task("/b", "2", Some(TaskState::Killed), None).await;
    bench
}

fn ids(tasks: &Value) -> Vec<&str> {
    tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["id"].as_str().unwrap())
        .collect()
}

fn kills(bench: &Bench) -> Vec<String> {
    bench
        .mirror
        .state()
        .kills
        .keys()
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn lists() {
    let bench = bench().await;
    let all = bench.get("/v2/tasks").await;
    assert_eq!(ids(&all["tasks"]).len(), 4);
    assert_eq!(all["tasks"][0]["servicePorts"], json!([10001, 10002]));
    assert_eq!(all["tasks"][0]["ports"], json!([31001]));
    for (query, count) in [
        ("?status=running", 3),
        ("?status[]=staging", 1),
        ("?status=running&status=staging", 4),
        ("?status=", 4),
    ] {
        assert_eq!(
            ids(&bench.get(&format!("/v2/tasks{query}")).await["tasks"]).len(),
            count
        );
    }
    let of_app = bench.get("/v2/apps//a/tasks").await;
    assert_eq!(ids(&of_app["tasks"]).len(), 3);
    assert_eq!(of_app["tasks"][0]["servicePorts"], json!([]));
}

#[tokio::test]
async fn killed_ones_are_replaced() {
    let bench = bench().await;
    let one = "a.instance-1._app.1";
    let answer = bench
        .call("DELETE", &format!("/v2/apps/a/tasks/{one}"), "")
        .await
        .is(200);
    assert_eq!(answer["task"]["id"], one);
    assert_eq!(kills(&bench), [one]);
    assert_eq!(bench.get("/v2/deployments").await, json!([]));

    let other_host = bench
        .call("DELETE", "/v2/apps/a/tasks?host=192.0.2.9", "")
        .await
        .is(200);
    assert_eq!(other_host["tasks"], json!([]));
    for host in ["192.0.2.1", "one", "*"] {
        let uri = format!("/v2/apps/a/tasks?host={host}&scale=False");
        assert_eq!(
            ids(&bench.call("DELETE", &uri, "").await.is(200)["tasks"]).len(),
            3
        );
    }
    assert_eq!(kills(&bench).len(), 3);
    assert_eq!(bench.get("/v2/apps/a").await["app"]["instances"], 3);
    // The ended task of /b and one that never was are passed over.
    let body = json!({ "ids": [
        "b.instance-1._app.1", "b.instance-1._app.1", "b.instance-2._app.1", "none.1"
    ]});
    let answer = bench
        .call("POST", "/v2/tasks/delete", &body.to_string())
        .await
        .is(200);
    assert_eq!(ids(&answer["tasks"]), ["b.instance-1._app.1"]);
    bench
        .call("DELETE", &format!("/v2/apps/b/tasks/{one}"), "")
        .await
        .is(404);
}

#[tokio::test]
async fn scaling_down_by_killing() {
    let bench = bench().await;
    let uri = "/v2/apps/a/tasks/a.instance-2._app.1?scale=True";
    let answer = bench.call("DELETE", uri, "").await;
    let deployment = answer.header("marathon-deployment-id").to_owned();
    assert_eq!(answer.is(200)["deploymentId"], json!(deployment));
    assert_eq!(bench.get("/v2/apps/a").await["app"]["instances"], 2);
    assert_eq!(kills(&bench), ["a.instance-2._app.1"]);
    let deployments = bench.get("/v2/deployments").await;
    assert_eq!(
        deployments[0]["currentActions"][0]["action"],
        "ScaleApplication"
    );
    bench
        .call("DELETE", "/v2/apps/a/tasks?scale=true", "")
        .await
        .is(409);
    bench.finish().await;

    let body = r#"{"ids":["a.instance-1._app.1","a.instance-3._app.1","b.instance-1._app.1"]}"#;
    bench
        .call("POST", "/v2/tasks/delete?scale=true", body)
        .await
        .is(200);
    let apps = bench.get("/v2/apps").await;
    assert_eq!(apps["apps"][0]["instances"], 0);
    assert_eq!(apps["apps"][1]["instances"], 0);
    assert_eq!(
        bench.get("/v2/deployments").await[0]["affectedApps"],
        json!(["/a", "/b"])
    );
}

#[tokio::test]
async fn a_task_that_is_told_to_end() {
    let bench = bench().await;
    let id = "a.instance-1._app.1".parse().unwrap();
    let held = bench.mirror.state().tasks[&id].clone();
    let mut task = model::Task::clone(&held);
    task.goal = model::Goal::Stop {
        reason: "scaled".into(),
    };
    let mut change = store::Change::new();
    change.put_task(&task, store::Expect::Revision(held.revision));
    bench.commit(change).await;
    let app = &bench.get("/v2/apps/a").await["app"];
    assert_eq!(app["tasks"][0]["state"], "TASK_KILLING");
    assert_eq!(app["tasksRunning"], 2);
}
