//! Networks of containers: their own addresses, and VIPs across all of them.

use serde_json::{Value, json};
use testlab::wait_for;

use crate::clients::{by_name, docker_client, native_client, until_answered};
use crate::definitions::{docker, native};
use crate::lab::{Lab, SOON, With, myservice};

/// The server as a native app on `networks`, on port 8000 behind `vip`.
pub(crate) fn native_on(id: &str, vip: &str, networks: &Value, host_port: Option<u16>) -> Value {
    let mut mapping = json!({"containerPort": 8000, "labels": {"VIP_0": vip}});
    if let Some(port) = host_port {
        mapping["hostPort"] = json!(port);
    }
    json!({
        "id": id, "cpus": 0.1, "mem": 32, "networks": networks,
        "cmd": format!("exec {} 8000", myservice().unwrap().display()),
        "container": {"type": "MESOS", "portMappings": [mapping]},
    })
}

/// Writes a CNI network of the reference plugins, as an operator would.
fn yard(lab: &Lab) {
    let leases = lab.host.directory().join("leases");
    let config = json!({"cniVersion": "0.4.0", "name": "yard", "plugins": [
        {"type": "bridge", "bridge": "yard0", "isGateway": true, "ipMasq": true,
         "hairpinMode": true,
         "ipam": {"type": "host-local", "subnet": "10.77.0.0/24", "dataDir": leases,
                  "routes": [{"dst": "0.0.0.0/0"}]}}]});
    let path = lab.networks().join("10-yard.conflist");
    std::fs::write(path, config.to_string()).unwrap();
}

/// The first address of an app's only task.
fn address(lab: &Lab, app: &str) -> String {
    let task = &lab.tasks(app).unwrap()[0];
    let address = task["ipAddresses"][0]["ipAddress"].as_str();
    address.unwrap_or_else(|| panic!("{task}")).to_owned()
}

#[test]
fn a_cni_network_by_its_name() {
    let lab = Lab::new("cni", With::Native).unwrap();
    yard(&lab);
    let network = json!([{"mode": "container", "name": "yard"}]);
    lab.deploy(&native_on("/web", "web:80", &network, None))
        .unwrap();
    let instance = lab.instance("/web").unwrap();
    let own = address(&lab, "/web");
    assert!(own.starts_with("10.77.0."), "{own}");
    let task = &lab.tasks("/web").unwrap()[0];
    assert_eq!(task["ports"], json!([]), "no host port was asked for");
    let expected = format!("{instance} 8000");
    let vip = lab.vip("web.marathon").unwrap();
    let answer = lab.curl(&format!("http://{vip}/")).unwrap();
    assert_eq!(answer.trim(), expected);
    // From a neighbour by name, and from elsewhere not at all, which is said at once.
    let call = until_answered(&by_name("web", 80));
    lab.deploy(&native_client("/neighbour", &network, &call))
        .unwrap();
    assert_eq!(lab.printed("/neighbour").unwrap(), expected);
    assert!(address(&lab, "/neighbour").starts_with("10.77.0."));
    assert_ne!(address(&lab, "/neighbour"), own);
    let bridge = json!([{"mode": "container/bridge"}]);
    let call = format!("curl -sS -m 9 {}; echo exit $?", by_name("web", 80));
    lab.deploy(&native_client("/stranger", &bridge, &call))
        .unwrap();
    assert_eq!(lab.printed("/stranger").unwrap(), "exit 7");
    old_forms_of_native_apps(&lab);
}

/// What Marathon took before 1.5, on the network `yard`.
fn old_forms_of_native_apps(lab: &Lab) {
    let server = myservice().unwrap();
    let discovery = json!({"id": "/old", "cpus": 0.1, "mem": 32,
        "cmd": format!("exec {} 8000", server.display()),
        "ipAddress": {"networkName": "yard", "labels": {"VIP_0": "ignored:1"}, "discovery": {
            "ports": [{"number": 8000, "name": "web", "protocol": "tcp",
                       "labels": {"VIP_0": "old:80"}}]}}});
    lab.deploy(&discovery).unwrap();
    assert!(address(lab, "/old").starts_with("10.77.0."));
    let vip = lab.vip("old.marathon").unwrap();
    let answer = lab.curl(&format!("http://{vip}/")).unwrap();
    assert_eq!(
        answer.trim(),
        format!("{} 8000", lab.instance("/old").unwrap())
    );
    // The oldest form of a VIP is a label of the app.
    let ports = json!({"id": "/ports", "cpus": 0.1, "mem": 32, "ports": [0, 0],
        "cmd": format!("exec {}", server.display()),
        "labels": {"VIP_PORT1": "tcp://11.1.2.3:99"}});
    lab.deploy(&ports).unwrap();
    let task = &lab.tasks("/ports").unwrap()[0];
    let host_ports = task["ports"].as_array().unwrap();
    assert_eq!(host_ports.len(), 2, "{task}");
    for port in host_ports {
        let url = format!("http://{}:{port}/", lab.host.address());
        wait_for("the server", SOON, || lab.curl(&url).ok()).unwrap();
    }
    let answer = lab.curl("http://11.1.2.3:99/").unwrap();
    let expected = format!("{} {}", lab.instance("/ports").unwrap(), host_ports[1]);
    assert_eq!(answer.trim(), expected);
}

