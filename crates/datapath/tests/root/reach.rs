//! Reaching a VIP (items A), over every stack.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use model::Protocol::{Tcp, Udp};

use crate::calls::Call;
use crate::lab::{Client, Lab, assert_refused, far, table, vip};
use crate::servers::{serve_echo, serve_sink, serve_udp};
use crate::stacks::{STACKS, Stack};

/// Asks a VIP's port once over each protocol.
fn both(client: &mut Client, stack: Stack, port: u16) -> [String; 2] {
    [Tcp, Udp].map(|protocol| {
        let socket = stack.dial(client, protocol, port);
        let name = client.echo(socket, "q");
        client.close(socket);
        name
    })
}

fn assert_gone(client: &mut Client, stack: Stack, port: u16) {
    for protocol in [Tcp, Udp] {
        let socket = stack.open(client, protocol);
        assert_refused(client.connect(socket, stack.vip(port)));
        client.close(socket);
    }
}

#[test]
fn a4_services_go_and_come_apart_from_each_other() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let [one, two, three] = ["1", "2", "3"].map(|name| stack.backends(Tcp, &[name]));
        let all = [(1, &one), (2, &two), (3, &three)];
        let of = |ports: &[usize]| {
            let services = ports.iter().map(|port| {
                let (port, backends) = all[port - 1];
                (stack.key(port), Tcp, &**backends)
            });
            table(&services.collect::<Vec<_>>())
        };
        for (up, down) in [(&[1, 2][..], &[3][..]), (&[2], &[1, 3]), (&[2, 3], &[1])] {
            lab.apply(&of(up));
            for port in up {
                let socket = stack.dial(&mut client, Tcp, *port as u16);
                assert_eq!(client.echo(socket, "q"), port.to_string());
                client.close(socket);
            }
            for port in down {
                let socket = stack.open(&mut client, Tcp);
                assert_refused(client.connect(socket, stack.vip(*port as u16)));
            }
        }
    }
}

#[test]
fn a5_a_service_changes_its_port_and_comes_back() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let [tcp, udp] = [Tcp, Udp].map(|protocol| stack.backends(protocol, &["a"]));
        let at = |port| table(&[(stack.key(port), Tcp, &tcp), (stack.key(port), Udp, &udp)]);
        for (new, old) in [(80, 81), (81, 80), (80, 81)] {
            lab.apply(&at(new));
            assert_eq!(both(&mut client, stack, new), ["a", "a"]);
            assert_gone(&mut client, stack, old);
        }
        let mut gone = table(&[]);
        gone.addresses.insert(stack.key(0).ip());
        lab.apply(&gone);
        assert_gone(&mut client, stack, 80);
        lab.apply(&at(80));
        assert_eq!(both(&mut client, stack, 80), ["a", "a"]);
    }
}

#[test]
fn a8_a_backend_reaches_itself() {
    let mut lab = Lab::new();
    let mut container = lab.client();
    container.leave_host();
    for stack in [Stack::Four, Stack::Six] {
        let host = stack.local().ip();
        let address = |port| SocketAddr::new(host, port).to_string();
        let port = 7001 + 10 * stack as u16;
        let own = container.serve_echo(&address(port), "self");
        let other = container.serve_echo(&address(port + 1), "other");
        let backends = [far("self", own), far("other", other)];
        for count in [1, 2] {
            let set = &backends[..count];
            lab.apply(&table(&[
                (stack.key(80), Tcp, set),
                (stack.key(80), Udp, set),
            ]));
            let asked = (0..16).flat_map(|_| both(&mut container, stack, 80));
            let met: BTreeSet<String> = asked.collect();
            assert_eq!(met.len(), count, "{met:?}");
            assert!(met.contains("self"), "{met:?}");
        }
    }
}

#[test]
fn a9_the_backend_sees_the_clients_own_address() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    lab.apply(&table(&[
        (vip(80), Tcp, &[far("t", listener.local_addr().unwrap())]),
        (vip(80), Udp, &[far("u", datagrams.local_addr().unwrap())]),
    ]));
    for host in ["127.0.0.1:0", "127.0.0.7:0"] {
        let to = host.parse().unwrap();
        let socket = client.open(Tcp);
        client.call(Call::Bind { socket, to }).unwrap();
        client.connect(socket, vip(80)).unwrap();
        assert_eq!(listener.accept().unwrap().1, client.own(socket));

        let socket = client.open(Udp);
        client.call(Call::Bind { socket, to }).unwrap();
        client.send_to(socket, vip(80), "q").unwrap();
        let (_, from) = datagrams.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(from, client.own(socket));
    }
}

#[test]
fn a12_an_unknown_port_never_reaches_who_listens_there() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        // A VIP that is an address of the host as well, so that without the refusal
        // these listeners would be met.
        let listener = serve_echo(stack.local(), "listener");
        let datagrams = serve_udp(stack.local(), "datagrams");
        let service = SocketAddr::new(listener.ip(), 1);
        lab.apply(&table(&[(service, Tcp, &stack.backends(Tcp, &["a"]))]));
        let socket = stack.open(&mut client, Tcp);
        assert_refused(client.connect(socket, stack.sees(listener)));
        let socket = stack.open(&mut client, Udp);
        assert_refused(client.connect(socket, stack.sees(datagrams)));
        assert_refused(client.send_to(socket, stack.sees(datagrams), "q"));
        let socket = stack.open(&mut client, Tcp);
        client.connect(socket, stack.sees(service)).unwrap();
        assert_eq!(client.echo(socket, "q"), "a");
    }
}

