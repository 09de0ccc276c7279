//! Forwarded packets to VIP addresses that nobody translates: refused at once.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use mesos::NetworkInfo;
use model::Protocol::{Tcp, Udp};
use netlink::netns;
use networks::{HostPorts, HostPortsOptions};

use crate::host::Host;
use crate::peers::{Remote, ask, serve};
use crate::ports::{at, attach};

/// How soon a client is to be told.
const SOON: Duration = Duration::from_millis(50);

/// How one dial ends.
fn dial(from: &Path, to: SocketAddr) -> (ErrorKind, Duration) {
    netns::run_in(from, || {
        let began = Instant::now();
        let error = TcpStream::connect_timeout(&to, Duration::from_secs(2)).unwrap_err();
        (error.kind(), began.elapsed())
    })
    .unwrap()
}

#[test]
fn a13_a14_each_of_fifty_dials_from_behind_a_bridge_is_refused_at_once() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("bridged", "bridge", 3);
    let networks = host.networks();
    let client = attach(&host, &networks, "c", NetworkInfo::named("bridged"));
    let ranges = ["11.0.0.0/8", "fd01:c::/64"];
    let nets: Vec<IpNet> = ranges.iter().map(|range| range.parse().unwrap()).collect();
    host.sh("ip route add unreachable 11.0.0.0/8 metric 1000000; \
        ip -6 route add unreachable fd01:c::/64 metric 1000000");
    let vips = ["11.1.2.3:80", "[fd01:c::3]:80"].map(|vip| vip.parse().unwrap());

    // The route alone: told by ICMP, and not every time.
    let told = |vip| (0..50).all(|_| dial(&client.netns, vip).1 < SOON);
    assert!(
        !told(vips[0]),
        "the kernel no longer limits these: are rules needed still?"
    );

    let rules = HostPorts::new(HostPortsOptions::default());
    assert!(host.run(rules.keep_refused(&nets)).unwrap());
    assert!(!host.run(rules.keep_refused(&nets)).unwrap());
    for vip in vips {
        for turn in 0..50 {
            let (kind, took) = dial(&client.netns, vip);
            assert_eq!(kind, ErrorKind::ConnectionRefused, "{vip}, dial {turn}");
            assert!(took < SOON, "{vip}, dial {turn}: {took:?}");
        }
        let udp = ask(&client.netns, vip, Udp).unwrap_err();
        assert_eq!(udp.kind(), ErrorKind::ConnectionRefused, "{vip}");
    }
    // Nothing tracks connections for that.
    let table = host.sh("nft list table inet sealane");
    assert!(!table.contains("type nat"), "{table}");

    // An address of this host, and one with a route, are as reachable as ever.
    host.sh("ip addr add 11.5.5.5/32 dev lo; ip route add 11.6.0.0/16 via 10.77.0.2");
    crate::host::inside(&remote.namespace, "ip addr add 11.6.6.6/32 dev lo");
    serve(&host.path("host"), 80, "local");
    serve(&remote.namespace, 80, "remote");
    for (ip, name) in [("11.5.5.5", "local"), ("11.6.6.6", "remote")] {
        let heard = ask(&client.netns, at(ip, 80), Tcp).unwrap();
        assert!(heard.starts_with(name), "{heard}");
    }
    // A flush is repaired; without networks there is nothing to keep.
    host.sh("nft flush ruleset");
    assert!(host.run(rules.keep_refused(&nets)).unwrap());
    assert_eq!(dial(&client.netns, vips[0]).0, ErrorKind::ConnectionRefused);
    assert!(host.run(rules.keep_refused(&[])).unwrap());
    assert_eq!(host.sh("nft list tables inet"), "");
    host.run(networks.detach("c")).unwrap();
}
