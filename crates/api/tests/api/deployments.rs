//! Deployments that are taken back.

use serde_json::json;

use crate::bench::Bench;

#[tokio::test]
async fn going_back() {
    let bench = Bench::new().await;
    bench
        .app(r#"{"id":"a","cmd":"sleep 1","instances":2}"#)
        .await;
    bench.pass(1000);
    let list = r#"[{"id":"a","cmd":"sleep 2"},{"id":"new","cmd":"sleep 1"}]"#;
    let accepted = bench.call("PUT", "/v2/apps", list).await.is(200);
    bench.pass(1000);
    let uri = format!(
        "/v2/deployments/{}",
        accepted["deploymentId"].as_str().unwrap()
    );
    let back = bench.call("DELETE", &uri, "").await.is(200);
    assert_ne!(back["deploymentId"], accepted["deploymentId"]);
    assert_eq!(bench.get("/v2/apps/a").await["app"]["cmd"], "sleep 1");
    bench.call("GET", "/v2/apps/new", "").await.is(404);
    let deployments = bench.get("/v2/deployments").await;
    assert_eq!(deployments.as_array().unwrap().len(), 1);
    assert_eq!(deployments[0]["affectedApps"], json!(["/a", "/new"]));
    bench.call("DELETE", &uri, "").await.is(404);
}

#[tokio::test]
async fn no_longer_waiting() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a","cmd":"sleep 1"}"#).await;
    bench.pass(1000);
    let accepted = bench
        .call("PUT", "/v2/apps/a", r#"{"cmd":"sleep 2"}"#)
        .await
        .is(200);
    let uri = format!(
        "/v2/deployments/{}?force=true",
        accepted["deploymentId"].as_str().unwrap()
    );
    let answer = bench.call("DELETE", &uri, "").await;
    assert_eq!(answer.text, "");
    answer.is(202);
    assert_eq!(bench.get("/v2/deployments").await, json!([]));
    assert_eq!(
        bench.get("/v2/apps/a").await["app"]["cmd"],
        "sleep 2",
        "nothing is undone"
    );
}

#[tokio::test]
async fn a_deleted_app_does_not_come_back() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a","cmd":"sleep 1"}"#).await;
    let accepted = bench.call("DELETE", "/v2/apps/a", "").await.is(200);
    let uri = format!(
        "/v2/deployments/{}",
        accepted["deploymentId"].as_str().unwrap()
    );
    let refused = bench.call("DELETE", &uri, "").await.is(422);
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("no longer kept")
    );
}