#[test]
fn a16_many_vips_share_a_backend() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let shared = stack.backends(Tcp, &["shared"]);
        let services: Vec<_> = (1..=30)
            .map(|port| (stack.key(port), Tcp, &*shared))
            .collect();
        lab.apply(&table(&services));
        let sockets: Vec<_> = (1..=30)
            .map(|port| stack.dial(&mut client, Tcp, port))
            .collect();
        for (port, socket) in (1..=30).zip(sockets) {
            assert_eq!(client.peer(socket), Ok(stack.vip(port)));
            assert_eq!(client.echo(socket, "q"), "shared");
            client.close(socket);
        }
    }
}

/// Dialling the same backend twice from one source port is two connections with the
/// same addresses, which TCP does not have: the second one is refused at once, with
/// the error of a direct dial, and a client that leaves the port to the kernel never
/// meets it.
#[test]
fn a16_one_source_port_to_one_backend_is_one_connection() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    // Where nobody else takes the port in between.
    client.leave_host();
    let direct = client.serve_echo("127.0.0.1:7001", "shared");
    let other = [far("other", client.serve_echo("127.0.0.1:7002", "other"))];
    let shared = [far("shared", direct)];
    lab.apply(&table(&[
        (vip(1), Tcp, &shared),
        (vip(2), Tcp, &shared),
        (vip(3), Tcp, &other),
    ]));
    let own = "127.0.0.1:7003".parse().unwrap();
    for (one, two) in [(vip(1), vip(2)), (vip(1), direct), (direct, vip(1))] {
        let mut bound = || {
            let socket = client.open(Tcp);
            client.call(Call::Bind { socket, to: own }).unwrap();
            socket
        };
        let [first, second, third] = [bound(), bound(), bound()];
        client.connect(first, one).unwrap();
        let errno = client.connect(second, two).unwrap_err().errno;
        assert_eq!(errno, libc::EADDRNOTAVAIL, "{one} and {two}");
        client.connect(third, vip(3)).unwrap();
        assert_eq!(client.echo(first, "q"), "shared");
        assert_eq!(client.echo(third, "q"), "other");
        for socket in [first, second, third] {
            client.call(Call::Reset { socket }).unwrap();
        }
    }
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn a17_who_binds_to_a_vip_gets_nothing_of_its_traffic() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let [tcp, udp] = [Tcp, Udp].map(|protocol| Stack::Four.backends(protocol, &["a"]));
    lab.apply(&table(&[(vip(80), Tcp, &tcp), (vip(80), Udp, &udp)]));
    // Not without being allowed to bind to what the host does not have.
    let socket = client.open(Tcp);
    let bind = Call::Bind {
        socket,
        to: vip(80),
    };
    let errno = client.call(bind.clone()).unwrap_err().errno;
    assert_eq!(errno, libc::EADDRNOTAVAIL);
    client.call(Call::BindAnywhere { socket }).unwrap();
    client.call(bind).unwrap();

    let hijacker = UdpSocket::bind("127.0.0.1:0").unwrap();
    hijacker.set_nonblocking(true).unwrap();
    let local = hijacker.local_addr().unwrap();
    lab.apply(&table(&[
        (vip(80), Tcp, &tcp),
        (vip(80), Udp, &udp),
        (local, Udp, &udp),
    ]));
    assert_eq!(both(&mut client, Stack::Four, 80), ["a", "a"]);
    let socket = client.open(Udp);
    assert_eq!(client.exchange(socket, local, "q"), (local, "a".to_owned()));
    let heard = hijacker.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(heard.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a10_large_payloads_pass() {
    let mut lab = Lab::new();
    let mut container = lab.client();
    container.leave_host();
    // Loopback has an MTU of 64 KiB; with this one datagrams are fragmented.
    container.run("ip link set lo mtu 1500");
    let mut host = lab.client();
    for stack in STACKS {
        for inside in [true, false] {
            let client = if inside { &mut container } else { &mut host };
            let mut local = stack.local();
            let (tcp, udp) = if inside {
                local.set_port(8001 + 10 * stack as u16);
                let sink = client.serve_sink(&local.to_string());
                local.set_port(local.port() + 1);
                (sink, client.serve_echo(&local.to_string(), "u"))
            } else {
                (serve_sink(local), serve_udp(local, "u"))
            };
            lab.apply(&table(&[
                (stack.key(80), Tcp, &[far("t", tcp)]),
                (stack.key(80), Udp, &[far("u", udp)]),
            ]));
            large(client, stack);
        }
    }
}

fn large(client: &mut Client, stack: Stack) {
    const MEGABYTES: usize = 4 << 20;
    let socket = stack.dial(client, Tcp, 80);
    client
        .call(Call::SendBytes {
            socket,
            length: MEGABYTES,
        })
        .unwrap();
    client.call(Call::Finish { socket }).unwrap();
    assert_eq!(client.receive(socket).1, MEGABYTES.to_string());
    client.close(socket);

    let socket = stack.open(client, Udp);
    let text = "x".repeat(20_000);
    let (from, name) = client.exchange(socket, stack.vip(80), &text);
    assert_eq!((from, &*name), (stack.vip(80), "u"));
    client.close(socket);
}
