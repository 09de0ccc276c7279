//! Making and removing a task's namespace and link.
//!
//! In the namespace the table of own addresses is asked for what arrives alone. So what a
//! task sends to the host's address or to localhost leaves by its link as everything else
//! does, and a program decides there whose it is; `bind()` finds the addresses as ever.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net};
use netlink::netns::{self, Namespace};
use netlink::{Batch, Hop, Inet, Link, Mac, NetlinkError, Route, Socket, Veth};

use crate::kernel::{kernel, looking, open, run};
use crate::names::{INSIDE, NOTE, is_link};
use crate::pool::local_alias;
use crate::records::Record;
use crate::settings::{self, Tuning};
use crate::{IsolationError, files};

/// By what the namespace routes; the same for all, and nobody's.
const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1));

/// All that is called localhost.
const LOCALHOST: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// Hardware address of the host's ends.
const HOST_MAC: Mac = [0x0a, 0x73, 0x6c, 0x70, 0x72, 0x74];

/// That of the other ends where the host's interface has none.
const PLAIN_MAC: Mac = [0x0a, 0x73, 0x6c, 0x70, 0x72, 0x75];

/// Of both ends, the longest that the kernel allows: what the host sends to itself, and so
/// to its tasks, is hardly ever parted. What leaves the host is shorter by the routes.
const MTU: u32 = 65535;

/// The interface whose address is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uplink {
    pub(crate) mac: Mac,
    pub(crate) mtu: u32,
}

/// Finds the interface that has the address.
pub(crate) fn uplink(address: Ipv4Addr) -> Result<Uplink, IsolationError> {
    let socket = open()?;
    let index = socket.holder(address.into()).map_err(looking)?;
    let links = socket.links("").map_err(looking)?;
    let found = links.into_iter().find(|link| Some(link.index) == index);
    let Link { mac, mtu, .. } = found.ok_or(IsolationError::NoInterface { address })?;
    let mac = Mac::try_from(mac).ok().filter(|mac| *mac != [0; 6]);
    Ok(Uplink {
        mac: mac.unwrap_or(PLAIN_MAC),
        mtu,
    })
}

/// Makes the namespace and both ends of the link, none of them up, unless they are there.
/// Returns the index of the host's end.
pub(crate) fn make(record: &Record) -> Result<u32, IsolationError> {
    if !netns::exists(&record.netns) {
        netns::create(&record.netns)
            .map_err(|source| kernel(format!("isolate task '{}'", record.id), source))?;
    }
    let namespace = enter(record)?;
    let socket = open()?;
    if let Some(found) = socket.link(&record.link).map_err(looking)? {
        if inside(&namespace, |socket| socket.link(INSIDE).map_err(looking))?.is_some() {
            return Ok(found.index);
        }
        // Its other end was in a namespace that is gone.
        delete(&record.link)?;
    }
    let mut batch = Batch::new();
    batch.veth(&Veth {
        name: &record.link,
        mac: HOST_MAC,
        peer: INSIDE,
        peer_mac: record.mac,
        peer_netns: Some(namespace.as_fd()),
        mtu: MTU,
    });
    run(&socket, &batch)?;
    index(&socket, &record.link)
}

/// Furnishes both ends and switches them on. The programs are there by now.
pub(crate) fn furnish(record: &Record) -> Result<(), IsolationError> {
    let namespace = enter(record)?;
    let socket = open()?;
    let index = index(&socket, &record.link)?;
    outside(&socket, record, index)?;
    let tuning = Tuning::read();
    inside(&namespace, |socket| {
        settings::furnish(record, &tuning)?;
        furnish_inside(socket, record)
    })?;
    netlink::carry_now(&record.link).map_err(looking).map(drop)
}

/// The host's end: an ordinary container's, as far as the host's stack can tell.
fn outside(socket: &Socket, record: &Record, index: u32) -> Result<(), IsolationError> {
    let settings = Path::new("/proc/sys/net/ipv4/conf").join(&record.link);
    // Questions for hardware addresses bear the host's own address.
    files::set(&settings.join("accept_local"), "1")?;
    files::set(&settings.join("rp_filter"), "0")?;
    let mut batch = Batch::new();
    batch.alias(index, &format!("{NOTE}{}", record.id));
    batch.no_link_local(index);
    batch.inet(
        index,
        Inet {
            forwarding: true,
            proxy_arp: true,
            rp_filter: 0,
            // What the task sends to 127.0.0.1 arrives here, and is answered by here.
            route_localnet: true,
        },
    );
    batch.prompt_proxy(index);
    batch.up(index);
    // Servers that are bound to no address answer from what the task asked.
    let asked = [record.address, Ipv4Addr::LOCALHOST];
    for (route, asked) in routes(record, index).iter().zip(asked) {
        batch.neighbour(index, route.to.addr(), record.mac);
        batch.route_bearing(route, asked.into(), 0);
    }
    run(socket, &batch)
}

