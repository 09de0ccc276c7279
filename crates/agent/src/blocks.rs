//! This node's share of each virtual network, and all that follows from it.
//!
//! A block is claimed in the store, once, and kept as long as its network is there, so
//! that a node has the same addresses after every restart. Whoever deletes a network
//! deletes its record alone: each node sees it gone and gives its block back as soon as
//! no container has an address of it, and only then can the addresses be another's.
//!
//! What a run does, in order: it tells the kernel's side ([`Ground`]) of the blocks that
//! there are, claims and gives back, removes endpoints that crashes left, writes what
//! CNI runtimes read, and looks for what will go wrong before it does: addresses that
//! the host uses for something else, subnets without a free block, blocks nearly full.

mod claims;
mod files;
mod ground;
mod host;
mod troubles;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use mesos::ContainerType;
use model::{NodeId, Occupied};
use networks::{EndpointId, Networks};
use store::{Changed, Mirror, Outcome, Records, State, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::housekeeping::chain;
use crate::report::Reports;
use claims::Step;
pub use files::PluginFiles;
pub(crate) use ground::Ground;
pub(crate) use host::occupied;
pub use troubles::Troubles;

/// How often everything is looked at although no record changed: the host's own
/// addresses and leases are not in the store.
const PERIOD: Duration = Duration::from_secs(10);

/// How often a run looks again after another node was quicker to claim a block.
const ATTEMPTS: usize = 16;

/// How long a run waits for the mirror to show what it has written, or who was quicker.
const VISIBLE: Duration = Duration::from_secs(2);

/// The reconciler.
pub(crate) struct Blocks<G> {
    pub(crate) records: Records,
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeId,
    pub(crate) ground: G,
    /// Networks of native containers, whose names may be in the way.
    pub(crate) networks: Option<Networks>,
    pub(crate) files: PluginFiles,
    /// What is wrong with each network here.
    pub(crate) troubles: Arc<ArcSwap<Troubles>>,
    /// This node's blocks, for whoever must know its containers' addresses.
    pub(crate) own: watch::Sender<Vec<IpNet>>,
    pub(crate) reports: Reports,
}

/// What is remembered from run to run.
#[derive(Debug, Default)]
struct Memory {
    /// Where nodes were last seen: one that is away for a moment keeps its routes.
    addresses: BTreeMap<NodeId, IpAddr>,
}

/// What a run has found out.
#[derive(Debug, Default)]
struct Run {
    did: Vec<String>,
    failures: Vec<String>,
    troubles: Troubles,
}

impl<G: Ground> Blocks<G> {
    /// Reconciles whenever a network, block or node changes, and every [`PERIOD`].
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut states = self.mirror.subscribe();
        // Before the store was read once, every network would look deleted.
        self.mirror.at_least(1).await;
        let mut memory = Memory::default();
        loop {
            let revision = states.borrow_and_update().revision;
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.reconcile(&mut memory) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
                alive = self.concerned(&mut states, revision) => if !alive { return },
            }
        }
    }

    /// Waits for a change after `since` that concerns virtual networks; false when
    /// nothing follows the store any more.
    async fn concerned(&self, states: &mut watch::Receiver<Arc<State>>, since: u64) -> bool {
        let mut since = since;
        loop {
            if states.changed().await.is_err() {
                return false;
            }
            let until = states.borrow_and_update().revision;
            let changed = self.mirror.changed(since, until);
            if changed.is_none_or(|all| all.iter().any(concerns)) {
                return true;
            }
            since = until;
        }
    }

    async fn reconcile(&self, memory: &mut Memory) {
        let began = Instant::now();
        let mut run = Run::default();
        let occupied = match occupied(&self.mirror.state()).await {
            Ok(occupied) => occupied,
            Err(error) => {
                run.failures.push(error);
                Vec::new()
            }
        };
        self.configure(memory, &mut run).await;
        if self.claim(&occupied, &mut run).await {
            self.configure(memory, &mut run).await;
        }
        let state = self.mirror.state();
        match self.ground.reconcile(&living(&state, &self.node)).await {
            Ok(removed) => run.did.extend(removed),
            Err(error) => run.failures.push(error),
        }
        self.write_files(Arc::clone(&state), &mut run).await;
        self.look_ahead(&state, &occupied, &mut run).await;
        self.publish(&state, began, run);
    }

    /// Tells the kernel's side which networks and blocks there are.
    async fn configure(&self, memory: &mut Memory, run: &mut Run) {
        let state = self.mirror.state();
        let nodes = state.nodes.iter();
        let known = nodes.filter_map(|(id, node)| Some((id.clone(), node.address()?)));
        memory.addresses.extend(known);
        let former = self.ground.networks();
        let networks = claims::networks(&state, &self.node, &memory.addresses, &former);
        if let Err(error) = self.ground.configure(networks).await {
            run.failures.push(error);
        }
    }

    /// Claims what is missing and gives back what is not needed; whether any of it came
    /// about. What fails is told, and tried again in the next run.
    async fn claim(&self, occupied: &[Occupied], run: &mut Run) -> bool {
        let leased = leased(&self.ground).await;
        let mut occupied = occupied.to_vec();
        let mut any = false;
        for _ in 0..ATTEMPTS {
            let state = self.mirror.state();
            let now = std::time::SystemTime::now().into();
            let plan = claims::plan(&state, &self.node, &occupied, &leased, now);
            run.troubles = plan.troubles;
            if plan.steps.is_empty() {
                return any;
            }
            for step in plan.steps {
                match self.take(&step, state.revision).await {
                    Ok(true) => {
                        tracing::info!("{step}");
                        run.did.push(step.to_string());
                        any = true;
                    }
                    // Another node was quicker, or a claim is in the way that no block
                    // accounts for.
                    Ok(false) if self.mirror.state().revision == state.revision => {
                        occupied.extend(step.nets("a claim without a block"));
                    }
                    Ok(false) => {}
                    Err(error) => {
                        run.failures.push(format!("{step}: {}", chain(&error)));
                        return any;
                    }
                }
            }
        }
        run.failures
            .push("other nodes keep taking the same blocks; trying again".to_owned());
        any
    }

    /// Takes a step, and waits until the mirror shows it, or who was quicker.
    async fn take(&self, step: &Step, revision: u64) -> Result<bool, StoreError> {
        let outcome = self.records.commit(step.change()).await?;
        let (done, newer) = match outcome {
            Outcome::Committed(at) => (true, at),
            Outcome::Conflict => (false, revision + 1),
        };
        drop(tokio::time::timeout(VISIBLE, self.mirror.at_least(newer)).await);
        Ok(done)
    }

    /// Writes what CNI runtimes read of networks, and removes that of former ones.
    async fn write_files(&self, state: Arc<State>, run: &mut Run) {
        let files = self.files.clone();
        let written = tokio::task::spawn_blocking(move || {
            let names = state.networks.keys().map(String::as_str);
            // One whose record cannot be read is not deleted.
            files.settle(names, |name| state.has_unreadable_network(name))
        });
        match written.await {
            Ok(problems) => run.failures.extend(problems),
            Err(error) => run.failures.push(error.to_string()),
        }
    }

    /// Finds what will keep containers from joining, or from being reached.
    async fn look_ahead(&self, state: &State, occupied: &[Occupied], run: &mut Run) {
        run.troubles.find_overlaps(state, occupied);
        run.troubles.find_full_blocks(&self.ground.usage().await);
        if let Some(networks) = &self.networks {
            let others = networks.names().await;
            let others = others
                .iter()
                .filter(|it| it.file.parent() != Some(&self.files.configs));
            run.troubles.find_namesakes(state, others);
        }
    }

    fn publish(&self, state: &State, began: Instant, run: Run) {
        let own = state.blocks.values().filter(|it| it.node == self.node);
        let own: Vec<IpNet> = own.flat_map(|it| it.nets.iter().copied()).collect();
        self.own.send_if_modified(|known| {
            let differs = *known != own;
            *known = own;
            differs
        });
        let mut failures = run.failures;
        failures.extend(run.troubles.told());
        if **self.troubles.load() != run.troubles {
            self.troubles.store(Arc::new(run.troubles));
        }
        let did = (!run.did.is_empty()).then(|| run.did.join("; "));
        self.reports.note("blocks", began, did, failures);
    }
}

/// Whether a change of a record is a reason to look again.
fn concerns(changed: &Changed) -> bool {
    matches!(
        changed,
        Changed::Network(_) | Changed::Block(..) | Changed::Node(_)
    )
}

/// Networks of which this node's containers still have addresses.
async fn leased(ground: &impl Ground) -> BTreeSet<String> {
    let usage = ground.usage().await;
    let used = usage.into_iter().filter(|usage| usage.used > 0);
    used.map(|usage| usage.network).collect()
}

/// Interfaces of this node's native containers, on whichever network they are: a
/// container is called as its task.
fn living(state: &State, node: &NodeId) -> BTreeSet<EndpointId> {
    let tasks = state.tasks.values();
    let ours =
        tasks.filter(|task| task.node == *node && task.container.kind == ContainerType::Mesos);
    let interfaces = ours.flat_map(|task| {
        let infos = task.container.network_infos.iter();
        let named = infos.filter(|info| info.name.is_some()).count();
        (0..named).map(|index| EndpointId {
            container: task.id.to_string(),
            ifname: format!("eth{index}"),
        })
    });
    interfaces.collect()
}

#[cfg(test)]
mod tests;
