//! Tunnels between hosts: Ethernet in UDP (RFC 7348), without learning: what is behind
//! which host is said, not found out.

use std::net::IpAddr;

use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkInfo};
use rtnetlink::packet_route::neighbour::{
    NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::batch::{Batch, Mode};
use crate::link::{Mac, end};
use crate::path::neighbour_address;

/// A tunnel's end, to be made.
#[derive(Debug, Clone, Copy)]
pub struct Vxlan<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its hardware address.
    pub mac: Mac,
    /// MTU of what it carries.
    pub mtu: u32,
    /// Number of the network, 24 bits.
    pub vni: u32,
    /// UDP port, the same on all hosts.
    pub port: u16,
    /// This host's address; it says which family the tunnel uses.
    pub local: IpAddr,
}

impl Batch {
    /// Makes a tunnel's end, not up.
    pub fn vxlan(&mut self, vxlan: &Vxlan<'_>) {
        let data = vec![
            InfoVxlan::Id(vxlan.vni),
            InfoVxlan::Port(vxlan.port),
            InfoVxlan::Learning(false),
            match vxlan.local {
                IpAddr::V4(ip) => InfoVxlan::Local(ip),
                IpAddr::V6(ip) => InfoVxlan::Local6(ip),
            },
        ];
        let mut message = end(vxlan.name, vxlan.mac, vxlan.mtu);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Vxlan),
            LinkInfo::Data(InfoData::Vxlan(data)),
        ]));
        let what = format!("make the tunnel '{}'", vxlan.name);
        self.push(what, Mode::New, RouteNetlinkMessage::NewLink(message));
    }

    /// Says on which host a hardware address is.
    pub fn behind(&mut self, index: u32, mac: Mac, host: IpAddr) {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        // The tunnel's own table, not that of a bridge which it might be part of.
        message.header.flags = NeighbourFlags::Own;
        message.attributes = vec![
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
            NeighbourAttribute::Destination(neighbour_address(host)),
        ];
        self.push(
            format!("say that host {host} is behind tunnel {index}"),
            Mode::Put,
            RouteNetlinkMessage::NewNeighbour(message),
        );
    }
}
