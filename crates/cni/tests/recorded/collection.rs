//! Collections: what nobody uses any more is undone, while nobody joins or leaves.

use std::time::{Duration, Instant};

use cni::{CniError, NetworkConfig};
use serde_json::{Value, json};

use crate::recorder::{Call, Lab, join, network, result};

fn key(container: &str) -> (String, String) {
    (container.to_owned(), "eth0".to_owned())
}

fn config(name: &str, version: &str, more: &Value) -> NetworkConfig {
    let mut list = json!({"name": name, "cniVersion": version, "plugins": [{"type": "a"}]});
    for (key, value) in more.as_object().unwrap() {
        list[key] = value.clone();
    }
    network(&list)
}

async fn add(lab: &Lab, config: &NetworkConfig, container: &str) -> Result<(), CniError> {
    let join = join(container, "eth0", &config.name);
    lab.runtime.join(config, &join).await.map(drop)
}

/// A plugin and three containers on network `x`, of which `kept` is in use, and one
/// on network `y`.
async fn four(version: &str, more: &Value) -> (Lab, NetworkConfig) {
    let lab = Lab::new();
    lab.plugin("a", &[]);
    lab.prints("a", "ADD", &result("10.0.0.5/24"));
    let x = config("x", version, more);
    for container in ["gone.1", "gone.2", "kept"] {
        add(&lab, &x, container).await.unwrap();
    }
    let y = config("y", version, &json!({}));
    add(&lab, &y, "other").await.unwrap();
    lab.calls();
    (lab, x)
}

fn rows(calls: &[Call]) -> Vec<String> {
    let container = |call: &Call| call.env.get("CNI_CONTAINERID").cloned();
    let row = |call: &Call| format!("{} {}", call.name(), container(call).unwrap_or_default());
    calls
        .iter()
        .map(|call| row(call).trim().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_recorded_and_not_in_use_is_left_before_plugins_are_told() {
    for (version, more, expected) in [
        (
            "1.1.0",
            json!({}),
            vec!["a DEL gone.1", "a DEL gone.2", "a GC"],
        ),
        ("1.0.0", json!({}), vec!["a DEL gone.1", "a DEL gone.2"]),
        ("0.1.0", json!({}), vec!["a DEL gone.1", "a DEL gone.2"]),
        ("1.1.0", json!({"disableGC": true}), vec![]),
        ("1.1.0", json!({"disableGC": "true"}), vec![]),
    ] {
        let (lab, x) = four(version, &more).await;
        let collection = lab.runtime.collection(&x).await.unwrap();
        let undone = collection.run(&[key("kept")]).await.unwrap();
        assert_eq!(rows(&lab.calls()), expected, "{version} {more}");
        let all = lab.runtime.records().containers().unwrap();
        if expected.is_empty() {
            assert_eq!((undone.len(), all.len()), (0, 4));
        } else {
            assert_eq!(undone, [key("gone.1"), key("gone.2")]);
            assert_eq!(all, ["kept", "other"]);
        }
    }
}

#[tokio::test]
async fn failures_are_collected_and_stop_nothing() {
    let (lab, _) = four("1.1.0", &json!({})).await;
    lab.plugin("b", &[]);
    let plugins = json!([{"type": "a"}, {"type": "b"}]);
    let x = config("x", "1.1.0", &json!({"plugins": plugins}));
    lab.answer("a", "DEL", "[ $CNI_CONTAINERID != gone.1 ] || exit 3");
    lab.answer("a", "GC", r#"echo '{"code":100,"msg":"no GC"}'; exit 1"#);
    let collection = lab.runtime.collection(&x).await.unwrap();
    let error = collection.run(&[key("kept")]).await.unwrap_err();
    let CniError::Collect { network, problems } = &error else {
        panic!("{error}")
    };
    assert_eq!(network, "x");
    assert!(problems[0].starts_with("eth0 of gone.1:"), "{problems:?}");
    assert!(
        problems.iter().any(|one| one.contains("no GC")),
        "{problems:?}"
    );
    assert!(lab.names().contains(&"b GC".to_owned()), "the next is told");
    assert_eq!(
        lab.recorded("gone.1")[0].failure.as_ref().unwrap().attempts,
        1
    );
    assert!(lab.recorded("gone.2").is_empty());
}

#[tokio::test]
async fn nobody_joins_or_leaves_a_network_at_rest_and_others_do() {
    let (lab, x) = four("1.1.0", &json!({})).await;
    let y = config("y", "1.1.0", &json!({}));
    let collection = lab.runtime.collection(&x).await.unwrap();
    let mut joining = std::pin::pin!(add(&lab, &x, "late"));
    let mut leaving = std::pin::pin!(lab.runtime.leave("kept", "eth0", None));
    tokio::select! {
        biased;
        _ = &mut joining => panic!("joined meanwhile"),
        _ = &mut leaving => panic!("left meanwhile"),
        other = add(&lab, &y, "elsewhere") => other.unwrap(),
    }
    // `late` is not in use by any list of now, and must not be undone.
    collection.run(&[key("kept")]).await.unwrap();
    joining.await.unwrap();
    leaving.await.unwrap();
    let calls = rows(&lab.calls());
    let place = |call: &str| calls.iter().position(|one| one == call).unwrap();
    assert!(place("a ADD elsewhere") < place("a GC"), "{calls:?}");
    assert!(place("a GC") < place("a ADD late"), "{calls:?}");
    assert!(place("a GC") < place("a DEL kept"), "{calls:?}");
    assert_eq!(lab.recorded("late").len(), 1);
}

#[tokio::test]
async fn a_collection_is_put_off_while_somebody_joins_and_holds_nobody_up() {
    let (lab, x) = four("1.1.0", &json!({})).await;
    let reached = lab.path("reached");
    lab.answer(
        "a",
        "ADD",
        &format!("touch {}; sleep 1000", reached.display()),
    );
    let slow = {
        let (runtime, x) = (lab.runtime.clone(), x.clone());
        tokio::spawn(async move { runtime.join(&x, &join("slow", "eth0", "x")).await })
    };
    testlab::wait_for_async("the slow plugin", Duration::from_secs(10), async || {
        reached.exists().then_some(())
    })
    .await
    .unwrap();
    lab.prints("a", "ADD", &result("10.0.0.6/24"));
    let begun = Instant::now();
    let (collection, joined) = tokio::join!(lab.runtime.collection(&x), add(&lab, &x, "next"));
    assert!(matches!(collection, Err(CniError::Busy { .. })));
    joined.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    slow.abort();
    assert!(slow.await.unwrap_err().is_cancelled());
    lab.runtime.collection(&x).await.unwrap();
}
