//! Namespaces, routes and addresses of the real kernel; needs root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use netlink::netns::{self, Target};
use netlink::{NetlinkError, address, route};
use tempfile::TempDir;

/// A namespace that goes away with the test.
struct Namespace {
    path: PathBuf,
    _directory: TempDir,
}

impl Namespace {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sub/ns");
        netns::create(&path).unwrap();
        Self {
            path,
            _directory: directory,
        }
    }

    /// Runs a future inside; requests go to this namespace's kernel tables.
    fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        netns::run_in(&self.path, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(future)
        })
        .unwrap()
    }

    fn ip(&self, arguments: &str) -> String {
        netns::run_in(&self.path, || {
            let mut command = std::process::Command::new("ip");
            let output = command
                .args(arguments.split(' '))
                .output()
                .expect("iproute2");
            assert!(output.status.success(), "ip {arguments}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        })
        .unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = netns::delete(&self.path);
    }
}

#[test]
fn a_namespace_is_made_once_and_deleted_any_number_of_times() {
    let ns = Namespace::new();
    assert!(netns::exists(&ns.path));
    assert!(matches!(
        netns::create(&ns.path),
        Err(NetlinkError::Exists(_))
    ));
    netns::delete(&ns.path).unwrap();
    netns::delete(&ns.path).unwrap();
    assert!(!ns.path.exists());
    let gone = netns::run_in(&ns.path, || ()).unwrap_err();
    assert!(matches!(gone, NetlinkError::Missing(_)), "{gone}");
}

#[test]
fn a_plain_file_is_no_namespace_and_is_made_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ns");
    std::fs::write(&path, "left by a reboot").unwrap();
    assert!(!netns::exists(&path));
    assert!(matches!(
        netns::run_in(&path, || ()),
        Err(NetlinkError::Missing(_))
    ));
    netns::create(&path).unwrap();
    assert!(netns::exists(&path));
    netns::delete(&path).unwrap();
}

#[test]
fn failing_to_make_one_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(netns::create(&file.join("ns")).is_err());
    assert!(netns::delete(Path::new("/proc/version")).is_err());
}

#[test]
fn loopback_works_and_the_caller_stays_outside() {
    let ns = Namespace::new();
    let inside = netns::cookie(&ns.path).unwrap();
    let outside = netns::cookie(Target::Current).unwrap();
    assert_ne!(inside, outside);
    assert_eq!(outside, netns::cookie(std::process::id()).unwrap());

    let listener = netns::run_in(&ns.path, || TcpListener::bind("127.0.0.1:0"))
        .unwrap()
        .unwrap();
    let at = listener.local_addr().unwrap();
    assert!(TcpStream::connect(at).is_err());
    netns::run_in(&ns.path, || TcpStream::connect(at))
        .unwrap()
        .unwrap();
    assert_eq!(outside, netns::cookie(Target::Current).unwrap());
}

#[test]
fn sockets_made_inside_connect_inside() {
    let ns = Namespace::new();
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = netns::run_in(&ns.path, || TcpListener::bind(address))
            .unwrap()
            .unwrap();
        let at = listener.local_addr().unwrap();
        let fd: OwnedFd = netns::tcp_socket_in(&ns.path, at.is_ipv6()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(async {
            tokio::net::TcpSocket::from_std_stream(fd.into())
                .connect(at)
                .await
                .unwrap()
        });
        drop(client);
        let mut text = String::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_string(&mut text)
            .unwrap();
    }
}

#[test]
fn a_panic_inside_is_an_error_outside() {
    let ns = Namespace::new();
    let outcome = netns::run_in(&ns.path, || panic!("as planned"));
    assert!(matches!(outcome, Err(NetlinkError::Panicked(_))));
}

#[test]
fn unreachable_routes_come_and_go_and_yield_to_real_ones() {
    let ns = Namespace::new();
    for net in ["11.0.0.0/8", "fd01:c::/64"] {
        let net: ipnet::IpNet = net.parse().unwrap();
        let family = if net.addr().is_ipv4() { "-4" } else { "-6" };
        let inside = net.hosts().next().unwrap();
        ns.block_on(async {
            route::ensure_unreachable(net).await.unwrap();
            route::ensure_unreachable(net).await.unwrap();
        });
        let table = ns.ip(&format!("{family} route show type unreachable"));
        assert_eq!(table.matches(&net.to_string()).count(), 1, "{table}");
        let refused = netns::run_in(&ns.path, || TcpStream::connect((inside, 80))).unwrap();
        assert!(
            matches!(
                refused.as_ref().map_err(std::io::Error::raw_os_error),
                Err(Some(113))
            ),
            "{refused:?}"
        );
        ns.ip(&format!("{family} route add {net} dev lo"));
        assert!(
            ns.ip(&format!("{family} route get {inside}"))
                .contains("dev lo")
        );
        ns.block_on(async {
            route::remove_unreachable(net).await.unwrap();
            route::remove_unreachable(net).await.unwrap();
        });
        assert_eq!(
            ns.ip(&format!("{family} route show type unreachable"))
                .trim(),
            ""
        );
        assert!(
            ns.ip(&format!("{family} route get {inside}"))
                .contains("dev lo")
        );
    }
}

#[test]
fn addresses_know_their_interface_and_the_uplink() {
    let ns = Namespace::new();
    assert_eq!(ns.block_on(address::primary()).unwrap(), None);
    ns.ip("link add left0 type veth peer name left1");
    ns.ip("link add right0 type veth peer name right1");
    ns.ip("addr add 10.1.0.1/24 dev right0");
    ns.ip("addr add 192.0.2.7/24 dev left0");
    for link in ["left0", "left1", "right0", "right1"] {
        ns.ip(&format!("link set {link} up"));
    }
    assert_eq!(
        ns.block_on(address::primary()).unwrap(),
        "192.0.2.7".parse().ok()
    );
    ns.ip("route add default via 10.1.0.2");
    assert_eq!(
        ns.block_on(address::primary()).unwrap(),
        "10.1.0.1".parse().ok()
    );

    let local = ns.block_on(address::local()).unwrap();
    let of = |net: &str| {
        let found = local.iter().find(|address| address.net.to_string() == net);
        found.map(|address| (address.ifname.as_str(), address.uplink))
    };
    assert_eq!(of("127.0.0.1/8"), Some(("lo", false)));
    assert_eq!(of("10.1.0.1/24"), Some(("right0", true)));
    assert_eq!(of("192.0.2.7/24"), Some(("left0", false)));
}

#[test]
fn changes_of_addresses_are_told() {
    let namespace = Namespace::new();
    let (listening, heard_of) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let told = scope.spawn(|| {
            namespace.block_on(async {
                let mut changes = address::Changes::listen().unwrap();
                listening.send(()).unwrap();
                let limit = std::time::Duration::from_secs(20);
                tokio::time::timeout(limit, changes.next()).await
            })
        });
        heard_of.recv().unwrap();
        namespace.ip("address add 10.88.0.1/24 dev lo");
        assert_eq!(told.join().unwrap(), Ok(true));
    });
}
