//! Who reaches whom, and as whom.

use std::net::SocketAddr;

use testlab::{Host, Lan};

use super::lab::{Node, Place, dcos, host_place, network};

/// Client, server, and the place whose address the server must see.
type Row<'a> = (&'a str, &'a Place, &'a Place, &'a Place);

fn assert_reach(rows: &[Row<'_>], families: &[bool]) {
    for (name, client, server, seen) in rows {
        let port = server.serve();
        for v6 in families {
            let to = SocketAddr::new(server.address(*v6), port);
            let expected = seen.address(*v6);
            let tcp = client.seen_by_tcp(to);
            assert_eq!(
                tcp.as_ref().ok(),
                Some(&expected),
                "{name} {to} tcp: {tcp:?}"
            );
            let udp = client.seen_by_udp(to);
            assert_eq!(
                udp.as_ref().ok(),
                Some(&expected),
                "{name} {to} udp: {udp:?}"
            );
        }
    }
}

#[test]
fn everybody_reaches_everybody_at_once() {
    let lan = Lan::new().unwrap();
    let node = Node::on(&lan, "node");
    let outside = Host::on(&lan, "outside").unwrap();
    let fabric = node.with(&[
        dcos(),
        network("other", &[("10.77.0.0/16", 24), ("fd01:c::/64", 80)]),
    ]);
    let a = node.joined(&fabric, "a", "dcos");
    let b = node.joined(&fabric, "b", "dcos");
    let c = node.joined(&fabric, "c", "other");
    let (host, outside) = (node.place(), host_place(&outside));
    assert_reach(
        &[
            ("host to container", &host, &a, &host),
            ("container to host", &a, &host, &a),
            ("container to container", &a, &b, &a),
            ("and back", &b, &a, &b),
            ("to another network", &a, &c, &a),
            ("to its own address", &a, &a, &a),
            ("container to outside", &a, &outside, &host),
        ],
        &[false, true],
    );
    for (family, net) in [("-4", "9.0.1.0/24"), ("-6", "fd01:b::1:0:0:0/80")] {
        let via = if family == "-4" {
            host.address(false)
        } else {
            host.address(true)
        };
        super::lab::sh(
            &outside.netns,
            &format!("ip {family} route add {net} via {via}"),
        );
    }
    assert_reach(
        &[("outside to container", &outside, &a, &outside)],
        &[false, true],
    );
}

#[test]
fn a_network_may_keep_its_addresses_outside() {
    let lan = Lan::new().unwrap();
    let node = Node::on(&lan, "node");
    let outside = Host::on(&lan, "outside").unwrap();
    let mut plain = network("plain", &[("10.78.0.0/16", 24)]);
    plain.network.masquerade = false;
    let fabric = node.with(&[plain]);
    let a = node.joined(&fabric, "a", "plain");
    let outside = host_place(&outside);
    let via = node.place().address(false);
    super::lab::sh(
        &outside.netns,
        &format!("ip route add 10.78.0.0/16 via {via}"),
    );
    assert_reach(&[("container to outside", &a, &outside, &a)], &[false]);
}

#[test]
fn strict_hosts_and_drop_policies_are_survived() {
    let node = Node::new("strict");
    node.sh(
        "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 \
           net.ipv4.conf.all.arp_ignore=1 net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
           net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.default.accept_ra=2 && \
         iptables -P FORWARD DROP && iptables -N DOCKER-USER && \
         iptables -A DOCKER-USER -j RETURN && iptables -I FORWARD -j DOCKER-USER && \
         ip6tables -P FORWARD DROP && ip6tables -N DOCKER-USER && \
         ip6tables -A DOCKER-USER -j RETURN && ip6tables -I FORWARD -j DOCKER-USER",
    );
    let fabric = node.with(&[dcos()]);
    node.run(networks::ensure_forwarding()).unwrap();
    let container = node.container("a");
    super::lab::sh(
        &container,
        "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
    );
    let endpoint = node.run(fabric.add(node.request("a", "dcos"))).unwrap();
    let a = Place {
        netns: container,
        addresses: endpoint.addresses.iter().map(ipnet::IpNet::addr).collect(),
    };
    let b = node.joined(&fabric, "b", "dcos");
    let host = node.place();
    assert_reach(
        &[
            ("container to container", &a, &b, &a),
            ("host to container", &host, &a, &host),
            ("container to host", &a, &host, &a),
        ],
        &[false, true],
    );
    let listens = node.sh(&format!(
        "sysctl -n net.ipv6.conf.{}.accept_ra",
        endpoint.host_interface
    ));
    assert_eq!(listens.trim(), "0", "a container is no router for its host");
}

#[test]
fn the_uplink_goes_on_listening_to_routers() {
    let node = Node::new("advertised");
    node.sh("sysctl -qw net.ipv6.conf.eth0.accept_ra=1 net.ipv6.conf.all.forwarding=0");
    node.with(&[dcos()]);
    let read = |name: &str| node.sh(&format!("sysctl -n net.ipv6.conf.{name}"));
    assert_eq!(read("eth0.accept_ra").trim(), "2");
    assert_eq!(read("all.forwarding").trim(), "1");
    assert_eq!(node.sh("sysctl -n net.ipv4.ip_forward").trim(), "1");
}

#[test]
fn a_container_has_no_address_but_its_own() {
    let node = Node::new("spoof");
    let fabric = node.with(&[dcos()]);
    let a = node.joined(&fabric, "a", "dcos");
    let b = node.joined(&fabric, "b", "dcos");
    let port = b.serve();
    let to = SocketAddr::new(b.address(false), port);
    let foreign: std::net::IpAddr = "9.0.1.77".parse().unwrap();
    super::lab::sh(&a.netns, &format!("ip addr add {foreign}/32 dev eth0"));
    super::lab::sh(
        &a.netns,
        &format!(
            "ip route add {} via 169.254.1.1 dev eth0 onlink src {foreign}",
            to.ip()
        ),
    );
    let refused = a.seen_by_tcp(to).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::TimedOut, "{refused}");
}

