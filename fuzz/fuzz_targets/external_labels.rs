//! Any labels and ports on a container of somebody else's, as Docker's inspection tells
//! them: what asks for a VIP gets it or is a problem that people can be shown.
#![no_main]

use std::collections::BTreeMap;

use agent::NodeOptions;
use libfuzzer_sys::fuzz_target;
use model::{NodeId, Resources};
use serde_json::{Map, Value, json};

/// A label a line, key and value apart at the first '='; any other line is a port, with
/// where it is published behind a blank.
fn inspection(text: &str) -> (BTreeMap<String, String>, Value) {
    let (mut labels, mut ports) = (BTreeMap::new(), Map::new());
    let (mut mode, mut signal) = ("front", "SIGTERM");
    for line in text.lines() {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "mode" => mode = value,
                "signal" => signal = value,
                _ => drop(labels.insert(key.to_owned(), value.to_owned())),
            }
        } else {
            let (port, at) = line.split_once(' ').unwrap_or((line, ""));
            let (ip, number) = at.rsplit_once(' ').unwrap_or((at, ""));
            ports.insert(port.to_owned(), json!([{ "HostIp": ip, "HostPort": number }]));
        }
    }
    let seen = json!({
        "Id": "0123456789abcdef",
        "Name": "/web",
        "State": { "Status": "running", "Pid": 7 },
        "Config": { "Labels": labels, "StopSignal": signal },
        "HostConfig": { "NetworkMode": mode, "PortBindings": ports },
        "NetworkSettings": {
            "Ports": ports,
            "Networks": { "front": { "NetworkID": "0f", "IPAddress": "10.1.0.2" } },
        },
    });
    (labels, seen)
}

fn node() -> NodeOptions {
    NodeOptions {
        id: NodeId("n1".to_owned()),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        resources: Resources::default(),
        ports: Vec::new(),
        zone: None,
        version: String::new(),
    }
}

fuzz_target!(|data: &[u8]| {
    // As Docker's whole answer, and as what people have written in it.
    if let Some(sighting) = engines::sighted(data) {
        let _ = agent::external(&sighting, true, &node());
    }
    let (labels, seen) = inspection(&String::from_utf8_lossy(data));
    let Some(sighting) = engines::sighted(&serde_json::to_vec(&seen).unwrap()) else {
        assert!(labels.contains_key("sealane.owner"), "not seen: {seen}");
        return;
    };
    let Some(external) = agent::external(&sighting, false, &node()) else {
        return;
    };
    let asked = labels.keys().filter(|key| key.starts_with("VIP_") && !key.contains('.'));
    let lost = asked.filter(|key| !external.ports.iter().any(|it| it.labels.contains_key(*key)));
    assert!(lost.count() <= external.problems.len(), "{labels:?}: {external:?}");
    for problem in &external.problems {
        assert!(!problem.chars().any(char::is_control), "{problem:?}");
    }
    let written = serde_json::to_vec(&external).unwrap();
    let again: model::External = serde_json::from_slice(&written).unwrap();
    assert_eq!(again, external);
});
