//! Addresses of VIPs that nothing translates (items A13, A14 and A15): what the route
//! that the daemon gives their ranges does to them. That it is there is for the tests
//! of `netlink` and of the daemon.

use std::net::SocketAddr;

use model::Protocol::{Tcp, Udp};

use crate::calls::Kind;
use crate::lab::{Client, Lab, Refused, far, table, vip};

/// A namespace with a way out, which counts what leaves by it.
fn set_up(lab: &Lab) -> Client {
    let mut client = lab.client();
    client.leave_host();
    client.run("ip link add out0 type veth peer name far0");
    // Else it asks for routers of IPv6 now and then.
    client.run("ip link set out0 addrgenmode none");
    client.run("ip link set far0 up");
    client.run("ip addr add 10.77.0.2/24 dev out0");
    client.run("ip link set out0 up");
    client.run("ip route add default via 10.77.0.1");
    client.run("ip neigh add 10.77.0.1 lladdr 02:00:00:00:00:01 dev out0");
    client.run("ip route add unreachable 11.0.0.0/8");
    client
}

fn sent(client: &mut Client) -> u64 {
    let told = client.run("ip -s -json link show out0");
    let links: serde_json::Value = serde_json::from_str(&told).unwrap();
    links[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
}

/// Said at once, and by this host.
fn assert_unreachable(outcome: Result<(), Refused>) {
    let refused = outcome.unwrap_err();
    assert_eq!(refused.errno, libc::EHOSTUNREACH, "{refused:?}");
    assert!(refused.micros < 100_000, "{refused:?}");
}

#[test]
fn a13_a14_a15_what_is_not_translated_is_unreachable_at_once() {
    let mut lab = Lab::new();
    let mut client = set_up(&lab);
    let server = far("a", client.serve_echo("127.0.0.1:7001", "a"));
    lab.apply(&table(&[(vip(80), Tcp, &[server])]));
    let elsewhere = client.open(Udp);
    client
        .send_to(elsewhere, "192.0.2.1:9".parse().unwrap(), "q")
        .unwrap();
    let before = sent(&mut client);
    assert!(before > 0, "what leaves is counted");

    // An echo request, SCTP, and a raw datagram to the VIP.
    for protocol in [libc::IPPROTO_ICMP, libc::IPPROTO_SCTP, libc::IPPROTO_UDP] {
        let socket = client.open_kind(Kind::Raw(protocol));
        let packet = "packet-of-any-kind";
        assert_unreachable(client.send_to(socket, SocketAddr::new(vip(0).ip(), 0), packet));
    }
    // An address of the range that no VIP has.
    let nobody: SocketAddr = "11.9.9.9:80".parse().unwrap();
    assert_unreachable(client.dial(Tcp, nobody).map(drop));
    assert_unreachable(client.dial(Udp, nobody).map(drop));
    let socket = client.open(Udp);
    assert_unreachable(client.send_to(socket, nobody, "q"));
    assert_eq!(sent(&mut client), before, "nothing has left");

    let socket = client.dial(Tcp, vip(80)).unwrap();
    assert_eq!(client.echo(socket, "q"), "a");
}
