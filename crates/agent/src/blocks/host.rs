//! Addresses that this host uses for something else than virtual networks.
//!
//! Networks of Docker and of other CNI plugins are bridges with an address each, so that
//! they are found as any interface is. Routes tell of what lies behind a gateway: a
//! company's network, a VPN.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use model::Occupied;
use store::State;

/// What names of our own interfaces begin with: those of endpoints and of the tunnel to
/// other nodes, which have addresses out of blocks, and the default bridge's, which is one
/// more network beside.
const LINK_PREFIX: &str = "sealane";

/// Flags of a route (linux/route.h, linux/ipv6_route.h): nobody there; this host.
const REJECT: u32 = 0x200;
const LOCAL: u32 = 0x8000_0000;

/// What this host has, except for virtual networks' own; routes to blocks are that, too,
/// on whichever interface.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) async fn occupied(state: &State) -> Result<Vec<Occupied>, String> {
    let blocks = state.blocks.values();
    let blocks: BTreeSet<&IpNet> = blocks.flat_map(|block| &block.nets).collect();
    let local = netlink::address::local().await;
    let local = local.map_err(|error| crate::housekeeping::chain(&error))?;
    let mut occupied: Vec<Occupied> = local
        .iter()
        .filter(|it| it.ifname != "lo" && !is_ours(&it.ifname, it.net, &blocks))
        .map(|it| Occupied::new(it.net.trunc(), format!("interface {}", it.ifname)))
        .collect();
    // The files are those of the process, wherever its other threads are.
    for (path, read) in [
        ("/proc/self/net/route", route4 as fn(&str) -> Option<Route>),
        ("/proc/self/net/ipv6_route", route6),
    ] {
        let text = match tokio::fs::read_to_string(path).await {
            Ok(text) => text,
            // A kernel without IPv6.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("{path} cannot be read: {error}")),
        };
        for route in text.lines().filter_map(read) {
            let known =
                blocks.contains(&route.net) || occupied.iter().any(|it| it.net == route.net);
            if route.is_of_others() && !known && !is_ours(&route.interface, route.net, &blocks) {
                let by = format!("the route through {}", route.interface);
                occupied.push(Occupied::new(route.net, by));
            }
        }
    }
    Ok(occupied)
}

/// A route of the host.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    net: IpNet,
    interface: String,
    flags: u32,
}

impl Route {
    /// Whether it leads to somebody who is neither this host nor everybody.
    fn is_of_others(&self) -> bool {
        let special = match self.net.network() {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_multicast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast(),
        };
        self.flags & (REJECT | LOCAL) == 0
            && self.net.prefix_len() > 0
            && !special
            && self.interface != "lo"
    }
}

/// Whether what an interface has is a part of a virtual network.
fn is_ours(interface: &str, net: IpNet, blocks: &BTreeSet<&IpNet>) -> bool {
    interface.starts_with(LINK_PREFIX) && blocks.iter().any(|block| block.contains(&net))
}

/// A line of `/proc/net/route`: interface, destination, gateway, flags, …, mask, … with
/// addresses as the machine holds them.
fn route4(line: &str) -> Option<Route> {
    let mut fields = line.split_whitespace();
    let interface = fields.next()?.to_owned();
    let address = |text: &str| Some(Ipv4Addr::from(hex(text)?.to_ne_bytes()));
    let destination = address(fields.next()?)?;
    let flags = hex(fields.nth(1)?)?;
    let mask = address(fields.nth(3)?)?;
    let net = IpNet::with_netmask(destination.into(), mask.into()).ok()?;
    Some(Route {
        net,
        interface,
        flags,
    })
}

/// A line of `/proc/net/ipv6_route`: destination, its prefix length, …, flags, interface.
fn route6(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [destination, length, .., flags, interface] = fields.as_slice() else {
        return None;
    };
    let address = u128::from_str_radix(destination, 16).ok()?;
    let length = u8::from_str_radix(length, 16).ok()?;
    Some(Route {
        net: IpNet::new(Ipv6Addr::from(address).into(), length).ok()?,
        interface: (*interface).to_owned(),
        flags: hex(flags)?,
    })
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(route: Option<Route>) -> Option<String> {
        let route = route?;
        let of = if route.is_of_others() { "others" } else { "-" };
        Some(format!("{} {} {of}", route.net, route.interface))
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn ipv4_routes_as_the_kernel_tells_them() {
        for (line, expected) in [
            (
                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
                None,
            ),
            (
                "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
                Some("0.0.0.0/0 eth0 -"),
            ),
            (
                "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
                Some("192.168.1.0/24 eth0 others"),
            ),
            (
                "tun0\t00000009\t0101A8C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0",
                Some("9.0.0.0/8 tun0 others"),
            ),
            (
                "*\t0000000B\t00000000\t0201\t0\t0\t1000000\t000000FF\t0\t0\t0",
                Some("11.0.0.0/8 * -"),
            ),
            (
                "sealane12ab34cd\t02010009\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0",
                Some("9.0.1.2/32 sealane12ab34cd others"),
            ),
            (
                "sealane0\t00FE1FAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
                Some("172.31.254.0/24 sealane0 others"),
            ),
            (
                "eth0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
                Some("169.254.0.0/16 eth0 -"),
            ),
            ("eth0 zz", None),
        ] {
            assert_eq!(shown(route4(line)).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn ipv6_routes_as_the_kernel_tells_them() {
        let none = "00000000000000000000000000000000 00 00000000000000000000000000000000";
        for (destination, flags, expected) in [
            (
                "fd01000b000000000000000000000000 40",
                "00000001     eth0",
                "fd01:b::/64 eth0 others",
            ),
            (
                "fd01000c000000000000000000000000 40",
                "00000201       lo",
                "fd01:c::/64 lo -",
            ),
            (
                "fd01000b000000000000000000000005 80",
                "80200001     eth0",
                "fd01:b::5/128 eth0 -",
            ),
            (
                "fe800000000000000000000000000000 40",
                "00000001     eth0",
                "fe80::/64 eth0 -",
            ),
            (
                "ff000000000000000000000000000000 08",
                "00000001     eth0",
                "ff00::/8 eth0 -",
            ),
            (
                "00000000000000000000000000000000 00",
                "00000003     eth0",
                "::/0 eth0 -",
            ),
        ] {
            let line = format!("{destination} {none} 00000400 00000001 00000000 {flags}");
            assert_eq!(shown(route6(&line)).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(shown(route6("fd01 40")), None);
    }

    #[test]
    fn what_is_within_blocks_is_ours_on_our_interfaces() {
        let block: IpNet = "9.0.1.0/24".parse().unwrap();
        let blocks = BTreeSet::from([&block]);
        for (interface, net, ours) in [
            ("sealane12ab34cd", "9.0.1.2/32", true),
            ("sealanevx", "9.0.1.0/32", true),
            ("sealane0", "172.31.254.0/24", false),
            ("sealane12ab34cd", "9.0.2.2/32", false),
            ("docker0", "9.0.1.0/24", false),
        ] {
            let net = net.parse().unwrap();
            assert_eq!(is_ours(interface, net, &blocks), ours, "{interface} {net}");
        }
    }
}
