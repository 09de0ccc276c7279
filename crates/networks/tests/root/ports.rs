//! Host ports: who reaches them, by which address, and what becomes of flows.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mesos::{NetworkInfo, PortMapping};
use model::Protocol::{self, Tcp, Udp};
use netlink::netns;
use networks::{
    Attachment, HostPorts, HostPortsOptions, Masquerade, NatRules, Networks, Published,
};

use crate::host::{Host, inside};
use crate::peers::{Remote, ask, ask_by, datagrams, serve};

/// A mapping of both protocols.
pub(crate) fn both(network: &str, host_port: u32, container_port: u32) -> NetworkInfo {
    let mapping = |protocol: &str| PortMapping {
        host_port,
        container_port,
        protocol: Some(protocol.to_owned()),
    };
    NetworkInfo {
        port_mappings: vec![mapping("tcp"), mapping("udp")],
        ..NetworkInfo::named(network)
    }
}

pub(crate) fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

pub(crate) fn attach(host: &Host, networks: &Networks, id: &str, info: NetworkInfo) -> Attachment {
    host.run(networks.attach(id, &[info])).unwrap()
}

pub(crate) fn address(attachment: &Attachment, is_ipv4: bool) -> String {
    let mut all = attachment.addresses.iter();
    all.find(|ip| ip.is_ipv4() == is_ipv4).unwrap().to_string()
}

#[test]
fn every_client_is_led_in_both_families_and_protocols() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("bridged", "bridge", 3);
    host.dual("routed", "ptp", 4);
    let networks = host.networks();
    let bridged = attach(&host, &networks, "b", both("bridged", 31200, 80));
    let routed = attach(&host, &networks, "r", both("routed", 31201, 80));
    let neighbour = attach(&host, &networks, "n", NetworkInfo::named("bridged"));
    serve(&bridged.netns, 80, "b");
    serve(&routed.netns, 80, "r");
    let own = host.path("host");
    for (name, port, server) in [("b", 31200, &bridged), ("r", 31201, &routed)] {
        let other = if name == "b" { &routed } else { &bridged };
        for protocol in [Tcp, Udp] {
            for (far, near) in [(Remote::V4, Remote::HOST_V4), (Remote::V6, Remote::HOST_V6)] {
                let is_ipv4 = near.contains('.');
                let to = at(near, port);
                let case = format!("{name} {to} {protocol}");
                // Others keep their addresses.
                let heard = ask(&remote.namespace, to, protocol);
                assert_eq!(heard.expect(&case), format!("{name} {far}"), "{case}");
                let heard = ask(&own, to, protocol);
                assert_eq!(heard.expect(&case), format!("{name} {near}"), "{case}");
                let heard = ask(&other.netns, to, protocol);
                assert_eq!(
                    heard.expect(&case),
                    format!("{name} {}", address(other, is_ipv4)),
                    "{case}"
                );
                for client in [server, &neighbour] {
                    let heard = ask(&client.netns, to, protocol);
                    assert!(heard.unwrap().starts_with(name), "{case}, hairpin");
                }
            }
            assert!(
                ask(&own, at("127.0.0.1", port), protocol)
                    .unwrap()
                    .starts_with(name)
            );
            let answer = ask(&own, at("::1", port), protocol);
            if name == "r" {
                assert!(answer.unwrap().starts_with(name), "{name} ::1 {protocol}");
            } else {
                // Not led, and refused at once, so that clients turn to 127.0.0.1.
                let refused = answer.unwrap_err();
                let kind = std::io::ErrorKind::ConnectionRefused;
                assert_eq!(refused.kind(), kind, "{name} ::1 {protocol}");
            }
        }
    }
    for id in ["b", "r", "n"] {
        host.run(networks.detach(id)).unwrap();
    }
    for port in [31200, 31201] {
        ask(&remote.namespace, at(Remote::HOST_V4, port), Tcp).unwrap_err();
    }
    let rules = host.sh("nft list table inet sealane");
    assert!(
        !rules.contains("3120") && !rules.contains("10.99."),
        "{rules}"
    );
}

