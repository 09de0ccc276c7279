//! Endpoints come, are looked at and go.

use std::net::IpAddr;

use cni::PortMap;
use netlink::netns;
use networks::{FabricError, HolderKind};
use testlab::wait_for;

use super::lab::{Node, dcos, id, network, sh};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_endpoint_is_what_was_asked_for() {
    let node = Node::new("life");
    let mut shop = dcos();
    shop.network.mtu = Some(1420);
    let fabric = node.with(&[shop]);
    let netns = node.container("a");
    let mut request = node.request("a", "dcos");
    request.wanted = vec![ip("fd01:b::1:0:0:77"), ip("9.0.1.77")];
    request.mac = Some("02:42:0A:00:00:05".to_owned());
    let endpoint = node.run(fabric.add(request.clone())).unwrap();
    let shown: Vec<String> = endpoint.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["9.0.1.77/32", "fd01:b::1:0:0:77/128"]);
    assert_eq!(endpoint.gateways, [ip("169.254.1.1"), ip("fe80::1")]);
    assert_eq!(
        (endpoint.mac.as_str(), endpoint.mtu),
        ("02:42:0a:00:00:05", 1420)
    );
    let inside = sh(
        &netns,
        "ip -o link show eth0; ip -o addr show eth0; ip route; ip -6 route",
    );
    for part in [
        "mtu 1420",
        "02:42:0a:00:00:05",
        "inet 9.0.1.77/32",
        "inet6 fd01:b::1:0:0:77/128",
        "default via 169.254.1.1 dev eth0",
        "default via fe80::1 dev eth0",
    ] {
        assert!(inside.contains(part), "{part} is missing: {inside}");
    }
    assert!(!inside.contains("tentative"), "{inside}");
    assert_eq!(node.links(), [endpoint.host_interface.as_str()]);
    let outside = node.sh(&format!("ip link show {}", endpoint.host_interface));
    assert!(
        outside.contains("a/eth0 on dcos") && outside.contains(&endpoint.host_mac),
        "{outside}"
    );

    request.mtu = Some(1400);
    let other = node.run(fabric.add(request)).unwrap_err();
    assert!(matches!(other, FabricError::Different { .. }), "{other}");
    node.run(fabric.check(&id("a"))).unwrap();
    node.run(fabric.del(&id("a"))).unwrap();
    node.assert_clean();
}

#[test]
fn adding_and_deleting_can_be_repeated_also_by_another_daemon() {
    let node = Node::new("again");
    let fabric = node.with(&[dcos()]);
    node.container("a");
    let first = node.run(fabric.add(node.request("a", "dcos"))).unwrap();
    assert_eq!(
        node.run(fabric.add(node.request("a", "dcos"))).unwrap(),
        first
    );
    let restarted = node.with(&[dcos()]);
    assert_eq!(
        node.run(restarted.add(node.request("a", "dcos"))).unwrap(),
        first
    );
    node.container("b");
    let second = node.run(restarted.add(node.request("b", "dcos"))).unwrap();
    assert_ne!(second.addresses, first.addresses);
    assert!(
        node.run(restarted.reconcile(&[].into()))
            .unwrap()
            .endpoints
            .is_empty()
    );
    for name in ["a", "a", "b", "never"] {
        node.run(restarted.del(&id(name))).unwrap();
    }
    node.assert_clean();
    let absent = node.run(restarted.check(&id("a"))).unwrap_err();
    assert!(matches!(absent, FabricError::Absent(_)), "{absent}");
}

#[test]
fn a_container_that_was_started_anew_gets_a_new_endpoint() {
    let node = Node::new("anew");
    let fabric = node.with(&[dcos()]);
    let netns = node.container("a");
    let old = node.run(fabric.add(node.request("a", "dcos"))).unwrap();
    netns::delete(&netns).unwrap();
    let gone = node.run(fabric.check(&id("a"))).unwrap_err();
    assert!(matches!(gone, FabricError::NoNamespace { .. }), "{gone}");
    node.container("a");
    let new = node.run(fabric.add(node.request("a", "dcos"))).unwrap();
    assert_ne!(old.addresses, new.addresses);
    node.run(fabric.check(&id("a"))).unwrap();
    netns::delete(&netns).unwrap();
    node.run(fabric.del(&id("a"))).unwrap();
    node.assert_clean();
}

#[test]
fn a_check_says_what_is_missing() {
    let node = Node::new("check");
    let fabric = node.with(&[dcos()]);
    let netns = node.container("a");
    let endpoint = node.run(fabric.add(node.request("a", "dcos"))).unwrap();
    let problem = || node.run(fabric.check(&id("a"))).unwrap_err().to_string();
    let link = &endpoint.host_interface;
    let rounds = [
        (&netns, "ip route del default", "route to everywhere"),
        (&netns, "ip addr del 9.0.1.2/32 dev eth0", "address 9.0.1.2"),
        (&netns, "ip link set eth0 down", "'eth0' is down"),
    ];
    for (place, script, expected) in rounds {
        sh(place, script);
        assert!(problem().contains(expected), "{}", problem());
    }
    node.sh("ip route del 9.0.1.2");
    assert!(problem().contains("the route to 9.0.1.2"), "{}", problem());
    node.run(fabric.reconcile(&[].into())).unwrap();
    assert!(
        problem().contains("in the container"),
        "the host's side was repaired: {}",
        problem()
    );
    node.sh(&format!("ip link del {link}"));
    assert!(
        problem().contains(&format!("'{link}' is missing")),
        "{}",
        problem()
    );
    node.run(fabric.del(&id("a"))).unwrap();
    node.assert_clean();
}

