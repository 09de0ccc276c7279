//! Sockets whose backend is gone end, by both means, and no others.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::thread;

use datapath::{Means, SweepReport};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use model::Protocol::{self, Tcp, Udp};
use nix::mount::{MntFlags, umount2};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, getsockopt, listen,
    socket, sockopt,
};
use tempfile::TempDir;
use vip::{Backend, ServiceTable};

use crate::calls::{Call, take};
use crate::lab::{Client, Lab, eventually, far, table, vip};
use crate::orders::Order;
use crate::servers::{serve_tcp, serve_udp};

mod cost;
mod others;

const BOTH: [Means; 2] = [Means::Iterators, Means::Diagnosis];

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn six(port: u16) -> SocketAddr {
    SocketAddr::new("fd01:c::1".parse().unwrap(), port)
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        SocketAddr::V6(_) => address,
    }
}

/// A table in which TCP connections to backends that are gone are ended.
fn closing(services: &[(SocketAddr, Protocol, &[Backend])]) -> ServiceTable {
    let mut table = table(services);
    for service in table.services.values_mut() {
        service.settings.close = true;
    }
    table
}

impl Lab {
    /// Sweeps, for which there must be a reason, and without a failure.
    fn sweep(&mut self, means: Means) -> SweepReport {
        let report = self.datapath().sweep_by(means).unwrap().run();
        assert!(report.failures.is_empty(), "{means:?}: {report:?}");
        report
    }

    /// Takes every berth that is free, as if a lot of sockets were open.
    fn take_berths(&self) {
        let berths = MapHandle::from_pinned_path(self.options.pins.join("maps/berths")).unwrap();
        for index in 0..berths.max_entries() {
            let key = index.to_ne_bytes();
            let mut berth = berths.lookup(&key, MapFlags::ANY).unwrap().unwrap();
            if berth[..8] == [0; 8] {
                berth[..8].fill(0xff);
                berths.update(&key, &berth, MapFlags::ANY).unwrap();
            }
        }
    }
}

impl Client {
    fn dial_six(&mut self, protocol: Protocol, to: SocketAddr) -> u32 {
        let socket = self.open_six(protocol, false);
        self.connect(socket, to).unwrap();
        socket
    }

    /// Asserts that a socket has been ended, and that its owner hears of it.
    fn assert_ended(&mut self, socket: u32) {
        let refused = self.call(Call::Await { socket }).unwrap_err();
        assert_eq!(refused.errno, libc::ECONNABORTED, "{refused:?}");
        assert_eq!(self.peer(socket).unwrap_err().errno, libc::ENOTCONN);
    }

    /// Asserts that a datagram still comes back, and from whom.
    fn assert_answered(&mut self, socket: u32, from: SocketAddr, answer: &str) {
        self.send(socket, "q").unwrap();
        let received = self.receive(socket);
        assert_eq!(received, (Some(from), answer.to_owned()));
    }
}

#[test]
fn d7_connected_udp_ends_in_every_namespace() {
    for means in BOTH {
        let mut lab = Lab::new();
        let gone = [
            far("four", "127.0.0.1:7001".parse().unwrap()),
            far("six", "[::1]:7001".parse().unwrap()),
        ];
        let services = [(vip(53), Udp, &gone[..1]), (six(53), Udp, &gone[1..])];
        lab.apply(&table(&services));
        let mut clients = [lab.client(), lab.client(), lab.client()];
        clients[1].leave_host();
        clients[2].leave_host();
        let sockets = clients.each_mut().map(|client| {
            let four = client.dial(Udp, vip(53)).unwrap();
            let through = client.dial_six(Udp, mapped(vip(53)));
            [four, through, client.dial_six(Udp, six(53))]
        });

        let left = far("left", serve_udp(local(), "left"));
        lab.apply(&table(&[(vip(53), Udp, &[left]), (six(53), Udp, &[])]));
        assert_eq!(lab.open_connections(), 9);
        let report = lab.sweep(means);
        assert_eq!(
            (report.ended, report.unreachable),
            (9, 0),
            "{means:?}: {report:?}"
        );
        // All are visited if two sockets met in a berth.
        assert!(report.namespaces >= 3, "{means:?}: {report:?}");
        for (client, sockets) in clients.iter_mut().zip(sockets) {
            sockets
                .iter()
                .for_each(|socket| client.assert_ended(*socket));
        }
        // The same socket reaches the backend that is left, as D1 and D10 want it.
        let (host, socket) = (&mut clients[0], sockets[0][0]);
        host.connect(socket, vip(53)).unwrap();
        host.assert_answered(socket, vip(53), "left:q");
        for (client, sockets) in clients.iter_mut().zip(sockets) {
            sockets.iter().for_each(|socket| client.close(*socket));
        }
        assert_eq!(lab.open_connections(), 0, "{means:?}");
        assert!(lab.datapath().sweep_by(means).is_none());
    }
}