/// The host's routes to what stands for a task.
pub(crate) fn routes(record: &Record, index: u32) -> [Route; 2] {
    let to = |alias: Ipv4Addr| Route::new(IpAddr::from(alias).into(), Hop::Link(index));
    [record.alias, local_alias(record.alias)].map(to)
}

fn furnish_inside(socket: &Socket, record: &Record) -> Result<(), IsolationError> {
    let index = index(socket, INSIDE)?;
    let mut batch = Batch::new();
    let rules = socket.local_rules().map_err(looking)?;
    batch.local_for_arriving(INSIDE);
    if rules.everything {
        batch.no_local_for_everything();
    }
    batch.up(index);
    batch.address(index, IpAddr::from(record.address).into());
    batch.neighbour(index, GATEWAY, HOST_MAC);
    let own = record.address;
    // A limit lets no packet pass that is longer than what it saves up.
    let near = record.wanted.egress.map_or(0, |_| record.mtu);
    for (to, source, mtu) in [
        (Ipv4Net::default(), own, record.mtu),
        (own.into(), own, near),
        (LOCALHOST, Ipv4Addr::LOCALHOST, near),
    ] {
        let route = Route::new(IpNet::V4(to), Hop::Gateway(GATEWAY, index));
        batch.route_bearing(&route, source.into(), mtu);
    }
    let limited = socket.queue(index).map_err(looking)?.is_some();
    match record.wanted.egress {
        Some(rate) => batch.limit(index, rate.bytes(), record.mtu),
        None if limited => batch.unlimit(index),
        None => {}
    }
    run(socket, &batch)
}

/// Removes link and namespace; none is fine.
pub(crate) fn remove(link: &str, netns: &Path) -> Result<(), IsolationError> {
    delete(link)?;
    netns::delete(netns).map_err(|source| kernel("remove a namespace".to_owned(), source))
}

fn delete(link: &str) -> Result<(), IsolationError> {
    netlink::delete_link(link).map_err(|source| kernel("remove a link".to_owned(), source))
}

/// Links of ours, by their names and the notes on them; a crash leaves one without a note.
pub(crate) fn links(socket: &Socket) -> Result<Vec<Link>, IsolationError> {
    let found = socket.links(crate::names::LINK_PREFIX).map_err(looking)?;
    let ours = |link: &Link| {
        let note = link.alias.as_deref();
        is_link(&link.name)
            && link.kind.as_deref() == Some("veth")
            && note.is_none_or(|note| note.starts_with(NOTE))
    };
    Ok(found.into_iter().filter(ours).collect())
}

/// Namespaces of ours.
pub(crate) fn namespaces(directory: &Path) -> Result<Vec<PathBuf>, IsolationError> {
    let names = files::names(directory)?.into_iter();
    let ours = names.filter(|name| is_link(name));
    Ok(ours.map(|name| directory.join(name)).collect())
}

/// Whether the kernel tells by what way packets of a link leave. Whoever switches forwarding
/// off for the whole host takes it from each link as well.
pub(crate) fn is_routing(link: &str) -> bool {
    let path = Path::new("/proc/sys/net/ipv4/conf")
        .join(link)
        .join("forwarding");
    std::fs::read_to_string(path).is_ok_and(|value| value.trim() == "1")
}

/// What limits a task.
pub(crate) fn queue(record: &Record) -> Result<Option<netlink::Queue>, IsolationError> {
    let namespace = enter(record)?;
    inside(&namespace, |socket| {
        let index = index(socket, INSIDE)?;
        socket.queue(index).map_err(looking)
    })
}

fn enter(record: &Record) -> Result<Namespace, IsolationError> {
    let opened = Namespace::open(&record.netns);
    opened.map_err(|source| {
        kernel(
            format!("enter the namespace of task '{}'", record.id),
            source,
        )
    })
}

fn inside<T: Send>(
    namespace: &Namespace,
    work: impl FnOnce(&Socket) -> Result<T, IsolationError> + Send,
) -> Result<T, IsolationError> {
    let done = namespace.run(work);
    done.map_err(|source| kernel("enter the namespace of a task".to_owned(), source))?
}

pub(crate) fn index(socket: &Socket, link: &str) -> Result<u32, IsolationError> {
    let found = socket.link(link).map_err(looking)?;
    found.map(|link| link.index).ok_or_else(|| {
        let gone = std::io::Error::from_raw_os_error(libc::ENODEV);
        let action = format!("set up link '{link}': somebody removed it meanwhile");
        kernel(action, NetlinkError::Socket(gone))
    })
}

/// The index of a link that is up.
pub(crate) fn is_up(socket: &Socket, link: &str) -> Result<Option<u32>, IsolationError> {
    let found = socket.link(link).map_err(looking)?;
    Ok(found.filter(|link| link.up).map(|link| link.index))
}
