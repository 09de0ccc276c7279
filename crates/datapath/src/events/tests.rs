//! Events as bytes.

use super::*;

fn event() -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    let mut put = |offset: usize, value: &[u8]| {
        bytes[offset..offset + value.len()].copy_from_slice(value);
    };
    put(at!(time), &monotonic().to_ne_bytes());
    put(at!(netns), &7_u64.to_ne_bytes());
    put(at!(cgroup), &8_u64.to_ne_bytes());
    put(at!(identity), &9_u64.to_ne_bytes());
    let vip = "11.0.0.1".parse::<std::net::Ipv4Addr>().unwrap();
    put(at!(vip), &vip.to_ipv6_mapped().octets());
    put(at!(vip_port), &80_u16.to_be_bytes());
    let peer = "fd00::2".parse::<Ipv6Addr>().unwrap();
    put(at!(peer), &peer.octets());
    put(at!(peer_port), &8080_u16.to_be_bytes());
    put(at!(kind), &[2]);
    put(at!(protocol), &[6]);
    put(at!(how), &[3]);
    put(at!(service), &5_u32.to_ne_bytes());
    put(at!(pid), &1234_u32.to_ne_bytes());
    put(at!(comm), b"cur\x1bl\0junk");
    bytes
}

#[test]
fn a_decision_reads_back() {
    let Some(Event::Decision(decision)) = parse(&event()) else {
        panic!("a decision")
    };
    assert!(decision.at.elapsed() < Duration::from_secs(5));
    assert_eq!(decision.vip, "11.0.0.1:80".parse().unwrap());
    assert_eq!(decision.peer, Some("[fd00::2]:8080".parse().unwrap()));
    assert_eq!(
        (decision.protocol, decision.how),
        (Protocol::Tcp, How::Lighter)
    );
    assert_eq!((decision.identity, decision.pid), (Some(9), 1234));
    assert_eq!((decision.netns, decision.cgroup), (7, 8));
    assert_eq!(decision.comm, "cur\u{fffd}l");
}

#[test]
fn an_ejection_reads_back_and_a_refusal_has_no_peer() {
    let mut bytes = event();
    bytes[at!(kind)] = 1;
    let Some(Event::Ejected {
        service,
        identity,
        protocol,
        ..
    }) = parse(&bytes)
    else {
        panic!("an ejection")
    };
    assert_eq!((service, identity, protocol), (5, 9, Protocol::Tcp));

    let mut bytes = event();
    bytes[at!(how)] = 0;
    bytes[at!(peer_port)..][..2].fill(0);
    bytes[at!(identity)..][..8].fill(0);
    let Some(Event::Decision(decision)) = parse(&bytes) else {
        panic!("a decision")
    };
    assert_eq!(decision.how, How::Refused);
    assert_eq!((decision.peer, decision.identity), (None, None));
}

#[test]
fn a_refused_bind_is_read() {
    let mut bytes = event();
    bytes[at!(kind)] = 3;
    let (Some(Event::Denied(denied)), Some(Event::Decision(decision))) =
        (parse(&bytes), parse(&event()))
    else {
        panic!("a refusal and a decision")
    };
    assert_eq!(Some(denied.address), decision.peer);
    assert_eq!(denied.protocol, decision.protocol);
    assert_eq!(denied.cgroup, decision.cgroup);
    assert_eq!((denied.pid, denied.comm), (decision.pid, decision.comm));
}

#[test]
fn rubbish_is_no_event() {
    assert_eq!(parse(&[]), None);
    assert_eq!(parse(&event()[1..]), None);
    for (offset, value) in [
        (at!(kind), 0),
        (at!(kind), 4),
        (at!(protocol), 1),
        (at!(how), 8),
    ] {
        let mut bytes = event();
        bytes[offset] = value;
        assert_eq!(parse(&bytes), None, "byte {offset} is {value}");
    }
    // A clock that is ahead, or of another boot, makes no time that cannot be told.
    let mut bytes = event();
    bytes[at!(time)..][..8].fill(0xff);
    assert!(parse(&bytes).is_some());
    bytes[at!(time)..][..8].fill(0);
    assert!(parse(&bytes).is_some());
}

#[test]
fn every_way_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> = (0..=7)
        .map(|number| How::from_number(number).unwrap().to_string())
        .collect();
    assert_eq!(words.len(), 8);
    assert_eq!(How::from_number(8), None);
}
