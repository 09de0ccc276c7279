//! Whom the DNS server answers: this host and the containers on it.
//!
//! A bridge gets its address before the first container on it runs, so following
//! addresses lets the server know a container's network before its first query. Of
//! virtual networks no interface has the addresses; the node's blocks tell them. Isolated
//! tasks ask from addresses that stand for them on this host.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ipnet::{IpNet, Ipv4Net};
use netlink::address::Changes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::report::Reports;

/// How often addresses are read although the kernel told of no change.
const PERIOD: Duration = Duration::from_secs(30);

/// How often they are read while the kernel does not tell of changes.
const DEAF_PERIOD: Duration = Duration::from_secs(1);

/// What stands for isolated tasks in this host's stack; none of it is routed from elsewhere.
const ALIASES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 64, 0), 18);

/// The reconciler.
pub(crate) struct Neighbours {
    clients: Arc<ArcSwap<Vec<IpNet>>>,
    /// This node's blocks of virtual networks.
    blocks: watch::Receiver<Vec<IpNet>>,
    /// Whether there may be isolated tasks.
    isolates: bool,
    reports: Reports,
}

impl Neighbours {
    pub(crate) fn new(
        clients: Arc<ArcSwap<Vec<IpNet>>>,
        blocks: watch::Receiver<Vec<IpNet>>,
        reports: &Reports,
    ) -> Self {
        Self {
            clients,
            blocks,
            isolates: false,
            reports: reports.clone(),
        }
    }

    /// The same on a node that may have isolated tasks.
    pub(crate) fn isolating(self, isolates: bool) -> Self {
        Self { isolates, ..self }
    }

    /// Reconciles whenever an address or a block comes or goes.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut changes = None;
        loop {
            // Listening begins before reading, so that no change falls in between.
            if changes.is_none() {
                changes = Changes::listen().ok();
            }
            let mut containers = self.blocks.borrow_and_update().clone();
            containers.extend(self.isolates.then_some(IpNet::V4(ALIASES)));
            self.reconcile(containers).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed(&mut self.blocks) => {}
                hears = heard(&mut changes) => if !hears { changes = None },
            }
        }
    }

    async fn reconcile(&self, containers: Vec<IpNet>) {
        let began = Instant::now();
        let mut failures = Vec::new();
        match clients(containers).await {
            Ok(clients) => self.clients.store(Arc::new(clients)),
            Err(error) => failures.push(error.to_string()),
        }
        self.reports.note("neighbours", began, None, failures);
    }
}

/// Waits until other blocks are known; for ever where nobody tells of any.
async fn changed(blocks: &mut watch::Receiver<Vec<IpNet>>) {
    if blocks.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits for a change, or until it is time to look all the same; false when the
/// kernel has to be asked anew to tell of changes.
async fn heard(changes: &mut Option<Changes>) -> bool {
    if let Some(changes) = changes
        && tokio::time::timeout(PERIOD, changes.next())
            .await
            .unwrap_or(true)
    {
        return true;
    }
    tokio::time::sleep(DEAF_PERIOD).await;
    false
}

/// Whom the DNS server answers: this host, and networks of containers on it, which
/// are those of interfaces that do not lead out, and those that are given.
async fn clients(containers: Vec<IpNet>) -> Result<Vec<IpNet>, netlink::NetlinkError> {
    let addresses = netlink::address::local().await?;
    let mut clients = containers;
    for local in addresses {
        clients.push(IpNet::from(local.net.addr()));
        if !local.uplink {
            clients.push(local.net.trunc());
        }
    }
    clients.sort();
    clients.dedup();
    Ok(clients)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel_lab::eventually;

    #[tokio::test]
    async fn blocks_are_answered_as_long_as_the_node_has_them() {
        let clients = Arc::new(ArcSwap::from_pointee(Vec::new()));
        let (blocks, known) = watch::channel(Vec::new());
        let reports = Reports::default();
        let neighbours = Neighbours::new(Arc::clone(&clients), known, &reports).isolating(true);
        let stop = CancellationToken::new();
        let running = tokio::spawn(neighbours.run(stop.clone()));
        let block: IpNet = "198.18.1.0/24".parse().unwrap();
        eventually("the host's own addresses are there", || {
            !clients.load().is_empty()
        })
        .await;
        assert!(!clients.load().contains(&block));
        assert!(clients.load().contains(&IpNet::V4(ALIASES)));
        blocks.send_replace(vec![block]);
        eventually("its containers are answered", || {
            clients.load().contains(&block)
        })
        .await;
        blocks.send_replace(Vec::new());
        eventually("they are not any more", || !clients.load().contains(&block)).await;
        // Nobody tells of blocks on a node without virtual networks; addresses go on.
        drop(blocks);
        stop.cancel();
        running.await.unwrap();
        assert_eq!(reports.all()["neighbours"].failures, Vec::<String>::new());
    }
}
