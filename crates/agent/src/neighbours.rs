//! Whom the DNS server answers: this host and the containers on it.
//!
//! A bridge gets its address before the first container on it runs, so following
//! addresses lets the server know a container's network before its first query. Of
//! virtual networks no interface has the addresses; the node's blocks tell them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use netlink::address::Changes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::report::Reports;

/// How often addresses are read although the kernel told of no change.
const PERIOD: Duration = Duration::from_secs(30);

/// How often they are read while the kernel does not tell of changes.
const DEAF_PERIOD: Duration = Duration::from_secs(1);

/// The reconciler.
pub(crate) struct Neighbours {
    clients: Arc<ArcSwap<Vec<IpNet>>>,
    /// This node's blocks of virtual networks.
    blocks: watch::Receiver<Vec<IpNet>>,
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
            reports: reports.clone(),
        }
    }

    /// Reconciles whenever an address or a block comes or goes.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut changes = None;
        loop {
            // Listening begins before reading, so that no change falls in between.
            if changes.is_none() {
                changes = Changes::listen().ok();
            }
            let blocks = self.blocks.borrow_and_update().clone();
            self.reconcile(blocks).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed(&mut self.blocks) => {}
                hears = heard(&mut changes) => if !hears { changes = None },
            }
        }
    }

    async fn reconcile(&self, blocks: Vec<IpNet>) {
        let began = Instant::now();
        let mut failures = Vec::new();
        match clients(blocks).await {
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
/// are those of interfaces that do not lead out, and its blocks.
async fn clients(blocks: Vec<IpNet>) -> Result<Vec<IpNet>, netlink::NetlinkError> {
    let addresses = netlink::address::local().await?;
    let mut clients = blocks;
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
        let neighbours = Neighbours::new(Arc::clone(&clients), known, &reports);
        let stop = CancellationToken::new();
        let running = tokio::spawn(neighbours.run(stop.clone()));
        let block: IpNet = "198.18.1.0/24".parse().unwrap();
        eventually("the host's own addresses are there", || {
            !clients.load().is_empty()
        })
        .await;
        assert!(!clients.load().contains(&block));
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
