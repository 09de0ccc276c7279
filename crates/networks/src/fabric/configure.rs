//! Making the kernel agree with the networks there are.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use netlink::route::UNREACHABLE_METRIC;
use netlink::{Batch, Hop, Route};

use super::overlay::{self, Tunnel};
use super::shared::{Shared, USUAL_MTU, blocking};
use super::{FabricError, FabricNetwork, addresses, names, plumb, request, settings};
use crate::{FabricOptions, Masquerade, NatRules};

/// Index of `lo`, the same in every namespace.
const LOOPBACK: u32 = 1;

impl Shared {
    pub(crate) async fn configure(
        self: Arc<Self>,
        networks: Vec<FabricNetwork>,
    ) -> Result<(), FabricError> {
        let _alone = self.configuring.lock().await;
        for network in &networks {
            request::check_name(&network.network.name)?;
        }
        let nat = nat_rules(&networks, &self.options);
        let ipv6 = settings::has_ipv6();
        let usable = |net: &&IpNet| ipv6 || net.addr().is_ipv4();
        let blocks = networks.iter().flat_map(|network| &network.block);
        let own: Vec<IpNet> = blocks.filter(usable).copied().collect();
        let tunnel = self.tunnel(&networks, own.clone()).await?;
        let any_elsewhere = tunnel.as_ref().filter(|t| !t.elsewhere.is_empty());
        let mtu = any_elsewhere.map(|tunnel| tunnel.mtu);
        self.learn(mtu.or(uplink_mtu().await), ipv6);
        self.set_networks(networks);

        let any = |v4: bool| own.iter().any(|net| net.addr().is_ipv4() == v4);
        let (v4, v6) = (any(true), any(false));
        let allowed = blocking(move || settings::allow_forwarding(v4, v6)).await?;
        let blocks = own.iter().filter(|net| net.addr().is_ipv4());
        let of_docker = blocks.filter_map(|net| addresses::gateway(*net));
        let link_local = v4.then_some(names::GATEWAY4.into()).into_iter();
        let gateways = link_local.chain(of_docker);
        let mut wanted: HashSet<Route> = own.iter().copied().map(unheld).collect();
        wanted.extend(gateways.map(answerable));
        let options = self.options.overlay;
        let routed = blocking(move || {
            let tunnelled = tunnel.map(|tunnel| overlay::apply(&tunnel, &options));
            let (through, failed) = match tunnelled.unwrap_or_else(|| Ok(Vec::new())) {
                Ok(routes) => (routes, Ok(())),
                Err(error) => (Vec::new(), Err(error)),
            };
            wanted.extend(through);
            failed.and(route(&wanted))
        })
        .await?;
        let masqueraded = self.host_ports.set_nat(nat).await;
        allowed.and(routed).and(masqueraded.map_err(|source| {
            let owner = "virtual networks".to_owned();
            let source = Box::new(source);
            FabricError::Ports { owner, source }
        }))
    }
}

impl Shared {
    /// The tunnel as it should be; `None` if this node has no address.
    async fn tunnel(
        &self,
        networks: &[FabricNetwork],
        own: Vec<IpNet>,
    ) -> Result<Option<Tunnel>, FabricError> {
        let node = match self.options.node {
            Some(node) => Some(node),
            None => netlink::address::primary().await.map_err(plumb::looking)?,
        };
        let Some(node) = node else { return Ok(None) };
        let uplink = uplink_mtu().await.unwrap_or(USUAL_MTU);
        Ok(Some(Tunnel {
            node,
            mtu: uplink.saturating_sub(overlay::cost(node)),
            own,
            elsewhere: overlay::elsewhere(networks, node),
        }))
    }
}

/// Addresses of the block that nobody holds are refused at once; each endpoint's own
/// route is more specific and wins.
fn unheld(block: IpNet) -> Route {
    Route {
        metric: UNREACHABLE_METRIC,
        ..Route::new(block, Hop::Unreachable)
    }
}

/// The kernel answers by proxy for what it has a route to, by another link. This route
/// sees that there is one for a gateway, also on a host without a default route.
fn answerable(gateway: IpAddr) -> Route {
    Route {
        metric: UNREACHABLE_METRIC,
        ..Route::new(names::alone(gateway), Hop::Link(LOOPBACK))
    }
}

/// Makes `wanted` all routes of ours that are not an endpoint's.
fn route(wanted: &HashSet<Route>) -> Result<(), FabricError> {
    let socket = plumb::open()?;
    let found = socket.routes().map_err(plumb::looking)?;
    let mut batch = Batch::new();
    for route in wanted.difference(&found) {
        batch.route(route);
    }
    let of_networks = |route: &&Route| {
        let hops = matches!(route.hop, Hop::Unreachable | Hop::Gateway(..));
        hops || route.hop == Hop::Link(LOOPBACK)
    };
    for route in found.iter().filter(of_networks) {
        if !wanted.contains(route) {
            batch.delete_route(route);
        }
    }
    plumb::run(&socket, &batch)
}

/// What leaves for addresses beyond all virtual networks gets the node's address. Between
/// them nothing is hidden: their addresses are valid everywhere.
fn nat_rules(networks: &[FabricNetwork], options: &FabricOptions) -> NatRules {
    let subnets = |networks: &[FabricNetwork]| -> Vec<IpNet> {
        let all = networks.iter().flat_map(|network| &network.network.subnets);
        all.map(|subnet| subnet.net).collect()
    };
    let mut direct = subnets(networks);
    direct.extend(&options.vip_ranges);
    let masquerading = networks.iter().filter(|network| network.network.masquerade);
    let from = masquerading.flat_map(|network| &network.network.subnets);
    let masquerade = from.map(|subnet| {
        let v4 = subnet.net.addr().is_ipv4();
        let of_family = |net: &&IpNet| net.addr().is_ipv4() == v4;
        Masquerade {
            from: subnet.net,
            except: direct.iter().filter(of_family).copied().collect(),
        }
    });
    let elsewhere = networks.iter().flat_map(|network| &network.elsewhere);
    let nodes: BTreeSet<IpAddr> = elsewhere.map(|(_, node)| *node).collect();
    NatRules {
        masquerade: masquerade.collect(),
        tunnel: (!nodes.is_empty()).then(|| crate::Tunnel {
            port: options.overlay.port,
            nodes: nodes.into_iter().collect(),
        }),
    }
}

/// MTU of the interfaces that lead away from this host, the smallest one.
async fn uplink_mtu() -> Option<u16> {
    let addresses = netlink::address::local().await.ok()?;
    let uplinks: HashSet<String> = addresses
        .into_iter()
        .filter(|address| address.uplink)
        .map(|address| address.ifname)
        .collect();
    let mtus = blocking(move || {
        let socket = plumb::open().ok()?;
        let found = uplinks.iter().filter_map(|name| socket.link(name).ok()?);
        found.map(|link| link.mtu).min()
    });
    let mtu = mtus.await.ok()??;
    Some(u16::try_from(mtu).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests;
