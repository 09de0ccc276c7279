//! Filters and embeds of the list of apps.

use serde_json::json;

use crate::bench::Bench;

#[tokio::test]
async fn filters() {
    let bench = Bench::new().await;
    for (id, cmd, b) in [
        ("/app/service-a", "party hard", "2"),
        ("/app/service-b", "work hard", "3"),
    ] {
        let labels = json!({ "a": "1", "b": b });
        bench
            .app(&json!({ "id": id, "cmd": cmd, "labels": labels }).to_string())
            .await;
    }
    for (query, expected) in [
        ("", "ab"),
        ("cmd=", "ab"),
        ("cmd=&id=", "ab"),
        ("label=", "ab"),
        ("cmd=party", "a"),
        ("cmd=work", "b"),
        ("cmd=hard", "ab"),
        ("cmd=none", ""),
        ("id=app", "ab"),
        ("id=SERVICE-A", "a"),
        ("cmd=party&id=app", "a"),
        ("cmd=work&id=app", "b"),
        ("cmd=hard&id=service-a", "a"),
        ("label=b==2", "a"),
        ("label=b%20in%20(2,%203)", "ab"),
        ("label=c!=2", ""),
        ("cmd=party&id=app&label=a==1", "a"),
    ] {
        let found = bench.get(&format!("/v2/apps?{query}")).await;
        let ids: String = found["apps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|app| {
                app["id"]
                    .as_str()
                    .unwrap()
                    .trim_start_matches("/app/service-")
            })
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
}

#[tokio::test]
async fn embeds() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a","cmd":"sleep 1"}"#).await;
    bench.task("a", "1", None, None).await;
    let keys = async |query: &str| {
        let found = bench.get(&format!("/v2/apps/{query}")).await;
        let app = found["apps"][0].as_object().unwrap().clone();
        app.keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    };
    let plain = keys("").await;
    assert!(plain.contains("tasksRunning") && plain.contains("deployments"));
    assert!(!plain.contains("tasks"));
    let known: std::collections::BTreeSet<&str> = [
        "id",
        "cmd",
        "instances",
        "cpus",
        "mem",
        "disk",
        "gpus",
        "executor",
        "portDefinitions",
        "requirePorts",
        "backoffSeconds",
        "backoffFactor",
        "maxLaunchDelaySeconds",
        "networks",
        "upgradeStrategy",
        "labels",
        "killSelection",
        "unreachableStrategy",
        "role",
        "version",
        "versionInfo",
        "tasksStaged",
        "tasksRunning",
        "tasksHealthy",
        "tasksUnhealthy",
        "deployments",
    ]
    .into();
    let unknown: Vec<_> = plain
        .iter()
        .filter(|key| !known.contains(key.as_str()))
        .collect();
    assert!(unknown.is_empty(), "clients stop at {unknown:?}");
    for embed in ["apps.tasks", "app.tasks", "tasks"] {
        assert!(
            keys(&format!("?embed=apps.counts&embed={embed}"))
                .await
                .contains("tasks")
        );
    }
    assert!(
        keys("?embed=apps.readiness")
            .await
            .contains("readinessCheckResults")
    );
}
