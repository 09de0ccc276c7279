//! Guarding links while they are made.

use std::net::IpAddr;

use datapath::Behind;
use model::NodeId;
use networks::LinkGuard;
use store::Mirror;

use super::table;
use crate::housekeeping::chain;
use crate::services::Kernel;

/// For whoever makes the links of containers on virtual networks; cheap to clone.
#[derive(Clone)]
pub struct Guard {
    pub(crate) kernel: Kernel,
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeId,
}

impl LinkGuard for Guard {
    /// The container behind the link sends from these addresses alone, and talks to whom
    /// its groups allow. Nothing happens on a node without a kernel side.
    fn guard(&self, link: u32, addresses: &[IpAddr], limited: bool) -> Result<(), String> {
        let behind = Behind {
            addresses,
            // The records know of every task whose container is being made.
            expecting: table(&self.mirror.state(), &self.node).expecting,
            direct: !limited,
        };
        let guarded = self
            .kernel
            .with(|datapath| datapath.guard_interface(link, behind));
        guarded.unwrap_or(Ok(())).map_err(|error| chain(&error))
    }

    fn release(&self, link: u32) {
        let released = self
            .kernel
            .with(|datapath| datapath.release_interface(link));
        if let Some(Err(error)) = released {
            let error = chain(&error);
            tracing::warn!(link, error, "a link that is gone is not forgotten yet");
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}
