//! Backends that come, drain and go (items C), over every stack.

use std::collections::BTreeSet;

use model::Protocol::{Tcp, Udp};
use vip::Backend;

use crate::lab::{Client, Lab, assert_refused, draining, eventually, far, table, vip};
use crate::servers::serve_tcp;
use crate::stacks::{STACKS, Stack};

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn c1_only_ready_backends_are_connected_to() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let [a, b] = ["a", "b"].map(|name| stack.backend(Tcp, name));
        let mut check = |set: &[Backend], expected: BTreeSet<String>| {
            lab.apply(&table(&[(stack.key(80), Tcp, set)]));
            assert_eq!(stack.met(&mut client, Tcp, 80, 32), expected, "{stack:?}");
        };
        check(&[a.clone(), draining(b.clone())], names(["a"]));
        check(&[a.clone(), b.clone()], names(["a", "b"]));
        check(&[draining(a.clone()), b.clone()], names(["b"]));
        check(&[a, b], names(["a", "b"]));
    }
}

#[test]
fn c3_open_connections_go_on_while_their_backend_drains_and_leaves() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let [a, b] = ["a", "b"].map(|name| stack.backend(Tcp, name));
        lab.apply(&table(&[(stack.key(80), Tcp, std::slice::from_ref(&a))]));
        let sockets: Vec<_> = (0..5).map(|_| stack.dial(&mut client, Tcp, 80)).collect();
        let still_there = |lab: &Lab, client: &mut Client| {
            for socket in &sockets {
                assert_eq!(client.echo(*socket, "q"), "a");
                assert_eq!(client.peer(*socket), Ok(stack.vip(80)));
            }
            assert_eq!(lab.open_connections(), 5);
            assert_eq!(stack.met(client, Tcp, 80, 16), names(["b"]), "{stack:?}");
        };
        lab.apply(&table(&[(stack.key(80), Tcp, &[draining(a), b.clone()])]));
        still_there(&lab, &mut client);
        lab.apply(&table(&[(stack.key(80), Tcp, &[b])]));
        still_there(&lab, &mut client);
        for socket in sockets {
            client.close(socket);
        }
        assert_eq!(lab.open_connections(), 0);
    }
}

#[test]
fn c4_draining_backends_serve_while_nobody_else_does() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let [a, b] = ["a", "b"].map(|name| draining(stack.backend(Tcp, name)));
        lab.apply(&table(&[(stack.key(80), Tcp, &[a, b])]));
        assert_eq!(
            stack.met(&mut client, Tcp, 80, 32),
            names(["a", "b"]),
            "{stack:?}"
        );
    }
}

#[test]
fn c5_a_removed_backend_gets_no_more_connects() {
    let mut lab = Lab::new();
    let server = |name: &str| far(name, serve_tcp(Stack::Four.local(), name));
    let [a, b] = ["a", "b"].map(server);
    let both = table(&[(vip(80), Tcp, &[a.clone(), b])]);
    let one = table(&[(vip(80), Tcp, &[a])]);
    let (mut hammers, mut client) = ([lab.client(), lab.client()], lab.client());
    lab.apply(&both);
    for hammer in &mut hammers {
        hammer.hammer(vip(80));
    }
    for _ in 0..20 {
        lab.apply(&both);
        let before = lab.backend(vip(80), Tcp, "b").total;
        eventually("it is connected to", || {
            lab.backend(vip(80), Tcp, "b").total > before
        });
        lab.apply(&one);
        let left = |lab: &Lab| {
            let backends = lab.service(vip(80), Tcp).backends;
            let departed = backends.iter().find(|backend| backend.state.is_none());
            departed.map(|backend| backend.total)
        };
        let after = left(&lab);
        for _ in 0..50 {
            assert_eq!(client.who(vip(80)).unwrap(), "a");
        }
        // It is listed while a connection of it is open. Each of the two others may have
        // been choosing at the moment of the change.
        if let (Some(after), Some(at_the_end)) = (after, left(&lab)) {
            assert!(at_the_end <= after + 2, "{after} and {at_the_end}");
        }
    }
    for hammer in &mut hammers {
        let tally = hammer.rest();
        assert!(tally.failures.is_empty(), "{tally:?}");
    }
    eventually("all counts are 0", || lab.open_connections() == 0);
}

#[test]
fn c7_an_address_that_another_service_takes_over_is_no_longer_this_ones() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let reused = stack.backend(Udp, "reused");
        let address = reused.far.unwrap();
        lab.apply(&table(&[(stack.key(1), Udp, &[reused])]));
        let (socket, to) = (stack.open(&mut client, Udp), stack.vip(1));
        assert_eq!(client.exchange(socket, to, "q").1, "reused");
        let connected = stack.dial(&mut client, Udp, 1);

        let second = table(&[
            (stack.key(1), Udp, &stack.backends(Udp, &["other"])),
            (stack.key(2), Udp, &[far("another", address)]),
        ]);
        lab.apply(&second);
        for _ in 0..16 {
            assert_eq!(client.exchange(socket, to, "q"), (to, "other".to_owned()));
        }
        let other = stack.vip(2);
        assert_eq!(
            client.exchange(socket, other, "q"),
            (other, "reused".into())
        );
        assert_eq!(client.exchange(socket, to, "q"), (to, "other".to_owned()));
        client.connect(connected, to).unwrap();
        assert_eq!(client.echo(connected, "q"), "other");
        for socket in [socket, connected] {
            client.close(socket);
        }
    }
}

#[test]
fn c8_a_client_recovers_as_soon_as_a_backend_is_back() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        for protocol in [Tcp, Udp] {
            let backend = stack.backends(protocol, &["a"]);
            let up = table(&[(stack.key(80), protocol, &backend)]);
            let down = table(&[(stack.key(80), protocol, &[])]);
            let socket = stack.open(&mut client, protocol);
            for _ in 0..2 {
                lab.apply(&up);
                lab.apply(&down);
                assert_refused(client.connect(socket, stack.vip(80)));
            }
            lab.apply(&up);
            client.connect(socket, stack.vip(80)).unwrap();
            assert_eq!(client.echo(socket, "q"), "a");
            client.close(socket);
        }
    }
}
