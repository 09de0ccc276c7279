//! Which interface packets to an address leave by.

use std::net::{IpAddr, Ipv6Addr};

use futures::TryStreamExt;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteScope, RouteType};
use rtnetlink::RouteMessageBuilder;

use crate::NetlinkError;
use crate::connection::Connection;

/// Table of the addresses that are this host's own.
const LOCAL_TABLE: u32 = 255;
/// Worse than the loopback interface's own route, which stays the one that is used
/// wherever the interface does not matter.
const LOCAL_METRIC: u32 = 4096;

/// The way to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Name of the interface.
    pub interface: String,
    /// Its index.
    pub index: u32,
    /// Whether it is a bridge.
    pub bridge: bool,
}

/// The interface by which this namespace reaches `address`; none without a route, and
/// none for its own addresses.
///
/// # Errors
/// When the kernel does not answer.
pub async fn to(address: IpAddr) -> Result<Option<Way>, NetlinkError> {
    let connection = Connection::open()?;
    let message = match address {
        IpAddr::V4(ip) => RouteMessageBuilder::<std::net::Ipv4Addr>::new()
            .destination_prefix(ip, 32)
            .build(),
        IpAddr::V6(ip) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(ip, 128)
            .build(),
    };
    let found = connection.handle.route().get(message).execute();
    // Unreachable addresses are answered with an error.
    let Ok(Some(route)) = Box::pin(found).try_next().await else {
        return Ok(None);
    };
    let Some(index) = outgoing(&route).filter(|_| route.header.kind == RouteType::Unicast) else {
        return Ok(None);
    };
    let links = connection.handle.link().get().match_index(index).execute();
    let link = Box::pin(links).try_next().await;
    let link = link.map_err(|source| NetlinkError::List {
        what: "links",
        source,
    })?;
    Ok(link.and_then(|link| {
        Some(Way {
            interface: interface(&link)?,
            index,
            bridge: is_bridge(&link),
        })
    }))
}

/// Lets answers to `::1` in by an interface, whose clients an address translation has
/// given another one: the kernel wants a route for `::1` by the very interface. Packets
/// that bear `::1` when they arrive are dropped as ever. Gone with the interface.
///
/// # Errors
/// When the kernel refuses.
pub async fn admit_localhost(way: &Way) -> Result<(), NetlinkError> {
    let connection = Connection::open()?;
    let message = RouteMessageBuilder::<Ipv6Addr>::new()
        .destination_prefix(Ipv6Addr::LOCALHOST, 128)
        .kind(RouteType::Local)
        .scope(RouteScope::Universe)
        .table_id(LOCAL_TABLE)
        .priority(LOCAL_METRIC)
        .output_interface(way.index)
        .build();
    match connection.handle.route().add(message).execute().await {
        Err(rtnetlink::Error::NetlinkError(reply)) if reply.raw_code() == -libc::EEXIST => Ok(()),
        outcome => outcome.map_err(|source| NetlinkError::Localhost {
            interface: way.interface.clone(),
            source,
        }),
    }
}

fn outgoing(route: &RouteMessage) -> Option<u32> {
    route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        })
}

fn interface(link: &LinkMessage) -> Option<String> {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })
}

fn is_bridge(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.contains(&LinkInfo::Kind(InfoKind::Bridge)),
        _ => false,
    })
}
