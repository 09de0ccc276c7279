//! Labels that are meant for VIPs, refused when an app is deployed.

use serde_json::{Value, json};

use crate::bench::Bench;

#[tokio::test]
async fn addresses_and_forms() {
    let bench = Bench::new().await;
    let app = |vip: &str| {
        json!({ "id": "/v", "cmd": "sleep 1", "portDefinitions": [
            { "port": 0 }, { "port": 0, "labels": { "VIP_0": vip } }
        ]})
        .to_string()
    };
    for wrong in ["192.168.1.1:80", "web", "198.51.100.1:53"] {
        let refused = bench.call("POST", "/v2/apps", &app(wrong)).await.is(422);
        let place = &refused["details"][0];
        assert_eq!(
            place["path"], "/portDefinitions(1)/labels/VIP_0",
            "{wrong}: {refused}"
        );
    }
    let mapped = json!({ "id": "/v", "container": {
        "docker": { "image": "x" },
        "portMappings": [{ "containerPort": 80, "labels": { "VIP_0": "192.168.1.1:80" } }],
    }, "networks": [{ "mode": "container/bridge" }] });
    let refused = bench
        .call("PUT", "/v2/apps/v", &mapped.to_string())
        .await
        .is(422);
    assert_eq!(
        refused["details"][0]["path"],
        "/container/portMappings(0)/labels/VIP_0"
    );
    bench
        .call("POST", "/v2/apps", &app("/web:80"))
        .await
        .is(201);
    let allowed = app("11.0.0.5:80");
    bench
        .call("PUT", "/v2/apps/v?force=true", &allowed)
        .await
        .is(200);
}

fn on_host(ports: &Value, labels: &Value) -> Value {
    json!({ "id": "/v", "cmd": "sleep 1", "labels": labels, "portDefinitions": ports })
}

/// Paths with one error each, which must end in what would work.
fn paths(refused: &Value) -> Vec<(String, String)> {
    assert_eq!(refused["message"], "Object is not valid");
    let details = refused["details"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    details
        .iter()
        .map(|place| (text(&place["path"]), text(&place["errors"][0])))
        .collect()
}

#[tokio::test]
async fn settings_are_refused_where_they_are() {
    let bench = Bench::new().await;
    let wrong = on_host(
        &json!([
            { "port": 0, "labels": { "VIP_0": "a:1", "sealane.balance": "fastest" } },
            { "port": 0, "labels": { "sealane.weight": "2" } },
            { "port": 0, "labels": { "VIP_0": "b:1", "sealane.translate": "false" } },
            { "port": 0, "labels": { "VIP_0": "c:1", "Sealane.Affinity": "10m" } },
        ]),
        &json!({ "sealane.translate": "no", "sealane.slow-start": "30s", "owner": "me" }),
    );
    let refused = bench
        .call("POST", "/v2/apps", &wrong.to_string())
        .await
        .is(422);
    let expected = [
        ("/labels/sealane.slow-start", "move it to the port"),
        ("/labels/sealane.translate", "true, false"),
        (
            "/portDefinitions(0)/labels/sealane.balance",
            "least-loaded, random, hash",
        ),
        (
            "/portDefinitions(1)/labels/sealane.weight",
            "its port has no VIP",
        ),
        (
            "/portDefinitions(2)/labels/sealane.translate",
            "the app's own labels",
        ),
        (
            "/portDefinitions(3)/labels/Sealane.Affinity",
            "no such setting",
        ),
    ];
    let found = paths(&refused);
    assert_eq!(found.len(), expected.len(), "{refused}");
    for ((path, error), (at, says)) in found.iter().zip(expected) {
        assert_eq!(path, at, "{refused}");
        assert!(error.contains(says), "{path}: {error}");
    }
    // The app's whole prefix is ours, whatever the case; other labels are free.
    let right = on_host(
        &json!([{ "port": 0, "labels": {
            "VIP_0": "a:1", "sealane.balance": "hash", "sealane.affinity": "10m",
            "sealane.weight": "3", "sealane.close": "true", "sealanes": "x",
        } }]),
        &json!({ "sealane.translate": "false" }),
    );
    bench
        .call("POST", "/v2/apps", &right.to_string())
        .await
        .is(201);
}

#[tokio::test]
async fn mappings_and_lists_have_their_places() {
    let bench = Bench::new().await;
    let mapped = |labels: Value| {
        json!({ "id": "/m", "container": {
            "docker": { "image": "x" },
            "portMappings": [
                { "containerPort": 80 },
                { "containerPort": 81, "labels": labels },
            ],
        }, "networks": [{ "mode": "container/bridge" }] })
    };
    let wrong = mapped(json!({ "VIP_0": "a:1", "sealane.weight": "0" }));
    let refused = bench
        .call("PUT", "/v2/apps/m", &wrong.to_string())
        .await
        .is(422);
    let place = "/container/portMappings(1)/labels/sealane.weight";
    assert_eq!(paths(&refused)[0].0, place);

    let fine = on_host(&json!([{ "port": 0 }]), &json!({}));
    let list = json!([fine, wrong]).to_string();
    let refused = bench.call("PUT", "/v2/apps", &list).await.is(422);
    assert_eq!(paths(&refused)[0].0, format!("(1){place}"));
    assert_eq!(bench.get("/v2/apps").await["apps"], json!([]));
}

#[tokio::test]
async fn the_oldest_form_counts_host_ports() {
    let bench = Bench::new().await;
    let ports = json!([{ "port": 0, "labels": { "sealane.balance": "random" } }]);
    let wrong = on_host(&ports, &json!({ "vip_port1": "tcp://a:1" }));
    let refused = bench
        .call("POST", "/v2/apps", &wrong.to_string())
        .await
        .is(422);
    let places: Vec<_> = paths(&refused).into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        places,
        [
            "/labels/vip_port1",
            "/portDefinitions(0)/labels/sealane.balance"
        ]
    );
    let right = on_host(&ports, &json!({ "vip_port0": "tcp://a:1" }));
    bench
        .call("POST", "/v2/apps", &right.to_string())
        .await
        .is(201);
}

