//! Decisions as lines of JSON.

use serde_json::{Value, json};

use crate::bench::Bench;

#[tokio::test]
async fn a_line_each() {
    let bench = Bench::new().await;
    let answer = bench.call("GET", "/v1/trace?every=10", "").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let at = "2023-11-14T22:13:20.000Z";
    assert_eq!(
        lines,
        [
            json!({
                "kind": "decision", "at": at,
                "vip": {
                    "name": "web.marathon.l4lb.thisdcos.directory",
                    "address": "11.0.0.1", "port": 80, "protocol": "tcp",
                },
                "how": "drawn", "task": "web.1", "address": "172.17.0.2:8080",
                "client": { "host": false, "container": "c9", "netns": 5 },
                "pid": 77, "comm": "0",
            }),
            json!({
                "kind": "lost", "at": at, "count": 3,
                "why": "too many decisions a second; watch fewer with every=10",
            }),
        ]
    );
}

#[tokio::test]
async fn wishes() {
    let bench = Bench::new().await;
    // Names are resolved, the same address once; an address is taken as it is.
    for (vip, targets) in [("web", "2"), ("web.marathon", "1"), ("11.9.9.9:1", "1")] {
        let answer = bench.call("GET", &format!("/v1/trace?vip={vip}"), "").await;
        let first: Value = serde_json::from_str(answer.text.lines().next().unwrap()).unwrap();
        assert_eq!(first["comm"], targets, "{vip}");
    }
    for (query, status, says) in [
        ("every=0", 400, "a number from 1 on"),
        ("every=many", 400, "a number from 1 on"),
        ("every=99", 503, "too many watch"),
    ] {
        let refused = bench.call("GET", &format!("/v1/trace?{query}"), "").await;
        let refused = refused.is(status);
        assert!(
            refused["message"].as_str().unwrap().contains(says),
            "{query}: {refused}"
        );
    }
}
