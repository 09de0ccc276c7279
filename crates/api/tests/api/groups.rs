//! Who may talk to whom.

use serde_json::json;

use crate::bench::Bench;

#[tokio::test]
async fn told_for_two_ends() {
    let bench = Bench::new().await;
    let expected = json!({ "answers": [{
        "from": { "address": "9.0.1.2", "task": "web.1", "side": "task", "groups": ["a"] },
        "to": { "address": "9.0.1.3", "task": "/shop/db", "side": "task", "groups": ["b"] },
        "shared": [], "allowed": false,
        "drops": [{
            "from": "9.0.1.2", "to": "9.0.1.3", "link": "sealane0a1b2c3d", "reason": "groups",
            "packets": 3, "agoMs": 5,
        }],
    }]});
    let uri = "/v1/groups/why?from=web.1&to=%2Fshop%2Fdb";
    assert_eq!(bench.get(uri).await, expected);
    for (query, status, says) in [
        ("from=nobody&to=b", 404, "'nobody' is no address"),
        ("from=a&to=::1", 422, "same family"),
        ("from=a", 400, "parameter to is missing"),
        ("to=a", 400, "parameter from is missing"),
    ] {
        let uri = format!("/v1/groups/why?{query}");
        let refused = bench.call("GET", &uri, "").await.is(status);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(says), "{uri}: {message}");
    }
}
