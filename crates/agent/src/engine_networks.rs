//! Virtual networks in the engines that have networks of their own.
//!
//! Docker must know a virtual network by name before a container, of a task or of
//! somebody's own command, can be put on it. Docker also holds leases between asking for
//! an address and giving it back; one that it forgot, by a crash or with its state, is
//! given back here.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use engines::{EngineError, VirtualNetwork, VirtualNetworks};
use model::Timestamp;
use networks::{Fabric, HolderKind};
use tokio_util::sync::CancellationToken;

use crate::hints::{Hints, hinted};
use crate::housekeeping::chain;
use crate::report::Reports;

/// How often everything is looked at although nothing was heard.
const PERIOD: Duration = Duration::from_secs(30);

/// How often the node's own list of networks is looked at, which asks nobody.
const GLANCE: Duration = Duration::from_millis(500);

/// How long a lease may be without a container: Docker takes it before it makes one.
const UNDER_WAY: Duration = Duration::from_secs(120);

/// The reconciler.
pub(crate) struct EngineNetworks {
    pub(crate) fabric: Fabric,
    pub(crate) engine: Arc<dyn VirtualNetworks>,
    /// The name under which the engine finds the driver of virtual networks.
    pub(crate) driver: String,
    pub(crate) reports: Reports,
}

impl EngineNetworks {
    /// Reconciles when networks come and go, when an engine does, and every [`PERIOD`].
    pub(crate) async fn run(self, hints: Hints, stop: CancellationToken) {
        let mut hints = hints.subscribe();
        // Before it is known which networks there are, all of Docker's would look stale.
        tokio::select! {
            () = stop.cancelled() => return,
            () = self.fabric.configured() => {}
        }
        loop {
            let wanted = self.wanted();
            self.reconcile(&wanted).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
                () = self.changed(&wanted) => {}
                // An engine came or went; one task's container is no reason.
                () = hinted(&mut hints, |_| false) => {}
            }
        }
    }

    async fn reconcile(&self, wanted: &[VirtualNetwork]) {
        let began = Instant::now();
        let mut failures = Vec::new();
        let mut did = Vec::new();
        match self.engine.ensure(&self.driver, wanted).await {
            Ok(ensured) => {
                did.extend(ensured.made.iter().map(|name| format!("made {name}")));
                did.extend(ensured.removed.iter().map(|name| format!("removed {name}")));
                failures.extend(ensured.problems);
            }
            // Its absence is reported by the node reconciler.
            Err(EngineError::Unavailable { .. }) => {}
            Err(error) => failures.push(chain(&error)),
        }
        match self.give_back().await {
            Ok(0) => {}
            Ok(count) => did.push(format!("gave back {count} addresses")),
            Err(error) => failures.push(error),
        }
        let did = (!did.is_empty()).then(|| did.join(", "));
        self.reports.note("engine networks", began, did, failures);
    }

    /// Gives back the leases of containers that are gone, and counts them.
    async fn give_back(&self) -> Result<usize, String> {
        let usage = self.fabric.usage().await;
        let leases = usage.iter().flat_map(|usage| {
            let leases = usage.leases.iter();
            leases.map(|lease| (usage.network.clone(), lease))
        });
        let recent: Timestamp = SystemTime::now()
            .checked_sub(UNDER_WAY)
            .map_or_else(Timestamp::default, Timestamp::from);
        let old =
            leases.filter(|(_, lease)| lease.kind == HolderKind::Docker && lease.since < recent);
        let old: Vec<_> = old.collect();
        if old.is_empty() {
            return Ok(0);
        }
        let attached = match self.engine.addresses(&self.driver).await {
            Ok(attached) => attached,
            Err(EngineError::Unavailable { .. }) => return Ok(0),
            Err(error) => return Err(chain(&error)),
        };
        let mut count = 0;
        for (network, lease) in old {
            if attached.contains(&lease.address) {
                continue;
            }
            // Only what was looked at: the address may have a new holder by now.
            let released = self.fabric.release_lease(&network, lease).await;
            count += usize::from(released.map_err(|error| chain(&error))?);
        }
        Ok(count)
    }

    /// The networks that this node knows of.
    fn wanted(&self) -> Vec<VirtualNetwork> {
        let all = self.fabric.networks();
        let wanted = all.iter().map(|network| {
            let subnets = network.network.subnets.iter().map(|subnet| subnet.net);
            VirtualNetwork {
                name: network.network.name.clone(),
                subnets: subnets.collect(),
                usable: !network.block.is_empty(),
            }
        });
        wanted.collect()
    }

    /// Returns when other networks than these are wanted.
    async fn changed(&self, wanted: &[VirtualNetwork]) {
        while self.wanted() == wanted {
            tokio::time::sleep(GLANCE).await;
        }
    }
}
