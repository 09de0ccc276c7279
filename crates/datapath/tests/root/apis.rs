//! Ways into the kernel that are not plain connect() and sendto() (items B8 to B14).

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use model::Protocol::{Tcp, Udp};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect};

use crate::asks::socket;
use crate::calls::{Call, Kind, Ring, give, take};
use crate::lab::{Client, Lab, eventually, far, table, vip};
use crate::servers::serve_echo;
use crate::stacks::{STACKS, Stack};

fn lab() -> (Lab, Client) {
    let mut lab = Lab::new();
    let [tcp, udp] = [Tcp, Udp].map(|protocol| Stack::Four.backends(protocol, &["a"]));
    lab.apply(&table(&[(vip(80), Tcp, &tcp), (vip(80), Udp, &udp)]));
    let client = lab.client();
    (lab, client)
}

/// Fast Open for clients and every listener, without cookies, so that the first
/// connect sends data at once.
const FAST_OPEN: u32 = 0x1 | 0x2 | 0x4 | 0x200 | 0x400;

/// A client in a namespace of its own with Fast Open, and an echoing server in there.
fn fast(lab: &mut Lab) -> Client {
    let mut client = lab.client();
    client.leave_host();
    client.set_net("ipv4/tcp_fastopen", FAST_OPEN);
    let [four, six] =
        ["127.0.0.1:7001", "[::1]:7001"].map(|at| far("a", client.serve_echo(at, "a")));
    lab.apply(&table(&[
        (Stack::Four.key(80), Tcp, &[four]),
        (Stack::Six.key(80), Tcp, &[six]),
    ]));
    client
}

/// What was sent with the SYN arrives once, and the socket is like any other.
fn assert_opened_fast(lab: &Lab, client: &mut Client, stack: Stack, socket: u32) {
    assert_eq!(client.receive(socket).1, "a:early", "{stack:?}");
    assert_eq!(client.number(Call::WentWithSyn { socket }), 1, "{stack:?}");
    assert_eq!(client.peer(socket), Ok(stack.vip(80)));
    assert_eq!(client.echo(socket, "late"), "a");
    assert_eq!(lab.open_connections(), 1);
    client.call(Call::Finish { socket }).unwrap();
    let length = 1;
    assert_eq!(client.number(Call::ReceiveBytes { socket, length }), 0);
    client.close(socket);
}

#[test]
fn b8_fast_open_by_sendto() {
    let mut lab = Lab::new();
    let mut client = fast(&mut lab);
    for stack in STACKS {
        let (socket, to) = (stack.open(&mut client, Tcp), stack.vip(80));
        let text = "early\n".to_owned();
        client.call(Call::SendFast { socket, to, text }).unwrap();
        assert_opened_fast(&lab, &mut client, stack, socket);
    }
}

#[test]
fn b8_fast_open_by_connect() {
    let mut lab = Lab::new();
    let mut client = fast(&mut lab);
    for stack in STACKS {
        let socket = stack.open(&mut client, Tcp);
        client.call(Call::DeferConnect { socket }).unwrap();
        client.connect(socket, stack.vip(80)).unwrap();
        client.send(socket, "early\n").unwrap();
        assert_opened_fast(&lab, &mut client, stack, socket);
    }
}

#[test]
fn b9_multipath_tcp_is_translated() {
    let (_lab, mut client) = lab();
    let socket = client.open_kind(Kind::Mptcp);
    client.connect(socket, vip(80)).unwrap();
    assert_eq!(client.echo(socket, "q"), "a");
}

/// The hook of getpeername() gets the multipath socket, that of connect() its first
/// subflow, and programs cannot go from the one to the other.
#[test]
fn b9_the_peer_of_multipath_tcp_is_the_backend() {
    let (lab, mut client) = lab();
    let socket = client.open_kind(Kind::Mptcp);
    client.connect(socket, vip(80)).unwrap();
    let backends = lab.service(vip(80), Tcp).backends;
    let peer = client.peer(socket).unwrap();
    assert!(
        backends.iter().any(|backend| backend.far == Some(peer)),
        "{peer}"
    );
}

#[test]
fn b9_multipath_tcp_is_counted_until_it_is_closed() {
    let (lab, mut client) = lab();
    let socket = client.open_kind(Kind::Mptcp);
    client.connect(socket, vip(80)).unwrap();
    assert_eq!(lab.open_connections(), 1);
    client.close(socket);
    eventually("nothing is open", || lab.open_connections() == 0);
}

#[test]
fn b10_io_uring_is_translated() {
    let (lab, mut client) = lab();
    let to = vip(80);
    for threaded in [false, true] {
        let ring = |request, socket, text: &str| Call::Ring {
            request,
            socket,
            to,
            text: text.to_owned(),
            threaded,
        };
        for protocol in [Tcp, Udp] {
            let socket = client.open(protocol);
            client.call(ring(Ring::Connect, socket, "")).unwrap();
            assert_eq!(client.peer(socket), Ok(to), "{protocol:?}");
            assert_eq!(client.echo(socket, "q"), "a");
            client.close(socket);
        }
        for request in [Ring::SendMessage, Ring::SendZeroCopy] {
            let socket = client.open(Udp);
            client.call(ring(request, socket, "q")).unwrap();
            assert_eq!(client.receive(socket), (Some(to), "a:q".to_owned()));
            client.close(socket);
        }
    }
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn b13_a_passed_socket_is_its_makers() {
    let (mut lab, mut client) = lab();
    let local = serve_echo(Stack::Four.local(), "local");
    let backend = Stack::Four.backends(Tcp, &["backend"]);
    lab.apply(&table(&[(local, Tcp, &backend)]));
    let directory = tempfile::tempdir().unwrap();

    // Made outside of the cgroup: nobody translates for it, whoever connects it.
    let path = directory.path().join("to-client");
    let strange = tcp_socket();
    let taken = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("the client waits", || path.exists());
            give(strange.as_fd(), &path).unwrap();
        });
        let path = path.clone();
        socket(client.call(Call::Take { path }))
    });
    client.connect(taken, local).unwrap();
    assert_eq!(client.echo(taken, "q"), "local");
    assert_eq!(lab.open_connections(), 0);

    // And the other way round, to this process.
    let path = directory.path().join("to-test");
    let socket = client.open(Tcp);
    let given = std::thread::scope(|scope| {
        let taking = scope.spawn(|| take(&path));
        eventually("this process waits", || path.exists());
        let path = path.clone();
        client.call(Call::Give { socket, path }).unwrap();
        taking.join().unwrap()
    });
    connect(given.as_raw_fd(), &SockaddrStorage::from(local)).unwrap();
    let mut stream = std::net::TcpStream::from(given);
    stream.write_all(b"q\n").unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"backend:q\n");
    assert_eq!(stream.peer_addr().unwrap(), local);
    assert_eq!(lab.open_connections(), 1);
}

fn tcp_socket() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    nix::sys::socket::socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap()
}

#[test]
fn b14_raw_sockets_are_left_alone() {
    let (lab, mut client) = lab();
    for protocol in [libc::IPPROTO_UDP, libc::IPPROTO_ICMP] {
        let socket = client.open_kind(Kind::Raw(protocol));
        client.connect(socket, vip(80)).unwrap();
        // Raw sockets have no ports; the address is what was asked for.
        assert_eq!(client.peer(socket).unwrap().ip(), vip(80).ip());
        client.close(socket);
    }
    assert_eq!(lab.open_connections(), 0);
}
