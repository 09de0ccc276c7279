//! This node's own record, kept alive by a lease.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use model::{Node, NodeId, PortRange, Resources, Timestamp};
use store::{Expect, LeaseId, Mirror, Outcome, Records, State, StoreError};
use tokio_util::sync::CancellationToken;

use crate::options::Engines;
use crate::report::Reports;

/// The record vanishes this long after the daemon stopped renewing it.
const LEASE_SECONDS: u64 = 15;

/// How often the lease is renewed and the engines are asked.
const PERIOD: Duration = Duration::from_secs(4);

/// An engine that takes longer to say that it is there counts as away. Much shorter
/// than the lease, which must be renewed although an engine hangs.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

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

impl NodeOptions {
    /// The node's record.
    pub(crate) fn record(&self, engines: Vec<String>, busy: Vec<u16>, since: Timestamp) -> Node {
        Node {
            id: self.id.clone(),
            addresses: self.addresses.clone(),
            resources: self.resources,
            ports: self.ports.clone(),
            busy,
            engines,
            zone: self.zone.clone(),
            version: self.version.clone(),
            since,
        }
    }
}

/// Keeps the record true.
pub(crate) async fn run(
    options: NodeOptions,
    engines: Engines,
    records: Records,
    mirror: Mirror,
    reports: Reports,
    stop: CancellationToken,
) {
    let since = SystemTime::now().into();
    let mut lease = None;
    let mut written: Option<Node> = None;
    loop {
        let began = Instant::now();
        let mut failures = Vec::new();
        let engines = answering(&engines, &mut failures).await;
        let given = given(&options.id, &mirror.state());
        let busy = busy(&options.ports, given).await;
        let node = options.record(engines, busy, since);
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

/// Host ports of the node's tasks.
fn given(node: &NodeId, state: &State) -> BTreeSet<u16> {
    let here = state.tasks.values().filter(|task| task.node == *node);
    here.flat_map(|task| task.ports.iter().filter_map(|port| port.host_port))
        .collect()
}

/// Offered ports that somebody has who was not given them.
async fn busy(offered: &[PortRange], given: BTreeSet<u16>) -> Vec<u16> {
    let in_use = tokio::task::spawn_blocking(networks::ports_in_use).await;
    // Without an answer only because the runtime ends.
    let in_use = in_use.unwrap_or_default().into_iter();
    in_use
        .filter(|port| offered.iter().any(|range| range.contains(*port)))
        .filter(|port| !given.contains(port))
        .collect()
}

async fn answering(engines: &Engines, failures: &mut Vec<String>) -> Vec<String> {
    let probes = engines
        .all()
        .map(|engine| tokio::time::timeout(PROBE_LIMIT, engine.probe()));
    let answers = futures::future::join_all(probes).await;
    let mut names = Vec::new();
    for (engine, answer) in engines.all().zip(answers) {
        match answer {
            Ok(Ok(info)) => names.push(info.name.to_owned()),
            Ok(Err(error)) => failures.push(error.to_string()),
            Err(_) => failures.push(format!(
                "the engine of {:?} containers took longer than {} s to answer; see its log",
                engine.kind(),
                PROBE_LIMIT.as_secs()
            )),
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

#[cfg(test)]
mod tests;
