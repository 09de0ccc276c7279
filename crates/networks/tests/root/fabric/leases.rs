//! Addresses: which are given, which are refused and why.

use std::net::IpAddr;

use networks::FabricError;

use super::lab::{Node, dcos, id, network};

#[test]
fn a_freed_address_rests() {
    let node = Node::new("rests");
    let fabric = node.with(&[network("tiny", &[("10.77.0.0/28", 29)])]);
    let take = |name: &str| {
        node.container(name);
        node.run(fabric.add(node.request(name, "tiny")))
            .unwrap()
            .addresses[0]
            .addr()
    };
    let at = |last: u8| IpAddr::from([10, 77, 0, last]);
    assert_eq!([take("a"), take("b"), take("c")], [at(10), at(11), at(12)]);
    node.run(fabric.del(&id("a"))).unwrap();
    assert_eq!(take("d"), at(13));
    // Also for the daemon that comes after.
    let fabric = node.with(&[network("tiny", &[("10.77.0.0/28", 29)])]);
    node.container("e");
    let next = node.run(fabric.add(node.request("e", "tiny"))).unwrap();
    assert_eq!(next.addresses[0].addr(), at(14));
    node.run(fabric.del(&id("b"))).unwrap();
    node.container("f");
    let round = node.run(fabric.add(node.request("f", "tiny"))).unwrap();
    assert_eq!(round.addresses[0].addr(), at(10));
}

#[test]
fn a_full_block_is_explained_with_numbers() {
    let node = Node::new("full");
    let fabric = node.with(&[network("tiny", &[("10.77.0.0/28", 29)])]);
    for name in ["a", "b", "c", "d", "e"] {
        node.joined(&fabric, name, "tiny");
    }
    node.container("f");
    let full = node.run(fabric.add(node.request("f", "tiny"))).unwrap_err();
    assert!(
        matches!(
            full,
            FabricError::Full {
                used: 5,
                capacity: 5,
                ..
            }
        ),
        "{full}"
    );
    let text = full.to_string();
    assert!(
        text.contains("10.77.0.8/29") && text.contains("5 of 5"),
        "{text}"
    );
    let status = node.run(fabric.status("tiny")).unwrap_err();
    assert_eq!(status.to_string(), text);
    assert_eq!(node.links().len(), 5, "nothing was made");
    node.run(fabric.del(&id("c"))).unwrap();
    node.run(fabric.status("tiny")).unwrap();
    node.run(fabric.add(node.request("f", "tiny"))).unwrap();
}

#[test]
fn a_full_family_gives_back_what_the_other_took() {
    let node = Node::new("half-full");
    let fabric = node.with(&[network(
        "odd",
        &[("10.77.0.0/28", 29), ("fd01:c::/124", 126)],
    )]);
    for name in ["a", "b"] {
        node.joined(&fabric, name, "odd");
    }
    node.container("c");
    let full = node
        .run(fabric.add(node.request("c", "odd")))
        .unwrap_err()
        .to_string();
    assert!(
        full.contains("fd01:c::4/126") && full.contains("2 of 2"),
        "{full}"
    );
    let usage = node.run(fabric.usage());
    assert_eq!([usage[0].used, usage[1].used], [2, 2]);
}

#[test]
fn wanted_addresses_are_given_or_refused_with_the_reason() {
    let node = Node::new("wanted");
    let mut shop = dcos();
    shop.elsewhere = vec![("9.0.2.0/24".parse().unwrap(), "10.99.1.7".parse().unwrap())];
    let fabric = node.with(&[shop]);
    node.container("a");
    let add = |address: &str| {
        let mut request = node.request("a", "dcos");
        request.wanted = vec![address.parse().unwrap()];
        node.run(fabric.add(request))
    };
    let taken = node.joined(&fabric, "b", "dcos").addresses[0];
    for (wanted, parts) in [
        (taken.to_string().as_str(), ["in use", "b/eth0"]),
        ("9.0.2.9", ["9.0.2.0/24", "10.99.1.7"]),
        ("9.0.3.9", ["outside", "no known node"]),
        ("192.0.2.1", ["outside", "9.0.1.0/24"]),
        ("9.0.1.0", ["never given", "own address"]),
        ("9.0.1.1", ["never given", "gateway"]),
        ("9.0.1.255", ["never given", "broadcast"]),
        ("fd01:b::1:0:0:1", ["never given", "gateway"]),
    ] {
        let refused = add(wanted).unwrap_err().to_string();
        for part in parts {
            assert!(refused.contains(part), "{wanted}: {refused}");
        }
    }
    assert_eq!(node.links().len(), 1);
    let mut both = node.request("a", "dcos");
    both.wanted = ["9.0.1.9", "9.0.1.10"]
        .map(|ip| ip.parse().unwrap())
        .to_vec();
    let refused = node.run(fabric.add(both)).unwrap_err();
    assert!(matches!(refused, FabricError::Invalid { .. }), "{refused}");
    let given = add("fd01:b::1:ffff:ffff:ffff").unwrap();
    let shown: Vec<String> = given.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["9.0.1.4/32", "fd01:b::1:ffff:ffff:ffff/128"]);
}
