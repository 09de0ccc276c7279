//! Links: pairs that join two namespaces, changes to them, and lists.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InetDevConf, InfoData, InfoKind,
    InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::neighbour_table::{
    NeighbourTableAttribute, NeighbourTableMessage, NeighbourTableParameter,
};

use crate::batch::{Batch, Mode};
use crate::{NetlinkError, Socket, kernel};

/// A hardware address.
pub type Mac = [u8; 6];

/// A pair of links to be made. Both ends get their hardware addresses at birth, since
/// udev gives others to links that have none of their own, after neighbours have
/// learned the first ones.
#[derive(Debug, Clone, Copy)]
pub struct Veth<'a> {
    /// The end in the socket's namespace.
    pub name: &'a str,
    /// Its hardware address.
    pub mac: Mac,
    /// The other end.
    pub peer: &'a str,
    /// Its hardware address.
    pub peer_mac: Mac,
    /// Where the other end is made; the same namespace if absent.
    pub peer_netns: Option<BorrowedFd<'a>>,
    /// MTU of both.
    pub mtu: u32,
}

/// Settings of the IPv4 side of one link. Zero leaves what the kernel has as default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inet {
    /// Whether what comes in may be sent on.
    pub forwarding: bool,
    /// Whether ARP is answered for addresses that are reached by other links.
    pub proxy_arp: bool,
    /// 1: a source address must be routed to this link; 2: to any.
    pub rp_filter: u8,
    /// Whether 127.0.0.0/8 may cross this link.
    pub route_localnet: bool,
}

/// A link that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Kind of a virtual link, such as `veth`.
    pub kind: Option<String>,
    /// Its hardware address; empty without one.
    pub mac: Vec<u8>,
    /// Its MTU.
    pub mtu: u32,
    /// Whether it is switched on.
    pub up: bool,
    /// What people or programs noted on it.
    pub alias: Option<String>,
}

impl Batch {
    /// Makes a pair of links, neither of them up.
    pub fn veth(&mut self, veth: &Veth<'_>) {
        let mut peer = end(veth.peer, veth.peer_mac, veth.mtu);
        if let Some(netns) = veth.peer_netns {
            peer.attributes
                .push(LinkAttribute::NetNsFd(netns.as_raw_fd()));
        }
        let mut message = end(veth.name, veth.mac, veth.mtu);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        let what = format!("make link '{}' with peer '{}'", veth.name, veth.peer);
        self.push(what, Mode::New, RouteNetlinkMessage::NewLink(message));
    }

    /// Switches a link on.
    pub fn up(&mut self, index: u32) {
        let mut message = change(index);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.set(format!("switch on link {index}"), message);
    }

    /// Notes something on a link, for people and for [`Link::alias`].
    pub fn alias(&mut self, index: u32, alias: &str) {
        let mut message = change(index);
        message
            .attributes
            .push(LinkAttribute::IfAlias(alias.to_owned()));
        self.set(format!("note '{alias}' on link {index}"), message);
    }

    /// Keeps the kernel from giving a link an IPv6 address of its own, with the second
    /// of doubt and the solicitations that come with it. To be done before it is up.
    pub fn no_link_local(&mut self, index: u32) {
        let families = vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(
            In6AddrGenMode::None,
        )])];
        self.families(format!("keep IPv6 quiet on link {index}"), index, families);
    }

    /// Settings of the IPv4 side of a link.
    pub fn inet(&mut self, index: u32, inet: Inet) {
        let mut settings = InetDevConf::default();
        settings.forwarding = inet.forwarding.into();
        settings.proxy_arp = inet.proxy_arp.into();
        settings.rp_filter = inet.rp_filter.into();
        settings.route_localnet = inet.route_localnet.into();
        let families = vec![AfSpecUnspec::Inet(vec![AfSpecInet::DevConfRequest(
            settings,
        )])];
        self.families(format!("set up IPv4 on link {index}"), index, families);
    }

    /// Answers ARP for others at once. The kernel waits up to 0.8 s by default, so as
    /// to give way to whom the question is for; on a link of two there is nobody else.
    pub fn prompt_proxy(&mut self, index: u32) {
        let mut message = NeighbourTableMessage::default();
        message.header.family = AddressFamily::Inet;
        message.attributes = vec![
            NeighbourTableAttribute::Name("arp_cache".to_owned()),
            NeighbourTableAttribute::Parms(vec![
                NeighbourTableParameter::Ifindex(index),
                NeighbourTableParameter::ProxyDelay(0),
            ]),
        ];
        self.push(
            format!("have link {index} answer for others at once"),
            Mode::Change,
            RouteNetlinkMessage::SetNeighbourTable(message),
        );
    }

    /// Deletes a link, and with it its peer and all routes through it; none is fine.
    pub fn delete_link(&mut self, name: &str) {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        self.push(
            format!("delete link '{name}'"),
            Mode::Change,
            RouteNetlinkMessage::DelLink(message),
        );
        self.unless(libc::ENODEV);
    }

    /// By index: a later link of the same name is another one.
    fn delete_index(&mut self, index: u32, name: &str) {
        self.push(
            format!("delete link '{name}'"),
            Mode::Change,
            RouteNetlinkMessage::DelLink(change(index)),
        );
        self.unless(libc::ENODEV);
    }

    fn families(&mut self, what: String, index: u32, families: Vec<AfSpecUnspec>) {
        let mut message = change(index);
        message
            .attributes
            .push(LinkAttribute::AfSpecUnspec(families));
        self.set(what, message);
    }

    fn set(&mut self, what: String, message: LinkMessage) {
        self.push(what, Mode::Change, RouteNetlinkMessage::SetLink(message));
    }
}

