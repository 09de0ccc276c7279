//! Other hosts, and what they may.

use model::Protocol::{Tcp, Udp};
use testlab::{Host, Lan};

use crate::lab::{Node, Place, at, is_silent};

fn place(host: &Host) -> Place {
    Place(host.netns_path())
}

#[test]
fn other_hosts_reach_tasks_and_are_reached() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "out1"), Host::on(&lan, "out1far").unwrap());
    let isolation = node.isolation();
    let task = node.task(&isolation, "web.1", &[31000]);
    task.place.serve("task", [0, 0, 0, 0], 31000);
    place(&other).serve("far", [0, 0, 0, 0], 9000);
    for protocol in [Tcp, Udp] {
        let answer = place(&other).ask(protocol, node.address(), 31000).unwrap();
        assert_eq!(
            (answer.name.as_str(), *answer.client.ip()),
            ("task", other.address())
        );
        let answer = task.place.ask(protocol, other.address(), 9000).unwrap();
        assert_eq!(
            (answer.name.as_str(), *answer.client.ip()),
            ("far", node.address())
        );
        assert!(task.isolated.ephemeral.contains(&answer.client.port()));
        // Nothing listens there: the other host says so, and the task hears it.
        let error = task.place.ask(protocol, other.address(), 9001).unwrap_err();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused,
            "{protocol}"
        );
    }
}

#[test]
fn tasks_of_two_hosts_reach_each_other() {
    let lan = Lan::new().unwrap();
    let (a, b) = (Node::on(&lan, "out2a"), Node::on(&lan, "out2b"));
    let (ia, ib) = (a.isolation(), b.isolation());
    let (ta, tb) = (a.task(&ia, "a", &[31000]), b.task(&ib, "b", &[31000]));
    ta.place.serve("a", [0, 0, 0, 0], 31000);
    tb.place.serve("b", [0, 0, 0, 0], 31000);
    for protocol in [Tcp, Udp] {
        assert_eq!(
            ta.place.ask(protocol, b.address(), 31000).unwrap().name,
            "b"
        );
        assert_eq!(
            tb.place.ask(protocol, a.address(), 31000).unwrap().name,
            "a"
        );
        assert_eq!(
            ta.place.ask(protocol, a.address(), 31000).unwrap().name,
            "a"
        );
    }
}

#[test]
fn long_datagrams_are_parted_and_put_together() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "out3"), Host::on(&lan, "out3far").unwrap());
    let isolation = node.isolation();
    let task = node.task(&isolation, "web.1", &[31000]);
    task.place.serve("task", [0, 0, 0, 0], 31000);
    place(&other).serve("far", [0, 0, 0, 0], 9000);
    let to = at(node.address(), 31000);
    assert_eq!(place(&other).ask_udp(to, 9000, true).unwrap().length, 9000);
    let to = at(other.address(), 9000);
    assert_eq!(task.place.ask_udp(to, 9000, true).unwrap().length, 9000);
}

#[test]
fn the_hosts_own_servers_are_reached_as_before() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "out4"), Host::on(&lan, "out4far").unwrap());
    node.place().serve("host", [0, 0, 0, 0], 8080);
    place(&other).serve("far", [0, 0, 0, 0], 9000);
    let isolation = node.isolation();
    node.task(&isolation, "web.1", &[31000]);
    for protocol in [Tcp, Udp] {
        let answer = place(&other).ask(protocol, node.address(), 8080).unwrap();
        assert_eq!(answer.name, "host");
        assert_eq!(
            node.place()
                .ask(protocol, other.address(), 9000)
                .unwrap()
                .name,
            "far"
        );
        let error = place(&other)
            .ask(protocol, node.address(), 31001)
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn nobody_outside_can_pretend_to_be_local() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "out5"), Host::on(&lan, "out5far").unwrap());
    let isolation = node.isolation();
    let task = node.task(&isolation, "web.1", &[31000]);
    let server = task
        .place
        .inside(|| std::net::UdpSocket::bind("0.0.0.0:31000"))
        .unwrap();
    // The other host bears 127.0.0.1 towards the node.
    let (far, own) = (place(&other), node.address());
    far.sh("sysctl -qw net.ipv4.conf.eth0.route_localnet=1");
    let send = |source: &str| {
        far.inside(|| {
            let socket = std::net::UdpSocket::bind((source, 0)).unwrap();
            socket.send_to(b"hello", at(own, 31000)).map(drop)
        })
    };
    // The first one asks for the node's hardware address as well.
    send(&other.address().to_string()).unwrap();
    assert!(!is_silent(&server), "nothing comes in from outside at all");
    send("127.0.0.1").unwrap();
    assert!(is_silent(&server), "127.0.0.1 came in from outside");
}
