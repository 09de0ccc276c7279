//! Which version plugins are spoken to in, and results in its form.

use std::fs;

use cni::{CniError, NetworkConfig};
use serde_json::{Value, json};

use crate::recorder::{Call, Lab, join, network, result};

const ALL: [&str; 7] = [
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];

/// The same result as each version prints it.
fn printed(version: &str) -> Value {
    let route = json!({"dst": "0.0.0.0/0", "gw": "10.0.0.1"});
    match version {
        "0.1.0" | "0.2.0" => json!({"cniVersion": version,
            "ip4": {"ip": "10.0.0.5/24", "gateway": "10.0.0.1", "routes": [route]}}),
        "0.3.0" | "0.3.1" | "0.4.0" => json!({"cniVersion": version,
            "interfaces": [{"name": "eth0", "sandbox": "/ns"}],
            "ips": [{"version": "4", "address": "10.0.0.5/24", "gateway": "10.0.0.1",
                "interface": 0}],
            "routes": [route]}),
        "1.0.0" => json!({"cniVersion": version,
            "interfaces": [{"name": "eth0", "sandbox": "/ns"}],
            "ips": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1", "interface": 0}],
            "routes": [route]}),
        _ => json!({"cniVersion": version,
            "interfaces": [{"name": "eth0", "sandbox": "/ns", "mtu": 1400}],
            "ips": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1", "interface": 0}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1", "table": 7}]}),
    }
}

fn offering(versions: &[&str], plugins: &[&str]) -> NetworkConfig {
    let plugins: Vec<Value> = plugins.iter().map(|kind| json!({"type": kind})).collect();
    network(&json!({"name": "x", "cniVersions": versions, "plugins": plugins}))
}

async fn add(lab: &Lab, config: &NetworkConfig) -> Result<(), CniError> {
    let joined = lab
        .runtime
        .join(config, &join("web.1", "eth0", "x"))
        .await?;
    let addresses: Vec<String> = joined.addresses().map(|ip| ip.to_string()).collect();
    assert_eq!(addresses, ["10.0.0.5"]);
    Ok(())
}

/// What one call of a command was told.
fn told(calls: &[Call], name: &str) -> Value {
    let mut found = calls.iter().filter(|call| call.name() == name);
    let call = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} twice");
    call.stdin.clone()
}

#[tokio::test]
async fn every_version_has_its_commands_and_its_form() {
    for version in ALL {
        let lab = Lab::new();
        for name in ["a", "b"] {
            lab.plugin(name, &ALL);
            lab.prints(name, "ADD", &printed(version));
        }
        let config = offering(&[version], &["a", "b"]);
        add(&lab, &config).await.unwrap();
        lab.runtime.check("web.1", "eth0").await.unwrap();
        lab.runtime.status(&config).await.unwrap();
        let collection = lab.runtime.collection(&config).await.unwrap();
        let in_use = [("web.1".to_owned(), "eth0".to_owned())];
        collection.run(&in_use).await.unwrap();
        lab.runtime.leave("web.1", "eth0", None).await.unwrap();

        let calls = lab.calls();
        let mut expected = Vec::new();
        for (verb, since) in [
            ("VERSION", "0.2.0"),
            ("ADD", "0.1.0"),
            ("CHECK", "0.4.0"),
            ("STATUS", "1.1.0"),
            ("GC", "1.1.0"),
        ] {
            if version >= since {
                expected.extend([format!("a {verb}"), format!("b {verb}")]);
            }
        }
        expected.extend(["b DEL".to_owned(), "a DEL".to_owned()]);
        let names: Vec<String> = calls.iter().map(Call::name).collect();
        assert_eq!(names, expected, "{version}");

        for call in calls.iter().filter(|c| c.env["CNI_COMMAND"] != "VERSION") {
            assert_eq!(call.stdin["cniVersion"], version, "{}", call.name());
        }
        assert_eq!(told(&calls, "a ADD").get("prevResult"), None);
        assert_eq!(told(&calls, "b ADD")["prevResult"], printed(version));
        for name in ["a DEL", "b DEL"] {
            let previous = told(&calls, name).get("prevResult").cloned();
            let expected = (version >= "0.4.0").then(|| printed(version));
            assert_eq!(previous, expected, "{version}");
        }
    }
}

