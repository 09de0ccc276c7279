//! What cannot run waits and says why; everything else goes on.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::definitions::native;
use crate::lab::{Lab, With};

/// An app that must go on answering whatever happens around it.
fn bystander(lab: &Lab) -> String {
    lab.deploy(&native("/bystander", "bystander:80")).unwrap();
    format!("http://{}/", lab.vip("bystander.marathon").unwrap())
}

fn accepted(lab: &Lab, definition: &Value) {
    let (status, body) = lab.post(&definition.to_string()).unwrap();
    assert_eq!(status, 201, "{body}");
}

#[test]
fn definitions_that_cannot_run_yet_wait_with_their_reason() {
    let lab = Lab::new("faults", With::Both).unwrap();
    let url = bystander(&lab);
    let image = json!({"id": "/image", "cpus": 0.1, "container": {
        "type": "DOCKER", "docker": {"image": "127.0.0.1:9/nothing/here"}}});
    accepted(&lab, &image);
    lab.waits_because("/image", "127.0.0.1:9/nothing/here")
        .unwrap();
    let network = json!({"id": "/network", "cpus": 0.1, "cmd": "sleep 100",
        "networks": [{"mode": "container", "name": "nowhere"}]});
    accepted(&lab, &network);
    lab.waits_because("/network", "nowhere").unwrap();
    let docker_network = json!({"id": "/dnetwork", "cpus": 0.1, "container": {
        "type": "DOCKER", "docker": {"image": "chrisrc/myservice"}},
        "networks": [{"mode": "container", "name": "nowhere"}]});
    accepted(&lab, &docker_network);
    lab.waits_because("/dnetwork", "nowhere").unwrap();
    let room = json!({"id": "/room", "cpus": 1000, "cmd": "sleep 100"});
    accepted(&lab, &room);
    lab.waits_because("/room", "cpus left").unwrap();
    // The command line says it too.
    assert!(
        lab.sealane(&["app", "show", "/room"])
            .unwrap()
            .contains("cpus left")
    );
    lab.curl(&url).unwrap();
}

#[test]
fn a_host_port_in_use_is_explained() {
    let lab = Lab::new("ports", With::Both).unwrap();
    let url = bystander(&lab);
    let listener = lab
        .host
        .inside(|| std::net::TcpListener::bind("0.0.0.0:25000").unwrap())
        .unwrap();
    let docker = json!({"id": "/taken", "cpus": 0.1, "container": {
        "type": "DOCKER", "docker": {"image": "chrisrc/myservice"},
        "portMappings": [{"containerPort": 6666, "hostPort": 25000}]},
        "networks": [{"mode": "container/bridge"}]});
    accepted(&lab, &docker);
    lab.waits_because("/taken", "25000").unwrap();
    let native = json!({"id": "/taken2", "cpus": 0.1, "cmd": "sleep 100",
        "container": {"type": "MESOS",
            "portMappings": [{"containerPort": 80, "hostPort": 25000}]},
        "networks": [{"mode": "container/bridge"}]});
    lab.sealane(&["app", "delete", "/taken", "--wait"]).unwrap();
    accepted(&lab, &native);
    lab.waits_because("/taken2", "25000").unwrap();
    drop(listener);
    testlab::wait_for(
        "the port to be used once it is free",
        crate::lab::SOON,
        || {
            let tasks = lab.tasks("/taken2").ok()?;
            (tasks.first()?["state"] == "TASK_RUNNING").then_some(())
        },
    )
    .unwrap();
    lab.curl(&url).unwrap();
}

#[test]
fn plugins_that_misbehave_harm_nobody_else() {
    let lab = Lab::new("plugins", With::Native).unwrap();
    let url = bystander(&lab);
    let plugins = lab.host.directory().join("plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    for (name, script, expected) in [
        ("hang", "sleep 1000", "did not finish ADD within 5 s"),
        ("rubbish", "echo rubbish", "rubbish"),
        (
            "dies",
            "echo '{\"code\": 100, \"msg\": \"no luck today\"}'; exit 1",
            "no luck today",
        ),
    ] {
        let plugin = plugins.join(name);
        std::fs::write(
            &plugin,
            format!("#!/bin/sh\n[ $CNI_COMMAND = DEL ] && exit 0\n{script}\n"),
        )
        .unwrap();
        std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = json!({"cniVersion": "0.4.0", "name": name, "type": name});
        std::fs::write(
            lab.networks().join(format!("{name}.conf")),
            config.to_string(),
        )
        .unwrap();
        let app = json!({"id": format!("/{name}"), "cpus": 0.1, "cmd": "sleep 100",
            "networks": [{"mode": "container", "name": name}]});
        accepted(&lab, &app);
        lab.waits_because(&format!("/{name}"), expected).unwrap();
    }
    lab.curl(&url).unwrap();
}

#[test]
fn a_missing_engine_is_named_and_used_once_it_is_there() {
    let lab = Lab::new("engine", With::Native).unwrap();
    let url = bystander(&lab);
    let app = json!({"id": "/needs-docker", "cpus": 0.1,
        "container": {"type": "DOCKER", "docker": {"image": "x"}}});
    accepted(&lab, &app);
    lab.waits_because("/needs-docker", "no docker that answers")
        .unwrap();
    lab.curl(&url).unwrap();
}

#[test]
fn bad_definitions_are_refused_with_their_place() {
    let lab = Lab::new("refused", With::Native).unwrap();
    let (status, body) = lab.post("{\"id\": \"/x\"").unwrap();
    assert_eq!(
        (status, body["message"].as_str()),
        (400, Some("Invalid JSON"))
    );
    let (status, body) = lab.post("{\"id\": 1, \"cmd\": 2}").unwrap();
    assert_eq!(status, 422);
    assert_eq!(body["details"].as_array().unwrap().len(), 2, "{body}");
    let label = json!({"id": "/x", "cmd": "sleep 1",
        "portDefinitions": [{"port": 0, "labels": {"VIP_0": "no-port"}}]});
    let (status, body) = lab.post(&label.to_string()).unwrap();
    assert_eq!(status, 422);
    assert_eq!(
        body["details"][0]["path"], "/portDefinitions(0)/labels/VIP_0",
        "{body}"
    );
}
