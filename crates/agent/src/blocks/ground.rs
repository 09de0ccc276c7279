//! The kernel's side of virtual networks, as far as blocks are concerned.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use networks::{EndpointId, Fabric, FabricNetwork, Reconciled, Usage};

use crate::housekeeping::chain;

/// What stands on blocks: the [`Fabric`], or in tests something without a kernel.
/// Failures are for people, with their causes.
#[async_trait]
pub(crate) trait Ground: Send + Sync + 'static {
    /// Makes these all virtual networks there are.
    async fn configure(&self, networks: Vec<FabricNetwork>) -> Result<(), String>;

    /// Those of the last time.
    fn networks(&self) -> Vec<Arc<FabricNetwork>>;

    /// Each block with its leases.
    async fn usage(&self) -> Vec<Usage>;

    /// Removes what no container has any more; yields what that was, for people.
    async fn reconcile(&self, living: &BTreeSet<EndpointId>) -> Result<Option<String>, String>;
}

#[async_trait]
impl Ground for Fabric {
    async fn configure(&self, networks: Vec<FabricNetwork>) -> Result<(), String> {
        let configured = Self::configure(self, networks).await;
        configured.map_err(|error| chain(&error))
    }

    fn networks(&self) -> Vec<Arc<FabricNetwork>> {
        Self::networks(self)
    }

    async fn usage(&self) -> Vec<Usage> {
        Self::usage(self).await
    }

    async fn reconcile(&self, living: &BTreeSet<EndpointId>) -> Result<Option<String>, String> {
        let removed = Self::reconcile(self, living).await;
        removed.map(told).map_err(|error| chain(&error))
    }
}

fn told(removed: Reconciled) -> Option<String> {
    let Reconciled {
        endpoints,
        leases,
        links,
    } = removed;
    if endpoints.is_empty() && leases.is_empty() && links.is_empty() {
        return None;
    }
    Some(format!(
        "{} endpoints, {} leases and {} links removed that nobody had any more",
        endpoints.len(),
        leases.len(),
        links.len()
    ))
}
