//! Each command, with all that it is given and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cni::{CniError, Records, Runtime};
use serde_json::{Value, json};

use crate::recorder::{Call, Lab, NETNS, join, network, result};

fn list() -> Value {
    json!({"name": "x", "cniVersion": "1.1.0", "plugins": [
        {"type": "first", "mtu": 1400, "unknown": {"kept": [1, null]}, "cni.dev/theirs": 1,
            "runtimeConfig": "theirs", "prevResult": "theirs",
            "capabilities": {"mac": true}, "args": {"theirs": true}},
        {"type": "second"},
    ]})
}

/// A lab whose first and second plugin speak everything, and one attachment.
async fn joined() -> Lab {
    let lab = Lab::new();
    for (name, address) in [("first", "10.0.0.4/24"), ("second", "10.0.0.5/24")] {
        lab.plugin(name, &["1.0.0", "1.1.0"]);
        lab.prints(name, "ADD", &result(address));
    }
    let config = network(&list());
    let asked = join("web.1", "eth0", "x");
    let added = lab.runtime.join(&config, &asked).await.unwrap();
    let addresses: Vec<_> = added.addresses().collect();
    assert_eq!(addresses, ["10.0.0.5".parse::<std::net::IpAddr>().unwrap()]);
    lab
}

fn environment(lab: &Lab, pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = [
        ("CNI_PATH", lab.path("bin").display().to_string()),
        ("PATH", std::env::var("PATH").unwrap()),
    ];
    let given = pairs.iter().map(|(key, value)| (*key, (*value).to_owned()));
    let all = own.into_iter().chain(given);
    all.map(|(key, value)| (key.to_owned(), value)).collect()
}

fn about(verb: &'static str, netns: Option<&'static str>) -> Vec<(&'static str, &'static str)> {
    let mut pairs = vec![
        ("CNI_COMMAND", verb),
        ("CNI_CONTAINERID", "web.1"),
        ("CNI_IFNAME", "eth0"),
    ];
    pairs.extend(netns.map(|path| ("CNI_NETNS", path)));
    pairs
}

fn first() -> Value {
    json!({"type": "first", "name": "x", "cniVersion": "1.1.0", "mtu": 1400,
        "unknown": {"kept": [1, null]},
        "args": {"theirs": true, "org.apache.mesos": {"network_info": {"name": "x"}}}})
}

fn second() -> Value {
    json!({"type": "second", "name": "x", "cniVersion": "1.1.0",
        "args": {"org.apache.mesos": {"network_info": {"name": "x"}}}})
}

fn with_previous(mut told: Value, address: &str) -> Value {
    told["prevResult"] = result(address);
    told["prevResult"]["cniVersion"] = "1.1.0".into();
    told
}

/// Neither arguments nor results: GC and STATUS are about no container.
fn about_nobody(mut told: Value) -> Value {
    match told["args"]["theirs"].as_bool() {
        Some(_) => told["args"] = json!({"theirs": true}),
        None => drop(told.as_object_mut().unwrap().remove("args")),
    }
    told
}

fn check(lab: &Lab, calls: &[Call], env: &[(&str, &str)], expected: &[Value]) {
    assert_eq!(calls.len(), expected.len(), "{calls:#?}");
    for (call, stdin) in calls.iter().zip(expected) {
        assert_eq!(call.env, environment(lab, env), "{}", call.name());
        assert_eq!(&call.stdin, stdin, "{}", call.name());
    }
}

#[tokio::test]
async fn version_and_add() {
    let lab = joined().await;
    let calls = lab.calls();
    let names: Vec<String> = calls.iter().map(Call::name).collect();
    assert_eq!(
        names,
        ["first VERSION", "second VERSION", "first ADD", "second ADD"]
    );
    let asked = json!({"cniVersion": "1.1.0"});
    let version = [("CNI_COMMAND", "VERSION")];
    check(&lab, &calls[..2], &version, &[asked.clone(), asked]);
    let told = [first(), with_previous(second(), "10.0.0.4/24")];
    check(&lab, &calls[2..], &about("ADD", Some(NETNS)), &told);
}

