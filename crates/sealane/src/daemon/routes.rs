//! Routes that keep addresses which no VIP has from leaving this host, and rules that
//! refuse what others want to send there through it.
//!
//! The route alone tells a process of this host at once that an address is unreachable.
//! A client whose packets are forwarded, as a container's behind a bridge, hears of it by
//! ICMP, which the kernel limits; of a rule that resets connections it hears always.

use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;
use networks::{Fabric, HostPorts};
use tokio_util::sync::CancellationToken;

/// How often the routes are looked after. They are the host's and not one daemon's:
/// another daemon on the same host takes them away when it is uninstalled, as do
/// people who tidy up.
const PERIOD: Duration = Duration::from_secs(5);

/// Sees that there is a route for each of `networks`; repeating it is fine.
pub(super) async fn ensure(networks: &[IpNet]) -> anyhow::Result<()> {
    for network in networks {
        netlink::route::ensure_unreachable(*network)
            .await
            .with_context(|| format!("the route for {network} cannot be set"))?;
    }
    Ok(())
}

/// Addresses that nobody may have, and what is said to those who call there.
pub(super) struct Unused {
    /// Where VIPs lie.
    pub(super) networks: Vec<IpNet>,
    /// Whose blocks have addresses that no container has; their routes are its own.
    pub(super) fabric: Option<Fabric>,
    /// Where what is forwarded is refused.
    pub(super) rules: HostPorts,
}

impl Unused {
    /// Puts back what is missing until `stop`.
    pub(super) async fn keep(self, stop: CancellationToken) {
        let mut told = Vec::new();
        loop {
            let problems = self.problems().await;
            for problem in problems.iter().filter(|problem| !told.contains(*problem)) {
                tracing::warn!("{problem}");
            }
            told = problems;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// Looks after both, and says what is wrong.
    async fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = ensure(&self.networks).await {
            problems.push(format!(
                "unused VIP addresses may leave this host: {error:#}"
            ));
        }
        let blocks = self.fabric.iter().flat_map(Fabric::networks);
        let blocks = blocks.flat_map(|network| network.block.clone());
        let refused: Vec<IpNet> = self.networks.iter().copied().chain(blocks).collect();
        if let Err(error) = self.rules.keep_refused(&refused).await {
            let error = anyhow::Error::from(error);
            problems.push(format!(
                "clients whose packets are forwarded may wait in vain for unused addresses: \
                 {error:#}"
            ));
        }
        problems
    }
}
