//! What the socket API tells about a VIP, over every stack (items B).

use model::Protocol::{Tcp, Udp};

use crate::calls::Call;
use crate::lab::{Client, Lab, assert_refused, far, table};
use crate::orders::{Order, Reply};
use crate::servers::serve_udp;
use crate::stacks::{STACKS, Stack};

/// A lab with an echoing backend behind port 80 of both VIPs, TCP and UDP.
fn lab() -> Lab {
    let mut lab = Lab::new();
    let [tcp, udp] = [Tcp, Udp].map(|protocol| Stack::Four.backends(protocol, &["a"]));
    let [tcp6, udp6] = [Tcp, Udp].map(|protocol| Stack::Six.backends(protocol, &["a"]));
    let (four, six) = (Stack::Four.key(80), Stack::Six.key(80));
    lab.apply(&table(&[
        (four, Tcp, &tcp),
        (four, Udp, &udp),
        (six, Tcp, &tcp6),
        (six, Udp, &udp6),
    ]));
    lab
}

#[test]
fn b1_the_peer_is_the_vip() {
    let lab = lab();
    let mut client = lab.client();
    for stack in STACKS {
        for protocol in [Tcp, Udp] {
            let socket = stack.dial(&mut client, protocol, 80);
            assert_eq!(client.peer(socket), Ok(stack.vip(80)), "{stack:?}");
            assert_eq!(client.echo(socket, "q"), "a");
            assert_eq!(client.peer(socket), Ok(stack.vip(80)), "{stack:?}");
        }
    }
}

