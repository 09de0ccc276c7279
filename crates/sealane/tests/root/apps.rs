//! From an app definition to its VIP.

use serde_json::json;
use testlab::wait_for;

use crate::definitions::{docker, example, native, native_example};
use crate::lab::{Lab, SOON, With};

#[test]
fn the_native_example_answers_at_its_vips() {
    let lab = Lab::new("native", With::Native).unwrap();
    lab.deploy(&native_example()).unwrap();
    let vip = lab.vip("myservice.marathon").unwrap();
    let instances = lab.answers(&format!("http://{vip}:6666/"), 3).unwrap();
    assert_eq!(instances.len(), 1, "{instances:?}");
    assert_eq!(
        lab.answers(&format!("http://{vip}:7777/"), 1).unwrap(),
        instances
    );
    // A port that the VIP does not have is refused at once, and so is a name's port.
    let refused = lab
        .curl(&format!("http://{vip}:6667/"))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("refused") || refused.contains("Couldn't connect"),
        "{refused}"
    );
    let task = &lab.tasks("/myservice").unwrap()[0];
    assert_eq!(task["state"], "TASK_RUNNING");
    assert_eq!(
        task["ipAddresses"][0]["ipAddress"],
        json!(lab.host.address().to_string())
    );
    assert_eq!(task["ports"].as_array().unwrap().len(), 2);
}

#[test]
fn the_docker_example_answers_by_name_from_inside_a_container() {
    let lab = Lab::new("docker", With::Docker).unwrap();
    lab.deploy(&example("myservice-docker.json")).unwrap();
    let docker = lab.docker.as_ref().unwrap();
    let container = docker.docker(&["ps", "-q"]).unwrap();
    for port in [6666, 7777] {
        let url = format!("http://myservice.marathon.l4lb.thisdcos.directory:{port}/");
        let curl = ["exec", &container, "curl", "-sS", "-m", "5", &url];
        let body = docker.docker(&curl).unwrap();
        assert!(body.contains("myservice.instance-"), "{body}");
    }
    let vip = lab.vip("myservice.marathon").unwrap();
    assert_eq!(
        lab.answers(&format!("http://{vip}:6666/"), 3)
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn both_engines_share_a_vip_and_calls_are_spread() {
    let lab = Lab::new("spread", With::Both).unwrap();
    lab.deploy(&native("/shop/native", "shop:80")).unwrap();
    lab.deploy(&docker("/shop/docker", "/shop:80")).unwrap();
    let vip = lab.vip("shop.marathon").unwrap();
    let url = format!("http://{vip}:80/");
    assert_eq!(lab.answers(&url, 40).unwrap().len(), 2);
    lab.sealane(&["app", "scale", "/shop/native", "3", "--wait"])
        .unwrap();
    assert_eq!(lab.answers(&url, 80).unwrap().len(), 4);
    lab.sealane(&["app", "delete", "/shop/docker", "--wait"])
        .unwrap();
    let names = lab.answers(&url, 40).unwrap();
    assert_eq!(names.len(), 3);
    assert!(
        names.iter().all(|name| name.starts_with("shop_native.")),
        "{names:?}"
    );
    assert_eq!(
        lab.docker.as_ref().unwrap().docker(&["ps", "-aq"]).unwrap(),
        ""
    );
}

#[test]
fn a_native_container_in_bridge_mode_has_its_own_address() {
    let lab = Lab::new("bridge", With::Native).unwrap();
    let mut app = native("/web", "web:80");
    app["networks"] = json!([{"mode": "container/bridge"}]);
    app["container"] = json!({"type": "MESOS", "portMappings": [
        {"containerPort": 8000, "hostPort": 0, "labels": {"VIP_0": "web:80"}}]});
    app["cmd"] = json!(format!("{} 8000", app["cmd"].as_str().unwrap()));
    app.as_object_mut().unwrap().remove("portDefinitions");
    lab.deploy(&app).unwrap();
    let task = &lab.tasks("/web").unwrap()[0];
    let address = task["ipAddresses"][0]["ipAddress"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(address.starts_with("172.31.254."), "{task}");
    let direct = lab.curl(&format!("http://{address}:8000/")).unwrap();
    let host_port = format!("http://{}:{}/", lab.host.address(), task["ports"][0]);
    assert_eq!(lab.curl(&host_port).unwrap(), direct);
    let vip = lab.vip("web.marathon").unwrap();
    assert_eq!(lab.curl(&format!("http://{vip}/")).unwrap(), direct);
}

#[test]
fn only_instances_that_passed_a_check_are_backends() {
    let lab = Lab::new("health", With::Native).unwrap();
    let gate = lab.host.directory().join("healthy");
    let mut app = native("/gated", "gated:80");
    app["healthChecks"] = json!([{
        "protocol": "COMMAND", "command": {"value": format!("test -e {}", gate.display())},
        "gracePeriodSeconds": 300, "intervalSeconds": 1, "timeoutSeconds": 5, "delaySeconds": 0,
        "maxConsecutiveFailures": 2}]);
    assert_eq!(lab.post(&app.to_string()).unwrap().0, 201);
    wait_for("the task to run", SOON, || {
        let tasks = lab.tasks("/gated").ok()?;
        (tasks.first()?["state"] == "TASK_RUNNING").then_some(())
    })
    .unwrap();
    let url = format!("http://{}/", lab.vip("gated.marathon").unwrap());
    assert!(
        lab.curl(&url).is_err(),
        "an instance that passed no check takes no traffic"
    );
    std::fs::write(&gate, "").unwrap();
    wait_for("the VIP to answer", SOON, || lab.curl(&url).ok()).unwrap();
    let first = lab.tasks("/gated").unwrap()[0]["id"].clone();
    // Failing it is ended and replaced, and the reason is kept.
    std::fs::remove_file(&gate).unwrap();
    wait_for("a replacement", SOON, || {
        let tasks = lab.tasks("/gated").ok()?;
        tasks.iter().any(|task| task["id"] != first).then_some(())
    })
    .unwrap();
    let app = lab.json("/v2/apps/gated").unwrap();
    let message = app["app"]["lastTaskFailure"]["message"].to_string();
    assert!(message.contains("failed 2 times in a row"), "{app}");
}
