//! What crashes and reboots leave: found by comparing records, leases and links, and
//! removed one at a time under the lock of the link, so that nothing that is being made
//! meanwhile is touched.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use netlink::Link;

use super::add::{is_there, plan_of};
use super::around::Around;
use super::names::{LINK_PREFIX, host_link, is_host_link};
use super::records::{CniRecord, Record};
use super::shared::{Shared, blocking};
use super::{EndpointId, FabricError, HolderKind, Lease, Reconciled, plumb, request};
use crate::NetworkError;

/// What one run did, and the first thing that it could not do.
#[derive(Default)]
struct Run {
    did: Reconciled,
    failed: Option<FabricError>,
}

impl Run {
    /// Notes what became of one thing; `Ok(false)` is one that was in order after all.
    fn note(&mut self, outcome: Result<bool, FabricError>) -> bool {
        outcome.unwrap_or_else(|error| {
            self.failed.get_or_insert(error);
            false
        })
    }
}

impl Shared {
    pub(crate) async fn reconcile(
        self: Arc<Self>,
        live: BTreeSet<EndpointId>,
    ) -> Result<Reconciled, FabricError> {
        // Before anything is looked up: what is made after this is not concerned.
        let links = blocking(links).await??;
        let mut run = Run::default();
        self.endpoints(&live, &links, &mut run).await;
        self.stale_leases(&mut run).await;
        self.stray_links(&links, &mut run).await;
        let settled = self.settle_ports().await;
        run.note(settled.map(|()| true));
        run.failed.map_or(Ok(run.did), Err)
    }

    /// Endpoints whose link is gone go too; the others get back what is missing outside of
    /// the container.
    async fn endpoints(
        self: &Arc<Self>,
        live: &BTreeSet<EndpointId>,
        links: &HashMap<String, Link>,
        run: &mut Run,
    ) {
        let looked_at = self.records.list();
        let around = blocking(move || Around::look(&looked_at)).await;
        let around = around.and_then(|found| found).unwrap_or_default();
        for (key, record) in self.records.list() {
            let Record::Cni(record) = record else {
                continue;
            };
            let id = record.request.id.clone();
            match links.get(&record.endpoint.host_interface) {
                None if !live.contains(&id) => {
                    let gone = self.forget(&key, &record).await;
                    if run.note(gone) {
                        run.did.endpoints.push(id);
                    }
                }
                Some(link) if !around.has_all_of(&record, link.index) => {
                    let repaired = self.repair(&key, *record).await;
                    run.note(repaired);
                }
                _ => {}
            }
        }
    }

    /// Removes an endpoint unless it has become whole again.
    async fn forget(self: &Arc<Self>, key: &str, record: &CniRecord) -> Result<bool, FabricError> {
        let _alone = self.locks.of(&record.endpoint.host_interface).await;
        let Some(Record::Cni(now)) = self.records.get(key) else {
            return Ok(false);
        };
        let looked_at = (*now).clone();
        if blocking(move || is_there(&looked_at)).await?? {
            return Ok(false);
        }
        self.undo(&now).await.map(|()| true)
    }

    /// Makes the host ports of all endpoints what their records say.
    async fn settle_ports(&self) -> Result<(), FabricError> {
        let _alone = self.publishing.write().await;
        let mut all = BTreeMap::new();
        for (_, record) in self.records.list() {
            let Record::Cni(record) = record else {
                continue;
            };
            let ports = request::published(&record.request, &record.endpoint.addresses)?;
            if !ports.is_empty() {
                all.insert(record.request.id.to_string(), ports);
            }
        }
        let settled = match self.host_ports.settle_all(&all).await {
            // Then nothing was published either.
            Err(NetworkError::NoNft { .. }) if all.is_empty() => Ok(()),
            settled => settled,
        };
        settled.map_err(|source| FabricError::Ports {
            owner: "virtual networks".to_owned(),
            source: Box::new(source),
        })
    }

    async fn repair(self: &Arc<Self>, key: &str, record: CniRecord) -> Result<bool, FabricError> {
        let _alone = self.locks.of(&record.endpoint.host_interface).await;
        let plan = plan_of(&record).filter(|_| self.records.get(key).is_some());
        let Some(plan) = plan else { return Ok(false) };
        let guards = self.guards.clone();
        blocking(move || plumb::outside(&plumb::open()?, &plan, &guards)).await??;
        Ok(true)
    }

    /// Leases of endpoints that never were whole, with what there is of their links.
    async fn stale_leases(self: &Arc<Self>, run: &mut Run) {
        for (network, lease) in self.leases.find(|lease| lease.kind == HolderKind::Cni) {
            let freed = self.free_if_stale(&network, &lease).await;
            if run.note(freed) {
                run.did.leases.push(lease.address);
            }
        }
    }

    async fn free_if_stale(
        self: &Arc<Self>,
        network: &str,
        lease: &Lease,
    ) -> Result<bool, FabricError> {
        let link = match lease.holder.split_once('/') {
            Some((container, ifname)) => host_link(container, ifname),
            // Cut off by a crash: it is not known whose it was, so there is nobody to
            // wait for.
            None => String::new(),
        };
        let _alone = self.locks.of(&link).await;
        let now = self.leases.of(network, lease.address);
        if now.as_ref() != Some(lease) || self.is_recorded(network, lease) {
            return Ok(false);
        }
        if !link.is_empty() && !self.has_record_of(&link) {
            blocking(move || plumb::remove_half_made(&link)).await??;
        }
        self.leases.free(network, lease.address)?;
        Ok(true)
    }

    /// Links that carry our note and belong to nothing.
    async fn stray_links(self: &Arc<Self>, links: &HashMap<String, Link>, run: &mut Run) {
        let strays = links.values().filter(|link| {
            is_host_link(&link.name) && plumb::is_ours(link) && !self.has_record_of(&link.name)
        });
        for stray in strays {
            let removed = self.remove_stray(stray.name.clone()).await;
            if run.note(removed) {
                run.did.links.push(stray.name.clone());
            }
        }
        run.did.links.sort();
    }

    async fn remove_stray(self: &Arc<Self>, link: String) -> Result<bool, FabricError> {
        let _alone = self.locks.of(&link).await;
        if self.has_record_of(&link) {
            return Ok(false);
        }
        blocking(move || {
            let there = plumb::exists(&link)?;
            plumb::remove_ours(&link)?;
            Ok(there)
        })
        .await?
    }

    fn has_record_of(&self, link: &str) -> bool {
        let records = self.records.list();
        records.iter().any(|(_, record)| record.link() == link)
    }

    /// Whether the lease is one of a whole endpoint's.
    fn is_recorded(&self, network: &str, lease: &Lease) -> bool {
        let is_its = |address: IpAddr, record: &CniRecord| {
            let mut own = record.endpoint.addresses.iter();
            own.any(|net| net.addr() == address)
        };
        self.records.list().iter().any(|(_, record)| match record {
            Record::Cni(record) => {
                record.endpoint.network == network && is_its(lease.address, record)
            }
            Record::Docker(_) => false,
        })
    }
}

/// All links that may be ours, by name.
fn links() -> Result<HashMap<String, Link>, FabricError> {
    let found = plumb::open()?.links(LINK_PREFIX).map_err(plumb::looking)?;
    let named = found.into_iter().map(|link| (link.name.clone(), link));
    Ok(named.collect())
}
