//! How an endpoint goes. Every step is tried, whatever became of those before; the
//! record stays until all went well, so that it can be tried again.

use std::sync::Arc;

use netlink::netns::Namespace;

use super::add::has_own_table;
use super::records::{CniRecord, Record, key};
use super::shared::{Shared, blocking, to_its_end};
use super::{EndpointId, FabricError, HolderKind, names, plumb, request};

impl Shared {
    pub(crate) async fn del(self: Arc<Self>, id: EndpointId) -> Result<(), FabricError> {
        request::check_id(&id)?;
        let link = names::host_link(&id.container, &id.ifname);
        let _alone = self.locks.of(&link).await;
        match self.records.get(&key(&id)) {
            Some(Record::Cni(record)) => self.undo(&record).await,
            _ => self.undo_half_made(&id, link).await,
        }
    }

    /// Undoes an endpoint, with or without record. The caller holds its lock.
    pub(crate) async fn undo(self: &Arc<Self>, record: &CniRecord) -> Result<(), FabricError> {
        let id = &record.request.id;
        let mut outcome = Ok(());
        let _publishing = self.publishing.read().await;
        if !record.request.port_mappings.is_empty() {
            let owner = id.to_string();
            let withdrawn = self.host_ports.withdraw(&owner).await;
            outcome = withdrawn.map_err(|source| FabricError::Ports {
                owner,
                source: Box::new(source),
            });
        }
        let permit = self.gate.acquire().await;
        let (shared, old) = (Arc::clone(self), record.clone());
        let unplugged = blocking(move || shared.unplug(&old)).await?;
        drop(permit);
        outcome = outcome.and(unplugged);
        outcome.and_then(|()| self.records.remove(&key(id)))
    }

    /// Links and leases; an address whose link stays is not given to others.
    fn unplug(&self, record: &CniRecord) -> Result<(), FabricError> {
        let endpoint = &record.endpoint;
        let tidied = match own_namespace(record) {
            Some(namespace) if has_own_table(&endpoint.id.ifname) => {
                plumb::forget_sources(&namespace, &endpoint.addresses)
            }
            _ => Ok(()),
        };
        plumb::remove(&endpoint.host_interface, &self.guards)?;
        for net in &endpoint.addresses {
            self.leases.free(&endpoint.network, net.addr())?;
        }
        tidied
    }

    /// Undoes what a crash left of an endpoint that never was whole.
    pub(crate) async fn undo_half_made(
        self: &Arc<Self>,
        id: &EndpointId,
        link: String,
    ) -> Result<(), FabricError> {
        let holder = id.to_string();
        let leases = self
            .leases
            .find(|lease| lease.kind == HolderKind::Cni && lease.holder == holder);
        let shared = Arc::clone(self);
        blocking(move || {
            if leases.is_empty() {
                plumb::remove_ours(&link)?;
            } else {
                plumb::remove_half_made(&link)?;
            }
            for (network, lease) in leases {
                shared.leases.free(&network, lease.address)?;
            }
            Ok(())
        })
        .await?
    }

    pub(crate) async fn collect(
        self: Arc<Self>,
        network: &str,
        valid: &[EndpointId],
    ) -> Result<Vec<EndpointId>, FabricError> {
        let mut doomed = Vec::new();
        for (_, record) in self.records.list() {
            if let Record::Cni(record) = record
                && record.request.network == network
                && !valid.contains(&record.request.id)
            {
                doomed.push(record.request.id);
            }
        }
        let mut all = tokio::task::JoinSet::new();
        for id in doomed {
            let shared = Arc::clone(&self);
            all.spawn(async move { shared.del(id.clone()).await.map(|()| id) });
        }
        to_its_end(async move {
            let (mut gone, mut failed) = (Vec::new(), None);
            for outcome in all.join_all().await {
                match outcome {
                    Ok(id) => gone.push(id),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            gone.sort();
            failed.map_or(Ok(gone), Err)
        })
        .await
    }
}

/// The namespace that an endpoint was made in, if it is still at its path.
pub(crate) fn own_namespace(record: &CniRecord) -> Option<Namespace> {
    let found = Namespace::open(&record.request.netns).ok()?;
    let same = found.number().is_ok_and(|number| number == record.inode);
    same.then_some(found)
}