#[tokio::test]
async fn the_newest_that_all_plugins_speak_is_used() {
    let lab = Lab::new();
    lab.plugin("new", &ALL);
    lab.plugin("old", &["0.3.1", "0.4.0", "1.0.0"]);
    lab.plugin("silent", &[]);
    for name in ["new", "old", "silent"] {
        lab.prints(name, "ADD", &result("10.0.0.5/24"));
    }
    let config = offering(
        &["0.4.0", "1.1.0", "1.0.0", "9.0.0"],
        &["new", "old", "silent"],
    );
    assert_eq!(config.version.to_string(), "1.1.0");
    add(&lab, &config).await.unwrap();
    for call in lab.calls().iter().skip(3) {
        assert_eq!(call.stdin["cniVersion"], "1.0.0", "{}", call.name());
    }
}

#[tokio::test]
async fn without_a_common_version_each_plugin_has_its_own_also_after_a_restart() {
    let mut lab = Lab::new();
    for (name, version) in [
        ("a", "1.1.0"),
        ("b", "0.3.1"),
        ("c", "0.2.0"),
        ("d", "0.4.0"),
    ] {
        lab.plugin(name, &[version]);
        lab.prints(name, "ADD", &printed(version));
    }
    let offered = ["0.2.0", "0.3.1", "0.4.0", "1.1.0"];
    add(&lab, &offering(&offered, &["a", "b", "c", "d"]))
        .await
        .unwrap();
    lab.restart();
    lab.runtime.check("web.1", "eth0").await.unwrap();
    lab.runtime.leave("web.1", "eth0", None).await.unwrap();
    let calls = lab.calls();

    let mut previous = printed("0.3.1");
    assert_eq!(told(&calls, "b ADD")["prevResult"], previous, "from 1.1.0");
    assert_eq!(told(&calls, "c ADD")["prevResult"], printed("0.2.0"));
    previous["cniVersion"] = "0.4.0".into();
    previous.as_object_mut().unwrap().remove("interfaces");
    previous["ips"][0]
        .as_object_mut()
        .unwrap()
        .remove("interface");
    assert_eq!(told(&calls, "d ADD")["prevResult"], previous, "from 0.2.0");
    let names: Vec<String> = calls.iter().skip(8).map(Call::name).collect();
    assert_eq!(
        names,
        ["a CHECK", "d CHECK", "d DEL", "c DEL", "b DEL", "a DEL"]
    );
    for (name, version) in [("a DEL", "1.1.0"), ("d CHECK", "0.4.0"), ("c DEL", "0.2.0")] {
        let told = told(&calls, name);
        assert_eq!(told["cniVersion"], version);
        let previous = told["prevResult"]["cniVersion"].as_str();
        assert_eq!(previous, (version != "0.2.0").then_some(version), "{name}");
    }
}

