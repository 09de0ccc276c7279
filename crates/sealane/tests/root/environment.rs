//! What a process sees of its place, and what is left of it afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testlab::wait_for;

use crate::clients::native_client;
use crate::lab::{Lab, SOON, With};

fn variables(printed: &str) -> BTreeMap<&str, &str> {
    printed
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect()
}

#[test]
fn variables_in_every_kind_of_container() {
    let lab = Lab::new("environment", With::Both).unwrap();
    let bridge = json!([{"mode": "container/bridge"}]);
    let mapping = json!([{"containerPort": 8000, "hostPort": 0, "name": "web"},
                         {"containerPort": 9000, "hostPort": 0}]);
    let script = "/bin/busybox env";
    let mut hosted = native_client("/deep/hosted", &json!([{"mode": "host"}]), script);
    hosted["portDefinitions"] = json!([{"port": 0, "name": "web"}, {"port": 0}]);
    let mut bridged = native_client("/deep/bridged", &bridge, script);
    bridged["container"]["portMappings"] = mapping.clone();
    let mut docker = native_client("/deep/docker", &bridge, script);
    docker["container"] = json!({"type": "DOCKER", "portMappings": mapping,
        "docker": {"image": "chrisrc/myservice"}});
    for mut app in [hosted, bridged, docker] {
        app["env"] = json!({"GREETING": "hello  world", "PORT1": "mine"});
        app["labels"] = json!({"team": "blue"});
        lab.deploy(&app).unwrap();
        let id = app["id"].as_str().unwrap();
        let task = &lab.tasks(id).unwrap()[0];
        let printed = lab.printed(id).unwrap();
        let seen = variables(&printed);
        let ports: Vec<String> = task["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        let address = lab.host.address().to_string();
        for (name, value) in [
            ("PORT0", ports[0].as_str()),
            ("PORT_WEB", &ports[0]),
            ("PORT", &ports[0]),
            ("PORTS", &ports.join(",")),
            ("PORT1", "mine"),
            ("HOST", &address),
            ("MARATHON_APP_ID", id),
            ("MARATHON_APP_LABEL_TEAM", "blue"),
            ("MESOS_TASK_ID", task["id"].as_str().unwrap()),
            ("GREETING", "hello  world"),
        ] {
            assert_eq!(seen.get(name), Some(&value), "{name} of {id}: {printed}");
        }
    }
}

#[test]
fn logs_outlive_a_command_that_fails() {
    let lab = Lab::new("failing", With::Both).unwrap();
    let native = json!({"id": "/native", "cpus": 0.1, "mem": 32,
        "cmd": "echo out of luck; echo in detail >&2; exit 42"});
    let mut docker = native.clone();
    docker["id"] = json!("/docker");
    docker["container"] = json!({"type": "DOCKER", "docker": {"image": "chrisrc/myservice"}});
    for app in [&native, &docker] {
        assert_eq!(lab.post(&app.to_string()).unwrap().0, 201);
    }
    for id in ["/native", "/docker"] {
        let failure = wait_for("the failure", SOON, || {
            let shown = lab.json(&format!("/v2/apps{id}")).ok()?;
            let failure = shown["app"]["lastTaskFailure"].clone();
            let task = failure["taskId"].as_str()?;
            // Only when the task is gone is this about what is left of it.
            let gone = lab.tasks(id).ok()?.iter().all(|it| it["id"] != task);
            gone.then_some(failure)
        })
        .unwrap();
        assert_eq!(failure["state"], "TASK_FAILED", "{failure}");
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains("exit code 42"), "{failure}");
        let task = failure["taskId"].as_str().unwrap();
        let stdout = lab.sealane(&["task", "logs", task]).unwrap();
        assert_eq!(stdout, "out of luck\n", "{id}");
        let stderr = lab.sealane(&["task", "logs", task, "--stderr"]).unwrap();
        assert_eq!(stderr, "in detail\n", "{id}");
    }
    let unknown = "native.instance-00000000-0000-0000-0000-000000000000._app.1";
    let output = lab.sealane_output(&["task", "logs", unknown]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(unknown), "{said}");
}

#[test]
fn a_task_has_its_grace_to_end() {
    let lab = Lab::new("grace", With::Both).unwrap();
    // One that needs a second and takes it, and one that would never end.
    let slow = "trap 'echo got it; sleep 1; echo tidied up; exit 0' TERM\n\
                echo ready; while :; do sleep 0.1; done";
    let deaf = "trap 'echo got it' TERM\necho ready; while :; do sleep 0.1; done";
    let image = json!({"type": "DOCKER", "docker": {"image": "chrisrc/myservice"}});
    for (id, script, grace, container) in [
        ("/slow", slow, 30, None),
        ("/slow-docker", slow, 30, Some(&image)),
        ("/deaf", deaf, 2, None),
        ("/deaf-docker", deaf, 2, Some(&image)),
    ] {
        let mut app = json!({"id": id, "cpus": 0.1, "mem": 32, "cmd": script,
            "taskKillGracePeriodSeconds": grace});
        if let Some(container) = container {
            app["container"] = container.clone();
        }
        lab.deploy(&app).unwrap();
        wait_for("the trap to be set", SOON, || {
            let printed = lab.sealane(&["task", "logs", id]).ok()?;
            printed.contains("ready").then_some(())
        })
        .unwrap();
        let task = lab.instance(id).unwrap();
        let began = Instant::now();
        lab.sealane(&["app", "scale", id, "0", "--wait"]).unwrap();
        let took = began.elapsed();
        let printed = lab.sealane(&["task", "logs", &task]).unwrap();
        assert!(printed.contains("got it"), "{id}: {printed}");
        let polite = script == slow;
        assert_eq!(printed.contains("tidied up"), polite, "{id}: {printed}");
        let least = Duration::from_secs(if polite { 1 } else { 2 });
        assert!(took >= least, "{id} had only {took:?}");
        // Ended by itself, long before the grace was over.
        assert!(!polite || took < Duration::from_secs(25), "{id}: {took:?}");
    }
}
