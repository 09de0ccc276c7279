//! VIPs over IPv6 sockets (items J): what other files show for IPv4 alone. Tests that
//! run over every stack are in the files of their items.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::Protocol::{Tcp, Udp};
use vip::Backend;

use crate::lab::{Lab, assert_refused, eventually, far, table};
use crate::servers::serve_tcp;
use crate::stacks::Stack;

const OVER_IPV6: [Stack; 2] = [Stack::Six, Stack::Mapped];

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn j1_backends_come_and_go() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in OVER_IPV6 {
        for protocol in [Tcp, Udp] {
            let [a, b] = ["a", "b"].map(|name| stack.backend(protocol, name));
            for (backends, expected) in [
                (vec![], set([])),
                (vec![a.clone()], set(["a"])),
                (vec![a, b.clone()], set(["a", "b"])),
                (vec![b], set(["b"])),
                (vec![], set([])),
            ] {
                lab.apply(&table(&[(stack.key(80), protocol, &backends)]));
                if backends.is_empty() {
                    let socket = stack.open(&mut client, protocol);
                    assert_refused(client.connect(socket, stack.vip(80)));
                } else {
                    let met = stack.met(&mut client, protocol, 80, 32);
                    assert_eq!(met, expected, "{stack:?} {protocol:?}");
                }
            }
        }
    }
}

#[test]
fn j1_ports_and_protocols_are_apart() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in OVER_IPV6 {
        let services = [(1, Tcp), (2, Tcp), (1, Udp)];
        let named = services.map(|(port, protocol)| {
            let name = format!("{protocol:?}-{port}");
            (port, protocol, stack.backends(protocol, &[&name]))
        });
        for left_out in [None, Some(0), Some(1), Some(2)] {
            let up: Vec<_> = (0..3).filter(|index| Some(*index) != left_out).collect();
            let wanted: Vec<_> = up
                .iter()
                .map(|index| {
                    let (port, protocol, backends) = &named[*index];
                    (stack.key(*port), *protocol, &**backends)
                })
                .collect();
            lab.apply(&table(&wanted));
            for (index, (port, protocol)) in services.into_iter().enumerate() {
                let socket = stack.open(&mut client, protocol);
                let connected = client.connect(socket, stack.vip(port));
                if up.contains(&index) {
                    connected.unwrap();
                    assert_eq!(client.echo(socket, "q"), format!("{protocol:?}-{port}"));
                } else {
                    assert_refused(connected);
                }
                client.close(socket);
            }
        }
    }
}

#[test]
fn j3_replacing_every_backend_fails_no_connect() {
    let mut lab = Lab::new();
    for stack in OVER_IPV6 {
        let server = |name: &&str| far(name, serve_tcp(stack.local(), name));
        let [blue, green]: [Vec<Backend>; 2] =
            [["b1", "b2"], ["g1", "g2"]].map(|names| names.iter().map(server).collect());
        let tables = [&blue, &green].map(|set| table(&[(stack.key(80), Tcp, set)]));
        lab.apply(&tables[0]);
        let mut client = lab.client();
        client.hammer(stack.vip(80));
        let (end, mut swaps) = (Instant::now() + Duration::from_millis(400), 0);
        while Instant::now() < end {
            swaps += 1;
            lab.apply(&tables[swaps % 2]);
        }
        let tally = client.rest();
        assert!(tally.failures.is_empty(), "after {swaps} swaps: {tally:?}");
        assert_eq!(tally.answers.len(), 4, "{tally:?}");
    }
    eventually("all counts are 0", || lab.open_connections() == 0);
}

#[test]
fn j4_more_vips_than_pins_still_answer_under_their_own_name() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in OVER_IPV6 {
        let backends: Vec<_> = (0..9)
            .map(|number| stack.backends(Udp, &[&format!("s{number}")]))
            .collect();
        let services: Vec<_> = (100..109)
            .zip(&backends)
            .map(|(port, backend)| (stack.key(port), Udp, &**backend))
            .collect();
        lab.apply(&table(&services));
        let socket = stack.open(&mut client, Udp);
        for port in 100..109 {
            client.send_to(socket, stack.vip(port), "q").unwrap();
        }
        let mut answers: Vec<_> = (0..9).map(|_| client.receive(socket)).collect();
        answers.sort();
        for (port, answer) in (100..109).zip(answers) {
            let from = Some(stack.vip(port));
            assert_eq!(answer, (from, format!("s{}:q", port - 100)), "{stack:?}");
        }
        client.close(socket);
        assert_eq!(lab.open_connections(), 0);
    }
}

/// An IPv6 socket that may talk IPv4 could reach a backend of IPv4, and would then tell
/// its application of a peer that it never asked for. The table has no such backends;
/// should it, they are none.
#[test]
fn j1_backends_of_the_other_family_are_none() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for (vip, backend) in [(Stack::Six, Stack::Four), (Stack::Four, Stack::Six)] {
        for protocol in [Tcp, Udp] {
            let other = backend.backends(protocol, &["other"]);
            lab.apply(&table(&[(vip.key(80), protocol, &other)]));
            for stack in [vip, Stack::Mapped] {
                if stack.key(80) != vip.key(80) {
                    continue;
                }
                let socket = stack.open(&mut client, protocol);
                assert_refused(client.connect(socket, stack.vip(80)));
            }
            let socket = client.open_six(protocol, false);
            assert_refused(client.connect(socket, Stack::Mapped.sees(vip.key(80))));
        }
        assert!(lab.service(vip.key(80), Udp).refused > 0);
    }
}
