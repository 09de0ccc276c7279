//! Virtual networks in Docker, for people who use it by hand.

use std::net::IpAddr;

use testlab::wait_for;

use crate::lab::{Lab, SOON, With};

/// Waits until Docker knows, or no longer knows, a network.
fn until_known(lab: &Lab, network: &str, wanted: bool) {
    let docker = lab.docker.as_ref().unwrap();
    wait_for("Docker to hear of a network", SOON, || {
        let known = docker.docker(&["network", "inspect", network]).is_ok();
        (known == wanted).then_some(())
    })
    .unwrap();
}

/// Addresses of a container, IPv4 first.
fn addresses(lab: &Lab, container: &str) -> Vec<IpAddr> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
    let docker = lab.docker.as_ref().unwrap();
    let text = docker
        .docker(&["inspect", "-f", format, container])
        .unwrap();
    text.split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect()
}

#[test]
fn docker_run_joins_a_virtual_network_by_its_name() {
    let lab = Lab::new("by-hand", With::Docker).unwrap();
    let docker = lab.docker.as_ref().unwrap();
    until_known(&lab, "dcos", true);
    let run = [
        "run",
        "-d",
        "--name",
        "hand",
        "--network",
        "dcos",
        "--label",
        "VIP_0=hand:80",
        "--label",
        "sealane.port=6666",
        "-p",
        "8099:6666",
        "chrisrc/myservice",
    ];
    docker.docker(&run).unwrap();
    let own = addresses(&lab, "hand");
    assert!(own[0].to_string().starts_with("9."), "{own:?}");
    assert!(own[1].to_string().starts_with("fd01:b:"), "{own:?}");
    for url in [
        format!("http://{}:6666/", own[0]),
        format!("http://[{}]:6666/", own[1]),
        format!("http://{}:8099/", lab.host.address()),
    ] {
        wait_for("the container to answer", SOON, || lab.curl(&url).ok()).unwrap();
    }
    let shown = lab.sealane(&["network", "show", "dcos"]).unwrap();
    assert!(shown.contains(&own[0].to_string()), "{shown}");
    let vip = lab.vip("hand.docker").unwrap();
    wait_for("the VIP to answer", SOON, || {
        lab.curl(&format!("http://{vip}/")).ok()
    })
    .unwrap();
    docker.docker(&["rm", "-f", "hand"]).unwrap();
    let shown = lab.sealane(&["network", "show", "dcos"]).unwrap();
    assert!(!shown.contains(&own[0].to_string()), "{shown}");
}

#[test]
fn networks_come_to_docker_and_go_and_others_stay() {
    let lab = Lab::new("to-docker", With::Docker).unwrap();
    let docker = lab.docker.as_ref().unwrap();
    docker
        .docker(&["network", "create", "--subnet", "10.78.9.0/24", "theirs"])
        .unwrap();
    lab.sealane(&[
        "network",
        "create",
        "lab",
        "--subnet",
        "10.66.0.0/16",
        "--block",
        "24",
    ])
    .unwrap();
    until_known(&lab, "lab", true);
    // An address of this node's block can be asked for by hand.
    let run = [
        "run",
        "-d",
        "--name",
        "one",
        "--network",
        "lab",
        "chrisrc/myservice",
    ];
    docker.docker(&run).unwrap();
    let IpAddr::V4(first) = addresses(&lab, "one")[0] else {
        panic!("no IPv4 address");
    };
    let [a, b, c, _] = first.octets();
    let wanted = format!("{a}.{b}.{c}.200");
    let run = [
        "run",
        "-d",
        "--name",
        "two",
        "--network",
        "lab",
        "--ip",
        &wanted,
        "chrisrc/myservice",
    ];
    docker.docker(&run).unwrap();
    assert_eq!(addresses(&lab, "two")[0].to_string(), wanted);
    docker.docker(&["rm", "-f", "one", "two"]).unwrap();
    lab.sealane(&["network", "delete", "lab"]).unwrap();
    until_known(&lab, "lab", false);
    until_known(&lab, "theirs", true);
}

#[test]
fn a_network_that_changed_while_docker_was_away_is_made_anew() {
    let mut lab = Lab::new("anew", With::Docker).unwrap();
    let create = |lab: &Lab, subnet: &str| {
        let words = ["network", "create", "lab", "--block", "24", "--subnet"];
        lab.sealane(&[&words[..], &[subnet]].concat()).unwrap();
    };
    create(&lab, "10.66.0.0/16");
    until_known(&lab, "lab", true);
    lab.docker.as_mut().unwrap().crash().unwrap();
    lab.sealane(&["network", "delete", "lab"]).unwrap();
    wait_for("the node to forget the network", SOON, || {
        lab.sealane(&["network", "show", "lab"])
            .is_err()
            .then_some(())
    })
    .unwrap();
    create(&lab, "10.67.0.0/16");
    let mut docker = lab.docker.take().unwrap();
    docker.restart(&lab.host).unwrap();
    let docker = &*lab.docker.insert(docker);
    let format = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
    wait_for("Docker's network to have the new addresses", SOON, || {
        let subnet = docker
            .docker(&["network", "inspect", "-f", format, "lab"])
            .ok()?;
        (subnet.trim() == "10.67.0.0/16").then_some(())
    })
    .unwrap();
    let run = [
        "run",
        "-d",
        "--name",
        "one",
        "--network",
        "lab",
        "chrisrc/myservice",
    ];
    docker.docker(&run).unwrap();
    let own = addresses(&lab, "one");
    assert!(own[0].to_string().starts_with("10.67."), "{own:?}");
    let docker = lab.docker.as_ref().unwrap();
    docker.docker(&["rm", "-f", "one"]).unwrap();
}

#[test]
fn a_docker_network_of_the_same_name_is_left_alone_and_reported() {
    let lab = Lab::new("same-name", With::Docker).unwrap();
    let docker = lab.docker.as_ref().unwrap();
    docker
        .docker(&["network", "create", "--subnet", "10.78.8.0/24", "twin"])
        .unwrap();
    lab.sealane(&[
        "network",
        "create",
        "twin",
        "--subnet",
        "10.67.0.0/16",
        "--block",
        "24",
    ])
    .unwrap();
    let status = wait_for("the clash to be reported", SOON, || {
        let status = lab.get("/v1/status").ok()?;
        status
            .contains("a network 'twin' of driver 'bridge'")
            .then_some(status)
    });
    status.unwrap();
    let format = "{{.Driver}}";
    let driver = docker
        .docker(&["network", "inspect", "-f", format, "twin"])
        .unwrap();
    assert_eq!(driver, "bridge");
}