#[tokio::test]
async fn a_plugin_that_speaks_no_version_offered_is_refused_before_add() {
    let lab = Lab::new();
    lab.plugin("good", &ALL);
    lab.plugin("old", &["0.1.0", "0.3.1"]);
    let config = offering(&["1.0.0", "1.1.0"], &["good", "old"]);
    let error = add(&lab, &config).await.unwrap_err();
    assert!(matches!(error, CniError::Incompatible { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("'old' speaks versions 0.1.0, 0.3.1 and network 'x' offers 1.0.0, 1.1.0"),
        "{text}"
    );
    assert_eq!(lab.names(), ["good VERSION", "old VERSION"]);
    assert!(lab.recorded("web.1").is_empty());
    let status = lab.runtime.status(&config).await.unwrap_err();
    assert!(matches!(status, CniError::Incompatible { .. }), "{status}");
}

#[tokio::test]
async fn a_program_is_asked_once_and_again_when_it_was_replaced() {
    let lab = Lab::new();
    lab.plugin("a", &["1.0.0"]);
    lab.plugin("mute", &[]);
    for name in ["a", "mute"] {
        lab.prints(name, "ADD", &result("10.0.0.5/24"));
    }
    let config = offering(&["1.0.0"], &["a", "mute"]);
    for round in 0..2 {
        add(&lab, &config).await.unwrap();
        lab.runtime.leave("web.1", "eth0", None).await.unwrap();
        let asked = lab
            .names()
            .iter()
            .filter(|n| n.ends_with("VERSION"))
            .count();
        assert_eq!(asked, if round == 0 { 2 } else { 0 });
    }
    // As package managers do it: a new file in the place of the old one.
    let said = json!({"cniVersion": "1.1.0", "supportedVersions": ["0.4.0"]});
    lab.prints("a", "VERSION", &said);
    fs::copy(lab.path("bin/a"), lab.path("bin/a.new")).unwrap();
    fs::rename(lab.path("bin/a.new"), lab.path("bin/a")).unwrap();
    let error = add(&lab, &config).await.unwrap_err();
    assert!(matches!(error, CniError::Incompatible { .. }), "{error}");
    assert_eq!(lab.names(), ["a VERSION"]);
}

#[tokio::test]
async fn a_plugin_that_makes_nothing_of_version_is_used_all_the_same() {
    for script in [
        "exit 1",
        "echo rubbish",
        r#"echo '{"code":4,"msg":"unknown CNI_COMMAND: VERSION"}'; exit 1"#,
        r#"echo '{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.9/24"}}'"#,
        r#"echo '{"supportedVersions":[]}'"#,
        r#"echo '{"supportedVersions":[7, "x"]}'"#,
    ] {
        let lab = Lab::new();
        lab.plugin("a", &[]);
        lab.answer("a", "VERSION", script);
        lab.prints("a", "ADD", &result("10.0.0.5/24"));
        add(&lab, &offering(&["1.0.0"], &["a"])).await.unwrap();
        assert_eq!(lab.names(), ["a VERSION", "a ADD"], "{script}");
    }
}

#[tokio::test]
async fn a_result_of_another_version_or_none_is_put_into_form() {
    for from in ALL {
        let lab = Lab::new();
        lab.plugin("a", &[]);
        lab.plugin("b", &[]);
        lab.prints("a", "ADD", &printed(from));
        lab.prints("b", "ADD", &result("10.0.0.5/24"));
        add(&lab, &offering(&["1.0.0"], &["a", "b"])).await.unwrap();
        let previous = told(&lab.calls(), "b ADD")["prevResult"].clone();
        assert_eq!(previous["cniVersion"], "1.0.0", "{from}");
        assert_eq!(previous["ips"][0]["address"], "10.0.0.5/24", "{from}");
        assert_eq!(previous["ips"][0].get("version"), None, "{from}");
        assert_eq!(previous["routes"], printed("1.0.0")["routes"], "{from}");
    }
}

#[tokio::test]
async fn a_result_that_has_no_old_form_is_refused_and_undone() {
    let lab = Lab::new();
    lab.plugin("a", &["1.0.0"]);
    lab.plugin("old", &["0.2.0"]);
    lab.prints("a", "ADD", &json!({"interfaces": [{"name": "eth0"}]}));
    let config = offering(&["0.2.0", "1.0.0"], &["a", "old"]);
    let error = add(&lab, &config).await.unwrap_err().to_string();
    assert!(
        error.contains("no form in version 0.2.0, in which 'old'") && error.contains("no address"),
        "{error}"
    );
    assert_eq!(lab.names(), ["a VERSION", "old VERSION", "a ADD", "a DEL"]);
    assert!(lab.recorded("web.1").is_empty());
}