#[test]
fn c9_tcp_ends_where_it_is_configured() {
    for means in BOTH {
        let mut lab = Lab::new();
        let mut client = lab.client();
        let mut inside = lab.client();
        inside.leave_host();
        let backend = far("t", serve_tcp(local(), "t"));
        inside.serve(&backend.far.unwrap().to_string(), "t");
        let only: &[Backend] = std::slice::from_ref(&backend);
        let mut wanted = closing(&[(vip(80), Tcp, only), (vip(81), Tcp, only)]);
        for service in wanted.services.values_mut().skip(1) {
            service.settings.close = false;
        }
        lab.apply(&wanted);
        for client in [&mut client, &mut inside] {
            assert_eq!(client.who(vip(80)).unwrap(), "t");
        }
        let open = |client: &mut Client| {
            [
                client.dial(Tcp, vip(80)).unwrap(),
                client.dial_six(Tcp, mapped(vip(80))),
                client.dial(Tcp, vip(81)).unwrap(),
            ]
        };
        let (ours, theirs) = (open(&mut client), open(&mut inside));
        for service in wanted.services.values_mut() {
            service.backends.clear();
        }
        lab.apply(&wanted);
        assert_eq!(lab.sweep(means).ended, 4, "{means:?}");
        for (client, [four, through, kept]) in [(&mut client, ours), (&mut inside, theirs)] {
            client.assert_ended(four);
            client.assert_ended(through);
            assert_eq!(client.peer(kept), Ok(vip(81)));
            assert_eq!(client.receive(kept).1, "t");
            for socket in [four, through, kept] {
                client.close(socket);
            }
        }
        assert_eq!(lab.open_connections(), 0, "{means:?}");
    }
}

#[test]
fn c9_a_connect_that_waits_ends_too() {
    for means in BOTH {
        let mut lab = Lab::new();
        let mut client = lab.client();
        let flags = SockFlag::SOCK_CLOEXEC;
        let full = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
        bind(full.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        listen(&full, Backlog::new(0).unwrap()).unwrap();
        let bound: SockaddrIn = getsockname(full.as_raw_fd()).unwrap();
        let address = SocketAddr::V4(bound.into());
        let _queued = std::net::TcpStream::connect(address).unwrap();
        lab.apply(&closing(&[(vip(80), Tcp, &[far("full", address)])]));
        let socket = client.open(Tcp);
        let to = vip(80);
        client.ask(&Order::Start { socket, to }).unwrap();
        assert_eq!(lab.backend(to, Tcp, "full").pending, 1);
        lab.apply(&closing(&[(vip(80), Tcp, &[])]));
        assert_eq!(lab.sweep(means).ended, 1, "{means:?}");
        client.assert_ended(socket);
        client.close(socket);
        assert_eq!(lab.open_connections(), 0, "{means:?}");
    }
}

#[test]
fn d7_sockets_beyond_the_berths_end_too() {
    for means in BOTH {
        let mut lab = Lab::new();
        let (mut client, mut inside) = (lab.client(), lab.client());
        inside.leave_host();
        let t = far("t", serve_tcp(local(), "t"));
        inside.serve(&t.far.unwrap().to_string(), "t");
        let services = [
            (vip(80), Tcp, std::slice::from_ref(&t)),
            (vip(53), Udp, std::slice::from_ref(&t)),
        ];
        lab.apply(&closing(&services));
        let early = client.dial(Udp, vip(53)).unwrap();
        lab.take_berths();
        let late: Vec<_> = (0..100)
            .map(|_| client.dial(Udp, vip(53)).unwrap())
            .collect();
        let tcp = client.dial(Tcp, vip(80)).unwrap();
        let theirs = inside.dial_six(Tcp, mapped(vip(80)));
        lab.apply(&closing(&[(vip(80), Tcp, &[]), (vip(53), Udp, &[])]));
        let report = lab.sweep(means);
        inside.assert_ended(theirs);
        client.assert_ended(early);
        client.assert_ended(tcp);
        match means {
            Means::Iterators => {
                assert_eq!((report.ended, report.hidden), (103, 0));
                late.iter().for_each(|socket| client.assert_ended(*socket));
            }
            // The kernel's diagnosis tells nothing of these.
            Means::Diagnosis => assert_eq!((report.ended, report.hidden), (3, 100)),
        }
        for socket in late.into_iter().chain([early, tcp]) {
            client.close(socket);
        }
        inside.close(theirs);
        assert_eq!(lab.open_connections(), 0, "{means:?}");
    }
}

#[test]
fn d7_sockets_older_than_the_daemon_end_too() {
    for means in BOTH {
        let mut lab = Lab::new();
        let mut client = lab.client();
        let u = far("u", serve_udp(local(), "u"));
        lab.apply(&table(&[(vip(53), Udp, std::slice::from_ref(&u))]));
        let [before, between] = [(); 2].map(|()| client.dial(Udp, vip(53)).unwrap());
        lab.open();
        client.assert_answered(between, vip(53), "u:q");
        // Gone while nobody looked, and gone before the daemon was.
        lab.apply(&table(&[(vip(53), Udp, &[])]));
        lab.open();
        assert_eq!(lab.sweep(means).ended, 2, "{means:?}");
        client.assert_ended(before);
        client.assert_ended(between);
    }
}

#[test]
fn m4_nothing_is_due_while_nobody_is_concerned() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    assert!(lab.datapath().sweep().is_none());
    let t = far("t", serve_tcp(local(), "t"));
    let services = [
        (vip(80), Tcp, std::slice::from_ref(&t)),
        (vip(53), Udp, std::slice::from_ref(&t)),
    ];
    lab.apply(&table(&services));
    let tcp = client.dial(Tcp, vip(80)).unwrap();
    let udp = client.dial(Udp, vip(53)).unwrap();
    assert!(lab.datapath().sweep().is_none());
    client.close(udp);
    lab.apply(&table(&[]));
    // TCP goes on unless its service is told to close it.
    assert!(lab.datapath().sweep().is_none());
    assert_eq!(client.receive(tcp).1, "t");
}

