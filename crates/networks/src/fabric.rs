//! Virtual networks on this node: addresses out of the node's blocks, and endpoints.
//!
//! Routed, not bridged. An endpoint is a pair of links: the container's has a /32 (or
//! /128) address and a default route through a link-local gateway; the host's has a
//! route to that address and answers for the gateway. Every packet passes the host's own
//! routing, so that containers of one node, of other nodes and the host itself are
//! reached alike, and there is no bridge to learn, flood or fill.
//!
//! ```text
//!   container eth0  9.0.1.2/32 ── default via 169.254.1.1 ──┐ veth
//!   node   sealane5f3a9c01      ── 9.0.1.2/32 ──────────────┘
//!          9.0.1.0/24 unreachable: what nobody holds is refused at once
//! ```
//!
//! What is in use lies in small files below `<run>`, which a reboot empties as it ends
//! the containers: `leases/<network>/<address>` and `endpoints/<container>:<interface>`.

mod add;
mod addresses;
mod around;
mod configure;
mod docker;
mod endpoint;
mod error;
mod files;
mod guard;
mod leases;
mod limits;
mod names;
mod options;
mod overlay;
mod plumb;
mod reconcile;
mod records;
mod remove;
mod request;
mod settings;
mod shared;
mod usage;
mod verify;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

pub use endpoint::{DockerLink, Endpoint, EndpointId, EndpointRequest, EndpointRoute};
pub use error::FabricError;
pub use guard::LinkGuard;
pub use options::{FabricNetwork, FabricOptions, OverlayOptions};
pub use usage::{HolderKind, Lease, Reconciled, Usage};

use shared::{Shared, to_its_end};

/// The virtual networks of this node; clones share everything.
///
/// Links and routes belong to the network namespace of the thread that polls these
/// futures: the host's, for a daemon. One instance at a time may use a run directory. A
/// change that was begun is finished, also if its future is dropped.
#[derive(Debug, Clone)]
pub struct Fabric {
    shared: Arc<Shared>,
}

impl Fabric {
    /// Reads the leases and endpoints below [`FabricOptions::run`].
    ///
    /// # Errors
    /// When directories cannot be made or read.
    pub fn new(options: FabricOptions) -> Result<Self, FabricError> {
        Ok(Self {
            shared: Arc::new(Shared::open(options)?),
        })
    }

    /// From now on `guard` is told of every link. It can be set once; until then nobody
    /// is told.
    pub fn guarded_by(&self, guard: Arc<dyn LinkGuard>) {
        self.shared.guards.set(guard);
    }

    /// Makes these all virtual networks there are: routes of blocks, masquerading, what
    /// the kernel must allow. Repeating it is fine, and repairs what others did.
    ///
    /// # Errors
    /// When the kernel or nft refuses; what could be done is done.
    pub async fn configure(&self, networks: Vec<FabricNetwork>) -> Result<(), FabricError> {
        to_its_end(Arc::clone(&self.shared).configure(networks)).await
    }

    /// Returns when it is known which networks there are: after the first
    /// [`Fabric::configure`].
    pub async fn configured(&self) {
        let mut configured = self.shared.configured.subscribe();
        // The sender lives as long as this does.
        drop(configured.wait_for(|configured| *configured).await);
    }

    /// The networks of the last [`Fabric::configure`].
    #[must_use]
    pub fn networks(&self) -> Vec<Arc<FabricNetwork>> {
        self.shared.networks()
    }

    /// Makes an endpoint. The same request again gives the same endpoint; after an
    /// error nothing is left of it.
    ///
    /// # Errors
    /// A network that is not here, a wanted address that is not to be had, a full
    /// block, a namespace that is gone, a link that is in the way …
    pub async fn add(&self, request: EndpointRequest) -> Result<Endpoint, FabricError> {
        to_its_end(Arc::clone(&self.shared).add(request)).await
    }

