//! What a task may not, and that it is counted.

use std::net::UdpSocket;

use model::Protocol::{Tcp, Udp};
use testlab::{Host, Lan};

use crate::lab::{LOCALHOST, Node, Place, at, is_silent, wanted};

#[test]
fn a_port_outside_reaches_nothing() {
    let lan = Lan::new().unwrap();
    let (node, other) = (
        Node::on(&lan, "ports1"),
        Host::on(&lan, "ports1far").unwrap(),
    );
    let isolation = node.isolation();
    let (a, b) = (
        node.task(&isolation, "a", &[31000]),
        node.task(&isolation, "b", &[31001]),
    );
    a.place.serve("a", [0, 0, 0, 0], 31002);
    // Whoever asks hears from the host that the port is closed.
    for protocol in [Tcp, Udp] {
        for from in [&b.place, &node.place()] {
            for address in [node.address(), LOCALHOST] {
                let error = from.ask(protocol, address, 31002).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
            }
        }
        let far = Place(other.netns_path());
        let error = far.ask(protocol, node.address(), 31002).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn what_is_sent_from_there_is_dropped_and_counted() {
    let lan = Lan::new().unwrap();
    let (node, other) = (
        Node::on(&lan, "ports2"),
        Host::on(&lan, "ports2far").unwrap(),
    );
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let listen = |place: &Place| place.inside(|| UdpSocket::bind("0.0.0.0:9000")).unwrap();
    let (here, there) = (listen(&node.place()), listen(&Place(other.netns_path())));
    let socket = task
        .place
        .inside(|| UdpSocket::bind("0.0.0.0:40000"))
        .unwrap();
    for to in [node.address(), LOCALHOST, other.address()] {
        socket.send_to(b"hello", at(to, 9000)).unwrap();
    }
    assert!(is_silent(&here) && is_silent(&there));
    assert_eq!(node.refused(&isolation, "a", "port"), 3);
    // The next daemon goes on counting.
    let isolation = node.isolation();
    assert_eq!(node.refused(&isolation, "a", "port"), 3);
    // From a port of its own it arrives.
    let socket = task
        .place
        .inside(|| UdpSocket::bind("0.0.0.0:31000"))
        .unwrap();
    socket.send_to(b"hello", at(other.address(), 9000)).unwrap();
    assert!(!is_silent(&there));
    assert_eq!(node.refused(&isolation, "a", "port"), 3);
}

#[test]
fn another_address_is_dropped_and_counted() {
    let lan = Lan::new().unwrap();
    let (node, other) = (
        Node::on(&lan, "ports3"),
        Host::on(&lan, "ports3far").unwrap(),
    );
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    task.place.sh("ip address add 10.99.0.77/32 dev eth0");
    let send = |source: &str, to| {
        task.place.inside(|| {
            let socket = UdpSocket::bind(format!("{source}:31000")).unwrap();
            let _ = socket.send_to(b"hello", at(to, 9000));
        });
    };
    send("10.99.0.77", other.address());
    // Localhost has no business on the network.
    send("127.0.0.1", other.address());
    assert_eq!(node.refused(&isolation, "a", "address"), 2);
    // An alias, another task's or its own, is no way around anything.
    send("0.0.0.0", [169, 254, 64, 4].into());
    send("0.0.0.0", [224, 0, 0, 251].into());
    assert_eq!(node.refused(&isolation, "a", "destination"), 2);
}

#[test]
fn other_protocols_are_dropped_and_counted() {
    let node = Node::new("ports4");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    task.place
        .sh("ip tunnel add tun9 mode ipip remote 10.99.1.9 local any 2>/dev/null || true");
    // Answers to echoes that nobody asked for.
    let socket = "import socket,struct\n\
        s=socket.socket(socket.AF_INET,socket.SOCK_RAW,1)\n\
        s.sendto(struct.pack('!BBHHH',0,0,0xffff,0,0),('10.99.1.9',0))\n\
        t=socket.socket(socket.AF_INET,socket.SOCK_RAW,47)\n\
        t.sendto(b'12345678',('10.99.1.9',0))\n";
    task.place.sh(&format!("python3 -c \"{socket}\""));
    assert_eq!(node.refused(&isolation, "a", "icmp"), 1);
    assert_eq!(node.refused(&isolation, "a", "protocol"), 1);
    assert!(
        task.place.sh("cat /proc/net/if_inet6").is_empty(),
        "IPv6 is on"
    );
}

#[test]
fn ports_come_and_go_with_the_wish() {
    let node = Node::new("ports5");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    task.place.serve("a", [0, 0, 0, 0], 31000);
    task.place.serve("a", [0, 0, 0, 0], 31001);
    assert!(node.place().ask(Tcp, LOCALHOST, 31001).is_err());
    let again = node.run(isolation.attach("a", &wanted(&[31001]))).unwrap();
    assert_eq!(again, task.isolated);
    assert_eq!(node.place().ask(Tcp, LOCALHOST, 31001).unwrap().name, "a");
    assert!(node.place().ask(Tcp, LOCALHOST, 31000).is_err());
}