#[test]
fn b2_datagrams_come_from_the_vip_however_they_are_received() {
    let lab = lab();
    let mut client = lab.client();
    for stack in STACKS {
        let (socket, to) = (stack.open(&mut client, Udp), stack.vip(80));
        assert_eq!(client.exchange(socket, to, "q"), (to, "a".to_owned()));

        let text = "q".to_owned();
        let message = Call::SendMessage { socket, to, text };
        client.call(message.clone()).unwrap();
        match client.call(Call::ReceiveMessage { socket }).unwrap() {
            Reply::Text { from, text } => assert_eq!((from, &*text), (Some(to), "a:q")),
            other => panic!("{other:?}"),
        }

        client.call(message.clone()).unwrap();
        client.call(message).unwrap();
        let mut got = Vec::new();
        while got.len() < 2 {
            match client.call(Call::ReceiveMessages { socket }).unwrap() {
                Reply::Texts(texts) => got.extend(texts),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(got, [(to, "a:q".to_owned()), (to, "a:q".to_owned())]);
    }
}

#[test]
fn b3_one_ipv6_socket_talks_to_vips_of_both_families() {
    let lab = lab();
    let mut client = lab.client();
    let socket = client.open_six(Udp, false);
    for stack in [Stack::Mapped, Stack::Six, Stack::Six, Stack::Mapped] {
        let to = stack.vip(80);
        assert_eq!(client.exchange(socket, to, "q"), (to, "a".to_owned()));
    }
    // The kernel allows no IPv6 peer after an IPv4 one, VIP or not.
    for stack in [Stack::Six, Stack::Mapped] {
        let socket = client.open_six(Udp, false);
        client.connect(socket, stack.vip(80)).unwrap();
        assert_eq!(client.peer(socket), Ok(stack.vip(80)));
        assert_eq!(client.echo(socket, "q"), "a");
        client.close(socket);
    }
    assert_eq!(lab.open_connections(), 2);
    client.close(socket);
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn b4_nothing_is_left_after_disconnecting() {
    let lab = lab();
    let mut client = lab.client();
    for stack in STACKS {
        let socket = stack.dial(&mut client, Udp, 80);
        client.ask(&Order::Disconnect { socket }).unwrap();
        let errno = client.peer(socket).unwrap_err().errno;
        assert_eq!(errno, libc::ENOTCONN, "{stack:?}");
        let to = stack.vip(80);
        assert_eq!(client.exchange(socket, to, "q"), (to, "a".to_owned()));
        let direct = serve_udp(stack.local(), "direct");
        let seen = stack.sees(direct);
        assert_eq!(client.exchange(socket, seen, "q"), (seen, "direct".into()));
        client.close(socket);
        assert_eq!(lab.open_connections(), 0, "{stack:?}");
    }
}

#[test]
fn b5_a_socket_that_reconnects_directly_has_its_real_peer() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let backend = stack.backend(Udp, "a");
        let address = stack.sees(backend.far.unwrap());
        lab.apply(&table(&[(stack.key(53), Udp, &[backend])]));
        let socket = stack.dial(&mut client, Udp, 53);
        client.connect(socket, address).unwrap();
        assert_eq!(client.peer(socket), Ok(address), "{stack:?}");
        assert_eq!(client.echo(socket, "q"), "a");
        assert_eq!(lab.open_connections(), 0, "{stack:?}");
    }
}

/// A connected socket to VIP 1 that sends to VIPs with the same backend, in turn.
fn assert_told_apart(stack: Stack, turns: &[u16]) {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let shared = stack.backends(Udp, &["shared"]);
    lab.apply(&table(&[1, 2].map(|port| (stack.key(port), Udp, &*shared))));
    let socket = stack.dial(&mut client, Udp, 1);
    for port in turns {
        let to = stack.vip(*port);
        assert_eq!(client.exchange(socket, to, "q").0, to, "{stack:?}");
    }
    assert_eq!(client.peer(socket), Ok(stack.vip(1)));
}

#[test]
fn b6_a_connected_socket_may_ask_another_vip_of_the_same_backend() {
    for stack in STACKS {
        assert_told_apart(stack, &[1, 2, 2]);
    }
}

#[test]
fn b6_and_then_the_first_one_again() {
    assert_told_apart(Stack::Four, &[1, 2, 1, 2]);
}

#[test]
fn b7_a_connect_without_waiting_is_reported_by_poll() {
    let mut lab = lab();
    let mut client = lab.client();
    for stack in STACKS {
        let (socket, to) = (stack.open(&mut client, Tcp), stack.vip(80));
        client.ask(&Order::Start { socket, to }).unwrap();
        client.call(Call::Await { socket }).unwrap();
        assert_eq!(client.peer(socket), Ok(to), "{stack:?}");
        // As the kernel has it: the second call confirms, the third is one too many.
        client.ask(&Order::Start { socket, to }).unwrap();
        let again = client.ask(&Order::Start { socket, to }).unwrap_err();
        assert_eq!(again.errno, libc::EISCONN, "{stack:?}");
        assert_eq!(lab.open_connections(), 1);
        client.close(socket);
    }
    lab.apply(&table(&[(Stack::Four.key(80), Tcp, &[])]));
    let (socket, to) = (client.open(Tcp), Stack::Four.vip(80));
    assert_refused(client.ask(&Order::Start { socket, to }));
}

/// An address that the client binds to, and what the other side should see.
fn assert_source(client: &mut Client, stack: Stack, host: &str) {
    for protocol in [Tcp, Udp] {
        let socket = stack.open(client, protocol);
        let to = stack.sees(format!("{host}:0").parse().unwrap());
        client.call(Call::Bind { socket, to }).unwrap();
        let bound = client.own(socket);
        client.connect(socket, stack.vip(80)).unwrap();
        assert_eq!(client.own(socket), bound, "{stack:?}");
        assert_eq!(client.peer(socket), Ok(stack.vip(80)));
        assert_eq!(client.echo(socket, "q"), "a");
    }
}

#[test]
fn b7_sockets_bound_to_a_source_or_a_device_are_translated() {
    let lab = lab();
    let mut client = lab.client();
    for (stack, host) in STACKS.into_iter().zip(["127.0.0.9", "[::1]", "127.0.0.9"]) {
        assert_source(&mut client, stack, host);
        for protocol in [Tcp, Udp] {
            let socket = stack.open(&mut client, protocol);
            let device = "lo".to_owned();
            client.call(Call::BindDevice { socket, device }).unwrap();
            client.connect(socket, stack.vip(80)).unwrap();
            assert_eq!(client.peer(socket), Ok(stack.vip(80)));
            assert_eq!(client.echo(socket, "q"), "a");
        }
    }
}

#[test]
fn b16_every_stack_and_protocol_is_refused_alike() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let none: &[vip::Backend] = &[];
    let services = [Stack::Four, Stack::Six]
        .map(|stack| [Tcp, Udp].map(|protocol| (stack.key(80), protocol, none)));
    lab.apply(&table(services.as_flattened()));
    // Neither without a backend, nor at a port without a service.
    for (stack, port) in STACKS
        .into_iter()
        .flat_map(|stack| [(stack, 80), (stack, 81)])
    {
        for protocol in [Tcp, Udp] {
            let socket = stack.open(&mut client, protocol);
            assert_refused(client.connect(socket, stack.vip(port)));
            assert_eq!(client.peer(socket).unwrap_err().errno, libc::ENOTCONN);
        }
        let socket = stack.open(&mut client, Udp);
        assert_refused(client.send_to(socket, stack.vip(port), "q"));
    }
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn b17_what_is_no_vip_is_left_alone() {
    let lab = lab();
    let mut client = lab.client();
    for stack in STACKS {
        for protocol in [Tcp, Udp] {
            let direct = stack.backend(protocol, "direct").far.unwrap();
            let (socket, to) = (stack.open(&mut client, protocol), stack.sees(direct));
            client.connect(socket, to).unwrap();
            assert_eq!(client.peer(socket), Ok(to));
            assert_eq!(client.echo(socket, "q"), "direct");
        }
        let direct = stack.sees(far("x", serve_udp(stack.local(), "x")).far.unwrap());
        let socket = stack.open(&mut client, Udp);
        assert_eq!(client.exchange(socket, direct, "q"), (direct, "x".into()));
    }
    assert_eq!(lab.open_connections(), 0);
}
