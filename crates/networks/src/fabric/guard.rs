//! Whoever must know of a container's link before the container can use it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;

use super::FabricError;

/// Told of links while they are made and when they go.
///
/// Both calls are made on threads that may block, and should only ask the kernel.
pub trait LinkGuard: Send + Sync + std::fmt::Debug {
    /// A link is there, not up yet, that leads to a container with these addresses. The
    /// same link may come again, also one that is up; the last call counts. `limited` says
    /// whether what comes to the container has to wait in the link's queue.
    ///
    /// # Errors
    /// Why it must not be used, for people; it is then removed.
    fn guard(&self, link: u32, addresses: &[IpAddr], limited: bool) -> Result<(), String>;

    /// The link is about to go; one that was never guarded is fine.
    fn release(&self, link: u32);
}

/// The guard, once there is one: it stands on parts that are made later than networks.
#[derive(Debug, Default, Clone)]
pub(crate) struct Guards(Arc<OnceLock<Arc<dyn LinkGuard>>>);

impl Guards {
    pub(crate) fn set(&self, guard: Arc<dyn LinkGuard>) {
        if self.0.set(guard).is_err() {
            tracing::error!("virtual networks have a guard already; the second one is ignored");
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    pub(crate) fn guard(
        &self,
        name: &str,
        link: u32,
        addresses: &[IpNet],
        limited: bool,
    ) -> Result<(), FabricError> {
        let Some(guard) = self.0.get() else {
            return Ok(());
        };
        let addresses: Vec<IpAddr> = addresses.iter().map(IpNet::addr).collect();
        let guarded = guard.guard(link, &addresses, limited);
        guarded.map_err(|reason| FabricError::Unguarded {
            link: name.to_owned(),
            reason,
        })
    }

    pub(crate) fn release(&self, link: u32) {
        if let Some(guard) = self.0.get() {
            guard.release(link);
        }
    }
}