#[test]
fn nobody_gets_at_what_listens_on_127_0_0_1() {
    let host = Host::new();
    host.dual("bridged", "bridge", 3);
    let networks = host.networks();
    let container = attach(&host, &networks, "c", both("bridged", 31200, 80));
    serve(&host.path("host"), 7777, "private");
    inside(
        &container.netns,
        "ip addr del 127.0.0.1/8 dev lo; sysctl -q -w net.ipv4.conf.all.route_localnet=1; \
         ip route add 127.0.0.1 via 10.99.3.1 dev eth0",
    );
    let try_it = || ask(&container.netns, at("127.0.0.1", 7777), Tcp);
    try_it().unwrap_err();
    // It is the rule that keeps it out.
    host.sh("nft flush chain inet sealane strangers");
    assert!(try_it().unwrap().starts_with("private"));
    assert!(host.run(networks.settle_host_ports()).unwrap());
    try_it().unwrap_err();
    host.run(networks.detach("c")).unwrap();
}

#[test]
fn datagrams_follow_a_container_that_is_started_again() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("bridged", "bridge", 3);
    let networks = host.networks();
    let clients = [
        (remote.namespace.clone(), at(Remote::HOST_V4, 31210)),
        (remote.namespace.clone(), at(Remote::HOST_V6, 31210)),
        (host.path("host"), at("127.0.0.1", 31210)),
    ];
    let sockets: Vec<_> = clients
        .iter()
        .map(|(ns, to)| netns::run_in(ns, || datagrams(*to)).unwrap().unwrap())
        .collect();
    // Flows to the host itself, before anything is led anywhere.
    for socket in &sockets {
        ask_by(socket).unwrap_err();
    }
    let mut addresses = Vec::new();
    for (id, name) in [("web.1", "first"), ("web.2", "second")] {
        let container = attach(&host, &networks, id, both("bridged", 31210, 53));
        serve(&container.netns, 53, name);
        addresses.push(container.addresses);
        for socket in &sockets {
            let heard = ask_by(socket).unwrap_or_else(|error| panic!("{socket:?}: {error}"));
            assert!(heard.starts_with(name), "{socket:?}");
        }
        host.run(networks.detach(id)).unwrap();
        for socket in &sockets {
            ask_by(socket).unwrap_err();
        }
    }
    assert_ne!(addresses[0], addresses[1]);
}

#[test]
fn clients_of_a_withdrawn_port_hear_of_it() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("bridged", "bridge", 3);
    let networks = host.networks();
    let container = attach(&host, &networks, "c", both("bridged", 31211, 80));
    let listen = || std::net::TcpListener::bind("0.0.0.0:80").unwrap();
    let listener = netns::run_in(&container.netns, listen).unwrap();
    let connect = || std::net::TcpStream::connect(at(Remote::HOST_V4, 31211)).unwrap();
    let mut client = netns::run_in(&remote.namespace, connect).unwrap();
    let _kept = listener.accept().unwrap();
    host.run(networks.detach("c")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match std::io::Write::write(&mut client, b"?") {
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                break;
            }
            Ok(_) => assert!(Instant::now() < deadline, "never told"),
        }
        std::thread::yield_now();
    }
}

fn mapping(host_port: u16, protocol: Protocol, host_ip: Option<&str>, to: &str) -> Published {
    Published {
        host_port,
        protocol,
        host_ip: host_ip.map(|ip| ip.parse().unwrap()),
        to: to.parse().unwrap(),
    }
}

#[test]
fn a_port_can_be_of_one_address_alone() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.sh("ip addr add 10.77.0.9/24 dev uplink");
    host.dual("routed", "ptp", 4);
    let networks = host.networks();
    let ports = HostPorts::new(HostPortsOptions::default()).part("test");
    let mut addresses = Vec::new();
    for name in ["one", "two"] {
        let container = attach(&host, &networks, name, NetworkInfo::named("routed"));
        serve(&container.netns, 80, name);
        addresses.push(format!("{}:80", address(&container, true)));
    }
    let one = mapping(31220, Tcp, Some(Remote::HOST_V4), &addresses[0]);
    let two = mapping(31220, Tcp, Some("10.77.0.9"), &addresses[1]);
    host.run(ports.publish("one", &[one])).unwrap();
    host.run(ports.publish("two", &[two])).unwrap();
    for (ip, name) in [(Remote::HOST_V4, "one"), ("10.77.0.9", "two")] {
        let heard = ask(&remote.namespace, at(ip, 31220), Tcp).unwrap();
        assert!(heard.starts_with(name), "{heard}");
    }
    ask(&host.path("host"), at("127.0.0.1", 31220), Tcp).unwrap_err();
    for (bad, rule) in [
        (mapping(0, Tcp, None, "10.0.0.1:1"), "1 to 65535"),
        (mapping(1, Tcp, Some("::1"), "10.0.0.1:1"), "family"),
    ] {
        let error = host.run(ports.publish("bad", &[bad])).unwrap_err();
        assert!(error.to_string().contains(rule), "{error}");
    }
    host.run(ports.withdraw("two")).unwrap();
    host.run(ports.withdraw("one")).unwrap();
    let anywhere = mapping(31220, Tcp, Some("0.0.0.0"), &addresses[0]);
    host.run(ports.publish("one", &[anywhere])).unwrap();
    for ip in [Remote::HOST_V4, "10.77.0.9"] {
        ask(&remote.namespace, at(ip, 31220), Tcp).unwrap();
    }
    for name in ["one", "two"] {
        host.run(ports.withdraw(name)).unwrap();
        host.run(networks.detach(name)).unwrap();
    }
}

