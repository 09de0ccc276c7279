//! This node's own record, kept alive by a lease.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use model::{Node, NodeId, PortRange, Resources};
use store::{Expect, LeaseId, Outcome, Records, StoreError};
use tokio_util::sync::CancellationToken;

use crate::options::Engines;
use crate::report::Reports;

/// The record vanishes this long after the daemon stopped renewing it.
const LEASE_SECONDS: u64 = 15;

/// How often the lease is renewed and the engines are asked.
const PERIOD: Duration = Duration::from_secs(4);

/// What a node says of itself.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Its name.
    pub id: NodeId,
    /// Its addresses; the first is the one that backends on it have.
    pub addresses: Vec<IpAddr>,
    /// What it offers.
    pub resources: Resources,
    /// Host ports for free choice.
    pub ports: Vec<PortRange>,
    /// Fault domain.
    pub zone: Option<String>,
    /// Version of the daemon.
    pub version: String,
}

/// Keeps the record true.
pub(crate) async fn run(
    options: NodeOptions,
    engines: Engines,
    records: Records,
    reports: Reports,
    stop: CancellationToken,
) {
    let since = SystemTime::now().into();
    let mut lease = None;
    let mut written: Option<Node> = None;
    loop {
        let began = Instant::now();
        let mut failures = Vec::new();
        let node = Node {
            id: options.id.clone(),
            addresses: options.addresses.clone(),
            resources: options.resources,
            ports: options.ports.clone(),
            engines: answering(&engines, &mut failures).await,
            zone: options.zone.clone(),
            version: options.version.clone(),
            since,
        };
        if let Err(error) = keep(&records, &node, &mut lease, &mut written).await {
            // A lease that ended took the record with it: begin anew.
            (lease, written) = (None, None);
            failures.push(error.to_string());
        }
        reports.note("node", began, None, failures);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn answering(engines: &Engines, failures: &mut Vec<String>) -> Vec<String> {
    let mut names = Vec::new();
    for engine in engines.all() {
        match engine.probe().await {
            Ok(info) => names.push(info.name.to_owned()),
            Err(error) => failures.push(error.to_string()),
        }
    }
    names
}

async fn keep(
    records: &Records,
    node: &Node,
    lease: &mut Option<LeaseId>,
    written: &mut Option<Node>,
) -> Result<(), StoreError> {
    let held = match *lease {
        Some(held) => {
            records.renew(held).await?;
            held
        }
        None => *lease.insert(records.grant(LEASE_SECONDS).await?),
    };
    if written.as_ref() == Some(node) {
        return Ok(());
    }
    let mut change = store::Change::new();
    change.put_node(node, held, Expect::Any);
    if let Outcome::Committed(_) = records.commit(change).await? {
        *written = Some(node.clone());
    }
    Ok(())
}
