//! Containers that share a group talk to each other, and no others do.

use std::net::{IpAddr, SocketAddr};

use datapath::builds::{Build, with};
use datapath::{Behind, DropReason};
use model::Protocol::{Tcp, Udp};

use crate::lab::{eventually, table};

mod bed;
mod cost;
mod neighbours;
mod packets;
mod restarts;

use bed::{Bed, Container, HOST, groups};

/// A link before a table tells of it.
fn expecting(addresses: &[IpAddr]) -> Behind<'_> {
    Behind {
        addresses,
        expecting: true,
        direct: true,
    }
}

/// Asserts that `from` reaches `to` over UDP and TCP, in both families, or does not.
fn assert_talk(bed: &mut Bed, from: usize, to: usize, talk: bool) {
    for six in [false, true] {
        let what = format!("{from} to {to}, IPv{}", if six { 6 } else { 4 });
        let target = bed.containers[to].serves(six);
        if talk {
            assert_eq!(bed.containers[from].who(target), to.to_string(), "{what}");
            let client = &mut bed.containers[from].client;
            let socket = client.open_six(Udp, false);
            let (_, answer) = client.exchange(socket, bed::seen(target), "q");
            assert_eq!(answer, to.to_string(), "{what}");
            client.close(socket);
        } else {
            assert_dropped(bed, from, target, &what);
        }
    }
}

/// Sends a datagram and begins to connect: both are dropped and counted.
fn assert_dropped(bed: &mut Bed, from: usize, target: SocketAddr, what: &str) {
    let own = bed.containers[from].address(target.is_ipv6());
    let before = bed.drops(own, target.ip(), DropReason::Groups);
    let client = &mut bed.containers[from].client;
    let datagram = client.open_six(Udp, false);
    client.send_to(datagram, bed::seen(target), "q").unwrap();
    let connecting = client.open_six(Tcp, false);
    client.start(connecting, bed::seen(target));
    eventually(what, || {
        bed.drops(own, target.ip(), DropReason::Groups) >= before + 2
    });
    let client = &mut bed.containers[from].client;
    client.close(datagram);
    client.close(connecting);
}

#[test]
fn those_that_share_a_group_talk_and_no_others() {
    let mut bed = Bed::new(4);
    bed.set(&[&["a"], &["a", "b"], &["b"], &[]]);
    for (from, to, talk) in [
        (0, 1, true),
        (1, 0, true),
        (1, 2, true),
        (0, 2, false),
        (2, 0, false),
        (0, 3, false),
        (3, 1, false),
    ] {
        assert_talk(&mut bed, from, to, talk);
    }
    // Nobody said anything of them: the default group.
    bed.set(&[&[], &["default"], &["a"], &["a", "default"]]);
    for (from, to, talk) in [(0, 1, true), (1, 3, true), (3, 0, true), (2, 0, false)] {
        assert_talk(&mut bed, from, to, talk);
    }
}

#[test]
fn hosts_and_what_is_outside_talk_to_all() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["b"]]);
    for six in [false, true] {
        let host: SocketAddr = SocketAddr::new(HOST[usize::from(six)].parse().unwrap(), 0);
        let host = crate::servers::serve_tcp(host, "host");
        let target = bed.containers[0].serves(six);
        assert_eq!(bed.containers[0].who(host), "host");
        assert_eq!(bed::ask(target), "0");
    }
    // One behind a link that is no virtual network's, with addresses of its own.
    let mut outside = bed.outside();
    for six in [false, true] {
        let target = bed.containers[1].serves(six);
        assert_eq!(outside.who(target), "1");
        let target = outside.serves(six);
        assert_eq!(bed.containers[1].who(target), "outside");
    }
    let dropped = bed.lab.datapath().dropped();
    let groups = dropped.iter().find(|it| it.reason == DropReason::Groups);
    assert_eq!(groups.unwrap().packets, 0, "{dropped:?}");
}

#[test]
fn a_change_ends_what_was_connected_before_and_brings_it_back() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["a"]]);
    for six in [false, true] {
        let echo = bed.containers[1].echo(six);
        let [from, to] = [0, 1].map(|index: usize| bed.containers[index].address(six));
        let client = &mut bed.containers[0].client;
        let socket = client.open_six(Tcp, false);
        client.connect(socket, bed::seen(echo)).unwrap();
        assert_eq!(client.echo(socket, "one"), "echo");

        bed.set(&[&["a"], &["b"]]);
        let before = bed.drops(from, to, DropReason::Groups);
        bed.containers[0].client.send(socket, "two\n").unwrap();
        eventually("what was connected is cut off", || {
            bed.drops(from, to, DropReason::Groups) > before
        });
        bed.set(&[&["a", "b"], &["b"]]);
        // What was lost is sent again.
        let (_, answer) = bed.containers[0].client.receive(socket);
        assert_eq!(answer, "echo:two");
    }
}

