//! How an endpoint comes to be, step by step, and how it is undone if a step fails.
//!
//! Leases first, then links, then host ports, then the record: whoever finds a record
//! finds all of the rest, and whoever dies on the way leaves leases that name the
//! endpoint, from which everything else follows.

use std::sync::Arc;

use ipnet::IpNet;
use netlink::netns::Namespace;
use netlink::{Mac, NetlinkError};

use super::leases::Holder;
use super::limits::{self, Limits};
use super::names::{self, alone, gateway, show_mac};
use super::plumb::{self, Plan};
use super::records::{CniRecord, Record, key};
use super::remove::own_namespace;
use super::shared::{Shared, blocking};
use super::{
    Endpoint, EndpointId, EndpointRequest, EndpointRoute, FabricError, FabricNetwork, HolderKind,
    request,
};

/// The interface that gets the default route, in CNI's and Docker's words alike.
const FIRST: &str = "eth0";

/// What one attempt works with.
struct Attempt {
    shared: Arc<Shared>,
    network: Arc<FabricNetwork>,
    request: EndpointRequest,
    mac: Option<Mac>,
    mtu: u16,
    limits: Limits,
}

impl Shared {
    pub(crate) async fn add(
        self: Arc<Self>,
        request: EndpointRequest,
    ) -> Result<Endpoint, FabricError> {
        request::check_id(&request.id)?;
        let link = names::host_link(&request.id.container, &request.id.ifname);
        let _alone = self.locks.of(&link).await;
        if let Some(endpoint) = self.existing(&request).await? {
            return Ok(endpoint);
        }
        let network = self.network(&request.network)?;
        let nets = self.nets(&network)?;
        let v6 = nets.iter().any(|net| net.addr().is_ipv6());
        let (mac, mtu) = request::check_link(&request, v6)?;
        request::published(&request, &nets)?;
        let attempt = Attempt {
            limits: limits::limits(&request)?,
            mtu: mtu.unwrap_or_else(|| self.mtu(&network)),
            shared: Arc::clone(&self),
            network,
            request,
            mac,
        };
        let permit = self.gate.acquire().await;
        let made = blocking(move || attempt.make()).await??;
        drop(permit);
        self.finish(made).await
    }

    /// The endpoint, if there is one and the request is the one that it was made for.
    async fn existing(
        self: &Arc<Self>,
        request: &EndpointRequest,
    ) -> Result<Option<Endpoint>, FabricError> {
        let Some(Record::Cni(record)) = self.records.get(&key(&request.id)) else {
            return Ok(None);
        };
        let old = (*record).clone();
        if !blocking(move || is_there(&old)).await?? {
            // Its namespace ended and nobody said so: the container was started anew.
            self.undo(&record).await?;
            return Ok(None);
        }
        if record.request == *request {
            return Ok(Some(record.endpoint));
        }
        Err(FabricError::Different {
            id: request.id.clone(),
            network: record.request.network.clone(),
        })
    }

    /// Host ports and the record, the steps that need no thread.
    async fn finish(self: &Arc<Self>, made: CniRecord) -> Result<Endpoint, FabricError> {
        let id = &made.request.id;
        let publishing = self.publishing.read().await;
        let published = self.publish(&made).await;
        let record = Record::Cni(Box::new(made.clone()));
        let done = published.and_then(|()| self.records.put(&key(id), record));
        drop(publishing);
        match done {
            Ok(()) => Ok(made.endpoint),
            Err(error) => {
                if let Err(error) = self.undo(&made).await {
                    tracing::error!(%error, %id, "an endpoint that failed is left behind");
                }
                Err(error)
            }
        }
    }

    async fn publish(&self, made: &CniRecord) -> Result<(), FabricError> {
        let ports = request::published(&made.request, &made.endpoint.addresses)?;
        if ports.is_empty() {
            return Ok(());
        }
        let owner = made.request.id.to_string();
        let published = self.host_ports.publish(&owner, &ports).await;
        published.map_err(|source| FabricError::Ports {
            owner,
            source: Box::new(source),
        })
    }
}

