//! The environment of tasks: Marathon's table of cases.

#![allow(
    clippy::unwrap_used,
    reason = "what these functions do wrong is a test's failure"
)]

mod support;

use std::collections::BTreeMap;

use model::PortRange;
use serde_json::{Value, json};
use support::{World, app};

/// The environment of the one instance of an app, with host ports from `first` on.
fn env(given: Value, first: u16) -> BTreeMap<String, String> {
    let mut world = World::new(vec![app(given)]);
    // Just as many as needed from `first`: the choice may begin anywhere.
    world.nodes[0].ports = vec![PortRange { first, last: first }];
    world.plan();
    world.tasks.values().next().unwrap().env.clone()
}

/// The port variables alone.
fn ports(given: Value, first: u16) -> BTreeMap<String, String> {
    let mut env = env(given, first);
    env.retain(|name, _| name.starts_with("PORT"));
    env
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn bridge(mappings: Value) -> Value {
    json!({
        "networks": [{"mode": "container/bridge"}],
        "container": {"type": "DOCKER", "volumes": [], "portMappings": mappings,
            "docker": {"image": "i", "forcePullImage": false, "privileged": false, "parameters": []}},
    })
}

fn mapping(container: u16, host: Option<u16>, name: Option<&str>) -> Value {
    let mut mapping =
        json!({"containerPort": container, "servicePort": 0, "protocol": "tcp", "labels": {}});
    if let Some(host) = host {
        mapping["hostPort"] = json!(host);
    }
    if let Some(name) = name {
        mapping["name"] = json!(name);
    }
    mapping
}

#[test]
fn one_port_that_was_not_asked_for_by_number() {
    let given = json!({"cmd": "x", "portDefinitions": [{"port": 0, "protocol": "tcp"}]});
    let expected = [
        ("PORT", "1001"),
        ("PORT0", "1001"),
        ("PORTS", "1001"),
        ("PORT_1001", "1001"),
    ];
    assert_eq!(ports(given, 1001), map(&expected));
}

#[test]
fn no_ports_no_variables() {
    assert_eq!(
        ports(json!({"cmd": "x", "portDefinitions": []}), 1001),
        BTreeMap::new()
    );
}

#[test]
fn numbers_and_names_that_were_asked_for() {
    let given = json!({"cmd": "x", "portDefinitions": [
        {"port": 8080, "protocol": "udp,tcp", "name": "http"}]});
    let expected = [
        ("PORT", "1000"),
        ("PORT0", "1000"),
        ("PORTS", "1000"),
        ("PORT_8080", "1000"),
        ("PORT_HTTP", "1000"),
    ];
    assert_eq!(ports(given, 1000), map(&expected));
}

#[test]
fn a_bridge_mapping_asks_by_its_container_port() {
    let given = bridge(json!([mapping(8080, Some(0), Some("http"))]));
    let expected = [
        ("PORT", "1000"),
        ("PORT0", "1000"),
        ("PORTS", "1000"),
        ("PORT_8080", "1000"),
        ("PORT_HTTP", "1000"),
    ];
    assert_eq!(ports(given, 1000), map(&expected));
}

#[test]
fn container_ports_without_host_ports() {
    let mut given = bridge(json!([
        mapping(8080, None, Some("http")),
        mapping(0, None, Some("jabber"))
    ]));
    given["networks"] = json!([{"mode": "container", "name": "net"}]);
    let ports = ports(given, 1000);
    let random = ports["PORT1"].clone();
    assert!(random.parse::<u16>().unwrap() >= 1025);
    let named = format!("PORT_{random}");
    let expected = [
        ("PORT0", "8080"),
        ("PORT_8080", "8080"),
        ("PORT_HTTP", "8080"),
        ("PORT1", &random),
        (&named, &random),
        ("PORT_JABBER", &random),
        ("PORT", &random),
        ("PORTS", &random),
    ];
    assert_eq!(ports, map(&expected));
}

#[test]
fn fixed_host_ports_keep_their_numbers() {
    let given = bridge(json!([
        mapping(0, Some(25001), None),
        mapping(200, Some(25002), None)
    ]));
    let expected = [
        ("PORT", "25001"),
        ("PORTS", "25001,25002"),
        ("PORT0", "25001"),
        ("PORT1", "25002"),
        ("PORT_25001", "25001"),
        ("PORT_200", "25002"),
    ];
    assert_eq!(ports(given, 1000), map(&expected));
}

#[test]
fn what_the_app_sets_wins() {
    let given = json!({
        "cmd": "x", "portDefinitions": [{"port": 8080, "protocol": "tcp"}],
        "env": {"PORT": "1", "PORTS": "ports", "PORT0": "1", "PORT_8080": "port8080",
            "SECRET": {"secret": "s"}},
    });
    let expected = [
        ("PORT", "1"),
        ("PORTS", "ports"),
        ("PORT0", "1"),
        ("PORT_8080", "port8080"),
    ];
    let env = env(given, 1000);
    assert!(!env.contains_key("SECRET"));
    for (name, value) in expected {
        assert_eq!(env[name], value);
    }
}

#[test]
fn the_app_describes_itself() {
    let env = env(json!({"cmd": "x", "portDefinitions": []}), 1);
    assert!(env["MESOS_TASK_ID"].starts_with("app.instance-"));
    assert_eq!(env["HOST"], "10.0.0.1");
    let mut rest = env.clone();
    rest.retain(|name, _| name.starts_with("MARATHON"));
    let expected = [
        ("MARATHON_APP_ID", "/app"),
        ("MARATHON_APP_VERSION", "2015-02-03T12:30:00.000Z"),
        ("MARATHON_APP_RESOURCE_CPUS", "1.0"),
        ("MARATHON_APP_RESOURCE_MEM", "128.0"),
        ("MARATHON_APP_RESOURCE_DISK", "0.0"),
        ("MARATHON_APP_RESOURCE_GPUS", "0"),
        ("MARATHON_APP_LABELS", ""),
    ];
    assert_eq!(rest, map(&expected));
}

#[test]
fn labels_become_variables() {
    let long = "x".repeat(513);
    let labels = json!({
        "label": "VALUE1", "label-with-invalid-chars": "VALUE2", "other--label\\--\\a": "VALUE3",
        long.clone(): "VALUE4", "long-value": long,
    });
    let mut given = bridge(json!([]));
    given["labels"] = labels;
    given["gpus"] = json!(2);
    let env = env(given, 1);
    assert_eq!(
        env["MARATHON_APP_LABELS"],
        "LABEL LABEL_WITH_INVALID_CHARS OTHER_LABEL_A"
    );
    assert_eq!(env["MARATHON_APP_LABEL_OTHER_LABEL_A"], "VALUE3");
    assert_eq!(env["MARATHON_APP_DOCKER_IMAGE"], "i");
    assert_eq!(env["MARATHON_APP_RESOURCE_GPUS"], "2");
    assert!(!env.contains_key("MARATHON_APP_LABEL_LONG_VALUE"));
}

#[test]
fn groups_of_a_network_reach_its_tasks() {
    let given = json!({
        "id": "/a", "cmd": "x", "container": { "type": "MESOS" },
        "networks": [
            { "mode": "container", "name": "n", "labels": { "sealane.groups": "b, a" } },
            { "mode": "container", "name": "m" },
        ],
    });
    let mut world = World::new(vec![app(given)]);
    world.plan();
    let task = world.tasks.values().next().unwrap();
    let infos = task.container.network_infos.iter();
    let groups: Vec<_> = infos.map(|info| info.groups.clone()).collect();
    assert_eq!(groups, [vec!["a".to_owned(), "b".to_owned()], Vec::new()]);
}
