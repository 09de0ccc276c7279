//! Open connections: whatever happens to them, the count goes back to 0.

use libbpf_rs::{MapCore, MapFlags, MapHandle};
use model::Protocol::{Tcp, Udp};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
};
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use crate::lab::{Lab, assert_refused, eventually, far, table, vip};
use crate::orders::Order;
use crate::servers::{deaf_port, serve_tcp, serve_udp};

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A port that neither accepts nor refuses: its queue is full.
pub(crate) fn stuck_port() -> (OwnedFd, Vec<std::net::TcpStream>, SocketAddr) {
    let fd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&fd, Backlog::new(0).unwrap()).unwrap();
    let bound: SockaddrIn = getsockname(fd.as_raw_fd()).unwrap();
    let address = SocketAddr::V4(SocketAddrV4::from(bound));
    let queued = (0..1)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    (fd, queued, address)
}

#[test]
fn connections_count_from_connect_to_close() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(
        vip(80),
        Tcp,
        &[far("a", serve_tcp(local(), "a"))],
    )]));
    let sockets: Vec<_> = (0..10)
        .map(|_| client.dial(Tcp, vip(80)).unwrap())
        .collect();
    assert_eq!(lab.open_connections(), 10);
    for socket in sockets {
        client.close(socket);
    }
    assert_eq!(lab.open_connections(), 0);
    let a = lab.backend(vip(80), Tcp, "a");
    assert_eq!((a.open, a.total), (0, 10));
}

#[test]
fn f4_pending_connections_are_load_until_the_client_gives_up() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (_listener, _queued, address) = stuck_port();
    lab.apply(&table(&[(vip(80), Tcp, &[far("stuck", address)])]));
    let socket = client.open(Tcp);
    client
        .ask(&Order::Start {
            socket,
            to: vip(80),
        })
        .unwrap();
    assert_eq!(lab.backend(vip(80), Tcp, "stuck").open, 1);
    client.close(socket);
    let stuck = lab.backend(vip(80), Tcp, "stuck");
    assert_eq!((stuck.open, stuck.total), (0, 1));
}

#[test]
fn a_refused_connect_is_no_load() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(vip(80), Tcp, &[far("deaf", deaf_port())])]));
    let socket = client.open(Tcp);
    for attempt in 1..=3 {
        assert_refused(client.connect(socket, vip(80)));
        let deaf = lab.backend(vip(80), Tcp, "deaf");
        assert_eq!((deaf.open, deaf.total), (0, attempt));
    }
    client.close(socket);
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn sockets_whose_berths_are_taken_count_as_well() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[
        (vip(80), Tcp, &[far("t", serve_tcp(local(), "t"))]),
        (vip(53), Udp, &[far("u", serve_udp(local(), "u"))]),
    ]));
    let early = client.dial(Tcp, vip(80)).unwrap();
    let berths = MapHandle::from_pinned_path(lab.options.pins.join("maps/berths")).unwrap();
    for index in 0..berths.max_entries() {
        let key = index.to_ne_bytes();
        let mut berth = berths.lookup(&key, MapFlags::ANY).unwrap().unwrap();
        if berth[..8] == [0; 8] {
            berth[..8].fill(0xff);
            berths.update(&key, &berth, MapFlags::ANY).unwrap();
        }
    }
    let late = client.dial(Tcp, vip(80)).unwrap();
    let datagrams = client.dial(Udp, vip(53)).unwrap();
    for (socket, vip) in [(early, vip(80)), (late, vip(80)), (datagrams, vip(53))] {
        assert_eq!(client.peer(socket), Ok(vip));
    }
    assert_eq!(lab.open_connections(), 3);
    for socket in [early, late, datagrams] {
        client.close(socket);
    }
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn f4_a_killed_process_leaves_nothing() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (tcp, udp) = (
        far("t", serve_tcp(local(), "t")),
        far("u", serve_udp(local(), "u")),
    );
    let (_listener, _queued, stuck) = stuck_port();
    lab.apply(&table(&[
        (vip(80), Tcp, &[tcp]),
        (vip(81), Tcp, &[far("stuck", stuck)]),
        (vip(53), Udp, &[udp]),
    ]));
    for _ in 0..5 {
        client.dial(Tcp, vip(80)).unwrap();
        client.dial(Udp, vip(53)).unwrap();
        let socket = client.open(Udp);
        client.send_to(socket, vip(53), "q").unwrap();
        let socket = client.open(Tcp);
        client
            .ask(&Order::Start {
                socket,
                to: vip(81),
            })
            .unwrap();
    }
    assert_eq!(lab.open_connections(), 20);
    client.kill();
    eventually("all counts are 0", || lab.open_connections() == 0);
}

#[test]
fn reconnecting_directly_forgets_the_vip() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backend = far("u", serve_udp(local(), "u"));
    let address = backend.far.unwrap();
    lab.apply(&table(&[(vip(53), Udp, &[backend])]));
    let socket = client.dial(Udp, vip(53)).unwrap();
    assert_eq!(lab.open_connections(), 1);
    client.connect(socket, address).unwrap();
    assert_eq!(lab.open_connections(), 0);
    assert_eq!(client.peer(socket), Ok(address));
    client
        .ask(&Order::Send {
            socket,
            text: "q".to_owned(),
        })
        .unwrap();
    assert_eq!(client.receive(socket).0, Some(address));
}

#[test]
fn reconnecting_to_a_vip_counts_once() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (a, b) = (
        far("a", serve_udp(local(), "a")),
        far("b", serve_udp(local(), "b")),
    );
    lab.apply(&table(&[(vip(1), Udp, &[a]), (vip(2), Udp, &[b])]));
    let socket = client.open(Udp);
    client.send_to(socket, vip(2), "q").unwrap();
    for port in [1, 2, 2, 1] {
        client.connect(socket, vip(port)).unwrap();
        assert_eq!(client.peer(socket), Ok(vip(port)));
        assert_eq!(lab.open_connections(), 1);
    }
    client.close(socket);
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn a_rejected_connect_changes_nothing() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[
        (vip(53), Udp, &[far("u", serve_udp(local(), "u"))]),
        (vip(54), Udp, &[]),
    ]));
    let socket = client.dial(Udp, vip(53)).unwrap();
    assert_refused(client.connect(socket, vip(54)));
    assert_refused(client.connect(socket, vip(55)));
    assert_eq!(client.peer(socket), Ok(vip(53)));
    assert_eq!(lab.open_connections(), 1);
    client
        .ask(&Order::Send {
            socket,
            text: "q".to_owned(),
        })
        .unwrap();
    assert_eq!(client.receive(socket), (Some(vip(53)), "u:q".to_owned()));
}

#[test]
fn tcp_disconnects_and_connects_directly() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backend = far("a", serve_tcp(local(), "a"));
    let address = backend.far.unwrap();
    lab.apply(&table(&[(vip(80), Tcp, &[backend])]));
    let socket = client.dial(Tcp, vip(80)).unwrap();
    client.ask(&Order::Disconnect { socket }).unwrap();
    assert_eq!(lab.open_connections(), 0);
    client.connect(socket, address).unwrap();
    assert_eq!(client.peer(socket), Ok(address));
    assert_eq!(lab.open_connections(), 0);
}
