use super::*;

fn check(addresses: &[&str], host_interfaces: &[&str]) -> Check {
    Check {
        attachment: Attachment {
            container: "web.1".to_owned(),
            ifname: "eth0".to_owned(),
        },
        network: "dcos".to_owned(),
        addresses: parsed(addresses),
        host_interfaces: host_interfaces.iter().map(ToString::to_string).collect(),
    }
}

fn parsed(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn what_is_there_is_compared_with_the_result() {
    let exists = |name: &str| name.starts_with("sealane");
    let both = ["9.0.0.5", "fd01:b::5"];
    for (addresses, interfaces, held, problem) in [
        (&both[..], &["sealane01"][..], &both[..], ""),
        (&["9.0.0.5", "10.0.0.1"], &[], &["9.0.0.5"], ""),
        (&both, &["sealane01"], &[], "'dcos'"),
        (&["9.0.0.5"], &[], &both, "fd01:b::5"),
        (&["9.0.0.6"], &[], &["9.0.0.5"], "9.0.0.5"),
        (&both, &["sealane01", "ifb01"], &both, "ifb01"),
    ] {
        let compared = compare(&check(addresses, interfaces), &parsed(held), exists);
        match compared {
            Ok(()) => assert_eq!(problem, "", "{addresses:?} {interfaces:?} {held:?}"),
            Err(failure) => {
                assert_eq!(failure.code, code::CHANGED);
                assert!(
                    failure.msg.contains(problem) && !problem.is_empty(),
                    "{failure}"
                );
            }
        }
    }
}

#[test]
fn a_request_keeps_all_that_was_asked_for() {
    let add = Add {
        attachment: check(&[], &[]).attachment,
        network: "dcos".to_owned(),
        netns: "/run/netns/a".into(),
        addresses: parsed(&["9.0.0.5"]),
        mac: Some("02:42:09:00:00:05".to_owned()),
        mtu: Some(1400),
        port_mappings: vec![PortMapping {
            host_port: 53,
            container_port: 5353,
            protocol: Protocol::Udp,
            host_ip: "127.0.0.1".parse().ok(),
        }],
        bandwidth: Some(Bandwidth {
            ingress_rate: 1,
            ingress_burst: 2,
            egress_rate: 3,
            egress_burst: 4,
        }),
    };
    let id = id(&add.attachment);
    let made = request(add.clone(), id);
    assert_eq!((made.network, made.netns), (add.network, add.netns));
    assert_eq!(
        (made.wanted, made.mac, made.mtu),
        (add.addresses, add.mac, add.mtu)
    );
    assert_eq!(made.id.to_string(), "web.1/eth0");
    let limits = made.bandwidth.unwrap();
    assert_eq!((limits.ingress_rate, limits.ingress_burst), (1, 2));
    assert_eq!((limits.egress_rate, limits.egress_burst), (3, 4));
    let mapping = made.port_mappings.first().unwrap();
    assert_eq!((mapping.host_port, mapping.container_port), (53, 5353));
    assert_eq!(
        (mapping.protocol.as_str(), mapping.host_ip),
        ("udp", "127.0.0.1".parse().ok())
    );
}

#[test]
fn gateways_are_named_once() {
    let route = |to: &str, via: &str| networks::EndpointRoute {
        to: to.parse().unwrap(),
        via: via.parse().unwrap(),
    };
    let endpoint = Endpoint {
        id: id(&check(&[], &[]).attachment),
        network: "dcos".to_owned(),
        netns: "/run/netns/a".into(),
        host_interface: "sealane01".to_owned(),
        host_mac: "ee:ee:ee:ee:ee:ee".to_owned(),
        mac: "02:42:09:00:00:05".to_owned(),
        mtu: 1420,
        addresses: vec!["9.0.0.5/32".parse().unwrap(), "9.0.0.6/32".parse().unwrap()],
        gateways: parsed(&["169.254.1.1", "169.254.1.1"]),
        routes: vec![route("0.0.0.0/0", "169.254.1.1")],
    };
    let resolver = "198.51.100.1".parse().ok();
    let made = assigned(endpoint, resolver);
    assert_eq!(made.gateways, parsed(&["169.254.1.1"]));
    assert_eq!(made.routes, ["0.0.0.0/0".parse().unwrap()]);
    assert_eq!(made.nameservers, parsed(&["198.51.100.1"]));
    assert_eq!(made.addresses.len(), 2);
}