impl Socket {
    /// The link of that name, if there is one.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn link(&self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let mut message = brief();
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        let found = self.ask("link", RouteNetlinkMessage::GetLink(message), libc::ENODEV)?;
        Ok(found.and_then(link))
    }

    /// All links whose names begin with `prefix`.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn links(&self, prefix: &str) -> Result<Vec<Link>, NetlinkError> {
        let found = self.list("links", &RouteNetlinkMessage::GetLink(brief()))?;
        let links = found.into_iter().filter_map(link);
        Ok(links.filter(|link| link.name.starts_with(prefix)).collect())
    }
}

/// Has a link of the calling thread's namespace carry packets now, if both ends are up.
///
/// Of a pair, the end that was switched on first learns from the other one that there is
/// a carrier. The kernel acts on that later, in a work queue, and drops what is sent
/// until then: the first packet to a new container would be lost, and a client would wait
/// a second to try again. Asking for the carrier makes the kernel act at once.
///
/// # Errors
/// When there is no such link.
pub fn carry_now(link: &str) -> Result<bool, NetlinkError> {
    kernel::carrier(link).map_err(|source| NetlinkError::Look {
        what: "link",
        source,
    })
}

/// Deletes a link of the calling thread's namespace with its peer and all routes through
/// them; none is fine. Returns when both are gone.
///
/// Whoever asks the kernel for it gets the answer a grace period later, 10 to 20 ms, when
/// nobody can hold the memory any more. The links are gone long before, and all others
/// can go on; so a thread waits for the answer while this one looks.
///
/// # Errors
/// When the kernel refuses.
pub fn delete_link(name: &str) -> Result<(), NetlinkError> {
    let (asking, looking) = (Socket::open()?, Socket::open()?);
    let Some(link) = looking.link(name)? else {
        return Ok(());
    };
    let mut batch = Batch::new();
    batch.delete_index(link.index, name);
    let (answer, answered) = mpsc::channel();
    thread::Builder::new()
        .name("link-end".to_owned())
        // Nobody may listen any more, and then knows that the link is gone.
        .spawn(move || drop(answer.send(asking.run(&batch))))
        .map_err(NetlinkError::Socket)?;
    loop {
        match answered.try_recv() {
            Ok(outcome) => return outcome,
            Err(TryRecvError::Disconnected) => return Err(NetlinkError::Panicked(name.to_owned())),
            Err(TryRecvError::Empty) => {}
        }
        // This waits for the kernel's lock on network configuration, which the deleting
        // thread holds until the link is gone, so it is asked once or twice.
        match looking.link(name)? {
            Some(found) if found.index == link.index => thread::yield_now(),
            _ => return Ok(()),
        }
    }
}

/// What every new link is given.
pub(crate) fn end(name: &str, mac: Mac, mtu: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(mac.to_vec()),
        LinkAttribute::Mtu(mtu),
    ];
    message
}

fn change(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

/// A question for links without their counters, which would be most of the answer.
pub(crate) fn brief() -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    message
}

pub(crate) fn link(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    let mut link = Link {
        name: String::new(),
        index: message.header.index,
        kind: None,
        mac: Vec::new(),
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
        alias: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(mac) => link.mac = mac,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some(link)
}
