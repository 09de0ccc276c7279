//! Health checks of every kind, asked of real containers.

use serde_json::{Value, json};
use testlab::wait_for;

use crate::definitions::docker;
use crate::lab::{Lab, SOON, With};
use crate::networks::native_on;

/// A check that is asked at once and often.
fn quick(check: Value) -> Value {
    let mut quick = json!({"gracePeriodSeconds": 60, "intervalSeconds": 1, "timeoutSeconds": 5,
        "delaySeconds": 0, "maxConsecutiveFailures": 3});
    let fields = quick.as_object_mut().unwrap();
    fields.extend(check.as_object().unwrap().clone());
    quick
}

/// Checks for a server on port `inside` of its container: all kinds, in sets as large
/// as Marathon allows, which is one check from inside the container for an app.
fn every_kind(inside: u16) -> [Value; 3] {
    let command = format!("echo hello | /bin/busybox nc -w 2 127.0.0.1 {inside}");
    [
        json!([
            quick(json!({"protocol": "HTTP", "path": "/health", "portIndex": 0})),
            quick(json!({"protocol": "TCP", "portIndex": 0})),
            quick(json!({"protocol": "MESOS_HTTP", "path": "/health", "portIndex": 0})),
        ]),
        json!([quick(json!({"protocol": "MESOS_TCP", "port": inside}))]),
        json!([quick(
            json!({"protocol": "COMMAND", "command": {"value": command}})
        )]),
    ]
}

#[test]
fn checks_of_every_kind_pass_in_both_engines() {
    let lab = Lab::new("checks", With::Both).unwrap();
    let bridge = json!([{"mode": "container/bridge"}]);
    let native = native_on("/native", "native:80", &bridge, Some(0));
    let docker = docker("/docker", "docker:80");
    let mut apps = Vec::new();
    for (app, inside) in [(native, 8000), (docker, 6666)] {
        for (index, checks) in every_kind(inside).into_iter().enumerate() {
            let mut app = app.clone();
            app["id"] = json!(format!("{}-{index}", app["id"].as_str().unwrap()));
            app["healthChecks"] = checks;
            apps.push(app);
        }
    }
    // A deployment is done when its instances are healthy.
    lab.deploy(&json!(apps)).unwrap();
    for app in &apps {
        let id = app["id"].as_str().unwrap();
        let shown = &lab.json(&format!("/v2/apps{id}")).unwrap()["app"];
        assert_eq!(shown["tasksHealthy"], 1, "{shown}");
        assert_eq!(shown["tasksUnhealthy"], 0, "{shown}");
        let task = &lab.tasks(id).unwrap()[0];
        let results = task["healthCheckResults"].as_array().unwrap();
        let checks = app["healthChecks"].as_array().unwrap();
        assert_eq!(results.len(), checks.len(), "{task}");
        for result in results {
            assert_eq!(result["alive"], true, "{task}");
            assert_eq!(result["consecutiveFailures"], 0, "{task}");
        }
    }
    for name in ["native.marathon", "docker.marathon"] {
        let url = format!("http://{}/", lab.vip(name).unwrap());
        assert_eq!(lab.answers(&url, 40).unwrap().len(), 3, "{name}");
    }
}

#[test]
fn an_instance_that_never_passes_takes_no_traffic_and_is_replaced() {
    let lab = Lab::new("unhealthy", With::Both).unwrap();
    // busybox' server answers 404 for what is not there, and / is a directory.
    let server = "mkdir -p /tmp/www; echo hello > /tmp/www/index.html; \
                  exec /bin/busybox httpd -f -h /tmp/www -p";
    let bridge = json!([{"mode": "container/bridge"}]);
    let mut native = native_on("/native", "native:80", &bridge, Some(0));
    native["cmd"] = json!(format!("{server} 8000"));
    let mut docker = docker("/docker", "docker:80");
    docker["cmd"] = json!(format!("{server} 6666"));
    for mut app in [native, docker] {
        app["taskKillGracePeriodSeconds"] = json!(1);
        app["healthChecks"] = json!([quick(json!({
            "protocol": "HTTP", "path": "/wrong", "portIndex": 0, "gracePeriodSeconds": 1,
            "maxConsecutiveFailures": 3}))]);
        assert_eq!(lab.post(&app.to_string()).unwrap().0, 201);
        let id = app["id"].as_str().unwrap();
        let name = format!("{}.marathon", id.trim_start_matches('/'));
        let url = format!("http://{}/", lab.vip(&name).unwrap());
        let (first, port) = wait_for("the task to run", SOON, || {
            let tasks = lab.tasks(id).ok()?;
            let task = tasks.first()?;
            let running = task["state"] == "TASK_RUNNING";
            running.then(|| (task["id"].clone(), task["ports"][0].clone()))
        })
        .unwrap();
        // It does serve, and its VIP leaves it alone until it is replaced.
        let direct = format!("http://{}:{port}/index.html", lab.host.address());
        wait_for("the server", SOON, || lab.curl(&direct).ok()).unwrap();
        let shown = wait_for("the failure", SOON, || {
            let answer = lab.curl(&url);
            assert!(answer.is_err(), "never healthy, and answers: {answer:?}");
            let shown = lab.json(&format!("/v2/apps{id}")).ok()?["app"].clone();
            assert_eq!(shown["tasksHealthy"], 0, "{shown}");
            shown.get("lastTaskFailure")?.get("taskId")?;
            Some(shown)
        })
        .unwrap();
        let failure = &shown["lastTaskFailure"];
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains("404"), "{failure}");
        assert!(message.contains("failed 3 times in a row"), "{failure}");
        assert_eq!(failure["taskId"], first, "{failure}");
        wait_for("a replacement", SOON, || {
            let tasks = lab.tasks(id).ok()?;
            (tasks.first()?["id"] != first).then_some(())
        })
        .unwrap();
    }
}
