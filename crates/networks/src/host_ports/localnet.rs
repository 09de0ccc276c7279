//! What lets clients on this host reach containers by 127.0.0.1 and ::1.
//!
//! The kernel drops packets from 127.0.0.1 that are about to leave by an interface, and
//! such to it that arrive by one, unless the interface has `route_localnet`. Ours have it,
//! and a rule that drops what bears that address on arrival, so that a container gets in
//! no further than before. For `::1` the kernel wants a route by the interface instead.
//!
//! Refused alternative: a process that listens on the port and copies, as Docker's does.
//! It costs memory and two more copies, and hides who the client is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use netlink::way::{self, Way};

use super::Published;
use super::elements::is_led_from_localhost6;

/// Directory of an interface's settings in this thread's namespace; there as long as the
/// interface is.
fn settings(interface: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net/ipv4/conf").join(interface)
}

/// Finds the ways to the containers of ports, where they are not known or were by an
/// interface that is gone.
pub(super) async fn find(
    ports: &[Published],
    ways: &mut BTreeMap<IpAddr, Way>,
    localnet: &mut BTreeSet<String>,
) {
    for port in ports {
        let ip = port.to.ip();
        if ways
            .get(&ip)
            .is_some_and(|way| settings(&way.interface).exists())
        {
            continue;
        }
        ways.remove(&ip);
        match way::to(ip).await {
            Ok(Some(way)) => {
                localnet.insert(way.interface.clone());
                ways.insert(ip, way);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%ip, %error, "the interface towards a container is not known");
            }
        }
    }
}

/// Prepares the interfaces of ports, once the rule against strangers knows them. What
/// cannot be done is logged: the ports work for all other clients.
pub(super) async fn open(ports: &[Published], ways: &BTreeMap<IpAddr, Way>) {
    let mut done = BTreeSet::new();
    for port in ports {
        let Some(way) = ways.get(&port.to.ip()) else {
            continue;
        };
        let interface = &way.interface;
        if done.insert((interface, port.to.is_ipv4()))
            && let Err(problem) = open_one(port, way).await
        {
            tracing::warn!(
                interface,
                problem,
                "its host ports are not reached from localhost"
            );
        }
    }
}

/// Forgets interfaces that are gone. Those without a port stay: they carry 127.0.0.1
/// still, and the rule against strangers is theirs.
pub(super) fn prune(localnet: &mut BTreeSet<String>) {
    localnet.retain(|interface| settings(interface).exists());
}

async fn open_one(port: &Published, way: &Way) -> Result<(), String> {
    if port.to.is_ipv4() {
        let path = settings(&way.interface).join("route_localnet");
        let is_on = fs::read_to_string(&path).is_ok_and(|value| value.trim() == "1");
        if is_on {
            return Ok(());
        }
        let written = fs::write(&path, "1");
        return written.map_err(|error| format!("{}: {error}", path.display()));
    }
    if !is_led_from_localhost6(port, way) {
        return Ok(());
    }
    let admitted = way::admit_localhost(way).await;
    admitted.map_err(|error| error.to_string())
}