#[tokio::test]
async fn check_comes_in_order_with_the_last_result() {
    let lab = joined().await;
    lab.calls();
    lab.runtime.check("web.1", "eth0").await.unwrap();
    let told = [first(), second()].map(|told| with_previous(told, "10.0.0.5/24"));
    check(&lab, &lab.calls(), &about("CHECK", Some(NETNS)), &told);

    // What was never added, or left again, is not checked.
    lab.runtime.check("web.2", "eth0").await.unwrap();
    lab.runtime.leave("web.1", "eth0", None).await.unwrap();
    lab.calls();
    lab.runtime.check("web.1", "eth0").await.unwrap();
    assert!(lab.calls().is_empty());
}

#[tokio::test]
async fn del_comes_in_reverse_with_the_last_result() {
    let lab = joined().await;
    lab.calls();
    let netns = Some(Path::new(NETNS));
    lab.runtime.leave("web.1", "eth0", netns).await.unwrap();
    let told = [second(), first()].map(|told| with_previous(told, "10.0.0.5/24"));
    check(&lab, &lab.calls(), &about("DEL", Some(NETNS)), &told);
    assert!(lab.recorded("web.1").is_empty());
    lab.runtime.leave("web.1", "eth0", netns).await.unwrap();
    assert!(lab.calls().is_empty(), "leaving twice asks no plugin");
}

#[tokio::test]
async fn del_names_no_namespace_that_is_gone() {
    for gone in [None, Some("/nowhere/ns"), Some("/etc/hostname")] {
        let lab = joined().await;
        lab.calls();
        let netns = gone.map(Path::new);
        lab.runtime.leave("web.1", "eth0", netns).await.unwrap();
        let told = [second(), first()].map(|told| with_previous(told, "10.0.0.5/24"));
        check(&lab, &lab.calls(), &about("DEL", None), &told);
    }
}

#[tokio::test]
async fn status_and_gc_are_about_no_container() {
    let lab = joined().await;
    lab.calls();
    let config = network(&list());
    lab.runtime.status(&config).await.unwrap();
    let told = [first(), second()].map(about_nobody);
    check(&lab, &lab.calls(), &[("CNI_COMMAND", "STATUS")], &told);

    let in_use = [("web.1".to_owned(), "eth0".to_owned())];
    let collection = lab.runtime.collection(&config).await.unwrap();
    assert_eq!(collection.run(&in_use).await.unwrap(), []);
    let valid = json!([{"containerID": "web.1", "ifname": "eth0"}]);
    let told = told.map(|mut told| {
        told["cni.dev/valid-attachments"] = valid.clone();
        told["cni.dev/attachments"] = valid.clone();
        told
    });
    check(&lab, &lab.calls(), &[("CNI_COMMAND", "GC")], &told);
}

#[tokio::test]
async fn status_tells_what_is_wrong() {
    let lab = joined().await;
    let config = network(&list());
    for (code, meaning) in [
        (50, "(not available)"),
        (51, "containers may be cut off"),
        (11, "(try again later)"),
    ] {
        let said = json!({"cniVersion": "1.1.0", "code": code, "msg": "daemon away"});
        lab.answer("second", "STATUS", &format!("echo '{said}'; exit 1"));
        let error = lab.runtime.status(&config).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        let text = error.to_string();
        assert!(
            text.contains(meaning) && text.contains("daemon away"),
            "{text}"
        );
    }
    fs::remove_file(lab.path("bin/second")).unwrap();
    let error = lab.runtime.status(&config).await.unwrap_err();
    assert!(matches!(error, CniError::PluginMissing { .. }), "{error}");
}

#[tokio::test]
async fn the_first_directory_with_the_program_counts_and_all_are_named() {
    let lab = joined().await;
    lab.calls();
    let dirs = vec![lab.path("none"), lab.path("bin"), lab.path("calls")];
    let named: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    let records = Records::new(lab.path("other"));
    let runtime = Runtime::new(dirs, records, std::time::Duration::from_secs(20));
    let config = network(&list());
    let asked = join("web.2", "eth0", "x");
    runtime.join(&config, &asked).await.unwrap();
    for call in lab.calls() {
        assert_eq!(call.env["CNI_PATH"], named.join(":"), "{}", call.name());
    }
}