/// The server as a Docker app on a network of Docker's.
fn docker_on(id: &str, vip: &str, network: &str, host_port: Option<u16>) -> Value {
    let mut app = docker(id, vip);
    app["networks"] = json!([{"mode": "container", "name": network}]);
    let mapping = &mut app["container"]["portMappings"][0];
    match host_port {
        Some(port) => mapping["hostPort"] = json!(port),
        None => drop(mapping.as_object_mut().unwrap().remove("hostPort")),
    }
    app
}

#[test]
fn a_docker_network_by_its_name() {
    let lab = Lab::new("user", With::Docker).unwrap();
    let docker = lab.docker.as_ref().unwrap();
    for (name, subnet) in [("yard", "10.78.1.0/24"), ("street", "10.78.2.0/24")] {
        let create = ["network", "create", "--subnet", subnet, name];
        docker.docker(&create).unwrap();
    }
    lab.deploy(&docker_on("/web", "web:80", "yard", None))
        .unwrap();
    let expected = format!("{} 6666", lab.instance("/web").unwrap());
    assert!(address(&lab, "/web").starts_with("10.78.1."));
    let vip = lab.vip("web.marathon").unwrap();
    let answer = lab.curl(&format!("http://{vip}/")).unwrap();
    assert_eq!(answer.trim(), expected);
    for (id, network) in [("/neighbour", "yard"), ("/stranger", "street")] {
        let networks = json!([{"mode": "container", "name": network}]);
        lab.deploy(&docker_client(id, &networks)).unwrap();
    }
    let url = by_name("web", 80);
    let answer = lab.answer_in("/neighbour", &url).unwrap();
    assert_eq!(answer.trim(), expected);
    let script = format!("curl -sS -m 9 {url} 2>&1; echo exit $?");
    let refused = lab.exec("/stranger", &["sh", "-c", &script]).unwrap();
    assert!(refused.ends_with("exit 7"), "{refused}");
    // The same in the words of Marathon before 1.5.
    let old = json!({"id": "/old", "cpus": 0.1, "mem": 32,
        "ipAddress": {"networkName": "yard"},
        "container": {"type": "DOCKER", "docker": {
            "image": "chrisrc/myservice", "network": "USER",
            "portMappings": [{"containerPort": 6666, "labels": {"VIP_0": "old:80"}}]}}});
    lab.deploy(&old).unwrap();
    assert!(address(&lab, "/old").starts_with("10.78.1."));
    let answer = lab.answer_in("/neighbour", &by_name("old", 80)).unwrap();
    assert_eq!(
        answer.trim(),
        format!("{} 6666", lab.instance("/old").unwrap())
    );
}

#[test]
fn every_kind_of_container_reaches_every_kind_and_itself() {
    let lab = Lab::new("kinds", With::Both).unwrap();
    let engine = lab.docker.as_ref().unwrap();
    let create = ["network", "create", "--subnet", "10.78.3.0/24", "yard"];
    engine.docker(&create).unwrap();
    let bridge = json!([{"mode": "container/bridge"}]);
    let mut itself = native_on("/native", "native:80", &bridge, Some(0));
    // This one calls its own VIP, besides serving.
    let calls_itself = format!(
        "trap 'exit 0' TERM\n{} 8000 >&2 &\n{}\necho; echo the script is done\nwait",
        myservice().unwrap().display(),
        until_answered(&by_name("native", 80)),
    );
    itself["cmd"] = json!(calls_itself);
    lab.deploy(&itself).unwrap();
    lab.deploy(&docker("/docker", "docker:80")).unwrap();
    lab.deploy(&docker_on("/user", "user:80", "yard", Some(0)))
        .unwrap();
    lab.deploy(&native("/host", "host:80")).unwrap();
    let apps = ["native", "docker", "user", "host"];
    let instances = apps.map(|app| lab.instance(&format!("/{app}")).unwrap());
    let printed = lab.printed("/native").unwrap();
    assert_eq!(printed, format!("{} 8000", instances[0]), "hairpin");
    for client in ["/docker", "/user"] {
        for (app, instance) in apps.iter().zip(&instances) {
            let answer = lab.answer_in(client, &by_name(app, 80)).unwrap();
            assert!(answer.starts_with(instance), "{client} to {app}: {answer}");
        }
    }
    for (id, networks) in [("/bridged", bridge), ("/hosted", json!([{"mode": "host"}]))] {
        let calls = apps.map(|app| until_answered(&by_name(app, 80)));
        lab.deploy(&native_client(id, &networks, &calls.join("\n")))
            .unwrap();
        let printed = lab.printed(id).unwrap();
        let lines: Vec<_> = printed.lines().collect();
        assert_eq!(lines.len(), apps.len(), "{printed}");
        for (line, instance) in lines.iter().zip(&instances) {
            assert!(line.starts_with(instance), "{id}: {printed}");
        }
    }
}
