//! The order of calls: roll-back, and several networks.

use std::fs;
use std::path::Path;

use cni::CniError;
use serde_json::{Value, json};

use crate::recorder::{Call, Lab, NETNS, join, network, result};

#[tokio::test]
async fn a_failed_add_is_undone_in_reverse_with_the_last_good_result() {
    let lab = Lab::new();
    for (name, address) in [
        ("a", "10.0.0.1/24"),
        ("b", "10.0.0.2/24"),
        ("d", "10.0.0.4/24"),
    ] {
        lab.plugin(name, &[]);
        lab.prints(name, "ADD", &result(address));
    }
    lab.plugin("c", &[]);
    lab.answer("c", "ADD", r#"echo '{"code":101,"msg":"no"}'; exit 1"#);
    let plugins = json!([{"type": "a"}, {"type": "b"}, {"type": "c"}, {"type": "d"}]);
    let config = network(&json!({"name": "x", "cniVersion": "1.0.0", "plugins": plugins}));
    let joined = lab.runtime.join(&config, &join("web.1", "eth0", "x")).await;
    assert_eq!(joined.unwrap_err().code(), Some(101));
    let calls = lab.calls();
    let names: Vec<String> = calls.iter().skip(4).map(Call::name).collect();
    assert_eq!(
        names,
        ["a ADD", "b ADD", "c ADD", "c DEL", "b DEL", "a DEL"]
    );
    for call in &calls[7..] {
        let previous = &call.stdin["prevResult"]["ips"][0]["address"];
        assert_eq!(previous, "10.0.0.2/24", "{}", call.name());
        assert_eq!(call.env["CNI_NETNS"], NETNS);
    }
    assert!(lab.recorded("web.1").is_empty());
}

#[tokio::test]
async fn the_first_plugins_failure_is_undone_without_a_result() {
    let lab = Lab::new();
    lab.plugin("a", &[]);
    lab.answer("a", "ADD", "exit 1");
    let config = network(&json!({"name": "x", "cniVersion": "1.0.0", "type": "a"}));
    let joined = lab.runtime.join(&config, &join("web.1", "eth0", "x")).await;
    assert!(matches!(joined, Err(CniError::Exit { .. })), "{joined:?}");
    let calls = lab.calls();
    let [_, _, del] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!(
        (del.name().as_str(), del.stdin.get("prevResult")),
        ("a DEL", None)
    );
}

#[tokio::test]
async fn networks_of_one_container_do_not_mix() {
    let lab = Lab::new();
    for (name, address) in [("one", "10.0.1.5/24"), ("two", "10.0.2.5/24")] {
        lab.plugin(name, &[]);
        lab.prints(name, "ADD", &result(address));
    }
    let configs = ["one", "two"].map(|name| {
        let list = json!({"name": name, "cniVersion": "1.0.0", "plugins": [{"type": name}]});
        network(&list)
    });
    for (config, ifname) in configs.iter().zip(["eth0", "eth1"]) {
        let join = join("web.1", ifname, &config.name);
        lab.runtime.join(config, &join).await.unwrap();
    }
    let told = |calls: &[Call]| -> Vec<(String, String, Value, Value)> {
        let calls = calls.iter().filter(|c| c.env["CNI_COMMAND"] != "VERSION");
        let row = |call: &Call| {
            let info = &call.stdin["args"]["org.apache.mesos"]["network_info"]["name"];
            let name = call.stdin["name"].clone();
            (
                call.name(),
                call.env["CNI_IFNAME"].clone(),
                name,
                info.clone(),
            )
        };
        calls.map(row).collect()
    };
    let row = |verb: &str, ifname: &str, name: &str| {
        let call = format!("{name} {verb}");
        (call, ifname.to_owned(), json!(name), json!(name))
    };
    let calls = lab.calls();
    assert_eq!(
        told(&calls),
        [row("ADD", "eth0", "one"), row("ADD", "eth1", "two")]
    );
    assert!(
        calls
            .iter()
            .all(|call| call.stdin.get("prevResult").is_none())
    );

    let recorded = lab.recorded("web.1");
    let ifnames: Vec<&str> = recorded.iter().map(|r| r.join.ifname.as_str()).collect();
    assert_eq!(ifnames, ["eth0", "eth1"]);
    for record in recorded.iter().rev() {
        let netns = Some(Path::new(NETNS));
        let left = lab.runtime.leave("web.1", &record.join.ifname, netns);
        left.await.unwrap();
    }
    let calls = lab.calls();
    assert_eq!(
        told(&calls),
        [row("DEL", "eth1", "two"), row("DEL", "eth0", "one")]
    );
    for (call, address) in calls.iter().zip(["10.0.2.5/24", "10.0.1.5/24"]) {
        assert_eq!(call.stdin["prevResult"]["ips"][0]["address"], address);
    }
}

#[tokio::test]
async fn del_and_check_get_the_configuration_of_add_after_it_was_changed() {
    let mut lab = Lab::new();
    lab.plugin("a", &[]);
    lab.prints("a", "ADD", &result("10.0.0.5/24"));
    let file = lab.path("x.conflist");
    let list = json!({"name": "x", "cniVersion": "0.4.0", "plugins": [{"type": "a", "mtu": 1}]});
    fs::write(&file, list.to_string()).unwrap();
    let dirs = [lab.path("")];
    let config = cni::find(&dirs, "x").unwrap();
    let asked = join("web.1", "eth0", "x");
    lab.runtime.join(&config, &asked).await.unwrap();
    fs::write(&file, list.to_string().replace("\"mtu\":1", "\"mtu\":2")).unwrap();
    assert_ne!(cni::find(&dirs, "x").unwrap(), config);
    fs::remove_file(&file).unwrap();
    lab.restart();
    lab.runtime.check("web.1", "eth0").await.unwrap();
    lab.runtime.leave("web.1", "eth0", None).await.unwrap();
    let calls = lab.calls();
    let names: Vec<String> = calls.iter().map(Call::name).collect();
    assert_eq!(names, ["a VERSION", "a ADD", "a CHECK", "a DEL"]);
    assert!(calls[1..].iter().all(|call| call.stdin["mtu"] == 1));
}
