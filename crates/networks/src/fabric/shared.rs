//! What all clones of a [`super::Fabric`] share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::sync::{RwLock, Semaphore, watch};

use super::guard::Guards;
use super::leases::Leases;
use super::records::Records;
use super::{FabricError, FabricNetwork, FabricOptions, settings};
use crate::HostPorts;
use crate::locks::Locks;

/// Endpoints that are made or removed at the same time. The kernel's lock on network
/// configuration lets one thread through at a time; more of them would only wait for it.
const AT_ONCE: usize = 4;
/// MTU where nothing else is known.
pub(crate) const USUAL_MTU: u16 = 1500;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) host_ports: HostPorts,
    pub(crate) options: FabricOptions,
    pub(crate) guards: Guards,
    pub(crate) leases: Leases,
    pub(crate) records: Records,
    /// One change at a time for each link, by the name of its end on the host.
    pub(crate) locks: Locks,
    pub(crate) gate: Semaphore,
    pub(crate) configuring: tokio::sync::Mutex<()>,
    /// Held for reading while host ports and the record of one endpoint disagree, for
    /// writing while the ports of all are made what the records say.
    pub(crate) publishing: RwLock<()>,
    networks: Mutex<Vec<Arc<FabricNetwork>>>,
    /// Whether they are known at all.
    pub(crate) configured: watch::Sender<bool>,
    /// MTU of the interface that leads away from this host.
    uplink_mtu: AtomicU16,
    /// Whether this host speaks IPv6.
    ipv6: AtomicBool,
}

impl Shared {
    pub(crate) fn open(options: FabricOptions) -> Result<Self, FabricError> {
        let inside = |name: &str| Path::new(&options.run).join(name);
        Ok(Self {
            host_ports: options.host_ports.part("fabric"),
            leases: Leases::open(inside("leases"))?,
            records: Records::open(inside("endpoints"))?,
            guards: Guards::default(),
            locks: Locks::default(),
            gate: Semaphore::new(AT_ONCE),
            configuring: tokio::sync::Mutex::default(),
            publishing: RwLock::default(),
            networks: Mutex::default(),
            configured: watch::Sender::new(false),
            uplink_mtu: AtomicU16::new(USUAL_MTU),
            ipv6: AtomicBool::new(settings::has_ipv6()),
            options,
        })
    }

    pub(crate) fn networks(&self) -> Vec<Arc<FabricNetwork>> {
        self.all().clone()
    }

    pub(crate) fn set_networks(&self, networks: Vec<FabricNetwork>) {
        *self.all() = networks.into_iter().map(Arc::new).collect();
        self.configured.send_replace(true);
    }

    /// The network of that name.
    pub(crate) fn network(&self, name: &str) -> Result<Arc<FabricNetwork>, FabricError> {
        let all = self.all();
        let found = all.iter().find(|network| network.network.name == name);
        found.cloned().ok_or_else(|| FabricError::Unknown {
            network: name.to_owned(),
            known: all.iter().map(|known| known.network.name.clone()).collect(),
        })
    }

    /// The nets of this node that containers get addresses of. On a host without IPv6
    /// that is the IPv4 one alone, rather than nothing at all.
    pub(crate) fn nets(&self, network: &FabricNetwork) -> Result<Vec<IpNet>, FabricError> {
        let ipv6 = self.ipv6.load(Ordering::Relaxed);
        let usable = |net: &&IpNet| ipv6 || net.addr().is_ipv4();
        let nets: Vec<IpNet> = network.block.iter().filter(usable).copied().collect();
        if nets.is_empty() {
            return Err(FabricError::NoBlock {
                network: network.network.name.clone(),
            });
        }
        Ok(nets)
    }

    pub(crate) fn mtu(&self, network: &FabricNetwork) -> u16 {
        let found = || self.uplink_mtu.load(Ordering::Relaxed);
        network.network.mtu.unwrap_or_else(found)
    }

    /// What was found out about the host.
    pub(crate) fn learn(&self, uplink_mtu: Option<u16>, ipv6: bool) {
        let mtu = uplink_mtu.unwrap_or(USUAL_MTU);
        self.uplink_mtu.store(mtu, Ordering::Relaxed);
        self.ipv6.store(ipv6, Ordering::Relaxed);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<FabricNetwork>>> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs work that blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FabricError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| FabricError::Interrupted(error.to_string()))
}

/// Runs a change to its end, even if nobody waits for it any more: a client that hangs
/// up must not leave half an endpoint.
pub(crate) async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, FabricError>> + Send + 'static,
) -> Result<T, FabricError> {
    tokio::spawn(change)
        .await
        .unwrap_or_else(|error| Err(FabricError::Interrupted(error.to_string())))
}
