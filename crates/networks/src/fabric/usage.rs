//! How full blocks are, and with what.

use std::net::IpAddr;

use ipnet::IpNet;
use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::addresses::capacity;
use super::shared::Shared;
use super::{EndpointId, FabricError};

/// One block of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The virtual network.
    pub network: String,
    /// The block.
    pub block: IpNet,
    /// Addresses that can be leased in all; the largest number if there are more.
    pub capacity: u64,
    /// Addresses that are.
    pub used: u64,
    /// All leases, by address.
    pub leases: Vec<Lease>,
}

/// An address in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The address.
    pub address: IpAddr,
    /// Whose it is: an endpoint as `container/interface`, or what Docker calls it.
    pub holder: String,
    /// What the holder is.
    pub kind: HolderKind,
    /// Since when.
    pub since: Timestamp,
}

/// Who gives an address back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HolderKind {
    /// An endpoint that a CNI runtime asked for.
    Cni,
    /// Docker, which keeps its own books.
    Docker,
}

/// What [`crate::Fabric::reconcile`] removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Endpoints, with their leases and links.
    pub endpoints: Vec<EndpointId>,
    /// Leases of no endpoint.
    pub leases: Vec<IpAddr>,
    /// Links of no endpoint.
    pub links: Vec<String>,
}

impl Shared {
    pub(crate) fn usage(&self) -> Vec<Usage> {
        let mut all = Vec::new();
        for network in self.networks() {
            let name = &network.network.name;
            let leases = self.leases.on(name);
            for block in &network.block {
                let within = leases.iter().filter(|lease| block.contains(&lease.address));
                let leases: Vec<Lease> = within.cloned().collect();
                all.push(Usage {
                    network: name.clone(),
                    block: *block,
                    capacity: capacity(*block),
                    used: self.leases.used(name, *block),
                    leases,
                });
            }
        }
        all
    }

    pub(crate) fn status(&self, network: &str) -> Result<(), FabricError> {
        let network = self.network(network)?;
        let name = network.network.name.as_str();
        for block in self.nets(&network)? {
            let (used, capacity) = (self.leases.used(name, block), capacity(block));
            if used >= capacity {
                return Err(FabricError::Full {
                    network: name.to_owned(),
                    block,
                    capacity,
                    used,
                });
            }
        }
        Ok(())
    }
}