#[test]
fn what_is_not_valid_any_more_is_collected() {
    let node = Node::new("collect");
    let fabric = node.with(&[dcos(), network("other", &[("10.77.0.0/16", 24)])]);
    for name in ["a", "b", "c"] {
        node.joined(&fabric, name, "dcos");
    }
    node.joined(&fabric, "d", "other");
    let address = node
        .run(fabric.lease("dcos", "docker's", None, false))
        .unwrap();
    let gone = node.run(fabric.collect("dcos", &[id("b")])).unwrap();
    assert_eq!(gone, [id("a"), id("c")]);
    let usage = node.run(fabric.usage());
    let holders = |network: &str| -> Vec<&str> {
        let blocks = usage.iter().filter(|usage| usage.network == network);
        let leases = blocks.flat_map(|usage| &usage.leases);
        leases.map(|lease| lease.holder.as_str()).collect()
    };
    assert_eq!(holders("dcos"), ["b/eth0", "docker's", "b/eth0"]);
    assert_eq!(holders("other"), ["d/eth0"]);
    let of_docker = usage[0]
        .leases
        .iter()
        .find(|l| l.address == address.addr())
        .unwrap();
    assert_eq!(of_docker.kind, HolderKind::Docker);
    assert_eq!((usage[0].capacity, usage[0].used), (253, 2));
}

#[test]
fn host_ports_come_and_go_with_the_endpoint() {
    let node = Node::new("ports");
    let fabric = node.with(&[dcos()]);
    let a = node.container("a");
    let place = super::lab::Place {
        netns: a,
        addresses: vec![],
    };
    let port = place.serve();
    let mut request = node.request("a", "dcos");
    let mapping = |host_port| PortMap {
        host_port,
        container_port: port,
        protocol: "tcp".to_owned(),
        host_ip: None,
    };
    request.port_mappings = vec![mapping(31200)];
    node.run(fabric.add(request.clone())).unwrap();
    let host = node.place();
    for v6 in [false, true] {
        let to = (host.address(v6), 31200).into();
        host.seen_by_tcp(to).unwrap();
    }
    // What somebody did to the table is repaired, also by the next daemon.
    node.sh("nft flush ruleset");
    let fabric = node.with(&[dcos()]);
    node.run(fabric.reconcile(&[].into())).unwrap();
    host.seen_by_tcp((host.address(false), 31200).into())
        .unwrap();
    // A port that is taken undoes all of the second one.
    node.container("b");
    let mut second = node.request("b", "dcos");
    second.port_mappings = vec![mapping(31200)];
    let taken = node.run(fabric.add(second)).unwrap_err();
    assert!(matches!(taken, FabricError::Ports { .. }), "{taken}");
    assert_eq!(node.links().len(), 1);
    node.run(fabric.del(&id("a"))).unwrap();
    host.seen_by_tcp((host.address(false), 31200).into())
        .unwrap_err();
    node.assert_clean();
}

#[test]
fn networks_come_and_go_with_their_routes() {
    let node = Node::new("come-and-go");
    let fabric = node.with(&[dcos(), network("other", &[("10.77.0.0/16", 24)])]);
    let routes =
        || node.sh("ip -o route show type unreachable; ip -6 -o route show type unreachable");
    let shown = routes();
    for block in ["9.0.1.0/24", "fd01:b:0:0:1::/80", "10.77.1.0/24"] {
        assert!(shown.contains(block), "{shown}");
    }
    let unknown = node.run(fabric.status("nope")).unwrap_err().to_string();
    assert!(
        unknown.contains("'nope'") && unknown.contains("dcos, other"),
        "{unknown}"
    );
    let mut moved = dcos();
    moved.block = vec!["9.0.7.0/24".parse().unwrap()];
    node.run(fabric.configure(vec![moved])).unwrap();
    let shown = routes();
    assert!(
        shown.contains("9.0.7.0/24") && shown.lines().count() == 1,
        "{shown}"
    );
    let mut waiting = dcos();
    waiting.block.clear();
    let restarted = node.with(&[waiting]);
    let not_yet = node.run(restarted.status("dcos")).unwrap_err();
    assert!(matches!(not_yet, FabricError::NoBlock { .. }), "{not_yet}");
    node.run(restarted.configure(Vec::new())).unwrap();
    assert_eq!(routes().trim(), "");
}

#[test]
fn links_are_gone_with_their_namespace_and_reconciling_frees_the_rest() {
    let node = Node::new("gone");
    let fabric = node.with(&[dcos()]);
    for name in ["a", "b", "c"] {
        node.joined(&fabric, name, "dcos");
    }
    for name in ["a", "b"] {
        netns::delete(&node.path("netns").join(name)).unwrap();
    }
    let deadline = std::time::Duration::from_secs(20);
    wait_for("the links to go", deadline, || {
        (node.links().len() == 1).then_some(())
    })
    .unwrap();
    // The caller may know better of one: it keeps its lease.
    let did = node.run(fabric.reconcile(&[id("b")].into())).unwrap();
    assert_eq!(did.endpoints, [id("a")]);
    let did = node.run(fabric.reconcile(&[].into())).unwrap();
    assert_eq!(did.endpoints, [id("b")]);
    node.run(fabric.check(&id("c"))).unwrap();
    node.run(fabric.del(&id("c"))).unwrap();
    node.assert_clean();
}
