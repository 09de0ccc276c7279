//! The halves that Docker needs, which keeps its own books of addresses and endpoints,
//! moves links itself and configures what it moved.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use netlink::Mac;

use super::addresses;
use super::leases::Holder;
use super::limits::Limits;
use super::names::{self, alone, gateway, show_mac};
use super::plumb::{self, Plan};
use super::records::{DockerRecord, Record, docker_key};
use super::shared::{Shared, blocking};
use super::{DockerLink, EndpointId, FabricError, FabricNetwork, HolderKind, request};

/// Stands for an interface's name where Docker's endpoints are named, which have none.
const DOCKER: &str = "docker";

impl Shared {
    pub(crate) fn lease(
        &self,
        network: &str,
        holder: &str,
        wanted: Option<IpAddr>,
        v6: bool,
    ) -> Result<IpNet, FabricError> {
        let network = self.network(network)?;
        let nets = self.nets(&network)?;
        let net = match wanted {
            Some(address) => {
                let own = nets.iter().find(|net| net.contains(&address));
                *own.ok_or_else(|| request::outside(&network, address))?
            }
            None => {
                let own = nets.iter().find(|net| net.addr().is_ipv6() == v6);
                *own.ok_or_else(|| FabricError::NoBlock {
                    network: network.network.name.clone(),
                })?
            }
        };
        if let Some(address) = wanted.filter(|wanted| addresses::gateway(net) == Some(*wanted)) {
            // Docker reserves the gateway of a subnet as if it were an endpoint. Nobody
            // else can have it, so there is nothing to write down.
            return Ok(alone(address));
        }
        let kind = HolderKind::Docker;
        let holder = Holder { name: holder, kind };
        self.leases.take(&network, net, wanted, holder).map(alone)
    }

    pub(crate) fn release(&self, network: &str, address: IpAddr) -> Result<(), FabricError> {
        match self.leases.of(network, address) {
            Some(lease) if lease.kind == HolderKind::Docker => self.leases.free(network, address),
            // Whatever Docker believes, an endpoint of others keeps its address.
            _ => Ok(()),
        }
    }

    pub(crate) async fn make_link(
        self: Arc<Self>,
        network: String,
        endpoint: String,
        addresses: Vec<IpAddr>,
        mac: Option<Mac>,
    ) -> Result<DockerLink, FabricError> {
        check(&endpoint)?;
        let link = names::host_link(&endpoint, DOCKER);
        let _alone = self.locks.of(&link).await;
        let network = self.network(&network)?;
        if let Some(Record::Docker(record)) = self.records.get(&docker_key(&endpoint)) {
            let same = record.network == network.network.name && record.addresses == addresses;
            let there = record.link.clone();
            if same && blocking(move || plumb::exists(&there)).await?? {
                return Ok(docker_link(&record, &network));
            }
            self.unmake(&record).await?;
        }
        self.are_leased(&network, &addresses)?;
        let nets: Vec<IpNet> = addresses.iter().copied().map(alone).collect();
        let record = DockerRecord {
            network: network.network.name.clone(),
            mac: mac.unwrap_or_else(|| names::mac_of(&nets)),
            mtu: self.mtu(&network),
            endpoint,
            link,
            addresses,
        };
        let plan = Plan {
            link: record.link.clone(),
            alias: names::alias(&format!("docker {}", record.endpoint), &record.network),
            ifname: names::movable_link(&record.endpoint),
            mac: record.mac,
            mtu: record.mtu,
            addresses: nets,
            to: Vec::new(),
            own_table: false,
            limits: Limits::default(),
        };
        let permit = self.gate.acquire().await;
        let guards = self.guards.clone();
        blocking(move || plumb::make_movable(&plan, &guards)).await??;
        drop(permit);
        let kept = Record::Docker(record.clone());
        if let Err(error) = self.records.put(&docker_key(&record.endpoint), kept) {
            self.unmake(&record).await?;
            return Err(error);
        }
        Ok(docker_link(&record, &network))
    }

    pub(crate) async fn remove_link(self: Arc<Self>, endpoint: String) -> Result<(), FabricError> {
        check(&endpoint)?;
        let link = names::host_link(&endpoint, DOCKER);
        let _alone = self.locks.of(&link).await;
        match self.records.get(&docker_key(&endpoint)) {
            Some(Record::Docker(record)) => self.unmake(&record).await,
            _ => blocking(move || plumb::remove_ours(&link)).await?,
        }
    }

    async fn unmake(&self, record: &DockerRecord) -> Result<(), FabricError> {
        let link = record.link.clone();
        let permit = self.gate.acquire().await;
        let guards = self.guards.clone();
        blocking(move || plumb::remove(&link, &guards)).await??;
        drop(permit);
        self.records.remove(&docker_key(&record.endpoint))
    }

    fn are_leased(&self, network: &FabricNetwork, all: &[IpAddr]) -> Result<(), FabricError> {
        let name = network.network.name.as_str();
        for address in all {
            match self.leases.of(name, *address) {
                Some(lease) if lease.kind == HolderKind::Docker => {}
                Some(lease) => {
                    return Err(FabricError::InUse {
                        network: name.to_owned(),
                        address: *address,
                        holder: lease.holder,
                    });
                }
                None => return Err(request::outside(network, *address)),
            }
        }
        Ok(())
    }
}

/// Docker's ids become names of files as well.
fn check(endpoint: &str) -> Result<(), FabricError> {
    request::check_id(&EndpointId {
        container: endpoint.to_owned(),
        ifname: DOCKER.to_owned(),
    })
}

fn docker_link(record: &DockerRecord, network: &FabricNetwork) -> DockerLink {
    let gateways = record.addresses.iter().map(|address| {
        let block = network.block.iter().find(|net| net.contains(address));
        // A container on two networks has two routes to gateways: they must differ.
        let own = block.filter(|net| net.addr().is_ipv4()).copied();
        own.and_then(addresses::gateway)
            .unwrap_or_else(|| gateway(*address))
    });
    DockerLink {
        movable: names::movable_link(&record.endpoint),
        host_interface: record.link.clone(),
        mac: show_mac(record.mac),
        mtu: record.mtu,
        gateways: gateways.collect(),
    }
}
