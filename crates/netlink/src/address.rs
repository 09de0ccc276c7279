//! Addresses of this network namespace, and which of them the world sees.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt;
use futures::stream::Stream;
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType,
};
use rtnetlink::{Error, MulticastGroup, RouteMessageBuilder};

use crate::NetlinkError;
use crate::connection::{Connection, Listener};

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAddress {
    /// The interface's name.
    pub ifname: String,
    /// Its index.
    pub index: u32,
    /// The address with its prefix length, host bits kept.
    pub net: IpNet,
    /// Whether the interface holds a default route of either family.
    pub uplink: bool,
}

/// All addresses of this namespace, in the kernel's order.
///
/// # Errors
/// When the kernel does not answer.
pub async fn local() -> Result<Vec<LocalAddress>, NetlinkError> {
    let view = View::read().await?;
    Ok(view
        .addresses
        .into_iter()
        .map(|address| address.local)
        .collect())
}

/// The address under which others know this host: the source address of the best
/// IPv4 default route, else of the IPv6 one, else the first global address.
///
/// # Errors
/// When the kernel does not answer.
pub async fn primary() -> Result<Option<IpAddr>, NetlinkError> {
    let view = View::read().await?;
    Ok(choose_primary(&view.defaults, &view.addresses))
}

/// Tells when addresses of this namespace come or go.
pub struct Changes(Listener);

impl Changes {
    /// Listens from now on; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the kernel does not let this process listen.
    pub fn listen() -> Result<Self, NetlinkError> {
        Listener::open(&[MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr]).map(Self)
    }

    /// Waits for a change. False when the connection has ended: listen again.
    pub async fn next(&mut self) -> bool {
        self.0.heard().await
    }
}

#[derive(Debug, Clone)]
struct Address {
    local: LocalAddress,
    global: bool,
}

#[derive(Debug, Clone)]
struct DefaultRoute {
    v4: bool,
    metric: u32,
    interface: u32,
    source: Option<IpAddr>,
}

struct View {
    addresses: Vec<Address>,
    defaults: Vec<DefaultRoute>,
}

impl View {
    async fn read() -> Result<Self, NetlinkError> {
        let connection = Connection::open()?;
        let handle = &connection.handle;
        let links = collect("links", handle.link().get().execute()).await?;
        let addresses = collect("addresses", handle.address().get().execute()).await?;
        let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let mut routes = collect("routes", handle.route().get(v4).execute()).await?;
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
        routes.extend(collect("routes", handle.route().get(v6).execute()).await?);

        let names: HashMap<u32, String> = links.iter().filter_map(link_name).collect();
        let defaults: Vec<DefaultRoute> = routes.iter().flat_map(default_routes).collect();
        let addresses = addresses
            .iter()
            .filter_map(|message| address(message, &names, &defaults))
            .collect();
        Ok(Self {
            addresses,
            defaults,
        })
    }
}

async fn collect<T>(
    what: &'static str,
    stream: impl Stream<Item = Result<T, Error>>,
) -> Result<Vec<T>, NetlinkError> {
    stream
        .try_collect()
        .await
        .map_err(|source| NetlinkError::List { what, source })
}

fn link_name(link: &LinkMessage) -> Option<(u32, String)> {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some((link.header.index, name.clone())),
            _ => None,
        })
}

fn address(
    message: &AddressMessage,
    names: &HashMap<u32, String>,
    defaults: &[DefaultRoute],
) -> Option<Address> {
    let index = message.header.index;
    let (mut own, mut peer) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => own = Some(*ip),
            AddressAttribute::Address(ip) => peer = Some(*ip),
            _ => {}
        }
    }
    // On point-to-point links `Address` is the other end, on IPv6 the only one given.
    let net = IpNet::new(own.or(peer)?, message.header.prefix_len).ok()?;
    let local = LocalAddress {
        ifname: names.get(&index).cloned()?,
        index,
        net,
        uplink: defaults.iter().any(|route| route.interface == index),
    };
    Some(Address {
        local,
        global: message.header.scope == AddressScope::Universe,
    })
}

