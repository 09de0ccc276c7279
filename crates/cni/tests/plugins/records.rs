//! What is recorded, undone and kept.

use std::fs;
use std::path::Path;

use cni::{CniError, NetworkConfig};
use serde_json::{Value, json};

use crate::lab::{self, FAIL, GOOD, Lab, RECORDER, network};

#[tokio::test]
async fn del_gets_the_old_configuration_and_no_namespace_when_it_is_gone() {
    let lab = Lab::new();
    lab.answer("old", "ADD", r#"echo '{"ip4":{"ip":"10.0.0.5/24"}}'"#);
    lab.add(&network("0.3.1", &["old"])).await.unwrap();
    let record = &lab.recorded()[0];
    assert_eq!(
        record.result().unwrap().addresses().next(),
        "10.0.0.5".parse().ok()
    );
    lab.runtime.leave("web.1", "eth0", None).await.unwrap();
    assert!(
        lab.env("old.DEL")
            .iter()
            .all(|line| !line.starts_with("CNI_NETNS"))
    );
    assert_eq!(
        lab.stdin("old.DEL").get("prevResult"),
        None,
        "comes with 0.4.0"
    );
    assert_eq!(lab.stdin("old.DEL")["cniVersion"], "0.3.1");
}

#[tokio::test]
async fn intent_is_on_disk_before_the_plugin_runs() {
    let lab = Lab::new();
    let script = r#"cp "${0%/*}/../records/web.1/eth0.json" "$log.seen"; "#;
    lab.answer("a", "ADD", &format!("{script}{GOOD}"));
    lab.add(&network("1.0.0", &["a"])).await.unwrap();
    let seen: Value = serde_json::from_slice(&fs::read(lab.bin("log.seen")).unwrap()).unwrap();
    assert_eq!(
        (&seen["result"], &seen["config"]["name"]),
        (&Value::Null, &json!("x"))
    );
    let twice = lab.add(&network("1.0.0", &["a"])).await.unwrap_err();
    assert!(matches!(twice, CniError::AlreadyAttached { .. }), "{twice}");
}

#[tokio::test]
async fn a_failed_add_is_undone_in_reverse() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    lab.answer("b", "ADD", FAIL);
    lab.answer("c", "ADD", GOOD);
    let error = lab
        .add(&network("1.0.0", &["a", "b", "c"]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "CNI plugin 'b' failed at ADD with code 101: no: more"
    );
    assert_eq!(lab.calls(), ["a ADD", "b ADD", "b DEL", "a DEL"]);
    assert!(lab.recorded().is_empty());
}

#[tokio::test]
async fn what_cannot_be_undone_is_kept_and_undone_later() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    lab.answer("a", "DEL", FAIL);
    lab.answer("b", "ADD", FAIL);
    lab.answer("b", "DEL", "exit 7");
    let error = lab.add(&network("1.0.0", &["a", "b"])).await.unwrap_err();
    let CniError::RollBack { problems, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(problems.len(), 2, "both were tried: {error}");
    assert_eq!(lab.recorded()[0].failure.as_ref().unwrap().attempts, 1);

    let again = lab.leave().await.unwrap_err();
    assert!(
        matches!(&again, CniError::Leave { problems, .. } if problems.len() == 2),
        "{again}"
    );
    assert_eq!(lab.recorded()[0].failure.as_ref().unwrap().attempts, 2);

    lab.answer("a", "DEL", "");
    lab.answer(
        "b",
        "DEL",
        r#"echo '{"code":3,"msg":"unknown container"}'; exit 1"#,
    );
    lab.leave().await.unwrap();
    assert!(lab.recorded().is_empty());
}

#[tokio::test]
async fn a_plugin_removed_before_del_is_a_problem_that_keeps_the_record() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    lab.answer("b", "ADD", GOOD);
    lab.add(&network("1.0.0", &["a", "b"])).await.unwrap();
    lab.calls();
    fs::remove_file(lab.bin("b")).unwrap();
    let error = lab.leave().await.unwrap_err().to_string();
    assert!(error.contains("'b' is in none of"), "{error}");
    assert_eq!(lab.calls(), ["a DEL"]);
    lab.plugin("b", RECORDER);
    lab.leave().await.unwrap();
}

