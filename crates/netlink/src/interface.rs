//! Interfaces as a whole namespace has them: who is whose, who has an address, and what
//! went through.

use std::net::IpAddr;

use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkLayerType, LinkMessage};

use crate::link::{Link, brief, link};
use crate::{NetlinkError, Socket};

/// A link with its place among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The link.
    pub link: Link,
    /// Index of the bridge, bond or the like that it is part of.
    pub master: Option<u32>,
    /// Whether its packets begin with an Ethernet header; those of the loopback interface
    /// do as well.
    pub ethernet: bool,
}

/// What went through a link since it was made, as the namespace sees it that it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received broken.
    pub rx_errors: u64,
    /// Packets received and dropped.
    pub rx_dropped: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets dropped before they were sent.
    pub tx_dropped: u64,
}

impl Socket {
    /// All interfaces.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn interfaces(&self) -> Result<Vec<Interface>, NetlinkError> {
        let found = self.list("links", &RouteNetlinkMessage::GetLink(brief()))?;
        Ok(found.into_iter().filter_map(interface).collect())
    }

    /// Index of the link that has an address.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn holder(&self, address: IpAddr) -> Result<Option<u32>, NetlinkError> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let found = self.list("addresses", &request)?;
        Ok(found.into_iter().find_map(|message| match message {
            RouteNetlinkMessage::NewAddress(message) => message
                .attributes
                .contains(&AddressAttribute::Local(address))
                .then_some(message.header.index),
            _ => None,
        }))
    }

    /// A link's counters; none if it is gone.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn counters(&self, index: u32) -> Result<Option<Counters>, NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let found = self.ask("link", RouteNetlinkMessage::GetLink(message), libc::ENODEV)?;
        let Some(RouteNetlinkMessage::NewLink(message)) = found else {
            return Ok(None);
        };
        Ok(message.attributes.iter().find_map(|attribute| {
            let LinkAttribute::Stats64(seen) = attribute else {
                return None;
            };
            Some(Counters {
                rx_packets: seen.rx_packets,
                rx_bytes: seen.rx_bytes,
                rx_errors: seen.rx_errors,
                rx_dropped: seen.rx_dropped,
                tx_packets: seen.tx_packets,
                tx_bytes: seen.tx_bytes,
                tx_errors: seen.tx_errors,
                tx_dropped: seen.tx_dropped,
            })
        }))
    }
}

fn interface(message: RouteNetlinkMessage) -> Option<Interface> {
    let RouteNetlinkMessage::NewLink(found) = &message else {
        return None;
    };
    let ethernet = matches!(
        found.header.link_layer_type,
        LinkLayerType::Ether | LinkLayerType::Loopback
    );
    let master = found
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::Controller(index) => Some(*index),
            _ => None,
        });
    Some(Interface {
        link: link(message)?,
        master,
        ethernet,
    })
}