#[test]
fn addresses_that_nobody_holds_are_refused_at_once() {
    let node = Node::new("unheld");
    let fabric = node.with(&[dcos()]);
    // By its routes alone the kernel says so to containers as often as it likes to.
    node.run(async {
        let ports = networks::HostPorts::new(networks::HostPortsOptions::default());
        ports.keep_refused(&dcos().block).await.unwrap();
    });
    let a = node.joined(&fabric, "a", "dcos");
    for place in [&a, &node.place()] {
        for to in ["9.0.1.200:80", "[fd01:b::1:0:0:99]:80"] {
            let begun = std::time::Instant::now();
            let refused = place.seen_by_tcp(to.parse().unwrap()).unwrap_err();
            let unreachable = [Some(111), Some(113), Some(101)].contains(&refused.raw_os_error());
            assert!(unreachable, "{to}: {refused}");
            assert!(begun.elapsed().as_millis() < 300, "{to}");
        }
    }
}

#[test]
fn each_of_two_interfaces_answers_for_itself() {
    let lan = Lan::new().unwrap();
    let node = Node::on(&lan, "node");
    let away = Host::on(&lan, "outside").unwrap();
    let outside = host_place(&away);
    let other = network("other", &[("10.77.0.0/16", 24), ("fd01:c::/64", 80)]);
    let fabric = node.with(&[dcos(), other]);
    let first = node.joined(&fabric, "a", "dcos");
    let mut request = node.request("a", "other");
    request.id.ifname = "eth1".to_owned();
    let endpoint = node.run(fabric.add(request.clone())).unwrap();
    node.run(fabric.check(&request.id)).unwrap();
    let second = Place {
        netns: first.netns.clone(),
        addresses: endpoint.addresses.iter().map(ipnet::IpNet::addr).collect(),
    };
    let c = node.joined(&fabric, "c", "other");
    let host = node.place();
    assert_reach(
        &[
            ("host to the first", &host, &first, &host),
            ("host to the second", &host, &second, &host),
            ("to the other network", &first, &c, &second),
            ("to outside", &first, &outside, &host),
            ("from the other network", &c, &second, &c),
        ],
        &[false, true],
    );
    node.run(fabric.del(&request.id)).unwrap();
    let rules = super::lab::sh(&first.netns, "ip rule show; ip -6 rule show");
    assert!(!rules.contains("9400"), "{rules}");
    assert_reach(
        &[("host to the first", &host, &first, &host)],
        &[false, true],
    );
}