#[test]
fn a_container_sends_with_its_own_addresses_alone() {
    let mut bed = Bed::new(3);
    bed.set(&[&["a"], &["a"], &["b"]]);
    // Neighbours are known by now.
    assert_talk(&mut bed, 0, 1, true);
    for six in [false, true] {
        // The first takes the third's address, to talk to the second as nobody should.
        let stolen = bed.containers[2].address(six);
        let prefix = if six { "128 nodad" } else { "32" };
        let add = format!("ip address add {stolen}/{prefix} dev eth0");
        bed.containers[0].client.run(&add);
        let client = &mut bed.containers[0].client;
        let socket = client.open_six(Udp, false);
        let to = bed.containers[1].serves(six);
        let client = &mut bed.containers[0].client;
        client.bind(socket, bed::seen(SocketAddr::new(stolen, 0)));
        client.send_to(socket, bed::seen(to), "q").unwrap();
        eventually("it is dropped", || {
            bed.drops(stolen, to.ip(), DropReason::Source) > 0
        });
    }
    assert_talk(&mut bed, 0, 1, true);
}

#[test]
fn a_link_that_nobody_knows_yet_waits_for_those_that_are_expected() {
    let mut bed = Bed::new(2);
    let mut wanted = groups(&[]);
    wanted.expecting = true;
    bed.lab.datapath().set_groups(&wanted).unwrap();
    // The first has settled while nobody was expected.
    let known = bed.containers[1].link;
    let addresses = bed.containers[1].addresses;
    bed.lab.datapath().release_interface(known).unwrap();
    bed.lab
        .datapath()
        .guard_interface(known, expecting(&addresses))
        .unwrap();
    assert_talk(&mut bed, 1, 0, false);
    assert_talk(&mut bed, 0, 1, false);
    // Whom groups do not concern, it may talk to.
    assert_eq!(bed::ask(bed.containers[1].serves(false)), "1");

    wanted.expecting = false;
    bed.lab.datapath().set_groups(&wanted).unwrap();
    assert_talk(&mut bed, 0, 1, true);
    wanted.expecting = true;
    bed.lab.datapath().set_groups(&wanted).unwrap();
    assert_talk(&mut bed, 0, 1, true);
}

#[test]
fn fragments_are_judged_as_what_they_are_parts_of() {
    let mut bed = Bed::new(3);
    bed.set(&[&["a"], &["a"], &["b"]]);
    let text = "x".repeat(9_000);
    for six in [false, true] {
        let to = bed.containers[1].serves(six);
        let client = &mut bed.containers[0].client;
        let socket = client.open_six(Udp, false);
        assert_eq!(client.exchange(socket, bed::seen(to), &text).1, "1");
        let to = bed.containers[2].serves(six);
        let own = bed.containers[0].address(six);
        let client = &mut bed.containers[0].client;
        client.send_to(socket, bed::seen(to), &text).unwrap();
        eventually("all fragments are dropped", || {
            bed.drops(own, to.ip(), DropReason::Groups) >= 7
        });
    }
}

#[test]
fn a_host_port_is_no_way_around_groups() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["b"]]);
    let target = bed.containers[1].serves(false);
    let rules = format!(
        "table ip t {{ chain c {{ type nat hook prerouting priority -100; \
         ip daddr {} tcp dport 8080 dnat to {target}; }}\n}}",
        HOST[0]
    );
    bed::run(&["nft", &rules]);
    let own = bed.containers[0].address(false);
    let client = &mut bed.containers[0].client;
    let socket = client.open(Tcp);
    let published = SocketAddr::new(HOST[0].parse::<IpAddr>().unwrap(), 8080);
    client.start(socket, published);
    eventually("it is dropped where it arrives", || {
        bed.drops(own, target.ip(), DropReason::Groups) > 0
    });
    let mut outside = bed.outside();
    assert_eq!(outside.who(published), "1");
}

#[test]
fn a_link_that_goes_leaves_nothing() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["a"]]);
    let Container { link, name, .. } = &bed.containers[1];
    let (link, name) = (*link, name.clone());
    bed::run(&["ip", "link", "delete", &name]);
    assert_eq!(bed.lab.datapath().check(), [], "it is no finding");
    bed.lab.datapath().release_interface(link).unwrap();
    bed.lab.datapath().release_interface(link).unwrap();
    let guarded = bed.lab.datapath().guarded();
    assert!(guarded.len() == 1 && !guarded.contains_key(&link));
    let error = bed.lab.datapath().guard_interface(link, expecting(&[]));
    assert!(error.unwrap_err().to_string().contains("put onto"));
    with(Build::This, || bed.lab.apply(&table(&[])));
}
