//! App definitions that the tests deploy.

use std::path::Path;

use serde_json::{Value, json};

use crate::lab::myservice;

/// One of the example files, as users have it.
pub(crate) fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The native example, with the path of the server that the tests built.
pub(crate) fn native_example() -> Value {
    let mut app = example("myservice.json");
    app["cmd"] = json!(format!("exec {}", myservice().unwrap().display()));
    app
}

/// The server as a native app in host mode behind `vip`.
pub(crate) fn native(id: &str, vip: &str) -> Value {
    json!({
        "id": id, "cpus": 0.1, "mem": 32,
        "cmd": format!("exec {}", myservice().unwrap().display()),
        "portDefinitions": [{"port": 0, "name": "api", "labels": {"VIP_0": vip}}],
    })
}

/// The server as a Docker app in bridge mode behind `vip`.
pub(crate) fn docker(id: &str, vip: &str) -> Value {
    json!({
        "id": id, "cpus": 0.1, "mem": 32,
        "container": {
            "type": "DOCKER", "docker": {"image": "chrisrc/myservice"},
            "portMappings": [{"containerPort": 6666, "hostPort": 0, "labels": {"VIP_0": vip}}],
        },
        "networks": [{"mode": "container/bridge"}],
    })
}