#[tokio::test]
async fn a_plugin_removed_while_others_run_ends_the_add_and_is_undone() {
    let lab = Lab::new();
    lab.answer("a", "ADD", &format!(r#"rm "${{0%/*}}/b"; rm "$0"; {GOOD}"#));
    lab.answer("b", "ADD", GOOD);
    let error = lab.add(&network("1.0.0", &["a", "b"])).await.unwrap_err();
    let CniError::RollBack { failure, problems } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(**failure, CniError::PluginMissing { .. }),
        "{error}"
    );
    assert!(problems[0].contains("'a' is in none of"), "{error}");
    assert_eq!(lab.calls(), ["a ADD"]);
    // What was kept is undone once the plugin is there again.
    lab.plugin("a", RECORDER);
    lab.plugin("b", RECORDER);
    lab.leave().await.unwrap();
    assert_eq!(lab.calls(), ["b DEL", "a DEL"]);
}

#[tokio::test]
async fn a_corrupt_record_stops_neither_its_container_nor_others() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    let config = network("1.1.0", &["a"]);
    let mut other = lab::join();
    other.container = "web.2".to_owned();
    lab.add(&config).await.unwrap();
    lab.runtime.join(&config, &other).await.unwrap();
    let record = lab.directory().join("records/web.1/eth0.json");
    fs::write(&record, "{ half").unwrap();

    lab.runtime.check("web.1", "eth0").await.unwrap();
    lab.leave().await.unwrap();
    assert!(
        record.with_extension("bad").exists(),
        "kept for people to read"
    );
    lab.add(&config).await.unwrap();
    fs::write(&record, "").unwrap();
    let collection = lab.runtime.collection(&config).await.unwrap();
    let undone = collection.run(&[]).await.unwrap();
    assert_eq!(undone, [("web.2".to_owned(), "eth0".to_owned())]);
}

#[tokio::test]
async fn a_namespace_deleted_under_a_plugin_is_not_named_at_the_roll_back() {
    let lab = Lab::new();
    let netns = lab.directory().join("netns");
    fs::write(&netns, "").unwrap();
    lab.answer("a", "ADD", FAIL);
    let mut join = lab::join();
    join.netns = netns;
    let config = network("1.0.0", &["a"]);
    lab.runtime.join(&config, &join).await.unwrap_err();
    assert_eq!(lab.calls(), ["a ADD", "a DEL"]);
    let named = lab
        .env("a.DEL")
        .iter()
        .any(|line| line.starts_with("CNI_NETNS"));
    assert!(!named, "a plain file is no namespace");
}

#[tokio::test]
async fn what_is_ours_to_fill_in_is_refused_before_anything_runs() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    let plugins = json!([{"type": "a"}, {"type": "a", "args": {"org.apache.mesos": {}}}]);
    let list = json!({"name": "x", "cniVersion": "1.0.0", "plugins": plugins});
    let config = NetworkConfig::parse(list.to_string().as_bytes(), "x").unwrap();
    let error = lab.add(&config).await.unwrap_err();
    assert!(matches!(error, CniError::Config { .. }), "{error}");
    assert!(lab.calls().is_empty() && lab.recorded().is_empty());
}

#[tokio::test]
async fn names_that_break_the_specification_reach_no_plugin() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    let config = network("1.0.0", &["a"]);
    for (container, ifname) in [("../x", "eth0"), ("", "eth0"), ("x", ".."), ("x", "a/b")] {
        let mut join = lab::join();
        join.container = container.to_owned();
        join.ifname = ifname.to_owned();
        let error = lab.runtime.join(&config, &join).await.unwrap_err();
        assert!(matches!(error, CniError::Argument { .. }), "{error}");
        let left = lab
            .runtime
            .leave(container, ifname, Some(Path::new("/run/ns")))
            .await;
        assert!(matches!(left, Err(CniError::Argument { .. })));
    }
    assert!(lab.calls().is_empty());
}
