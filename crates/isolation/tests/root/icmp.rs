//! Echoes, and errors about packets.

use std::io::ErrorKind;
use std::net::UdpSocket;

use testlab::{Host, Lan};

use crate::lab::{LOCALHOST, Node, Place, at};

fn pings(place: &Place, to: impl std::fmt::Display) -> bool {
    place.succeeds(&format!("busybox ping -c 1 -W 1 {to}"))
}

#[test]
fn echoes_both_ways() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "icmp1"), Host::on(&lan, "icmp1far").unwrap());
    let isolation = node.isolation();
    let (a, b) = (
        node.task(&isolation, "a", &[]),
        node.task(&isolation, "b", &[]),
    );
    for task in [&a, &b] {
        assert!(pings(&task.place, LOCALHOST));
        assert!(pings(&task.place, node.address()));
        assert!(pings(&task.place, other.address()));
        assert!(pings(&task.place, "10.99.0.254"), "the gateway");
    }
    // The host answers for all, and hears its own answers.
    let far = Place(other.netns_path());
    assert!(pings(&far, node.address()));
    assert!(pings(&node.place(), other.address()));
    assert!(pings(&node.place(), LOCALHOST));
    assert!(pings(&node.place(), node.address()));
}

#[test]
fn whom_nobody_reaches_is_told_as_unreachable() {
    let node = Node::new("icmp2");
    node.sh("ip route add unreachable 192.0.2.0/24");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[]);
    let error = task
        .place
        .connect(at([192, 0, 2, 1].into(), 80))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::HostUnreachable, "{error}");
}

#[test]
fn a_way_that_is_too_narrow_is_told() {
    let node = Node::new("icmp3");
    node.sh("ip link add thin type veth peer name far && ip link set far up");
    node.sh("ip link set thin mtu 1300 up && ip route add 192.0.2.0/24 dev thin");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[]);
    let outcome = task.place.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect("192.0.2.1:9").unwrap();
        let refused = || socket.send(&[0; 1400]).err();
        testlab::wait_for("the error", std::time::Duration::from_secs(3), refused)
    });
    // EMSGSIZE, which the socket has heard of.
    assert_eq!(outcome.unwrap().raw_os_error(), Some(90));
    assert!(task.place.sh("ip route get 192.0.2.1").contains("mtu 1300"));
}

#[test]
fn arp_is_answered_for_others() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "icmp4"), Host::on(&lan, "icmp4far").unwrap());
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[]);
    let arping = format!("busybox arping -f -c 3 -w 2 -I eth0 {}", other.address());
    assert!(task.place.succeeds(&arping));
}
