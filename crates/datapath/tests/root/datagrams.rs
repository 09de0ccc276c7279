//! UDP flows while backends change (items D), over every stack.

use std::collections::BTreeSet;

use libbpf_rs::{MapCore, MapFlags, MapHandle};
use model::Protocol::Udp;

use crate::calls::Call;
use crate::lab::{Client, Lab, assert_refused, far, table, vip};
use crate::servers::serve_udp;
use crate::stacks::{STACKS, Stack};

/// A client of the host, and one in a namespace of its own with servers in there.
fn hosts(lab: &Lab) -> [Client; 2] {
    let (host, mut container) = (lab.client(), lab.client());
    container.leave_host();
    [host, container]
}

#[test]
fn d1_a_steady_client_moves_to_the_new_backend() {
    let mut lab = Lab::new();
    for mut client in hosts(&lab) {
        for stack in STACKS {
            let base = 7000 + 10 * stack as u16;
            let mut backend = |offset, name| {
                let mut at = stack.local();
                at.set_port(base + offset);
                far(name, client.serve_echo(&at.to_string(), name))
            };
            let [a, b] = [(1, "a"), (2, "b")].map(|(offset, name)| backend(offset, name));
            lab.apply(&table(&[(stack.key(53), Udp, &[a])]));
            let mut from = stack.sees(stack.local());
            from.set_port(base + 3);
            let (socket, to) = (stack.open(&mut client, Udp), stack.vip(53));
            client.call(Call::Bind { socket, to: from }).unwrap();
            assert_eq!(client.exchange(socket, to, "q"), (to, "a".to_owned()));
            lab.apply(&table(&[(stack.key(53), Udp, &[b])]));
            assert_eq!(client.exchange(socket, to, "q"), (to, "b".to_owned()));
            assert_eq!(client.own(socket), from);
            client.close(socket);
        }
    }
}

#[test]
fn d2_a_flow_that_began_without_a_backend_gets_one() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        lab.apply(&table(&[(stack.key(53), Udp, &[])]));
        let (socket, to) = (stack.open(&mut client, Udp), stack.vip(53));
        for _ in 0..3 {
            assert_refused(client.send_to(socket, to, "q"));
            assert_refused(client.connect(socket, to));
        }
        lab.apply(&table(&[(
            stack.key(53),
            Udp,
            &stack.backends(Udp, &["a"]),
        )]));
        assert_eq!(client.exchange(socket, to, "q"), (to, "a".to_owned()));
        client.connect(socket, to).unwrap();
        assert_eq!(client.echo(socket, "q"), "a");
        client.close(socket);
    }
}

#[test]
fn d3_a_flow_follows_its_backends_port() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let (socket, to) = (stack.open(&mut client, Udp), stack.vip(53));
        for name in ["first", "second", "third"] {
            // The same task, which answers at another port.
            let moved = far("task", serve_udp(stack.local(), name));
            lab.apply(&table(&[(stack.key(53), Udp, &[moved])]));
            assert_eq!(client.exchange(socket, to, "q"), (to, name.to_owned()));
        }
        client.close(socket);
    }
}

#[test]
fn d4_a_socket_keeps_its_backend_whatever_else_changes() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let mut backends = stack.backends(Udp, &["a", "b", "c", "d"]);
        let socket = stack.open(&mut client, Udp);
        let to = stack.vip(53);
        lab.apply(&table(&[(stack.key(53), Udp, &backends)]));
        let (_, kept) = client.exchange(socket, to, "q");
        for step in 0..8 {
            // Backends come and go, weights change, other services do.
            backends.retain(|backend| backend.task.as_str() == kept || step % 2 == 0);
            backends.push(stack.backend(Udp, &format!("new-{step}")));
            for backend in &mut backends {
                backend.weight = step + 1;
            }
            let other = stack.backends(Udp, &["other"]);
            let table = table(&[
                (stack.key(53), Udp, &backends),
                (stack.key(54 + step as u16), Udp, &other),
            ]);
            lab.apply(&table);
            assert_eq!(client.exchange(socket, to, "q"), (to, kept.clone()));
        }
        if stack == Stack::Four {
            lab.open();
            assert_eq!(client.exchange(socket, to, "q"), (to, kept));
        }
        client.close(socket);
    }
}

#[test]
fn d5_sockets_choose_for_themselves() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let backends = stack.backends(Udp, &["a", "b", "c"]);
        lab.apply(&table(&[(stack.key(53), Udp, &backends)]));
        let mut met = BTreeSet::new();
        for _ in 0..24 {
            let socket = stack.open(&mut client, Udp);
            met.insert(client.exchange(socket, stack.vip(53), "q").1);
        }
        assert_eq!(met.len(), 3, "{stack:?}: {met:?}");
    }
}

/// Berths that sockets hold.
fn taken(lab: &Lab) -> usize {
    let berths = MapHandle::from_pinned_path(lab.options.pins.join("maps/berths")).unwrap();
    (0..berths.max_entries())
        .filter(|index| {
            let berth = berths.lookup(&index.to_ne_bytes(), MapFlags::ANY);
            berth.unwrap().unwrap()[..8] != [0; 8]
        })
        .count()
}

#[test]
fn d9_short_lived_sockets_leave_nothing() {
    let mut lab = Lab::new();
    let mut clients = [lab.client(), lab.client()];
    // Nobody reads it: what is measured is what the kernel keeps.
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let deaf = [far("deaf", server.local_addr().unwrap())];
    let live = Stack::Four.backends(Udp, &["live"]);
    lab.apply(&table(&[(vip(1), Udp, &live), (vip(2), Udp, &deaf)]));
    let [first, _] = &mut clients;
    let sockets: Vec<_> = (0..4)
        .map(|_| {
            let socket = first.open(Udp);
            assert_eq!(first.exchange(socket, vip(1), "q").0, vip(1));
            socket
        })
        .collect();
    let connected = first.dial(Udp, vip(1)).unwrap();
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                client.churn(vip(2), 25_000, true);
                client.churn(vip(2), 25_000, false);
            });
        }
    });
    let deaf = lab.backend(vip(2), Udp, "deaf");
    assert_eq!((deaf.open, deaf.total), (0, 100_000));
    assert_eq!((lab.open_connections(), taken(&lab)), (5, 1));
    let [first, _] = &mut clients;
    for socket in sockets {
        assert_eq!(first.exchange(socket, vip(1), "q").0, vip(1));
        first.close(socket);
    }
    assert_eq!(first.echo(connected, "q"), "live");
    assert_eq!(first.peer(connected), Ok(vip(1)));
    first.close(connected);
    assert_eq!((lab.open_connections(), taken(&lab)), (0, 0));
}
