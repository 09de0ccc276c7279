//! Routes that say "unreachable": addresses of a range that nobody holds must be
//! refused at once on this host instead of leaving it.
//!
//! Refused alternative: a blackhole route or a firewall rule; the first makes
//! clients wait for a time-out, the second costs every packet.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::{RouteMessage, RouteType};
use rtnetlink::RouteMessageBuilder;

use crate::NetlinkError;
use crate::connection::Connection;

/// Metric of our routes: worse than what people and routing daemons use, so that
/// somebody's real route to the same range wins.
pub const UNREACHABLE_METRIC: u32 = 1_000_000;

/// Sees that `net` is unreachable by the main table; repeating it is fine.
///
/// # Errors
/// When the kernel refuses, which without `CAP_NET_ADMIN` it does.
pub async fn ensure_unreachable(net: IpNet) -> Result<(), NetlinkError> {
    let connection = Connection::open()?;
    let added = connection
        .handle
        .route()
        .add(unreachable(net))
        .execute()
        .await;
    done_or(added, libc::EEXIST).map_err(|source| NetlinkError::Route {
        action: "add",
        net,
        source,
    })
}

/// Removes what [`ensure_unreachable`] made; repeating it is fine.
///
/// # Errors
/// When the kernel refuses, which without `CAP_NET_ADMIN` it does.
pub async fn remove_unreachable(net: IpNet) -> Result<(), NetlinkError> {
    let connection = Connection::open()?;
    let removed = connection
        .handle
        .route()
        .del(unreachable(net))
        .execute()
        .await;
    done_or(removed, libc::ESRCH).map_err(|source| NetlinkError::Route {
        action: "remove",
        net,
        source,
    })
}

fn unreachable(net: IpNet) -> RouteMessage {
    match (net.network(), net.prefix_len()) {
        (IpAddr::V4(address), length) => RouteMessageBuilder::<std::net::Ipv4Addr>::new()
            .destination_prefix(address, length)
            .kind(RouteType::Unreachable)
            .priority(UNREACHABLE_METRIC)
            .build(),
        (IpAddr::V6(address), length) => RouteMessageBuilder::<std::net::Ipv6Addr>::new()
            .destination_prefix(address, length)
            .kind(RouteType::Unreachable)
            .priority(UNREACHABLE_METRIC)
            .build(),
    }
}

/// Success also when the kernel says `errno`: the work was done before.
fn done_or(outcome: Result<(), rtnetlink::Error>, errno: i32) -> Result<(), rtnetlink::Error> {
    match outcome {
        Err(rtnetlink::Error::NetlinkError(reply)) if reply.raw_code() == -errno => Ok(()),
        other => other,
    }
}
