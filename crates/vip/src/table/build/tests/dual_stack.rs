//! VIPs given as IPv6 addresses, and tasks that have IPv6 addresses, in every mode.

use super::*;

/// What `n1` and `n2` see of a task on `n1` whose node has both families, IPv4 first.
fn seen(net: Net, port: TaskPort) -> [String; 2] {
    let mut fleet = Fleet::of([running("a", "n1", net, vec![port])]);
    fleet.nodes[0] = node("n1", &["10.0.0.1", "10.0.0.9", "fd00::1", "fd00::9"]);
    assert!(fleet.table("n1").problems.is_empty());
    views(&fleet).map(|lines| lines.join("; "))
}

const SIX: &str = "[fd01:c::9]:80";

#[test]
fn host_mode_serves_an_ipv6_address_at_the_nodes_first_ipv6_address() {
    let expected = "tcp fd01:c::9:80 a far [fd00::1]:31000";
    let on_host = port(None, Some(31000), &[("VIP_0", SIX)]);
    for net in [
        host("10.0.0.1"),
        docker(DockerNetwork::Host, None, &["10.0.0.1"]),
    ] {
        assert_eq!(seen(net, on_host.clone()), [expected, expected]);
    }
}

#[test]
fn a_name_has_ipv6_only_if_that_is_the_nodes_family() {
    let expected = "tcp web:80 a far 10.0.0.1:31000";
    assert_eq!(
        seen(host("10.0.0.1"), web(None, Some(31000))),
        [expected, expected]
    );
}

#[test]
fn an_address_of_the_family_that_comes_second_is_served_too() {
    let ports = vec![port(
        None,
        Some(1),
        &[("VIP_0", "11.1.1.1:80"), ("VIP_1", SIX)],
    )];
    let mut fleet = Fleet::of([running("a", "n1", host("fd00::1"), ports)]);
    fleet.nodes[0] = node("n1", &["fd00::1", "10.0.0.1"]);
    let expected = [
        "tcp 11.1.1.1:80 a far 10.0.0.1:1",
        "tcp fd01:c::9:80 a far [fd00::1]:1",
    ];
    assert_eq!(views(&fleet), [expected, expected]);
    // Without its record, what the status repeats of the node.
    fleet.nodes.retain(|node| node.id.0 != "n1");
    assert_eq!(
        views(&fleet)[0],
        [
            "tcp 11.1.1.1:80 nothing",
            "tcp fd01:c::9:80 a far [fd00::1]:1"
        ]
    );
}

#[test]
fn bridge_mode_has_the_container_near_and_the_nodes_ipv6_address_far() {
    let net = docker(DockerNetwork::Bridge, None, &["172.17.0.2", "fd00:d::2"]);
    let mapped = port(
        Some(80),
        Some(31000),
        &[("VIP_0", SIX), ("VIP_1", "web:80")],
    );
    let far = "far [fd00::1]:31000";
    assert_eq!(
        seen(net, mapped),
        [
            format!(
                "tcp web:80 a near docker/bridge 172.17.0.2:80, far 10.0.0.1:31000; \
                 tcp fd01:c::9:80 a near docker/bridge [fd00:d::2]:80, {far}; \
                 tcp web:80 a near docker/bridge [fd00:d::2]:80 (v6)"
            ),
            format!("tcp web:80 a far 10.0.0.1:31000; tcp fd01:c::9:80 a {far}"),
        ]
    );
}

#[test]
fn a_host_port_of_an_ipv4_container_is_an_ipv4_one() {
    let ipv4 = || docker(DockerNetwork::Bridge, None, &["172.17.0.2"]);
    let mapped = port(Some(80), Some(31000), &[("VIP_0", SIX)]);
    let nothing = "tcp fd01:c::9:80 nothing";
    assert_eq!(seen(ipv4(), mapped.clone()), [nothing, nothing]);
    // On a node whose address is IPv6, as ever.
    let mut fleet = Fleet::of([running("a", "n1", ipv4(), vec![mapped])]);
    fleet.nodes[0] = node("n1", &["fd00::1", "10.0.0.1"]);
    let expected = ["tcp fd01:c::9:80 a far [fd00::1]:31000"];
    assert_eq!(views(&fleet), [expected, expected]);
}

#[test]
fn user_mode_without_a_host_port_is_near_over_ipv6() {
    for (net, network) in [
        (
            docker(
                DockerNetwork::User,
                Some("six"),
                &["172.19.0.2", "fd00:d::2"],
            ),
            "docker/six",
        ),
        (cni(&[("six", &["fd00:d::2"])]), "cni/six"),
    ] {
        let [here, there] = seen(net, port(Some(80), None, &[("VIP_0", SIX)]));
        assert_eq!(
            here,
            format!("tcp fd01:c::9:80 a near {network} [fd00:d::2]:80")
        );
        assert_eq!(there, "tcp fd01:c::9:80 nothing");
    }
}

#[test]
fn a_network_that_spans_nodes_serves_ipv6_everywhere() {
    let net = cni(&[("dcos", &["9.0.1.6", "fd01:b::6"])]);
    let labels = [("VIP_0", SIX), ("VIP_1", "web:80")];
    let mut fleet = Fleet::of([running("a", "n1", net, vec![port(Some(80), None, &labels)])]);
    fleet.spanning = BTreeSet::from([NetworkKey::new(ContainerType::Mesos, "dcos")]);
    let expected = [
        "tcp web:80 a far 9.0.1.6:80",
        "tcp fd01:c::9:80 a far [fd01:b::6]:80",
        "tcp web:80 a far [fd01:b::6]:80 (v6)",
    ];
    assert_eq!(views(&fleet), [expected, expected]);
}

#[test]
fn a_mapped_address_in_a_label_is_an_ipv4_one() {
    let mapped = port(None, Some(1), &[("VIP_0", "[::ffff:11.0.0.9]:80")]);
    let expected = "tcp 11.0.0.9:80 a far 10.0.0.1:1";
    assert_eq!(seen(host("10.0.0.1"), mapped), [expected, expected]);
}
