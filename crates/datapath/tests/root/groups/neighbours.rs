//! Packets between containers of one node: past the host, unless the host translates them.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::*;

/// Gives the host rules, or yields what it has.
fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft")
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "nft {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Packets that the host has forwarded.
fn forwarded() -> u64 {
    let counter = nft(&["list", "counter", "inet", "probe", "forwarded"]);
    let mut words = counter.split_whitespace();
    words.find(|word| *word == "packets").unwrap();
    words.next().unwrap().parse().unwrap()
}

/// The port of [`HOST`] that leads to the second container.
const PORT: u16 = 8099;

/// Two containers that may talk, on a host that counts what it forwards.
fn bed() -> Bed {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["a"]]);
    nft(&["add table inet probe { counter forwarded { }; \
           chain forward { type filter hook forward priority 0; counter name forwarded; }; }"]);
    bed
}

#[test]
fn neighbours_talk_past_the_host() {
    let mut bed = bed();
    assert_talk(&mut bed, 0, 1, true);
    assert_talk(&mut bed, 1, 0, true);
    assert_eq!(forwarded(), 0);
    // Groups hold all the same.
    bed.set(&[&["a"], &["b"]]);
    assert_talk(&mut bed, 0, 1, false);
    assert_eq!(forwarded(), 0);
}

#[test]
fn what_the_host_translates_passes_it_both_ways() {
    let mut bed = bed();
    for (six, family) in [(false, "ip"), (true, "ip6")] {
        let to = bed.containers[1].serves(six);
        let host: IpAddr = HOST[usize::from(six)].parse().unwrap();
        nft(&[&format!(
            "add table {family} probe {{ chain lead {{ type nat hook prerouting priority -100; \
             {family} daddr {host} tcp dport {PORT} dnat to {to}; }}; }}"
        )]);
        let port = SocketAddr::new(host, PORT);
        let before = forwarded();
        for _ in 0..3 {
            assert_eq!(bed.containers[0].who(port), "1", "{port}");
        }
        assert!(forwarded() > before);
    }
    // Whoever was met there is reached by its own address as before.
    assert_talk(&mut bed, 0, 1, true);
    assert_talk(&mut bed, 1, 0, true);
}
