//! Containers on a virtual network that are kept apart by their groups.

use std::time::Duration;

use serde_json::{Value, json};
use testlab::wait_for;

use crate::lab::{Lab, SOON, With, myservice};

/// The port that every app listens on.
const PORT: u16 = 8000;

/// The server as a native app with these groups.
fn grouped(id: &str, groups: &str) -> Value {
    let mut network = json!({"mode": "container", "name": "dcos"});
    if !groups.is_empty() {
        network["labels"] = json!({"sealane.groups": groups});
    }
    json!({
        "id": id, "cpus": 0.05, "mem": 32, "networks": [network],
        "cmd": format!("exec {} {PORT}", myservice().unwrap().display()),
        "container": {"type": "MESOS", "portMappings": [{"containerPort": PORT}]},
    })
}

/// The address of an app's only task.
fn address(lab: &Lab, app: &str) -> String {
    let task = &lab.tasks(app).unwrap()[0];
    let all = task["ipAddresses"].as_array().unwrap().iter();
    let mut v4 = all.filter_map(|it| it["ipAddress"].as_str().filter(|ip| ip.contains('.')));
    v4.next().unwrap().to_owned()
}

/// Whether a process in the network namespace of one app's task gets an answer of another.
fn reaches(lab: &Lab, from: &str, to: &str) -> bool {
    let instance = lab.instance(from).unwrap();
    let netns = lab.state.join("run/netns").join(instance);
    let url = format!("http://{}:{PORT}/", address(lab, to));
    let mut command = lab.host.command("nsenter");
    command.arg(format!("--net={}", netns.display()));
    let output = command
        .args(["curl", "-sS", "-m", "2", &url])
        .output()
        .unwrap();
    output.status.success()
}

#[test]
fn apps_talk_only_when_they_share_a_group() {
    let lab = Lab::new("groups", With::Native).unwrap();
    for (id, groups) in [
        ("/web", "a"),
        ("/db", "a,b"),
        ("/other", "c"),
        ("/plain", ""),
    ] {
        lab.deploy(&grouped(id, groups)).unwrap();
    }
    for (from, to, allowed) in [
        ("/web", "/db", true),
        ("/db", "/web", true),
        ("/web", "/other", false),
        ("/other", "/db", false),
        ("/plain", "/web", false),
        ("/web", "/plain", false),
    ] {
        assert_eq!(reaches(&lab, from, to), allowed, "{from} to {to}");
    }
    for app in ["/web", "/db", "/other", "/plain"] {
        let url = format!("http://{}:{PORT}/", address(&lab, app));
        lab.curl(&url).expect("the host reaches everybody");
    }
    let why = lab.sealane(&["group", "why", "/web", "/other"]).unwrap();
    assert!(why.contains('a') && why.contains('c'), "{why}");

    // A change of groups holds without waiting for tasks to be replaced.
    lab.deploy(&grouped("/other", "c,a")).unwrap();
    let joined = wait_for("groups to change", SOON, || {
        reaches(&lab, "/web", "/other").then_some(())
    });
    joined.unwrap();
    lab.deploy(&grouped("/other", "c")).unwrap();
    wait_for("groups to change back", Duration::from_secs(60), || {
        (!reaches(&lab, "/web", "/other")).then_some(())
    })
    .unwrap();
}