    /// Removes an endpoint; none, or one whose namespace is gone, is fine.
    ///
    /// # Errors
    /// When the kernel refuses; it can be tried again.
    pub async fn del(&self, id: &EndpointId) -> Result<(), FabricError> {
        to_its_end(Arc::clone(&self.shared).del(id.clone())).await
    }

    /// Whether an endpoint is as it was made.
    ///
    /// # Errors
    /// What is missing.
    pub async fn check(&self, id: &EndpointId) -> Result<(), FabricError> {
        Arc::clone(&self.shared).check(id.clone()).await
    }

    /// Removes the endpoints of `network` that are not in `valid`, and returns them.
    /// Docker's are left alone.
    ///
    /// # Errors
    /// When the kernel refuses; the others are removed.
    pub async fn collect(
        &self,
        network: &str,
        valid: &[EndpointId],
    ) -> Result<Vec<EndpointId>, FabricError> {
        Arc::clone(&self.shared).collect(network, valid).await
    }

    /// Removes what crashes and reboots left: endpoints that are not in `live` and have
    /// no link, leases and links of no endpoint. Endpoints of runtimes that the caller
    /// does not know stay as long as their namespace does, and Docker's until Docker
    /// gives them back. Routes that somebody removed are made again.
    ///
    /// # Errors
    /// When the kernel refuses; the others are removed.
    pub async fn reconcile(&self, live: &BTreeSet<EndpointId>) -> Result<Reconciled, FabricError> {
        to_its_end(Arc::clone(&self.shared).reconcile(live.clone())).await
    }

    /// Whether an endpoint could be made on `network` now.
    ///
    /// # Errors
    /// Why not: unknown, no block yet, full.
    pub async fn status(&self, network: &str) -> Result<(), FabricError> {
        self.shared.status(network)
    }

    /// Each block of this node with its leases.
    pub async fn usage(&self) -> Vec<Usage> {
        self.shared.usage()
    }

    /// Takes an address for `holder`: `wanted`, or the next free one of the family.
    /// The prefix is 32 or 128. The gateway of Docker's books may be wanted by number.
    ///
    /// # Errors
    /// As [`Fabric::add`].
    pub async fn lease(
        &self,
        network: &str,
        holder: &str,
        wanted: Option<IpAddr>,
        v6: bool,
    ) -> Result<IpNet, FabricError> {
        self.shared.lease(network, holder, wanted, v6)
    }

    /// Gives back an address that [`Fabric::lease`] took; a free one is fine, and so is
    /// a network that is gone.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub async fn release(&self, network: &str, address: IpAddr) -> Result<(), FabricError> {
        self.shared.release(network, address)
    }

    /// Gives back an address if it is still this very lease, so that whoever looked at it
    /// a moment ago takes nothing from its next holder. Says whether it was.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub async fn release_lease(&self, network: &str, lease: &Lease) -> Result<bool, FabricError> {
        self.shared.leases.free_same(network, lease)
    }

    /// Makes the pair of links for an endpoint of Docker, with routes to `addresses`,
    /// which [`Fabric::lease`] took. Docker moves and configures the container's end. The
    /// same call again gives the same links.
    ///
    /// # Errors
    /// As [`Fabric::add`].
    pub async fn make_link(
        &self,
        network: &str,
        endpoint: &str,
        addresses: &[IpAddr],
        mac: Option<[u8; 6]>,
    ) -> Result<DockerLink, FabricError> {
        let (network, endpoint) = (network.to_owned(), endpoint.to_owned());
        let shared = Arc::clone(&self.shared);
        to_its_end(shared.make_link(network, endpoint, addresses.to_vec(), mac)).await
    }

    /// Removes what [`Fabric::make_link`] made; none is fine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove_link(&self, endpoint: &str) -> Result<(), FabricError> {
        let shared = Arc::clone(&self.shared);
        to_its_end(shared.remove_link(endpoint.to_owned())).await
    }
}
