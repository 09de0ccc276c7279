//! Whom the DNS server answers: this host and the containers on it.
//!
//! A bridge gets its address before the first container on it runs, so following
//! addresses lets the server know a container's network before its first query.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use netlink::address::Changes;
use tokio_util::sync::CancellationToken;

use crate::report::Reports;

/// How often addresses are read although the kernel told of no change.
const PERIOD: Duration = Duration::from_secs(30);

/// How often they are read while the kernel does not tell of changes.
const DEAF_PERIOD: Duration = Duration::from_secs(1);

/// The reconciler.
pub(crate) struct Neighbours {
    clients: Arc<ArcSwap<Vec<IpNet>>>,
    reports: Reports,
}

impl Neighbours {
    pub(crate) fn new(clients: Arc<ArcSwap<Vec<IpNet>>>, reports: &Reports) -> Self {
        Self {
            clients,
            reports: reports.clone(),
        }
    }

    /// Reconciles whenever an address comes or goes.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut changes = None;
        loop {
            // Listening begins before reading, so that no change falls in between.
            if changes.is_none() {
                changes = Changes::listen().ok();
            }
            self.reconcile().await;
            tokio::select! {
                () = stop.cancelled() => return,
                hears = heard(&mut changes) => if !hears { changes = None },
            }
        }
    }

    async fn reconcile(&self) {
        let began = Instant::now();
        let mut failures = Vec::new();
        match clients().await {
            Ok(clients) => self.clients.store(Arc::new(clients)),
            Err(error) => failures.push(error.to_string()),
        }
        self.reports.note("neighbours", began, None, failures);
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
/// are those of interfaces that do not lead out.
async fn clients() -> Result<Vec<IpNet>, netlink::NetlinkError> {
    let addresses = netlink::address::local().await?;
    let mut clients = Vec::new();
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
