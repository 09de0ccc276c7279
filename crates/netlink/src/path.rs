//! Addresses, routes, neighbours and rules: how packets find their way.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressScope,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
    RouteType,
};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::batch::{Batch, Mode};
use crate::link::Mac;
use crate::{NetlinkError, Socket};

/// The routing protocol that our routes carry, by which we know them again: a number
/// that nobody registered.
pub const PROTOCOL: u8 = 94;

/// Priority of our rules: before the main table's 32766.
const RULES: u32 = 9400;

/// Table of the addresses that are a namespace's own.
const LOCAL_TABLE: u8 = 255;
/// Worse than the kernel's own routes to them.
const LOCAL_METRIC: u32 = 4096;

/// What the kernel makes of no metric for IPv6; for IPv4 it is 0.
const DEFAULT_METRIC6: u32 = 1024;

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hop {
    /// To whoever is on the link of this index.
    Link(u32),
    /// To a gateway that is on the link, whatever other routes say.
    Gateway(IpAddr, u32),
    /// Here: the destination is the link's own address.
    Own(u32),
    /// Nowhere: the sender is told at once.
    Unreachable,
}

/// A route, known again by [`PROTOCOL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// Destination.
    pub to: IpNet,
    /// Where it leads.
    pub hop: Hop,
    /// The lower one wins; 0 stands for the kernel's default.
    pub metric: u32,
    /// Routing table; [`Route::MAIN`] for the usual one.
    pub table: u32,
}

impl Route {
    /// The main table.
    pub const MAIN: u32 = RouteHeader::RT_TABLE_MAIN as u32;

    /// A route of the main table.
    #[must_use]
    pub fn new(to: IpNet, hop: Hop) -> Self {
        Self {
            to,
            hop,
            metric: 0,
            table: Self::MAIN,
        }
    }
}

impl Batch {
    /// Gives a link an address that is valid at once, without asking around whether
    /// somebody else has it. One of link-local range stays within the link; having it
    /// already is fine.
    ///
    /// For IPv6 the kernel takes up the address in a work queue even so, and until then
    /// drops what arrives for it. A route of ours, which does the same, bridges that.
    pub fn address(&mut self, index: u32, net: IpNet) {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.family = family(net.addr());
        message.header.prefix_len = net.prefix_len();
        let link_local = match net.addr() {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        if link_local {
            message.header.scope = AddressScope::Link;
        }
        message.attributes = vec![
            AddressAttribute::Local(net.addr()),
            AddressAttribute::Address(net.addr()),
        ];
        if net.addr().is_ipv6() {
            let valid_at_once = AddressAttribute::Flags(AddressFlags::Nodad);
            message.attributes.push(valid_at_once);
        }
        self.push(
            format!("give link {index} the address {net}"),
            Mode::New,
            RouteNetlinkMessage::NewAddress(message),
        );
        self.unless(libc::EEXIST);
        if net.addr().is_ipv6() {
            let own = Route {
                metric: LOCAL_METRIC,
                ..Route::new(net.addr().into(), Hop::Own(index))
            };
            self.route(&own);
        }
    }

    /// Makes a route or replaces the one to the same destination with the same metric.
    pub fn route(&mut self, route: &Route) {
        let message = RouteNetlinkMessage::NewRoute(route_message(route));
        self.push(format!("route {}", route.to), Mode::Put, message);
    }

    /// Removes a route; none is fine.
    pub fn delete_route(&mut self, route: &Route) {
        let message = RouteNetlinkMessage::DelRoute(route_message(route));
        let what = format!("remove the route to {}", route.to);
        self.push(what, Mode::Change, message);
        self.unless(libc::ESRCH);
    }

    /// Says for good which hardware address an address on a link has.
    pub fn neighbour(&mut self, index: u32, address: IpAddr, mac: Mac) {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        message.attributes = vec![
            NeighbourAttribute::Destination(neighbour_address(address)),
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
        ];
        self.push(
            format!("note the neighbour {address} on link {index}"),
            Mode::Put,
            RouteNetlinkMessage::NewNeighbour(message),
        );
    }

    /// Sends what comes from `source` by another table; repeating it is fine.
    pub fn rule_from(&mut self, source: IpAddr, table: u32) {
        let message = RouteNetlinkMessage::NewRule(rule_message(source, Some(table)));
        let what = format!("route what comes from {source} by table {table}");
        self.push(what, Mode::New, message);
        self.unless(libc::EEXIST);
    }

    /// Undoes [`Batch::rule_from`], whatever table it names; none is fine.
    pub fn delete_rule_from(&mut self, source: IpAddr) {
        let message = RouteNetlinkMessage::DelRule(rule_message(source, None));
        let what = format!("remove the rule for what comes from {source}");
        self.push(what, Mode::Change, message);
        self.unless(libc::ENOENT);
    }
}

impl Socket {
    /// The addresses of a link, with their prefixes.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn addresses(&self, index: u32) -> Result<Vec<IpNet>, NetlinkError> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let found = self.list("addresses", &request)?;
        let nets = found.into_iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewAddress(message) if message.header.index == index => {
                let own = message
                    .attributes
                    .iter()
                    .find_map(|attribute| match attribute {
                        AddressAttribute::Local(ip) => Some(*ip),
                        _ => None,
                    });
                let any = message
                    .attributes
                    .iter()
                    .find_map(|attribute| match attribute {
                        AddressAttribute::Address(ip) => Some(*ip),
                        _ => None,
                    });
                IpNet::new(own.or(any)?, message.header.prefix_len).ok()
            }
            _ => None,
        });
        Ok(nets.collect())
    }

    /// All routes with our [`PROTOCOL`], of both families and all tables.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn routes(&self) -> Result<HashSet<Route>, NetlinkError> {
        let mut routes = HashSet::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            let request = RouteNetlinkMessage::GetRoute(message);
            let found = self.list("routes", &request)?;
            routes.extend(found.iter().filter_map(own_route));
        }
        Ok(routes)
    }
}

