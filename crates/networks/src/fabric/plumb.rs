//! Making, finding and removing the links of endpoints. Everything here blocks and
//! belongs on a thread for that.
//!
//! The container's end gets its addresses without doubt (no duplicate detection: they
//! are leased) and a permanent neighbour for its gateway; the host's end gets routes and
//! permanent neighbours for the addresses. So the first packet leaves at once, and no
//! neighbour table overflows, whose limits do not count permanent entries.
//!
//! The host's end also answers for the gateway, for Docker, which sets routes but no
//! neighbours, and for containers that tidy up their tables. For IPv6 it has the
//! gateway's address. For IPv4 it answers by proxy, without the kernel's usual delay.
//! Refused alternative: 169.254.1.1 on every link. The kernel would then choose it as
//! the source of the host's own connections to containers once a link may carry
//! 127.0.0.0/8, which host ports need, and every program that watches addresses would
//! hear of each container.

use std::os::fd::AsFd;
use std::path::Path;

use ipnet::IpNet;
use netlink::netns::Namespace;
use netlink::{Batch, Hop, Inet, Mac, NetlinkError, Route, Socket, Veth};
use nix::errno::Errno;

use super::guard::Guards;
use super::limits::Limits;
use super::names::{ALIAS_PREFIX, GATEWAY6, HOST_MAC, alone, gateway};
use super::{FabricError, settings};

/// Numbers of the tables by which an interface's own replies leave: this plus its index.
const TABLES: u32 = 9400;
/// Length of the net of link-local addresses.
const LINK_LOCAL: u8 = 64;

/// Links that are to be made.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The end on the host.
    pub(crate) link: String,
    /// The note on it.
    pub(crate) alias: String,
    /// The container's end.
    pub(crate) ifname: String,
    pub(crate) mac: Mac,
    pub(crate) mtu: u16,
    /// The container's addresses, each alone in its net.
    pub(crate) addresses: Vec<IpNet>,
    /// What the container reaches by this interface.
    pub(crate) to: Vec<IpNet>,
    /// Whether replies from the addresses need a table of their own, since the default
    /// route leads elsewhere.
    pub(crate) own_table: bool,
    pub(crate) limits: Limits,
}

impl Plan {
    fn has_v6(&self) -> bool {
        self.addresses.iter().any(|net| net.addr().is_ipv6())
    }
}

/// Makes the links with the container's end in `netns`. After an error none is left.
pub(crate) fn make(
    netns: &Namespace,
    path: &Path,
    plan: &Plan,
    guards: &Guards,
) -> Result<(), FabricError> {
    let socket = open()?;
    create(&socket, Some(netns), path, plan)?;
    let furnished = outside(&socket, plan, guards).and_then(|()| {
        let inside = netns.run(|socket| inside(socket, plan));
        inside.map_err(|source| kernel(format!("enter {}", path.display()), source))??;
        netlink::carry_now(&plan.link).map_err(looking).map(drop)
    });
    furnished.inspect_err(|_| undo(&socket, &plan.link))
}

/// Makes the links with both ends here, the other one for Docker to move and furnish.
pub(crate) fn make_movable(plan: &Plan, guards: &Guards) -> Result<(), FabricError> {
    let socket = open()?;
    create(&socket, None, Path::new("of the host"), plan)?;
    outside(&socket, plan, guards).inspect_err(|_| undo(&socket, &plan.link))
}

/// Removes links by the name of the end on the host; none is fine.
pub(crate) fn remove(link: &str, guards: &Guards) -> Result<(), FabricError> {
    if guards.is_set()
        && let Some(found) = open()?.link(link).map_err(looking)?
    {
        guards.release(found.index);
    }
    netlink::delete_link(link).map_err(refused)
}

/// Removes a link if the note on it says that it is ours.
pub(crate) fn remove_ours(link: &str) -> Result<(), FabricError> {
    let socket = open()?;
    let found = socket.link(link).map_err(looking)?;
    if found.is_some_and(|found| is_ours(&found)) {
        let mut batch = Batch::new();
        batch.delete_link(link);
        run(&socket, &batch)?;
    }
    Ok(())
}

/// Removes a link of which at most the note is missing.
pub(crate) fn remove_half_made(link: &str) -> Result<(), FabricError> {
    let socket = open()?;
    let found = socket.link(link).map_err(looking)?;
    let bare =
        |found: &netlink::Link| found.alias.is_none() && found.kind.as_deref() == Some("veth");
    if found.is_some_and(|found| bare(&found) || is_ours(&found)) {
        let mut batch = Batch::new();
        batch.delete_link(link);
        run(&socket, &batch)?;
    }
    Ok(())
}

/// Removes what stays in the container's namespace when its link is gone.
pub(crate) fn forget_sources(netns: &Namespace, addresses: &[IpNet]) -> Result<(), FabricError> {
    let mut batch = Batch::new();
    for net in addresses {
        batch.delete_rule_from(net.addr());
    }
    let done = netns.run(|socket| run(socket, &batch));
    done.map_err(|source| kernel("enter the namespace".to_owned(), source))?
}

/// Whether a link carries our note.
pub(crate) fn is_ours(link: &netlink::Link) -> bool {
    let note = link.alias.as_deref();
    note.is_some_and(|note| note.starts_with(ALIAS_PREFIX))
}

/// Whether a link is here.
pub(crate) fn exists(link: &str) -> Result<bool, FabricError> {
    Ok(open()?.link(link).map_err(looking)?.is_some())
}

