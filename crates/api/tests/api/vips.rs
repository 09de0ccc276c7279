//! VIPs as a node shows them.

use serde_json::{Value, json};

use crate::bench::Bench;

#[tokio::test]
async fn all_with_their_backends() {
    let bench = Bench::new().await;
    let answer = bench.get("/v1/vips").await;
    assert_eq!(answer["vips"].as_array().unwrap().len(), 3);
    assert_eq!(
        answer["problems"],
        json!([{ "about": "dockerd", "message": "does not answer" }])
    );
    assert_eq!(
        answer["vips"][0],
        json!({
            "name": "web.marathon.l4lb.thisdcos.directory",
            "address": "11.0.0.1", "port": 80, "protocol": "tcp",
            "settings": {
                "policy": "least-loaded", "affinitySeconds": 0, "slowStartSeconds": 0,
                "failures": 3, "maxEjectedPercent": 50, "close": false, "locality": "any",
                "unready": false,
            },
            "refused": 7,
            "backends": [{
                "task": "web.1", "container": "c1", "node": "one", "near": "172.17.0.2:8080",
                "weight": 2, "state": "second", "warming": true, "open": 3, "pending": 1,
                "total": 9, "connectMillis": 0.25,
                "failures": { "refused": 4, "unanswered": 0, "unroutable": 0, "aborted": 0 },
                "failingInRow": 2, "ejection": { "remainingMillis": 1500, "row": 2 },
                "connectTimes": [{ "upToMicros": 128, "count": 5 }, { "count": 0 }],
            }],
            "problems": [],
        })
    );
}

#[tokio::test]
async fn one_by_any_of_its_names() {
    let bench = Bench::new().await;
    let places = |answer: Value| -> Vec<String> {
        let vips = answer["vips"].as_array().unwrap();
        vips.iter()
            .map(|vip| format!("{}:{}", vip["address"].as_str().unwrap(), vip["port"]))
            .collect()
    };
    for (vip, expected) in [
        ("web", &["11.0.0.1:80", "11.0.0.1:81", "11.0.0.2:80"][..]),
        ("web:80", &["11.0.0.1:80", "11.0.0.2:80"]),
        ("web.marathon:80", &["11.0.0.1:80"]),
        ("%2Fweb.marathon:81%2Fudp", &["11.0.0.1:81"]),
        ("web.docker.l4lb.thisdcos.directory", &["11.0.0.2:80"]),
        ("11.0.0.1:81", &["11.0.0.1:81"]),
        ("%5B::ffff:11.0.0.1%5D:81", &["11.0.0.1:81"]),
    ] {
        let answer = bench.get(&format!("/v1/vips/{vip}")).await;
        assert_eq!(places(answer), expected, "{vip}");
    }
    for uri in [
        "/v1/vips/none:80",
        "/v1/vips/web:82/explain",
        "/v1/trace?vip=none",
    ] {
        let refused = bench.call("GET", uri, "").await.is(404);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("/v1/vips lists"), "{uri}: {message}");
    }
    for uri in ["/v1/vips/a%20b", "/v1/vips/web:x", "/v1/trace?vip=%5B"] {
        let refused = bench.call("GET", uri, "").await.is(400);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("write web:80"), "{uri}: {message}");
    }
}

#[tokio::test]
async fn explained_for_a_client() {
    let bench = Bench::new().await;
    let uri = "/v1/vips/web.marathon:80/explain";
    let expected = json!({ "explanations": [{
        "vip": {
            "name": "web.marathon.l4lb.thisdcos.directory",
            "address": "11.0.0.1", "port": 80, "protocol": "tcp",
        },
        "client": { "host": true },
        "summary": "the only one", "refused": 0.0,
        "candidates": [{
            "task": "web.1", "state": "ready", "address": "172.17.0.2:8080", "chance": 1.0,
            "weight": 1, "open": 2, "pending": 0, "cost": 1.5, "why": "it is the only one",
        }],
    }]});
    assert_eq!(bench.get(uri).await, expected);
    assert_eq!(bench.get(&format!("{uri}?client=host")).await, expected);
    let both = bench.get("/v1/vips/web:80/explain").await;
    assert_eq!(both["explanations"].as_array().unwrap().len(), 2);
    for (client, status, says) in [
        ("task:t.1", 404, "no task t.1 here"),
        ("container:abc", 422, "two of them"),
        ("abc", 503, "no datapath"),
        ("task:", 400, "write host, task:ID or container:ID"),
    ] {
        let refused = bench
            .call("GET", &format!("{uri}?client={client}"), "")
            .await
            .is(status);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(says), "{client}: {message}");
    }
}
