//! The way to other nodes' blocks: one VXLAN tunnel for all virtual networks.
//!
//! A node's end of the tunnel has the own address of each of its blocks, which no
//! container gets; so the host's connections to containers elsewhere come from there and
//! their answers come back the same way. A block elsewhere is routed to its own address
//! behind the tunnel, whose hardware address follows from the node's address, so that
//! nothing is learned or asked: for each node one entry says where it is.
//!
//! Refused alternative: routes by way of the node itself where nodes share a link. It is
//! faster, but many clouds drop what carries addresses they did not give, and nothing
//! tells whether one does.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink::{Batch, Hop, Inet, Link, Mac, Route, Socket, Vxlan};

use super::names::{self, alone};
use super::{FabricError, FabricNetwork, OverlayOptions, plumb};

/// The tunnel's end. Rules for Docker know the prefix; it is no endpoint's.
pub(crate) const LINK: &str = "sealanevx";
/// What each packet takes for the outer headers, with an outer IPv4 and IPv6 one.
const COST: [u16; 2] = [50, 70];

/// What the tunnel is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tunnel {
    pub(crate) node: IpAddr,
    pub(crate) mtu: u16,
    pub(crate) own: Vec<IpNet>,
    pub(crate) elsewhere: BTreeSet<(IpNet, IpAddr)>,
}

/// What each packet costs on a tunnel between nodes of this one's family.
pub(crate) fn cost(node: IpAddr) -> u16 {
    let [v4, v6] = COST;
    if node.is_ipv4() { v4 } else { v6 }
}

/// Blocks of nodes that are reached by the family of this node's address.
pub(crate) fn elsewhere(networks: &[FabricNetwork], node: IpAddr) -> BTreeSet<(IpNet, IpAddr)> {
    let all = networks.iter().flat_map(|network| &network.elsewhere);
    all.filter(|(_, other)| other.is_ipv4() == node.is_ipv4() && *other != node)
        .copied()
        .collect()
}

/// Makes the tunnel and returns the routes through it; without anybody elsewhere there
/// is none.
pub(crate) fn apply(tunnel: &Tunnel, options: &OverlayOptions) -> Result<Vec<Route>, FabricError> {
    let socket = plumb::open()?;
    let found = socket.link(LINK).map_err(plumb::looking)?;
    if tunnel.elsewhere.is_empty() {
        if found.is_some_and(|found| plumb::is_ours(&found)) {
            delete(&socket)?;
        }
        return Ok(Vec::new());
    }
    let link = standing(&socket, found, tunnel, options)?;
    let mut batch = Batch::new();
    for net in &tunnel.own {
        batch.address(link.index, alone(net.network()));
    }
    let mut routes = Vec::new();
    for (block, node) in &tunnel.elsewhere {
        let gateway = block.network();
        batch.behind(link.index, mac(*node), *node);
        batch.neighbour(link.index, gateway, mac(*node));
        routes.push(Route::new(*block, Hop::Gateway(gateway, link.index)));
    }
    plumb::run(&socket, &batch)?;
    Ok(routes)
}

/// The tunnel's end; made anew if it is not as it must be.
fn standing(
    socket: &Socket,
    found: Option<Link>,
    tunnel: &Tunnel,
    options: &OverlayOptions,
) -> Result<Link, FabricError> {
    let alias = format!(
        "{}tunnel {} from {}, port {}",
        names::ALIAS_PREFIX,
        options.vni,
        tunnel.node,
        options.port
    );
    let fits = |link: &Link| {
        link.alias.as_deref() == Some(alias.as_str()) && link.mtu == u32::from(tunnel.mtu)
    };
    match found {
        Some(link) if fits(&link) => return Ok(link),
        Some(link) if !plumb::is_ours(&link) && link.alias.is_some() => {
            return Err(FabricError::LinkTaken { link: link.name });
        }
        Some(_) => delete(socket)?,
        None => {}
    }
    let mut batch = Batch::new();
    batch.vxlan(&Vxlan {
        name: LINK,
        mac: mac(tunnel.node),
        mtu: tunnel.mtu.into(),
        vni: options.vni,
        port: options.port,
        local: tunnel.node,
    });
    plumb::run(socket, &batch)?;
    let made = socket.link(LINK).map_err(plumb::looking)?;
    let link = made.ok_or_else(|| plumb::gone(LINK))?;
    let mut batch = Batch::new();
    batch.alias(link.index, &alias);
    batch.no_link_local(link.index);
    batch.inet(
        link.index,
        Inet {
            forwarding: true,
            // Another node's containers may be known here a moment later than they talk.
            rp_filter: 2,
            ..Inet::default()
        },
    );
    batch.up(link.index);
    plumb::run(socket, &batch)?;
    Ok(link)
}

fn delete(socket: &Socket) -> Result<(), FabricError> {
    let mut batch = Batch::new();
    batch.delete_link(LINK);
    plumb::run(socket, &batch)
}

/// Hardware address of a node's end, which every node can work out.
fn mac(node: IpAddr) -> Mac {
    names::mac_of(&[alone(node)])
}