/// Gives the end on the host, which is there, its routes again.
pub(crate) fn outside(socket: &Socket, plan: &Plan, guards: &Guards) -> Result<(), FabricError> {
    let Some(link) = socket.link(&plan.link).map_err(looking)? else {
        return Err(gone(&plan.link));
    };
    // Before it is up, so that nothing passes unseen.
    let limited = plan.limits.ingress.is_some();
    guards.guard(&plan.link, link.index, &plan.addresses, limited)?;
    if plan.has_v6() {
        settings::guard_ipv6(&plan.link)?;
    }
    let mut batch = Batch::new();
    batch.alias(link.index, &plan.alias);
    batch.no_link_local(link.index);
    batch.inet(
        link.index,
        Inet {
            forwarding: true,
            proxy_arp: true,
            // A container cannot use an address that is not its own.
            rp_filter: 1,
            route_localnet: false,
        },
    );
    batch.prompt_proxy(link.index);
    if let Some(limit) = plan.limits.ingress {
        limit.put(&mut batch, link.index, plan.mtu);
    }
    batch.up(link.index);
    if plan.has_v6() {
        let gateway = IpNet::new(GATEWAY6.into(), LINK_LOCAL).unwrap_or(alone(GATEWAY6.into()));
        batch.address(link.index, gateway);
    }
    for net in &plan.addresses {
        batch.route(&Route::new(*net, Hop::Link(link.index)));
        batch.neighbour(link.index, net.addr(), plan.mac);
    }
    run(socket, &batch)
}

fn create(
    socket: &Socket,
    netns: Option<&Namespace>,
    path: &Path,
    plan: &Plan,
) -> Result<(), FabricError> {
    let mut batch = Batch::new();
    batch.veth(&Veth {
        name: &plan.link,
        mac: HOST_MAC,
        peer: &plan.ifname,
        peer_mac: plan.mac,
        peer_netns: netns.map(AsFd::as_fd),
        mtu: plan.mtu.into(),
    });
    let taken = match socket.run(&batch) {
        Err(error) if error.errno() == Some(Errno::EEXIST as i32) => error,
        other => return other.map_err(refused),
    };
    let Some(found) = socket.link(&plan.link).map_err(looking)? else {
        return match netns {
            Some(_) => Err(FabricError::IfnameTaken {
                ifname: plan.ifname.clone(),
                netns: path.to_owned(),
            }),
            None => Err(refused(taken)),
        };
    };
    if found.alias.as_deref() != Some(plan.alias.as_str()) {
        return Err(FabricError::LinkTaken { link: found.name });
    }
    // Left by a crash before anything was written down, or by a lost run directory.
    undo(socket, &plan.link);
    socket.run(&batch).map_err(refused)
}

/// The container's end, from within its namespace.
fn inside(socket: &Socket, plan: &Plan) -> Result<(), FabricError> {
    let Some(link) = socket.link(&plan.ifname).map_err(looking)? else {
        return Err(gone(&plan.ifname));
    };
    if plan.has_v6() {
        settings::allow_ipv6(&plan.ifname)?;
    }
    let mut batch = Batch::new();
    batch.no_link_local(link.index);
    if let Some(limit) = plan.limits.egress {
        limit.put(&mut batch, link.index, plan.mtu);
    }
    batch.up(link.index);
    for net in &plan.addresses {
        batch.address(link.index, *net);
        batch.neighbour(link.index, gateway(net.addr()), HOST_MAC);
    }
    for route in routes(plan, link.index) {
        batch.route(&route);
    }
    if plan.own_table {
        for net in &plan.addresses {
            batch.rule_from(net.addr(), TABLES.saturating_add(link.index));
        }
    }
    run(socket, &batch)
}

/// The container's routes.
pub(crate) fn routes(plan: &Plan, index: u32) -> Vec<Route> {
    let mut routes = Vec::new();
    for net in &plan.addresses {
        let hop = Hop::Gateway(gateway(net.addr()), index);
        let same_family = |to: &&IpNet| to.addr().is_ipv4() == net.addr().is_ipv4();
        let to = plan.to.iter().filter(same_family);
        routes.extend(to.map(|to| Route::new(*to, hop)));
        if plan.own_table {
            routes.push(Route {
                table: TABLES.saturating_add(index),
                ..Route::new(everything(*net), hop)
            });
        }
    }
    routes
}

/// The default route's destination, of the net's family.
pub(crate) fn everything(net: IpNet) -> IpNet {
    match net {
        IpNet::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpNet::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

/// Removes a link while another error is on its way.
fn undo(socket: &Socket, link: &str) {
    let mut batch = Batch::new();
    batch.delete_link(link);
    if let Err(error) = socket.run(&batch) {
        tracing::error!(%error, link, "a link is left behind");
    }
}

pub(crate) fn open() -> Result<Socket, FabricError> {
    Socket::open().map_err(|source| kernel("ask the kernel".to_owned(), source))
}

pub(crate) fn run(socket: &Socket, batch: &Batch) -> Result<(), FabricError> {
    socket.run(batch).map_err(refused)
}

fn refused(source: NetlinkError) -> FabricError {
    kernel("change the links of a virtual network".to_owned(), source)
}

pub(crate) fn looking(source: NetlinkError) -> FabricError {
    kernel("look at the links of a virtual network".to_owned(), source)
}

pub(crate) fn gone(link: &str) -> FabricError {
    let action = format!("set up link '{link}': somebody removed it meanwhile");
    let source = std::io::Error::from(Errno::ENODEV);
    kernel(action, NetlinkError::Socket(source))
}

fn kernel(action: String, source: NetlinkError) -> FabricError {
    let source = Box::new(source);
    FabricError::Kernel { action, source }
}