/// The default routes of the main table in a route message, one per next hop.
fn default_routes(message: &RouteMessage) -> Vec<DefaultRoute> {
    let header = &message.header;
    let main = header.table == RouteHeader::RT_TABLE_MAIN;
    if !main || header.destination_prefix_length != 0 || header.kind != RouteType::Unicast {
        return Vec::new();
    }
    let v4 = header.address_family == netlink_packet_route::AddressFamily::Inet;
    let (mut metric, mut source, mut interfaces) = (0, None, Vec::new());
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Oif(index) => interfaces.push(*index),
            RouteAttribute::MultiPath(hops) => {
                interfaces.extend(hops.iter().map(|hop| hop.interface_index));
            }
            RouteAttribute::PrefSource(RouteAddress::Inet(ip)) => source = Some((*ip).into()),
            RouteAttribute::PrefSource(RouteAddress::Inet6(ip)) => source = Some((*ip).into()),
            _ => {}
        }
    }
    interfaces
        .into_iter()
        .map(|interface| DefaultRoute {
            v4,
            metric,
            interface,
            source,
        })
        .collect()
}

fn choose_primary(defaults: &[DefaultRoute], addresses: &[Address]) -> Option<IpAddr> {
    let mut defaults: Vec<&DefaultRoute> = defaults.iter().collect();
    defaults.sort_by_key(|route| (!route.v4, route.metric));
    let of_route = |route: &DefaultRoute| {
        let fits = |address: &&Address| {
            address.global
                && address.local.index == route.interface
                && address.local.net.addr().is_ipv4() == route.v4
        };
        route
            .source
            .or_else(|| addresses.iter().find(fits).map(|a| a.local.net.addr()))
    };
    let first_global = |v4: bool| {
        let fits = |address: &&Address| {
            let ip = address.local.net.addr();
            address.global && ip.is_ipv4() == v4 && !ip.is_loopback()
        };
        addresses
            .iter()
            .find(fits)
            .map(|address| address.local.net.addr())
    };
    defaults
        .into_iter()
        .find_map(of_route)
        .or_else(|| first_global(true))
        .or_else(|| first_global(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ifname: &str, index: u32, net: &str, global: bool) -> Address {
        let net = net.parse().unwrap();
        Address {
            local: LocalAddress {
                ifname: ifname.into(),
                index,
                net,
                uplink: false,
            },
            global,
        }
    }

    fn route(v4: bool, metric: u32, interface: u32) -> DefaultRoute {
        DefaultRoute {
            v4,
            metric,
            interface,
            source: None,
        }
    }

    #[test]
    fn primary_follows_the_best_default_route() {
        let addresses = [
            at("lo", 1, "127.0.0.1/8", false),
            at("docker0", 2, "172.17.0.1/16", true),
            at("eth0", 3, "10.0.0.5/24", true),
            at("eth1", 4, "10.1.0.5/24", true),
            at("eth0", 3, "2001:db8::5/64", true),
        ];
        let primary = |defaults: &[DefaultRoute]| {
            choose_primary(defaults, &addresses)
                .map(|ip| ip.to_string())
                .unwrap_or_default()
        };
        assert_eq!(
            primary(&[route(true, 100, 4), route(true, 50, 3)]),
            "10.0.0.5"
        );
        assert_eq!(
            primary(&[route(false, 0, 3), route(true, 900, 4)]),
            "10.1.0.5"
        );
        assert_eq!(primary(&[route(false, 0, 3)]), "2001:db8::5");
        assert_eq!(primary(&[]), "172.17.0.1");
        let preferred = DefaultRoute {
            source: "10.9.9.9".parse().ok(),
            ..route(true, 0, 3)
        };
        assert_eq!(primary(&[preferred]), "10.9.9.9");
        assert_eq!(choose_primary(&[route(true, 0, 1)], &addresses[..1]), None);
    }
}