impl Attempt {
    /// Leases and links; nothing is left of them after an error.
    fn make(&self) -> Result<CniRecord, FabricError> {
        let path = &self.request.netns;
        let open = || match Namespace::open(path) {
            Err(NetlinkError::Missing(_)) => Err(FabricError::NoNamespace {
                netns: path.clone(),
            }),
            other => other.map_err(plumb::looking),
        };
        let netns = open()?;
        let inode = netns.number().map_err(plumb::looking)?;
        let addresses = self.lease()?;
        let plan = self.plan(addresses);
        let made = plumb::make(&netns, path, &plan, &self.shared.guards).and_then(|()| {
            // A namespace that was deleted meanwhile lives only as long as `netns`.
            let still = open().and_then(|now| now.number().map_err(plumb::looking));
            match still {
                Ok(now) if now == inode => Ok(()),
                other => {
                    plumb::remove(&plan.link, &self.shared.guards)?;
                    other.map(drop)?;
                    Err(FabricError::NoNamespace {
                        netns: path.clone(),
                    })
                }
            }
        });
        match made {
            Ok(()) => Ok(self.record(&plan, inode)),
            Err(error) => {
                self.release(&plan.addresses);
                Err(error)
            }
        }
    }

    /// An address of each net of the block.
    fn lease(&self) -> Result<Vec<IpNet>, FabricError> {
        let nets = self.shared.nets(&self.network)?;
        let name = self.request.id.to_string();
        let holder = Holder {
            name: &name,
            kind: HolderKind::Cni,
        };
        let wanted = request::wanted_of(&self.network, &nets, &self.request.wanted)?;
        let mut addresses = Vec::new();
        for (net, wanted) in nets.into_iter().zip(wanted) {
            match self.shared.leases.take(&self.network, net, wanted, holder) {
                Ok(address) => addresses.push(alone(address)),
                Err(error) => {
                    self.release(&addresses);
                    return Err(error);
                }
            }
        }
        Ok(addresses)
    }

    fn release(&self, addresses: &[IpNet]) {
        for net in addresses {
            let network = &self.network.network.name;
            if let Err(error) = self.shared.leases.free(network, net.addr()) {
                tracing::error!(%error, address = %net.addr(), "a lease is left behind");
            }
        }
    }

    fn plan(&self, addresses: Vec<IpNet>) -> Plan {
        let id = &self.request.id;
        let first = id.ifname == FIRST;
        let subnets = self.network.network.subnets.iter();
        let to = if first {
            addresses
                .iter()
                .map(|net| plumb::everything(*net))
                .collect()
        } else {
            subnets.map(|subnet| subnet.net).collect()
        };
        Plan {
            link: names::host_link(&id.container, &id.ifname),
            alias: names::alias(&id.to_string(), &self.network.network.name),
            ifname: id.ifname.clone(),
            mac: self.mac.unwrap_or_else(|| names::mac_of(&addresses)),
            mtu: self.mtu,
            addresses,
            to,
            own_table: !first,
            limits: self.limits,
        }
    }

    fn record(&self, plan: &Plan, inode: u64) -> CniRecord {
        let gateways = plan.addresses.iter().map(|net| gateway(net.addr()));
        let reached = plan.addresses.iter().flat_map(|net| {
            let via = gateway(net.addr());
            let same = move |to: &&IpNet| to.addr().is_ipv4() == net.addr().is_ipv4();
            let to = plan.to.iter().filter(same);
            to.map(move |to| EndpointRoute { to: *to, via })
        });
        let endpoint = Endpoint {
            id: self.request.id.clone(),
            network: self.request.network.clone(),
            netns: self.request.netns.clone(),
            host_interface: plan.link.clone(),
            host_mac: show_mac(names::HOST_MAC),
            mac: show_mac(plan.mac),
            mtu: plan.mtu,
            addresses: plan.addresses.clone(),
            gateways: gateways.collect(),
            routes: reached.collect(),
        };
        CniRecord {
            request: self.request.clone(),
            endpoint,
            inode,
        }
    }
}

/// Whether an endpoint's links are there, in the namespace that they were made in.
pub(crate) fn is_there(record: &CniRecord) -> Result<bool, FabricError> {
    Ok(own_namespace(record).is_some() && plumb::exists(&record.endpoint.host_interface)?)
}

/// What an endpoint was planned as.
pub(crate) fn plan_of(record: &CniRecord) -> Option<Plan> {
    let endpoint = &record.endpoint;
    let EndpointId { ifname, .. } = &endpoint.id;
    Some(Plan {
        link: endpoint.host_interface.clone(),
        alias: names::alias(&endpoint.id.to_string(), &endpoint.network),
        ifname: ifname.clone(),
        mac: names::parse_mac(&endpoint.mac)?,
        mtu: endpoint.mtu,
        addresses: endpoint.addresses.clone(),
        to: endpoint.routes.iter().map(|route| route.to).collect(),
        own_table: has_own_table(ifname),
        limits: limits::limits(&record.request).ok()?,
    })
}

/// Whether an interface of that name has rules in its namespace.
pub(crate) fn has_own_table(ifname: &str) -> bool {
    ifname != FIRST
}
