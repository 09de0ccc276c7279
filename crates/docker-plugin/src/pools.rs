//! Docker's address driver: pools are blocks of virtual networks, addresses are leases.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use networks::FabricNetwork;

use crate::PluginError;
use crate::messages::{ADDRESS_TYPE, GATEWAY, Options, Pool, PoolAddress, RequestPool};
use crate::plugin::Shared;

/// The IPv6 gateway of every virtual network: link-local, the same on each link.
const GATEWAY_V6: &str = "fe80::1";

/// What leases of Docker's containers are held by.
const HOLDER: &str = "docker";

/// A pool's id: `dcos/v4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PoolId<'a> {
    network: &'a str,
    v6: bool,
}

impl<'a> PoolId<'a> {
    fn parse(id: &'a str) -> Result<Self, PluginError> {
        let parsed = id.rsplit_once('/').and_then(|(network, family)| {
            let v6 = match family {
                "v4" => false,
                "v6" => true,
                _ => return None,
            };
            Some(Self { network, v6 })
        });
        parsed.ok_or_else(|| PluginError::Missing {
            what: "pool",
            id: id.to_owned(),
        })
    }
}

impl Shared {
    /// The node's block of the virtual network that Docker's options name, or whose
    /// addresses its user gave.
    pub(crate) fn request_pool(&self, request: &RequestPool) -> Result<Pool, PluginError> {
        let network = match named(&request.options) {
            Some(name) => self.network(name)?,
            None => self.network_of_pool(&request.pool)?,
        };
        let name = &network.network.name;
        let block = of_family(&network, request.v6).ok_or_else(|| PluginError::Family {
            network: name.clone(),
            family: if request.v6 { "IPv6" } else { "IPv4" },
        })?;
        if request.pool.is_empty() {
            let subnets = network.network.subnets.iter();
            return Err(PluginError::NoSubnet {
                network: name.clone(),
                subnets: subnets.map(|it| format!("--subnet {}", it.net)).collect(),
            });
        }
        if !covers(&network, &request.pool) {
            return Err(self.foreign(&network, &request.pool));
        }
        if !request.sub_pool.is_empty() && request.sub_pool != block.to_string() {
            return Err(self.foreign(&network, &request.sub_pool));
        }
        let family = if request.v6 { "v6" } else { "v4" };
        let gateway = IpNet::from(gateway(block)?).to_string();
        Ok(Pool {
            pool_id: format!("{name}/{family}"),
            pool: block.to_string(),
            data: [(GATEWAY, gateway)].into(),
        })
    }

    /// A lease, as an address without neighbours.
    pub(crate) async fn request_address(
        &self,
        request: &PoolAddress,
    ) -> Result<String, PluginError> {
        let pool = PoolId::parse(&request.pool_id)?;
        let wanted = match request.address.as_str() {
            "" => None,
            text => Some(address(text)?),
        };
        let network = self.network(pool.network)?;
        let name = &network.network.name;
        let kind = request.options.get(ADDRESS_TYPE).and_then(|it| it.as_str());
        if kind == Some(GATEWAY) {
            let block = of_family(&network, pool.v6);
            let ours = block.map_or_else(|| address(GATEWAY_V6), gateway);
            return Ok(IpNet::from(wanted.map_or(ours, Ok)?).to_string());
        }
        let leased = self.fabric.lease(name, HOLDER, wanted, pool.v6).await?;
        Ok(IpNet::from(leased.addr()).to_string())
    }

    /// Gives a lease back; what was never leased is fine.
    pub(crate) async fn release_address(&self, request: &PoolAddress) -> Result<(), PluginError> {
        let pool = PoolId::parse(&request.pool_id)?;
        let address = address(&request.address)?;
        Ok(self.fabric.release(pool.network, address).await?)
    }

    /// The virtual network that a Docker network is for: by its options, else by its
    /// addresses.
    pub(crate) fn network_of(
        &self,
        options: &Options,
        pools: &[&str],
    ) -> Result<String, PluginError> {
        let network = match named(options) {
            Some(name) => self.network(name)?,
            None => self.network_of_pool(pools.first().copied().unwrap_or_default())?,
        };
        match pools.iter().find(|pool| !covers(&network, pool)) {
            Some(pool) => Err(self.foreign(&network, pool)),
            None => Ok(network.network.name.clone()),
        }
    }

    fn network_of_pool(&self, pool: &str) -> Result<std::sync::Arc<FabricNetwork>, PluginError> {
        let all = self.fabric.networks();
        let found = all.iter().find(|network| covers(network, pool));
        found.cloned().ok_or_else(|| PluginError::Unnamed {
            known: self.known(),
        })
    }

    fn foreign(&self, network: &FabricNetwork, pool: &str) -> PluginError {
        PluginError::ForeignPool {
            pool: pool.to_owned(),
            network: network.network.name.clone(),
            block: network.block.iter().map(ToString::to_string).collect(),
            driver: self.name.clone(),
        }
    }
}

/// The address of `9.0.3.5` or `9.0.3.5/32`.
pub(crate) fn address(text: &str) -> Result<IpAddr, PluginError> {
    let alone = text.split_once('/').map_or(text, |(address, _)| address);
    alone
        .parse()
        .map_err(|_| PluginError::Address(text.to_owned()))
}

/// A block's gateway: its own first address of IPv4, so that a container on two networks
/// has two different ones, which nobody is ever given.
fn gateway(block: IpNet) -> Result<IpAddr, PluginError> {
    match block.network() {
        IpAddr::V4(first) => Ok(Ipv4Addr::from(u32::from(first).saturating_add(1)).into()),
        IpAddr::V6(_) => address(GATEWAY_V6),
    }
}

/// The virtual network that a user's options name.
fn named(options: &Options) -> Option<&str> {
    options.get("network").and_then(|name| name.as_str())
}

/// Whether `pool` is the network's, or this node's block of it.
fn covers(network: &FabricNetwork, pool: &str) -> bool {
    let Ok(pool) = pool.parse::<IpNet>() else {
        return false;
    };
    let subnets = network.network.subnets.iter().map(|subnet| subnet.net);
    subnets
        .chain(network.block.iter().copied())
        .any(|net| net == pool)
}

fn of_family(network: &FabricNetwork, v6: bool) -> Option<IpNet> {
    let block = network.block.iter();
    block.copied().find(|net| net.addr().is_ipv6() == v6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_have_names() {
        let id = PoolId::parse("a/b/v6").unwrap();
        assert_eq!((id.network, id.v6), ("a/b", true));
        assert!(!PoolId::parse("dcos/v4").unwrap().v6);
        for bad in ["", "dcos", "dcos/", "dcos/v5"] {
            let error = PoolId::parse(bad).unwrap_err().to_string();
            assert!(error.contains("pool"), "{error}");
        }
    }

    #[test]
    fn addresses_come_with_a_length_or_without() {
        for text in ["9.0.3.5", "9.0.3.5/32", "9.0.3.5/24"] {
            assert_eq!(address(text).unwrap().to_string(), "9.0.3.5");
        }
        address("9.0.3").unwrap_err();
    }
}
