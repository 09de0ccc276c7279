//! Tasks on the host's network bind their own ports only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use datapath::builds::{Build, with};
use datapath::{EVERYWHERE, Event, OwnedPort, cgroup_id};
use model::Protocol::{self, Tcp, Udp};

use crate::calls::{Call, Kind};
use crate::lab::{Client, Lab, Refused, far, table, vip};
use crate::orders::{Order, Reply};

/// Where sockets are bound, by family: on any address, on loopback, on one of another
/// family that leads to IPv4.
const PLACES: [(bool, &str); 5] = [
    (false, "0.0.0.0:0"),
    (false, "127.0.0.1:0"),
    (true, "[::]:0"),
    (true, "[::1]:0"),
    (true, "[::ffff:127.0.0.1]:0"),
];

/// A lab with cgroups below its own, which go with it.
struct Bed(Lab);

impl Bed {
    fn new() -> Self {
        Self(Lab::new())
    }
}

impl Deref for Bed {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.0
    }
}

impl DerefMut for Bed {
    fn deref_mut(&mut self) -> &mut Lab {
        &mut self.0
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let top = &self.0.options.cgroup;
        let _ = fs::write(top.join("cgroup.kill"), "1");
        let deadline = Instant::now() + Duration::from_secs(5);
        while !remove_below(top) && Instant::now() < deadline {
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// Removes what is below a cgroup; whether nothing is left.
fn remove_below(cgroup: &Path) -> bool {
    let below = fs::read_dir(cgroup).into_iter().flatten().flatten();
    let below = below.map(|entry| entry.path()).filter(|it| it.is_dir());
    let mut done = true;
    for path in below {
        done &= remove_below(&path) && fs::remove_dir(&path).is_ok();
    }
    done
}

/// Ports that nobody else has at the moment.
fn free_ports() -> [u16; 2] {
    let sockets = [(); 2].map(|()| std::net::TcpListener::bind("[::]:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

/// A cgroup below the lab's.
fn below(lab: &Lab, name: &str) -> (PathBuf, u64) {
    let path = lab.options.cgroup.join(name);
    fs::create_dir_all(&path).unwrap();
    let id = cgroup_id(&path).unwrap();
    (path, id)
}

/// A client in a cgroup below the lab's.
fn client_in(lab: &Lab, name: &str) -> Client {
    let (path, _) = below(lab, name);
    let mut client = lab.client();
    let pid = client.pid();
    fs::write(path.join("cgroup.procs"), pid.to_string()).unwrap();
    client
}

fn owners(cgroup: u64, ports: &[OwnedPort]) -> BTreeMap<u64, BTreeSet<OwnedPort>> {
    [(cgroup, ports.iter().copied().collect())].into()
}

/// Binds a new socket, and closes it again; the port that it got.
fn bind(
    client: &mut Client,
    protocol: Protocol,
    six: bool,
    to: SocketAddr,
) -> Result<u16, Refused> {
    let tcp = protocol == Tcp;
    let order = match six {
        true => Order::OpenSix { tcp, only: false },
        false => Order::Open { tcp },
    };
    let Reply::Socket(socket) = client.ask(&order).unwrap() else {
        panic!("no socket")
    };
    let bound = bind_socket(client, socket, to);
    client.close(socket);
    bound
}

fn bind_socket(client: &mut Client, socket: u32, to: SocketAddr) -> Result<u16, Refused> {
    client.ask(&Order::Call(Call::Bind { socket, to }))?;
    match client.ask(&Order::Call(Call::Own { socket }))? {
        Reply::Address(own) => Ok(own.port()),
        other => panic!("{other:?}"),
    }
}

fn at(place: &str, port: u16) -> SocketAddr {
    let mut address: SocketAddr = place.parse().unwrap();
    address.set_port(port);
    address
}

fn assert_denied<T: std::fmt::Debug>(outcome: Result<T, Refused>, what: &str) {
    assert_eq!(outcome.unwrap_err().errno, libc::EACCES, "{what}");
}

#[test]
fn an_owner_binds_its_ports_and_no_other() {
    let mut lab = Bed::new();
    let mut owner = client_in(&lab, "task");
    let mut child = client_in(&lab, "task/inner/most");
    let mut other = client_in(&lab, "other");
    let (_, id) = below(&lab, "task");
    let [own, foreign] = free_ports();
    for protocol in [Tcp, Udp] {
        lab.datapath()
            .set_owners(&owners(id, &[(protocol, own)]))
            .unwrap();
        for (six, place) in PLACES {
            let what = format!("{protocol} {place}");
            for client in [&mut owner, &mut child] {
                let mut bind = |protocol, port| bind(client, protocol, six, at(place, port));
                assert_eq!(bind(protocol, own), Ok(own), "{what}");
                assert!(bind(protocol, 0).unwrap() > 0, "{what}");
                assert_denied(bind(protocol, foreign), &what);
                // The number is owned for one protocol, and not for the other.
                let elsewhere = if protocol == Tcp { Udp } else { Tcp };
                assert_denied(bind(elsewhere, own), &what);
            }
            assert_eq!(
                bind(&mut other, protocol, six, at(place, foreign)),
                Ok(foreign)
            );
        }
    }
    lab.datapath().set_owners(&BTreeMap::new()).unwrap();
    assert_eq!(
        bind(&mut owner, Tcp, false, at("0.0.0.0:0", foreign)),
        Ok(foreign)
    );
}

#[test]
fn listening_and_connecting_without_a_bind_is_the_kernels_choice() {
    let mut lab = Bed::new();
    let mut owner = client_in(&lab, "task");
    let (_, id) = below(&lab, "task");
    lab.apply(&table(&[(
        vip(80),
        Tcp,
        &[far(
            "a",
            crate::servers::serve_tcp(at("127.0.0.1:0", 0), "a"),
        )],
    )]));
    lab.datapath().set_owners(&owners(id, &[])).unwrap();
    assert_eq!(owner.who(vip(80)).unwrap(), "a");
    let socket = owner.open(Udp);
    owner.send_to(socket, at("127.0.0.1:0", 9), "q").unwrap();
}

#[test]
fn other_kinds_of_socket_are_what_they_are() {
    let mut lab = Bed::new();
    let mut owner = client_in(&lab, "task");
    let (_, id) = below(&lab, "task");
    let [own, foreign] = free_ports();
    lab.datapath()
        .set_owners(&owners(id, &[(Tcp, own)]))
        .unwrap();
    let mut open = |kind| match owner.ask(&Order::Call(Call::Socket(kind))) {
        Ok(Reply::Socket(socket)) => socket,
        other => panic!("{other:?}"),
    };
    // Multipath TCP has TCP's ports; raw sockets have none, whatever they are bound to.
    let [first, second, raw] =
        [Kind::Mptcp, Kind::Mptcp, Kind::Raw(libc::IPPROTO_ICMP)].map(&mut open);
    assert_eq!(
        bind_socket(&mut owner, first, at("127.0.0.1:0", own)),
        Ok(own)
    );
    assert_denied(
        bind_socket(&mut owner, second, at("127.0.0.1:0", foreign)),
        "MPTCP",
    );
    bind_socket(&mut owner, raw, at("127.0.0.1:0", foreign)).unwrap();
}

#[test]
fn in_a_namespace_of_its_own_a_task_binds_what_it_likes() {
    let mut lab = Bed::new();
    let mut owner = client_in(&lab, "task");
    let (_, id) = below(&lab, "task");
    let [own, foreign] = free_ports();
    lab.datapath()
        .set_owners(&owners(id, &[(Tcp, own)]))
        .unwrap();
    assert_denied(
        bind(&mut owner, Tcp, false, at("0.0.0.0:0", foreign)),
        "host",
    );
    owner.leave_host();
    assert_eq!(
        bind(&mut owner, Tcp, false, at("0.0.0.0:0", foreign)),
        Ok(foreign)
    );
}

#[test]
fn who_shares_the_hosts_address_is_held_to_its_ports_in_every_namespace() {
    let mut lab = Bed::new();
    let mut owner = client_in(&lab, "task");
    let (_, id) = below(&lab, "task");
    let [own, foreign] = free_ports();
    let wanted = owners(id, &[(Tcp, own), EVERYWHERE]);
    lab.datapath().set_owners(&wanted).unwrap();
    assert_eq!(lab.datapath().owners(), wanted);
    for place in ["host", "its own"] {
        let mut bound = |port| bind(&mut owner, Tcp, false, at("0.0.0.0:0", port));
        assert_denied(bound(foreign), place);
        assert_eq!(bound(own), Ok(own), "{place}");
        assert!(bound(0).is_ok(), "{place}");
        assert_denied(bind(&mut owner, Udp, false, at("0.0.0.0:0", own)), place);
        if place == "host" {
            owner.leave_host();
        }
    }
}

#[test]
fn every_owner_above_must_have_the_port() {
    let mut lab = Bed::new();
    let mut inner = client_in(&lab, "task/inner");
    let [both, outer] = free_ports();
    let ids = ["task", "task/inner"].map(|name| below(&lab, name).1);
    let wanted = BTreeMap::from([
        (ids[0], BTreeSet::from([(Tcp, both), (Tcp, outer)])),
        (ids[1], BTreeSet::from([(Tcp, both)])),
    ]);
    lab.datapath().set_owners(&wanted).unwrap();
    assert_eq!(lab.datapath().owners(), wanted);
    assert_eq!(
        bind(&mut inner, Tcp, false, at("0.0.0.0:0", both)),
        Ok(both)
    );
    assert_denied(
        bind(&mut inner, Tcp, false, at("0.0.0.0:0", outer)),
        "inner",
    );
    let denied = lab.datapath().denied_binds();
    assert_eq!((denied[&ids[0]], denied[&ids[1]]), (0, 1));
}

#[test]
fn a_refusal_is_counted_and_told_once_a_second() {
    let mut lab = Bed::new();
    let mut owner = client_in(&lab, "task");
    let (_, id) = below(&lab, "task");
    let [own, foreign] = free_ports();
    lab.datapath()
        .set_owners(&owners(id, &[(Udp, own)]))
        .unwrap();
    let mut events = lab.datapath().events().unwrap();
    for _ in 0..50 {
        assert_denied(bind(&mut owner, Udp, true, at("[::1]:0", foreign)), "told");
    }
    assert_eq!(lab.datapath().denied_binds()[&id], 50);
    let told = events.take().unwrap();
    let [Event::Denied(denied), rest @ ..] = told.as_slice() else {
        panic!("{told:?}")
    };
    // Fifty take a few milliseconds; a second may pass in between all the same.
    assert!(rest.len() <= 2, "{rest:?}");
    assert_eq!(denied.address, at("[::1]:0", foreign));
    assert_eq!((denied.protocol, denied.cgroup), (Udp, id));
    assert_eq!(denied.pid, owner.pid());
    assert!(!denied.comm.is_empty() && denied.at.elapsed().as_secs() < 5);
}

#[test]
fn owners_outlive_the_daemon_and_its_upgrade() {
    let mut lab = Bed::new();
    let mut owner = client_in(&lab, "task");
    let (_, id) = below(&lab, "task");
    let [own, foreign] = free_ports();
    let wanted = owners(id, &[(Tcp, own), (Udp, own)]);
    lab.datapath().set_owners(&wanted).unwrap();
    let mut assert_enforced = |what: &str| {
        for protocol in [Tcp, Udp] {
            let mut bind = |port| bind(&mut owner, protocol, false, at("127.0.0.1:0", port));
            assert_eq!(bind(own), Ok(own), "{what}");
            assert_denied(bind(foreign), what);
        }
    };
    lab.datapath = None;
    assert_enforced("without a daemon");
    lab.open();
    assert_eq!(lab.datapath().owners(), wanted);
    assert_enforced("restarted");
    with(Build::NextLayout, || lab.open());
    assert_enforced("before its first table");
    with(Build::NextLayout, || lab.apply(&table(&[])));
    assert_eq!(lab.datapath().owners(), wanted);
    assert_enforced("upgraded");
}

#[test]
fn what_a_crash_has_left_is_made_up_for() {
    use datapath::faults::{Point, during};
    let mut lab = Bed::new();
    let mut owner = client_in(&lab, "task");
    let (_, id) = below(&lab, "task");
    let [own, foreign] = free_ports();
    let wanted = owners(id, &[(Tcp, own), (Tcp, own + 1)]);
    // The kernel takes the first port only.
    let mut left = 1;
    let refuse = move |point| {
        (point == Point::Write && {
            left -= 1;
            left < 0
        })
        .then_some(libc::ENOMEM)
    };
    let refused = during(refuse, || lab.datapath().set_owners(&wanted));
    assert!(refused.is_err());
    // It is left free, and not with half of its ports.
    assert_eq!(lab.datapath().owners(), BTreeMap::new());
    assert_eq!(
        bind(&mut owner, Tcp, false, at("127.0.0.1:0", foreign)),
        Ok(foreign)
    );
    lab.open();
    lab.datapath().set_owners(&wanted).unwrap();
    assert_eq!(lab.datapath().owners(), wanted);
    assert_denied(
        bind(&mut owner, Tcp, false, at("127.0.0.1:0", foreign)),
        "told",
    );
    lab.datapath().set_owners(&BTreeMap::new()).unwrap();
    assert_eq!(lab.datapath().owners(), BTreeMap::new());
}

#[test]
fn a_full_map_leaves_the_last_owner_free_and_says_so() {
    let mut lab = Bed::new();
    let many: Vec<_> = (1..=200).map(|port| (Tcp, port)).collect();
    let error = lab.datapath().set_owners(&owners(7, &many)).unwrap_err();
    assert!(error.to_string().contains("owners"), "{error}");
    assert_eq!(lab.datapath().owners(), BTreeMap::new());
    lab.datapath().set_owners(&BTreeMap::new()).unwrap();
    lab.datapath().set_owners(&owners(7, &many[..60])).unwrap();
    assert_eq!(lab.datapath().owners()[&7].len(), 60);
}