#[tokio::test]
async fn isolated_ports_are_for_native_apps_in_host_mode() {
    let bench = Bench::new().await;
    let isolated = json!({ "sealane.ports": "isolate", "sealane.egress-rate": "10mbit" });
    let docker = json!({ "type": "DOCKER", "docker": { "image": "x" } });
    let bridge = json!([{ "mode": "container/bridge" }]);
    let ports = "/labels/sealane.ports";
    let cases = [
        (Value::Null, Value::Null, &isolated, None),
        (json!({ "type": "MESOS" }), Value::Null, &isolated, None),
        (
            docker.clone(),
            Value::Null,
            &isolated,
            Some((ports, "container.type MESOS")),
        ),
        (
            json!({ "type": "MESOS" }),
            bridge,
            &isolated,
            Some((ports, "apps in host mode")),
        ),
        (
            docker,
            Value::Null,
            &json!({ "sealane.ports": "enforce" }),
            None,
        ),
        (
            Value::Null,
            Value::Null,
            &json!({ "sealane.ports": "enforce", "sealane.egress-rate": "10mbit" }),
            Some(("/labels/sealane.egress-rate", "add sealane.ports=isolate")),
        ),
        (
            Value::Null,
            Value::Null,
            &json!({ "sealane.ports": "isolate", "sealane.egress-rate": "10" }),
            Some(("/labels/sealane.egress-rate", "for example 10mbit")),
        ),
    ];
    for (number, (container, networks, labels, wrong)) in cases.into_iter().enumerate() {
        let id = format!("/i{number}");
        let mut app = json!({ "id": id, "cmd": "sleep 1", "labels": labels });
        for (key, value) in [("container", container), ("networks", networks)] {
            if !value.is_null() {
                app[key] = value;
            }
        }
        let answer = bench.call("POST", "/v2/apps", &app.to_string()).await;
        let Some((place, says)) = wrong else {
            answer.is(201);
            continue;
        };
        let refused = answer.is(422);
        let found = paths(&refused);
        assert_eq!(found.len(), 1, "{refused}");
        assert!(
            found[0].0 == place && found[0].1.contains(says),
            "{refused}"
        );
    }
}
