//! Routes that keep addresses which no VIP has from leaving this host.

use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;
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

/// Puts back what is missing until `stop`.
pub(super) async fn keep(networks: Vec<IpNet>, stop: CancellationToken) {
    let mut told = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let problem = ensure(&networks)
            .await
            .err()
            .map(|error| format!("{error:#}"));
        if let Some(problem) = problem.as_ref().filter(|_| problem != told) {
            tracing::warn!("unused VIP addresses may leave this host: {problem}");
        }
        told = problem;
    }
}