#[test]
fn d7_a_namespace_that_vanished_is_no_error() {
    for means in BOTH {
        let mut lab = Lab::new();
        let (mut client, mut inside) = (lab.client(), lab.client());
        inside.leave_host();
        let u = far("u", serve_udp(local(), "u"));
        lab.apply(&table(&[(vip(53), Udp, &[u])]));
        let socket = client.dial(Udp, vip(53)).unwrap();
        inside.dial(Udp, vip(53)).unwrap();
        lab.apply(&table(&[(vip(53), Udp, &[])]));
        let sweep = lab.datapath().sweep_by(means).unwrap();
        inside.kill();
        eventually("the other socket is closed", || lab.open_connections() == 1);
        let report = sweep.run();
        assert!(report.failures.is_empty(), "{report:?}");
        let did = (report.ended, report.namespaces, report.unreachable);
        assert_eq!(did, (1, 1, 1), "{means:?}: {report:?}");
        client.assert_ended(socket);
    }
}

/// A name for a namespace, which goes with this value.
struct Name(PathBuf);

impl Name {
    /// Names the namespace that a client is in.
    fn of(client: &mut Client) -> Self {
        let name = format!("/run/netns/sealane-sweep-{}", std::process::id());
        fs::create_dir_all("/run/netns").unwrap();
        fs::write(&name, "").unwrap();
        client.run(&format!("mount --bind /proc/self/ns/net {name}"));
        Self(name.into())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn d7_a_namespace_without_processes_is_found_by_its_name() {
    for means in BOTH {
        let mut lab = Lab::new();
        let mut inside = lab.client();
        inside.leave_host();
        let u = far("u", serve_udp(local(), "u"));
        lab.apply(&table(&[(vip(53), Udp, &[u])]));
        let socket = inside.dial(Udp, vip(53)).unwrap();
        let name = Name::of(&mut inside);
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("take");
        let taker = thread::spawn({
            let path = path.clone();
            move || take(&path)
        });
        eventually("somebody takes", || path.exists());
        inside.call(Call::Give { socket, path }).unwrap();
        let taken = taker.join().unwrap();
        inside.kill();

        lab.apply(&table(&[(vip(53), Udp, &[])]));
        let report = lab.sweep(means);
        let did = (report.ended, report.namespaces, report.unreachable);
        assert_eq!(did, (1, 1, 0), "{means:?}: {report:?}");
        let error = getsockopt(&taken, sockopt::SocketError).unwrap();
        assert_eq!(error, libc::ECONNABORTED);
        drop((taken, name));
        assert_eq!(lab.open_connections(), 0, "{means:?}");
    }
}
