//! Packets that no well-behaved container sends, given to the programs as they are.

use datapath::{Judged, Way};

use super::*;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// An Ethernet frame.
fn frame(kind: u16, rest: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend(kind.to_be_bytes());
    frame.extend(rest);
    frame
}

/// A packet of a protocol between two addresses.
fn packet(from: IpAddr, to: IpAddr, protocol: u8, rest: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![
                0x45,
                0,
                0,
                20 + rest.len() as u8,
                0,
                0,
                0,
                0,
                64,
                protocol,
                0,
                0,
            ];
            header.extend(from.octets());
            header.extend(to.octets());
            header.extend(rest);
            frame(IPV4, &header)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, rest.len() as u8, protocol, 64];
            header.extend(from.octets());
            header.extend(to.octets());
            header.extend(rest);
            frame(IPV6, &header)
        }
        mixed => panic!("{mixed:?}"),
    }
}

fn passes(bed: &mut Bed, way: Way, packet: &[u8]) -> bool {
    let link = bed.containers[0].link;
    let Judged { passed, .. } = bed
        .lab
        .datapath()
        .judge_packet(link, way, packet, 1)
        .unwrap();
    passed
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn what_follows_the_first_header_makes_no_difference() {
    let mut bed = Bed::new(3);
    bed.set(&[&["a"], &["a"], &["b"]]);
    // Hop-by-hop, routing, fragment, destination options, ESP, nothing, UDP, and what
    // nobody has defined.
    for protocol in [0, 43, 44, 60, 50, 59, 17, 253] {
        for six in [false, true] {
            let [own, friend, stranger] =
                [0, 1, 2].map(|index: usize| bed.containers[index].address(six));
            for rest in [&[][..], &[17, 0, 0, 0, 0, 0, 0, 0], &[0xff; 64]] {
                let mut judge =
                    |way, from, to| passes(&mut bed, way, &packet(from, to, protocol, rest));
                assert!(judge(Way::From, own, friend), "{protocol}");
                assert!(!judge(Way::From, own, stranger), "{protocol}");
                assert!(judge(Way::To, friend, own), "{protocol}");
                assert!(!judge(Way::To, stranger, own), "{protocol}");
                assert!(!judge(Way::From, stranger, friend), "{protocol}");
            }
        }
    }
}

#[test]
fn neighbours_are_found_and_nothing_else_leaves_without_an_address() {
    let mut bed = Bed::new(1);
    bed.set(&[&["a"]]);
    let mut sends = |packet: &[u8]| passes(&mut bed, Way::From, packet);
    assert!(sends(&frame(0x0806, &[0; 28])), "ARP");
    let icmp = [135, 0, 0, 0, 0, 0, 0, 0];
    let mut six = |from: &str, to: &str| sends(&packet(ip(from), ip(to), 58, &icmp));
    assert!(six("::", "ff02::1:ff00:2"), "its own address is looked for");
    assert!(six("fe80::5", "ff02::2"));
    assert!(six("fe80::5", "fe80::1"));
    assert!(six("fd01:b::2", "ff02::1:ff00:1"));
    assert!(!six("::", "fd01:b::3"));
    assert!(!six("fe80::5", "fd01:b::3"));
    assert!(!six("fe80::5", "ff0e::1"), "beyond the link");
    let mut four = |from: &str, to: &str| sends(&packet(ip(from), ip(to), 17, &[0; 8]));
    assert!(!four("0.0.0.0", "255.255.255.255"));
    assert!(!four("127.0.0.1", "10.9.8.7"));
    assert!(!four("169.254.1.1", "10.9.8.7"));
    assert!(four("9.0.1.2", "224.0.0.251"));
}

#[test]
fn what_is_no_packet_is_dropped() {
    let mut bed = Bed::new(1);
    bed.set(&[&["a"]]);
    let mut sends = |packet: &[u8]| passes(&mut bed, Way::From, packet);
    for kind in [0x8847, 0x88cc, 0x8863, 0x0001] {
        assert!(!sends(&frame(kind, &[0; 64])), "{kind:x}");
    }
    let whole = packet(ip("9.0.1.2"), ip("10.9.8.7"), 17, &[0; 8]);
    assert!(sends(&whole));
    let dropped = bed.lab.datapath().dropped();
    let shape = dropped.iter().find(|it| it.reason == DropReason::Shape);
    assert!(shape.unwrap().packets >= 4, "{dropped:?}");
}

#[test]
fn an_interface_in_many_groups_is_compared_in_full() {
    let mut bed = Bed::new(2);
    let name = |prefix: char| (0..15).map(move |number| format!("{prefix}{number:02}"));
    let with =
        |prefix, last: &str| -> Vec<String> { name(prefix).chain([last.to_owned()]).collect() };
    for (last, talk) in [("zz", true), ("yy", false)] {
        let (first, second) = (with('a', "zz"), with('b', last));
        let first: Vec<_> = first.iter().map(String::as_str).collect();
        let second: Vec<_> = second.iter().map(String::as_str).collect();
        bed.set(&[&first, &second]);
        assert_talk(&mut bed, 0, 1, talk);
    }
}