#[test]
fn one_more_costs_as_much_beside_a_thousand() {
    let host = Host::new();
    let ports = HostPorts::new(HostPortsOptions::default());
    let to: IpAddr = "10.1.2.3".parse().unwrap();
    let port = |number| Published {
        host_port: number,
        protocol: Tcp,
        host_ip: None,
        to: SocketAddr::new(to, 80),
    };
    let one_more = |number: u16| {
        let owner = format!("c{number}");
        let began = Instant::now();
        host.run(ports.publish(&owner, &[port(number)])).unwrap();
        host.run(ports.withdraw(&owner)).unwrap();
        began.elapsed()
    };
    let median = |begin: u16| {
        let mut all: Vec<Duration> = (begin..begin + 11).map(one_more).collect();
        all.sort();
        all[5]
    };
    median(20000);
    let alone = median(20100);
    let thousand: Vec<Published> = (21000..22000).map(port).collect();
    let began = Instant::now();
    host.run(ports.publish("many", &thousand)).unwrap();
    let all = began.elapsed();
    let listed = host.sh("nft list map inet sealane tcp4 | grep -o '10.1.2.3' | wc -l");
    assert_eq!(listed.trim(), "1000");
    let beside = median(20200);
    println!("alone {alone:?}, a thousand at once {all:?}, beside them {beside:?}");
    assert!(
        beside < alone * 4 + Duration::from_millis(5),
        "{alone:?} {beside:?}"
    );
}

#[test]
fn what_leaves_has_the_nodes_address_but_for_the_exceptions() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("routed", "ptp", 4);
    let networks = host.networks();
    let client = attach(&host, &networks, "c", NetworkInfo::named("routed"));
    for address in ["10.78.0.1/32 dev lo", "fd78::1/128 dev lo"] {
        inside(&remote.namespace, &format!("ip addr add {address}"));
    }
    inside(
        &remote.namespace,
        &format!("ip route add 10.99.0.0/16 via {}", Remote::HOST_V4),
    );
    host.sh("ip route add 10.78.0.0/16 via 10.77.0.2; ip route add fd78::/64 via fd77::2");
    serve(&remote.namespace, 80, "remote");
    let rule = |from: &str, except: &[&str]| Masquerade {
        from: from.parse().unwrap(),
        except: except.iter().map(|net| net.parse().unwrap()).collect(),
    };
    let ports = HostPorts::new(HostPortsOptions::default()).part("test");
    let rules = NatRules {
        masquerade: vec![
            rule("10.99.4.0/24", &["10.99.0.0/16", "10.78.0.0/16"]),
            rule("fd99:0:0:4::/64", &["fd78::/64"]),
        ],
        tunnel: None,
    };
    let heard = |ip| ask(&client.netns, at(ip, 80), Tcp).unwrap();
    let (v4, v6) = (address(&client, true), address(&client, false));
    host.run(ports.set_nat(rules)).unwrap();
    for (ip, seen) in [
        (Remote::V4, Remote::HOST_V4),
        (Remote::V6, Remote::HOST_V6),
        ("10.78.0.1", v4.as_str()),
        ("fd78::1", v6.as_str()),
    ] {
        assert_eq!(heard(ip), format!("remote {seen}"), "{ip}");
    }
    host.run(ports.set_nat(NatRules::default())).unwrap();
    assert_eq!(heard(Remote::V4), format!("remote {v4}"));
    host.run(networks.detach("c")).unwrap();
}
