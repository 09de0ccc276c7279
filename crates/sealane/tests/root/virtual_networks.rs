//! Virtual networks: made and deleted while a daemon runs, and kept over its restarts.

use serde_json::{Value, json};
use testlab::wait_for;

use crate::lab::{Lab, SOON, With, run};
use crate::networks::native_on;

/// What the daemon says of a network.
fn shown(lab: &Lab, name: &str) -> Option<Value> {
    lab.json(&format!("/v1/networks/{name}")).ok()
}

/// This node's nets of a network, once it has some.
fn block(lab: &Lab, name: &str) -> Value {
    let found = wait_for("a block", SOON, || {
        let network = shown(lab, name)?;
        let nodes = network["nodes"].as_array()?;
        let own = nodes.iter().find(|node| node["node"] == "n1")?;
        Some(own["blocks"].clone())
    });
    let blocks = found.unwrap_or_else(|error| panic!("{error:#}: {:?}", shown(lab, name)));
    let nets = blocks.as_array().unwrap().iter();
    nets.map(|block| block["net"].clone()).collect()
}

/// Waits until a problem of a network holds `text`.
fn problem(lab: &Lab, name: &str, text: &str) {
    let mut last = None;
    let told = wait_for("a problem", SOON, || {
        last = shown(lab, name);
        last.as_ref()?["problems"]
            .to_string()
            .contains(text)
            .then_some(())
    });
    told.unwrap_or_else(|error| panic!("{error:#}: {last:?}"));
}

fn has_configuration(lab: &Lab, name: &str) -> bool {
    lab.state
        .join(format!("cni/net.d/{name}.conflist"))
        .exists()
}

/// Runs `ip` on the lab's host.
fn ip(lab: &Lab, arguments: &str) {
    let mut ip = lab.host.command("ip");
    run(ip.args(arguments.split(' '))).unwrap();
}

#[test]
fn a_network_is_made_at_run_time_and_its_block_stays() {
    let mut lab = Lab::new("virtual", With::Native).unwrap();
    let dcos = block(&lab, "dcos");
    assert!(dcos[0].as_str().unwrap().starts_with("9."), "{dcos}");
    assert!(dcos[1].as_str().unwrap().starts_with("fd01:b:"), "{dcos}");
    let create = [
        "network",
        "create",
        "lab",
        "--subnet",
        "10.64.0.0/16",
        "--mtu",
        "1400",
    ];
    assert!(
        lab.sealane(&create)
            .unwrap()
            .starts_with("lab created, 10.64.0.0/16")
    );
    let own = block(&lab, "lab");
    let net = own[0].as_str().unwrap().to_owned();
    assert!(net.starts_with("10.64.") && net.ends_with(".0/24"), "{net}");
    let listed = lab.sealane(&["network", "list"]).unwrap();
    assert!(
        listed.contains("lab") && listed.contains("255/256"),
        "{listed}"
    );
    let whole = lab.sealane(&["network", "show", "lab"]).unwrap();
    assert!(whole.contains(&net) && whole.contains("1400"), "{whole}");
    wait_for("the configuration", SOON, || {
        has_configuration(&lab, "lab").then_some(())
    })
    .unwrap();
    // The same node has the same addresses, however its daemon ended.
    lab.stop().unwrap();
    lab.start().unwrap();
    assert_eq!(
        (block(&lab, "lab"), block(&lab, "dcos")),
        (own.clone(), dcos.clone())
    );
    lab.kill().unwrap();
    lab.start().unwrap();
    assert_eq!((block(&lab, "lab"), block(&lab, "dcos")), (own, dcos));

    // Deleted, and given back: nothing is left of it.
    let deleted = lab.sealane(&["network", "delete", "lab"]).unwrap();
    assert!(deleted.starts_with("lab deleted"), "{deleted}");
    let gone = wait_for("the block to be given back", SOON, || {
        let left = lab.json("/v1/networks").ok()?["problems"].as_array()?.len();
        (left == 0 && !has_configuration(&lab, "lab")).then_some(())
    });
    gone.unwrap();
    let missing = lab.sealane_output(&["network", "show", "lab"]).unwrap();
    let error = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(error.contains("`sealane network list` shows"), "{error}");
    // A default that was deleted does not come back.
    lab.sealane(&["network", "delete", "dcos"]).unwrap();
    lab.stop().unwrap();
    lab.start().unwrap();
    assert!(shown(&lab, "dcos").is_none());
}

