//! What CNI asks for, in the words of this node's virtual networks.

use std::net::IpAddr;

use async_trait::async_trait;
use cni::PortMap;
use ipnet::IpNet;
use networks::{Endpoint, EndpointId, EndpointRequest, Fabric, FabricError};
use sealane_cni::{
    Add, Assigned, Attachment, Bandwidth, Check, Collect, Failure, PortMapping, Protocol, code,
};

use super::failures::{failure, unavailable};

/// Interfaces that CNI runtimes ask for.
#[async_trait]
pub(super) trait Attachments: Send + Sync {
    /// Makes one.
    async fn add(&self, add: Add) -> Result<Assigned, Failure>;
    /// Removes one; none is fine.
    async fn del(&self, attachment: Attachment) -> Result<(), Failure>;
    /// Compares one with what ADD resulted in.
    async fn check(&self, check: Check) -> Result<(), Failure>;
    /// Removes those that are not in use.
    async fn collect(&self, collect: Collect) -> Result<(), Failure>;
    /// Whether one could be made.
    async fn status(&self, network: String) -> Result<(), Failure>;
}

/// The interfaces of the virtual networks.
pub(super) struct OfFabric {
    /// The virtual networks.
    pub(super) fabric: Fabric,
    /// The resolver that containers are to use; none where names are not served, or
    /// where its address is not translated.
    pub(super) resolver: Option<IpAddr>,
}

#[async_trait]
impl Attachments for OfFabric {
    /// CNI wants a second ADD refused. One that completes what a crash left half done
    /// is not refused.
    async fn add(&self, add: Add) -> Result<Assigned, Failure> {
        let id = id(&add.attachment);
        if self.fabric.check(&id).await.is_ok() {
            let msg = format!(
                "interface {} of container {} is attached already; delete it (DEL) before it is \
                 added again",
                id.ifname, id.container
            );
            return Err(Failure::new(code::ATTACHED, msg));
        }
        let added = self.fabric.add(request(add, id)).await;
        let endpoint = added.map_err(|error| self.failure(&error))?;
        tracing::info!(
            container = endpoint.id.container, interface = endpoint.id.ifname,
            network = endpoint.network, addresses = ?endpoint.addresses, "attached"
        );
        Ok(assigned(endpoint, self.resolver))
    }

    async fn del(&self, attachment: Attachment) -> Result<(), Failure> {
        let id = id(&attachment);
        let deleted = self.fabric.del(&id).await;
        deleted.map_err(|error| self.failure(&error))?;
        tracing::info!(container = id.container, interface = id.ifname, "detached");
        Ok(())
    }

    async fn check(&self, check: Check) -> Result<(), Failure> {
        let id = id(&check.attachment);
        let checked = self.fabric.check(&id).await;
        checked.map_err(|error| self.failure(&error))?;
        let holder = id.to_string();
        let usage = self.fabric.usage().await;
        let blocks = usage.iter().filter(|block| block.network == check.network);
        let held: Vec<IpAddr> = blocks
            .flat_map(|block| &block.leases)
            .filter(|lease| lease.holder == holder)
            .map(|lease| lease.address)
            .collect();
        compare(&check, &held, |name| {
            nix::net::if_::if_nametoindex(name).is_ok()
        })
    }

    async fn collect(&self, collect: Collect) -> Result<(), Failure> {
        let valid: Vec<EndpointId> = collect.valid.iter().map(id).collect();
        let collected = self.fabric.collect(&collect.network, &valid).await;
        let removed = collected.map_err(|error| self.failure(&error))?;
        for id in removed {
            tracing::info!(container = id.container, interface = id.ifname, "collected");
        }
        Ok(())
    }

    async fn status(&self, network: String) -> Result<(), Failure> {
        let status = self.fabric.status(&network).await;
        status.map_err(|error| unavailable(&error))
    }
}

impl OfFabric {
    /// A daemon that has just been started knows no network yet, which is not the
    /// configuration's fault.
    fn failure(&self, error: &FabricError) -> Failure {
        let failure = failure(error);
        if matches!(error, FabricError::Unknown { .. }) && self.fabric.networks().is_empty() {
            let msg = "this node has no virtual network yet; try again when the daemon has \
                       settled, or see `sealane network list`";
            return Failure::new(code::TRY_AGAIN, msg).because(failure.msg);
        }
        failure
    }
}

fn id(attachment: &Attachment) -> EndpointId {
    EndpointId {
        container: attachment.container.clone(),
        ifname: attachment.ifname.clone(),
    }
}

fn request(add: Add, id: EndpointId) -> EndpointRequest {
    EndpointRequest {
        id,
        network: add.network,
        netns: add.netns,
        wanted: add.addresses,
        mac: add.mac,
        mtu: add.mtu,
        port_mappings: add.port_mappings.into_iter().map(port_map).collect(),
        bandwidth: add.bandwidth.map(limits),
    }
}

fn port_map(mapping: PortMapping) -> PortMap {
    let protocol = match mapping.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    PortMap {
        host_port: mapping.host_port,
        container_port: mapping.container_port,
        protocol: protocol.to_owned(),
        host_ip: mapping.host_ip,
    }
}

fn limits(bandwidth: Bandwidth) -> cni::Bandwidth {
    let Bandwidth {
        ingress_rate,
        ingress_burst,
        egress_rate,
        egress_burst,
    } = bandwidth;
    cni::Bandwidth {
        ingress_rate,
        ingress_burst,
        egress_rate,
        egress_burst,
    }
}

fn assigned(endpoint: Endpoint, resolver: Option<IpAddr>) -> Assigned {
    let mut gateways: Vec<IpAddr> = Vec::new();
    for gateway in endpoint.gateways {
        if !gateways.contains(&gateway) {
            gateways.push(gateway);
        }
    }
    let destinations = endpoint.routes.iter().map(|route| route.to);
    Assigned {
        host_interface: endpoint.host_interface,
        host_mac: Some(endpoint.host_mac),
        mac: endpoint.mac,
        mtu: u32::from(endpoint.mtu),
        addresses: endpoint.addresses,
        gateways,
        routes: destinations.collect::<Vec<IpNet>>(),
        nameservers: resolver.into_iter().collect(),
    }
}

/// Compares the runtime's result with what this node holds and has. Plugins behind
/// ours may have added addresses and interfaces, so the result may have more addresses
/// than are ours, and every host interface that it names must be there.
fn compare(check: &Check, held: &[IpAddr], exists: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let changed = |what: String| {
        let Attachment { container, ifname } = &check.attachment;
        Failure::new(
            code::CHANGED,
            format!("interface {ifname} of container {container} is not as ADD left it: {what}"),
        )
    };
    if held.is_empty() {
        let network = &check.network;
        return Err(changed(format!("it is not on virtual network '{network}'")));
    }
    if let Some(more) = held.iter().find(|one| !check.addresses.contains(one)) {
        return Err(changed(format!(
            "this node gave it {more}, which prevResult does not have"
        )));
    }
    let gone = check.host_interfaces.iter().find(|name| !exists(name));
    gone.map_or(Ok(()), |name| {
        Err(changed(format!("host interface {name} is gone")))
    })
}

#[cfg(test)]
mod tests;
