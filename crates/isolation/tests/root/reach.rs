//! Who reaches whom on one node, by the node's address and by 127.0.0.1.

use isolation::Wanted;
use model::Protocol::{Tcp, Udp};
use testlab::{Host, Lan};

use crate::lab::{LOCALHOST, Node, Place, at, wanted};

#[test]
fn host_reaches_task() {
    let node = Node::new("reach1");
    let isolation = node.isolation();
    let task = node.task(&isolation, "web.1", &[31000]);
    task.place.serve("task", [0, 0, 0, 0], 31000);
    for address in [node.address(), LOCALHOST] {
        for protocol in [Tcp, Udp] {
            let answer = node.place().ask(protocol, address, 31000).unwrap();
            assert_eq!(
                (answer.name.as_str(), *answer.client.ip()),
                ("task", address)
            );
        }
        // One without a peer gets its answer as well.
        let to = at(address, 31000);
        assert_eq!(node.place().ask_udp(to, 10, false).unwrap().name, "task");
    }
}

#[test]
fn task_reaches_host() {
    let node = Node::new("reach2");
    let isolation = node.isolation();
    let task = node.task(&isolation, "web.1", &[31000]);
    node.place().serve("host", [0, 0, 0, 0], 8080);
    node.place().serve("local", LOCALHOST, 8081);
    for protocol in [Tcp, Udp] {
        for address in [node.address(), LOCALHOST] {
            let answer = task.place.ask(protocol, address, 8080).unwrap();
            assert_eq!(answer.name, "host");
            assert!(task.isolated.ephemeral.contains(&answer.client.port()));
        }
        assert_eq!(
            task.place.ask(protocol, LOCALHOST, 8081).unwrap().name,
            "local"
        );
    }
    // A port that nobody has is closed, and the task is told at once.
    for address in [node.address(), LOCALHOST] {
        for protocol in [Tcp, Udp] {
            let error = task.place.ask(protocol, address, 8082).unwrap_err();
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::ConnectionRefused,
                "{protocol} {address}"
            );
        }
    }
}

#[test]
fn tasks_reach_each_other_and_themselves() {
    let node = Node::new("reach3");
    let isolation = node.isolation();
    let (a, b) = (
        node.task(&isolation, "a", &[31000]),
        node.task(&isolation, "b", &[31001]),
    );
    a.place.serve("a", [0, 0, 0, 0], 31000);
    b.place.serve("b", [0, 0, 0, 0], 31001);
    for address in [node.address(), LOCALHOST] {
        for protocol in [Tcp, Udp] {
            for from in [&a, &b] {
                for (port, name) in [(31000, "a"), (31001, "b")] {
                    let answer = from.place.ask(protocol, address, port).unwrap();
                    assert_eq!(answer.name, name);
                    assert_eq!(*answer.client.ip(), address);
                    assert!(from.isolated.ephemeral.contains(&answer.client.port()));
                }
            }
            let closed = at(address, *b.isolated.ephemeral.start());
            let error = a
                .place
                .ask(protocol, *closed.ip(), closed.port())
                .unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        }
    }
}

#[test]
fn a_server_on_a_port_of_the_range_is_reached() {
    let node = Node::new("reach4");
    let isolation = node.isolation();
    let task = node.task(&isolation, "web.1", &[]);
    let server = task.place.serve_tcp("task", at([0, 0, 0, 0].into(), 0));
    assert!(task.isolated.ephemeral.contains(&server.port()));
    for address in [node.address(), LOCALHOST] {
        let answer = node.place().ask(Tcp, address, server.port()).unwrap();
        assert_eq!(answer.name, "task");
    }
}

#[test]
fn strict_checks_of_sources_are_no_hindrance() {
    let node = Node::new("reach5");
    node.sh("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1");
    let isolation = node.isolation();
    let task = node.task(&isolation, "web.1", &[31000]);
    task.place.serve("task", [0, 0, 0, 0], 31000);
    node.place().serve("host", [0, 0, 0, 0], 8080);
    for address in [node.address(), LOCALHOST] {
        for protocol in [Tcp, Udp] {
            assert_eq!(
                node.place().ask(protocol, address, 31000).unwrap().name,
                "task"
            );
            assert_eq!(
                task.place.ask(protocol, address, 8080).unwrap().name,
                "host"
            );
        }
    }
}

#[test]
fn large_datagrams_pass_in_fragments() {
    let node = Node::new("reach6");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let other = node.task(&isolation, "b", &[31001]);
    task.place.serve("a", [0, 0, 0, 0], 31000);
    node.place().serve("host", [0, 0, 0, 0], 8080);
    for address in [node.address(), LOCALHOST] {
        for (from, port, name) in [
            (&node.place(), 31000, "a"),
            (&other.place, 31000, "a"),
            (&task.place, 31000, "a"),
            (&task.place, 8080, "host"),
        ] {
            let answer = from.ask_udp(at(address, port), 9000, true).unwrap();
            assert_eq!((answer.name.as_str(), answer.length), (name, 9000));
        }
    }
}

#[test]
fn servers_on_other_local_addresses_see_a_local_client() {
    let node = Node::new("reach7");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let resolver = [127, 0, 0, 53].into();
    node.place().serve("resolver", resolver, 53);
    for protocol in [Tcp, Udp] {
        let answer = task.place.ask(protocol, resolver, 53).unwrap();
        assert_eq!(
            (answer.name.as_str(), *answer.client.ip()),
            ("resolver", LOCALHOST)
        );
    }
}

#[test]
fn a_limited_task_parts_what_is_long() {
    let node = Node::new("reach8");
    let isolation = node.isolation();
    let wanted = Wanted {
        egress: Some(isolation::Rate::new(12_500_000)),
        ..wanted(&[31000])
    };
    let task = node.task_with(&isolation, "a", &wanted);
    task.place.serve("a", [0, 0, 0, 0], 31000);
    node.place().serve("host", [0, 0, 0, 0], 8080);
    for address in [node.address(), LOCALHOST] {
        let answer = task.place.ask_udp(at(address, 8080), 9000, true).unwrap();
        assert_eq!((answer.name.as_str(), answer.length), ("host", 9000));
        let answer = task.place.ask_udp(at(address, 31000), 9000, true).unwrap();
        assert_eq!((answer.name.as_str(), answer.length), ("a", 9000));
    }
}

#[test]
fn many_bytes_arrive_as_they_were_sent() {
    let lan = Lan::new().unwrap();
    let (node, other) = (
        Node::on(&lan, "reach9"),
        Host::on(&lan, "reach9far").unwrap(),
    );
    let isolation = node.isolation();
    let (a, b) = (
        node.task(&isolation, "a", &[31000]),
        node.task(&isolation, "b", &[31001]),
    );
    let (host, far) = (node.place(), Place(other.netns_path()));
    for (server, port, clients) in [
        (&a.place, 31000, [&host, &b.place, &far]),
        (&host, 8080, [&a.place, &b.place, &far]),
    ] {
        for client in clients {
            server.takes_whole(client, at(node.address(), port));
        }
        let near = if port == 8080 { &a.place } else { &host };
        server.takes_whole(near, at(LOCALHOST, port));
    }
    far.takes_whole(&a.place, at(other.address(), 9000));
}