#[test]
fn overlaps_are_told_before_anything_fails() {
    let lab = Lab::new("overlap", With::Native).unwrap();
    let create = ["network", "create", "lab", "--subnet", "10.64.0.0/16"];
    lab.sealane(&create).unwrap();
    block(&lab, "lab");
    let host = format!("{}/16", lab.host.address());
    for (subnet, says) in [
        ("10.64.128.0/20", "overlaps 10.64.0.0/16 of network 'lab'"),
        ("11.0.0.0/16", "overlaps 11.0.0.0/8 of the VIPs"),
        (host.as_str(), "has host bits"),
        (host.as_str(), "of interface"),
    ] {
        let create = ["network", "create", "other", "--subnet", subnet];
        let refused = lab.sealane_output(&create).unwrap();
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(65), "{subnet}: {error}");
        assert!(error.contains(says), "{subnet}: {error}");
    }
    // What comes later is found as well.
    ip(&lab, "link add tun7 type bridge");
    ip(&lab, "address add 10.64.200.1/24 dev tun7");
    ip(&lab, "link set tun7 up");
    ip(&lab, "route add 10.64.64.0/20 via 10.64.200.9 dev tun7");
    problem(
        &lab,
        "lab",
        "10.64.0.0/16 overlaps 10.64.200.0/24 of interface tun7",
    );
    problem(
        &lab,
        "lab",
        "overlaps 10.64.64.0/20 of the route through tun7",
    );
    let status = lab.sealane(&["status"]).unwrap();
    assert!(
        status.contains("network 'lab': 10.64.0.0/16 overlaps"),
        "{status}"
    );
    let create = ["network", "create", "other", "--subnet", "10.64.64.0/24"];
    let refused = lab.sealane_output(&create).unwrap();
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("of the route through tun7"), "{error}");
    ip(&lab, "link delete tun7");
    wait_for("the problems to be over", SOON, || {
        let problems = shown(&lab, "lab")?["problems"].as_array()?.len();
        (problems == 0).then_some(())
    })
    .unwrap();
}

#[test]
fn networks_of_the_configuration() {
    let mut lab = Lab::new("netconf", With::Native).unwrap();
    let office = |more: &str| {
        format!(
            "[networks]\ndefaults = false\n[[networks.network]]\nname = 'office'\n\
             subnet = '10.98.0.0/16'\nblock = 26\nsubnet6 = 'fd98::/64'\n{more}"
        )
    };
    lab.configure(&office("")).unwrap();
    lab.stop().unwrap();
    lab.start().unwrap();
    let own = block(&lab, "office");
    assert!(own[0].as_str().unwrap().ends_with("/26"), "{own}");
    assert!(own[1].as_str().unwrap().starts_with("fd98:"), "{own}");
    // One that differs is reported, and stays as it is.
    lab.configure(&office("mtu = 1300\n")).unwrap();
    lab.stop().unwrap();
    lab.start().unwrap();
    let status = lab.sealane(&["status"]).unwrap();
    assert!(
        status.contains("network 'office' is not as the configuration says"),
        "{status}"
    );
    assert_eq!(block(&lab, "office"), own);
    assert_eq!(shown(&lab, "office").unwrap()["mtu"], Value::Null);
}

/// What a command that must fail says.
fn fails(lab: &Lab, arguments: &[&str]) -> String {
    let output = lab.sealane_output(arguments).unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?}: {text}");
    text
}

#[test]
fn a_network_with_tasks_is_not_deleted_and_without_them_it_is() {
    let lab = Lab::new("inuse", With::Native).unwrap();
    lab.cni_ready().unwrap();
    // Whoever comes before the network is told what is missing.
    let networks = json!([{"mode": "container", "name": "lab"}]);
    let app = native_on("/web", "web:80", &networks, None);
    assert_eq!(lab.post(&app.to_string()).unwrap().0, 201);
    lab.waits_because("/web", "node n1 knows no network 'lab'")
        .unwrap();
    let create = ["network", "create", "lab", "--subnet", "10.64.0.0/16"];
    lab.sealane(&create).unwrap();
    lab.sealane(&[
        "app",
        "restart",
        "web",
        "--force",
        "--wait",
        "--timeout",
        "60s",
    ])
    .unwrap();
    let task = &lab.tasks("/web").unwrap()[0];
    let (id, own) = (&task["id"], &task["ipAddresses"][0]["ipAddress"]);
    assert!(own.as_str().unwrap().starts_with("10.64."), "{task}");
    let vip = lab.vip("web.marathon").unwrap();
    let answer = lab.curl(&format!("http://{vip}/")).unwrap();
    assert_eq!(answer.trim(), format!("{} 8000", id.as_str().unwrap()));
    let network = shown(&lab, "lab").unwrap();
    let block = &network["nodes"][0]["blocks"][0];
    assert_eq!(block["used"], 1, "{network}");
    assert_eq!(block["leases"][0]["address"], *own);
    let holder = format!("{}/eth0", id.as_str().unwrap());
    assert_eq!(block["leases"][0]["holder"], holder.as_str());
    let refused = fails(&lab, &["network", "delete", "lab"]);
    assert!(refused.contains(id.as_str().unwrap()) && refused.contains("scale their apps"));
    lab.sealane(&["app", "delete", "web", "--wait"]).unwrap();
    let deleted = wait_for("the network to be unused", SOON, || {
        lab.sealane(&["network", "delete", "lab"]).ok()
    });
    deleted.unwrap();
    wait_for("the block to be given back", SOON, || {
        let left = lab.json("/v1/networks").ok()?["problems"].as_array()?.len();
        (left == 0).then_some(())
    })
    .unwrap();
}
