//! What is neither an app nor a task.

use axum::body::Body;
use http::Request;
use model::TaskState;
use serde_json::json;

use crate::bench::Bench;

#[tokio::test]
async fn ping() {
    let bench = Bench::new().await;
    for (accept, expected) in [("application/json", "\"pong\""), ("*/*", "pong")] {
        let request = Request::get("/ping")
            .header("accept", accept)
            .body(Body::empty());
        assert_eq!(
            bench.send(request.unwrap()).await.text,
            expected,
            "{accept}"
        );
    }
    assert_eq!(bench.call("HEAD", "/ping", "").await.status, 200);
}

#[tokio::test]
async fn about() {
    let bench = Bench::new().await;
    let info = bench.get("/v2/info").await;
    assert_eq!(info["version"], "1.2.3");
    assert_eq!(info["http_config"]["http_port"], 8080);
    assert_eq!(info["marathon_config"]["hostname"], "one.example.com");
    assert!(info["zookeeper_config"].is_object());
    assert_eq!(
        bench.get("/v2/leader").await,
        json!({ "leader": "one.example.com:8080" })
    );
    let metrics = bench.call("GET", "/metrics", "").await;
    assert!(
        metrics
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    assert_eq!(metrics.text, "sealane_up 1\n");
    let status = bench.get("/v1/status").await;
    assert_eq!(status["parts"], json!({ "datapath": "attached" }));
    assert_eq!(status["node"], "one");
    assert_eq!(
        bench.get("/v1/problems").await["problems"][0]["about"],
        "dockerd"
    );
}

#[tokio::test]
async fn logs() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a","cmd":"sleep 1"}"#).await;
    let id = bench.task("a", "1", Some(TaskState::Running), None).await;
    let uri = format!("/v1/tasks/{id}/logs");
    let text = bench.call("GET", &format!("{uri}?tail=5"), "").await;
    assert_eq!(text.text, format!("{id} Some(5)"));
    assert!(text.header("content-type").starts_with("text/plain"));
    let failed = bench
        .call("GET", &format!("{uri}?stream=stderr"), "")
        .await
        .is(503);
    assert!(
        failed["message"]
            .as_str()
            .unwrap()
            .contains("is dockerd running?")
    );
    bench
        .call("GET", &format!("{uri}?stream=both"), "")
        .await
        .is(400);
    bench
        .call("GET", &format!("{uri}?tail=-1"), "")
        .await
        .is(400);
    bench
        .call("GET", "/v1/tasks/unknown/logs", "")
        .await
        .is(404);
    // The record of a task that was replaced is gone, and its logs are not.
    let ended = bench.call("GET", "/v1/tasks/ended/logs", "").await;
    assert_eq!(ended.text, "ended None");
}

#[tokio::test]
async fn statistics_of_tasks_with_links_of_their_own() {
    let bench = Bench::new().await;
    let mut uris = Vec::new();
    for app in ["isolated", "plain", "deaf"] {
        bench
            .app(&json!({ "id": app, "cmd": "sleep 1" }).to_string())
            .await;
        let id = bench.task(app, "1", Some(TaskState::Running), None).await;
        uris.push(format!("/v1/tasks/{id}/statistics"));
    }
    let mut found = bench.get(&uris[0]).await;
    let timestamp = found.as_object_mut().unwrap().remove("timestamp");
    assert!(timestamp.unwrap().as_f64().unwrap() > 0.0);
    assert_eq!(
        found,
        json!({
            "net_rx_packets": 1, "net_rx_bytes": 0, "net_rx_errors": 0, "net_rx_dropped": 0,
            "net_tx_packets": 0, "net_tx_bytes": 0, "net_tx_errors": 0, "net_tx_dropped": 0,
            "net_tx_rate_limit": 125_000,
            "net_traffic_control_statistics": [{
                "id": "bw_limit", "backlog": 0, "bytes": 0, "drops": 3, "overlimits": 0,
                "packets": 0, "qlen": 0, "requeues": 0,
            }],
            "net_ephemeral_ports": { "begin": 16384, "end": 16639 },
            "refused": { "port": 4 },
        })
    );
    for (uri, status, says) in [
        (uris[1].as_str(), 422, "sealane.ports=isolate"),
        (&uris[2], 503, "the kernel does not tell"),
        ("/v1/tasks/nobody.1/statistics", 404, "nobody.1"),
        ("/v1/tasks/%20/statistics", 404, "does not exist"),
    ] {
        let refused = bench.call("GET", uri, "").await.is(status);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(says), "{uri}: {message}");
    }
}

#[tokio::test]
async fn queries_of_any_kind() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a","cmd":"sleep 1"}"#).await;
    for uri in [
        "/v2/apps/a?%ff=%00&&=&x",
        "/v2/apps/%2e%2e/a",
        "/v2/apps/./a/",
    ] {
        assert_eq!(bench.get(uri).await["app"]["id"], "/a", "{uri}");
    }
    bench.call("GET", "/v2/apps/%ff", "").await.is(400);
}
