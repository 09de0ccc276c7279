//! Two nodes.

use std::net::SocketAddr;

use networks::FabricNetwork;
use testlab::Lan;

use super::lab::{Node, Place, dcos, sh};

/// The network as node number `own` has it, 1 or 2, beside the other one.
fn seen_from(own: u8, other: &Node) -> FabricNetwork {
    let nets = |number: u8| {
        [
            format!("9.0.{number}.0/24"),
            format!("fd01:b:0:0:{number}::/80"),
        ]
    };
    let at = other.place().address(false);
    let elsewhere = nets(3 - own).map(|net| (net.parse().unwrap(), at));
    FabricNetwork {
        block: nets(own).map(|net| net.parse().unwrap()).to_vec(),
        elsewhere: elsewhere.to_vec(),
        ..dcos()
    }
}

#[test]
fn containers_of_two_nodes_reach_each_other_under_their_own_addresses() {
    let lan = Lan::new().unwrap();
    let (one, two) = (Node::on(&lan, "one"), Node::on(&lan, "two"));
    let first = one.with(&[seen_from(1, &two)]);
    let second = two.with(&[seen_from(2, &one)]);
    let (a, b) = (
        one.joined(&first, "a", "dcos"),
        two.joined(&second, "b", "dcos"),
    );
    let mtu = sh(&a.netns, "ip -o link show eth0");
    assert!(mtu.contains("mtu 1450"), "{mtu}");
    let reach = |client: &Place, server: &Place| {
        let port = server.serve();
        for v6 in [false, true] {
            let to = SocketAddr::new(server.address(v6), port);
            assert_eq!(client.seen_by_tcp(to).unwrap(), client.address(v6), "{to}");
            assert_eq!(client.seen_by_udp(to).unwrap(), client.address(v6), "{to}");
        }
    };
    reach(&a, &b);
    reach(&b, &a);
    // A host is seen by containers elsewhere as its block's own address.
    let host = Place {
        netns: one.host.netns_path(),
        addresses: vec![
            "9.0.1.0".parse().unwrap(),
            "fd01:b:0:0:1::".parse().unwrap(),
        ],
    };
    reach(&host, &b);

    // What containers send to the tunnels' own port never leaves: it would come out with
    // any source.
    let kept = one.sh("nft list chain inet sealane tunnel");
    let other = two.place().address(false);
    assert!(
        kept.contains(&format!("ip daddr {other} udp dport 64000 drop")),
        "{kept}"
    );
    assert!(
        kept.contains(&format!("ip saddr != {other} drop")),
        "{kept}"
    );

    // Repeating it changes nothing; another daemon finds it; alone there is no tunnel.
    let index = || one.sh("ip -o link show sealanevx");
    let before = index();
    let again = one.with(&[seen_from(1, &two)]);
    assert_eq!(index(), before);
    reach(&a, &b);
    one.run(again.configure(vec![dcos()])).unwrap();
    assert!(!one.sh("ip link; ip route").contains("sealanevx"));
    assert!(!one.sh("ip route").contains("9.0.2.0/24"));
}
