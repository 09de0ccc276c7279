//! Limits of what an endpoint sends and receives.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use cni::Bandwidth;
use netlink::netns;
use networks::{Fabric, FabricError};

use super::lab::{Node, Place, dcos, id, sh};

/// Bits a second of the slow direction. Without a limit, links of this kind carry
/// thousands of times as much.
const SLOW: u64 = 8_000_000;
/// Bytes that are sent, which at that rate take a second.
const SENT: usize = 1_000_000;
/// A tenth of a second's worth, so that what is sent takes nine more.
const BURST: u64 = SLOW / 10;
/// Less than nine tenths, since clocks and the last packets differ; a transfer without
/// limit takes some milliseconds.
const AT_LEAST: Duration = Duration::from_millis(700);
/// Long enough for a loaded machine; nothing that should pass waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Adds an endpoint with these limits.
fn limited(node: &Node, fabric: &Fabric, name: &str, bandwidth: Bandwidth) -> Place {
    let netns = node.container(name);
    let mut request = node.request(name, "dcos");
    request.bandwidth = Some(bandwidth);
    let endpoint = node.run(fabric.add(request)).unwrap();
    let addresses = endpoint.addresses.iter().map(ipnet::IpNet::addr);
    Place {
        netns,
        addresses: addresses.collect(),
    }
}

/// How long it takes until what one place sends has come to another.
fn transfer(from: &Path, to: &Place) -> Duration {
    let address = to.address(false);
    let listener = netns::run_in(&to.netns, || TcpListener::bind((address, 0)));
    let listener = listener.unwrap().unwrap();
    let to: SocketAddr = listener.local_addr().unwrap();
    // Before anything is sent, so that a late reader makes it longer and not shorter.
    let begun = Instant::now();
    let stream = netns::run_in(from, || TcpStream::connect_timeout(&to, PATIENCE));
    let mut stream = stream.unwrap().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stream.write_all(&vec![0; SENT]).unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), SENT);
        begun.elapsed()
    })
}

fn root_queue(netns: &Path, link: &str) -> String {
    let all = sh(netns, &format!("tc qdisc show dev {link}"));
    let root = all.lines().find(|line| line.contains(" root "));
    root.unwrap_or_else(|| panic!("no root: {all}")).to_owned()
}

#[test]
fn each_direction_has_its_own_limit() {
    let node = Node::new("limits");
    let fabric = node.with(&[dcos()]);
    let host = node.place();
    let down = limited(
        &node,
        &fabric,
        "down",
        Bandwidth {
            ingress_rate: SLOW,
            ingress_burst: BURST,
            ..Bandwidth::default()
        },
    );
    let up = limited(
        &node,
        &fabric,
        "up",
        Bandwidth {
            egress_rate: SLOW,
            egress_burst: BURST,
            ..Bandwidth::default()
        },
    );
    for (what, slowed, other) in [
        (
            "what comes to the container",
            transfer(&host.netns, &down),
            transfer(&down.netns, &host),
        ),
        (
            "what the container sends",
            transfer(&up.netns, &host),
            transfer(&host.netns, &up),
        ),
    ] {
        assert!(slowed > AT_LEAST, "{what} is not limited: {slowed:?}");
        assert!(other < slowed, "{what}: the way back took {other:?}");
    }
    for name in ["down", "up"] {
        node.run(fabric.check(&id(name))).unwrap();
        node.run(fabric.del(&id(name))).unwrap();
    }
    node.assert_clean();
}

#[test]
fn a_check_and_a_reconciliation_see_to_limits() {
    let node = Node::new("limits-check");
    let fabric = node.with(&[dcos()]);
    let both = Bandwidth {
        ingress_rate: 8_000_000,
        ingress_burst: 800_000,
        egress_rate: 4_000_000,
        egress_burst: 0,
    };
    let place = limited(&node, &fabric, "a", both);
    let [link] = node.links().try_into().unwrap();
    let outside = || root_queue(&node.host.netns_path(), &link);
    let inside = || root_queue(&place.netns, "eth0");
    // A burst that nobody named is a fiftieth of a second's worth.
    let (there, here) = ("rate 8Mbit burst 100000b", "rate 4Mbit burst 10000b");
    assert!(outside().contains(there), "{}", outside());
    assert!(inside().contains(here), "{}", inside());
    // The same of another daemon, which has read it from the record.
    let fabric = node.with(&[dcos()]);
    node.run(fabric.check(&id("a"))).unwrap();

    let problem = || node.run(fabric.check(&id("a"))).unwrap_err().to_string();
    node.sh(&format!("tc qdisc del dev {link} root"));
    assert!(
        problem().contains("on the host, the limit"),
        "{}",
        problem()
    );
    node.run(fabric.reconcile(&[].into())).unwrap();
    assert!(outside().contains(there), "{}", outside());
    node.run(fabric.check(&id("a"))).unwrap();
    sh(
        &place.netns,
        "tc qdisc replace dev eth0 root tbf rate 1gbit burst 50000 latency 25ms",
    );
    assert!(
        problem().contains("in the container, the limit"),
        "{}",
        problem()
    );
    node.run(fabric.del(&id("a"))).unwrap();
    node.assert_clean();
}

#[test]
fn packets_pass_buckets_of_every_size() {
    let node = Node::new("limits-bursts");
    let fabric = node.with(&[dcos()]);
    let host = node.place();
    // Less than a packet, what Kubernetes' runtimes send, and the most.
    for (name, burst) in [
        ("a", 8),
        ("b", u64::from(u32::MAX)),
        ("c", u64::from(u32::MAX) * 8 - 1),
    ] {
        let rate = 8_000_000_000;
        let both = Bandwidth {
            ingress_rate: rate,
            ingress_burst: burst,
            egress_rate: 10 * rate,
            egress_burst: burst,
        };
        let place = limited(&node, &fabric, name, both);
        let queue = root_queue(&place.netns, "eth0");
        assert!(queue.contains("rate 80Gbit"), "{queue}");
        transfer(&host.netns, &place);
        transfer(&place.netns, &host);
        node.run(fabric.check(&id(name))).unwrap();
        node.run(fabric.del(&id(name))).unwrap();
    }
    node.assert_clean();
}

#[test]
fn limits_that_cannot_be_are_refused_and_none_is_none() {
    let node = Node::new("limits-none");
    let fabric = node.with(&[dcos()]);
    node.container("a");
    for bandwidth in [
        Bandwidth {
            egress_rate: 7,
            ..Bandwidth::default()
        },
        Bandwidth {
            ingress_rate: 8_000_000,
            ingress_burst: u64::from(u32::MAX) * 8,
            ..Bandwidth::default()
        },
    ] {
        let mut request = node.request("a", "dcos");
        request.bandwidth = Some(bandwidth);
        let refused = node.run(fabric.add(request)).unwrap_err();
        assert!(matches!(refused, FabricError::Invalid { .. }), "{refused}");
    }
    node.assert_clean();
    let place = limited(&node, &fabric, "b", Bandwidth::default());
    let [link] = node.links().try_into().unwrap();
    for (netns, link) in [
        (&node.host.netns_path(), link.as_str()),
        (&place.netns, "eth0"),
    ] {
        let queues = sh(netns, &format!("tc qdisc show dev {link}"));
        assert!(!queues.contains("tbf"), "{queues}");
    }
}
