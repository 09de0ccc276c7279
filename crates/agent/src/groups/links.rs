//! Links of containers on virtual networks, and the addresses behind them.
//!
//! A link is known by its name, its addresses by our own host routes that lead there. Both
//! are asked of the kernel's routing socket: it answers for the network namespace of the
//! daemon, while `/sys/class/net` shows that of whoever mounted it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use netlink::{Hop, Link, NetlinkError, Route, Socket};

/// What names of these links begin with; eight hexadecimal digits follow.
const PREFIX: &str = "sealane";

/// Links of this network namespace by their numbers.
pub(super) fn found() -> Result<BTreeMap<u32, BTreeSet<IpAddr>>, NetlinkError> {
    let socket = Socket::open()?;
    // Links first: a route that is read later leads to one of them or to a newer one.
    let links = socket.links(PREFIX)?;
    if links.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(behind(&links, &socket.routes()?))
}

fn is_ours(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX);
    digits.is_some_and(|it| it.len() == 8 && it.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The addresses that routes to one address each say are behind these links.
fn behind(links: &[Link], routes: &HashSet<Route>) -> BTreeMap<u32, BTreeSet<IpAddr>> {
    let ours = links.iter().filter(|link| is_ours(&link.name));
    let mut found: BTreeMap<_, BTreeSet<_>> =
        ours.map(|link| (link.index, BTreeSet::new())).collect();
    for route in routes {
        let Hop::Link(index) = route.hop else {
            continue;
        };
        let is_host = route.to.prefix_len() == route.to.max_prefix_len();
        if let Some(addresses) = found.get_mut(&index).filter(|_| is_host) {
            addresses.insert(route.to.addr());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, index: u32) -> Link {
        Link {
            name: name.to_owned(),
            index,
            kind: Some("veth".to_owned()),
            mac: Vec::new(),
            mtu: 1500,
            up: true,
            alias: None,
        }
    }

    #[test]
    fn names_are_told_from_others() {
        assert!(is_ours("sealane0a1b2c3d"));
        for other in [
            "sealane",
            "sealane0",
            "sealane0000000g",
            "eth0",
            "sealane0a1b2c3d4",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn host_routes_tell_who_is_behind_a_link() {
        let links = [
            link("sealane0000000a", 7),
            link("sealane0000000b", 8),
            link("sealane-vx", 9),
        ];
        let route = |to: &str, hop| Route::new(to.parse().unwrap(), hop);
        let routes = HashSet::from([
            route("9.0.1.2/32", Hop::Link(7)),
            route("fd01:b::2/128", Hop::Link(7)),
            route("9.0.0.0/8", Hop::Link(7)),
            route("9.0.1.3/32", Hop::Link(9)),
            route("9.0.1.4/32", Hop::Unreachable),
        ]);
        let found = behind(&links, &routes);
        let addresses: Vec<_> = found[&7].iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["9.0.1.2", "fd01:b::2"]);
        assert!(found[&8].is_empty());
        assert!(!found.contains_key(&9));
    }

    #[test]
    fn the_kernel_is_asked() {
        assert!(found().is_ok());
    }
}