pub(crate) fn route_message(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(route.to.addr());
    header.destination_prefix_length = route.to.prefix_len();
    header.protocol = RouteProtocol::Other(PROTOCOL);
    header.kind = RouteType::Unicast;
    header.scope = RouteScope::Universe;
    match u8::try_from(route.table) {
        Ok(table) => header.table = table,
        Err(_) => message.attributes.push(RouteAttribute::Table(route.table)),
    }
    let attributes = &mut message.attributes;
    if route.to.prefix_len() > 0 {
        attributes.push(RouteAttribute::Destination(target(route.to.network())));
    }
    match route.hop {
        Hop::Link(index) => {
            header.scope = RouteScope::Link;
            attributes.push(RouteAttribute::Oif(index));
        }
        Hop::Gateway(via, index) => {
            header.flags = RouteFlags::Onlink;
            attributes.push(RouteAttribute::Gateway(target(via)));
            attributes.push(RouteAttribute::Oif(index));
        }
        Hop::Own(index) => {
            header.kind = RouteType::Local;
            header.scope = RouteScope::Host;
            header.table = LOCAL_TABLE;
            attributes.push(RouteAttribute::Oif(index));
        }
        Hop::Unreachable => header.kind = RouteType::Unreachable,
    }
    if route.metric > 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    message
}

fn own_route(message: &RouteNetlinkMessage) -> Option<Route> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    let header = &message.header;
    if header.protocol != RouteProtocol::Other(PROTOCOL) {
        return None;
    }
    let (mut to, mut via, mut link, mut metric) = (None, None, None, 0);
    let mut table = u32::from(header.table);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => to = ip(address),
            RouteAttribute::Gateway(address) => via = ip(address),
            RouteAttribute::Oif(index) => link = Some(*index),
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Table(number) => table = *number,
            _ => {}
        }
    }
    let everything = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    };
    let to = to.unwrap_or(everything);
    if to.is_ipv6() && metric == DEFAULT_METRIC6 {
        metric = 0;
    }
    let hop = match (header.kind, via, link) {
        (RouteType::Unreachable, ..) => Hop::Unreachable,
        (RouteType::Local, _, Some(index)) => Hop::Own(index),
        (_, Some(via), Some(index)) => Hop::Gateway(via, index),
        (_, None, Some(index)) => Hop::Link(index),
        _ => return None,
    };
    Some(Route {
        to: IpNet::new(to, header.destination_prefix_length).ok()?,
        hop,
        metric,
        table,
    })
}

fn rule_message(source: IpAddr, table: Option<u32>) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(source);
    message.header.src_len = if source.is_ipv4() { 32 } else { 128 };
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Source(source),
        RuleAttribute::Priority(RULES),
        RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
    ];
    let table = table.map(RuleAttribute::Table);
    message.attributes.extend(table);
    message
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

pub(crate) fn neighbour_address(address: IpAddr) -> NeighbourAddress {
    match address {
        IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
        IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
    }
}

fn target(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}
