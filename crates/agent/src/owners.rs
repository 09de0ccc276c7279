//! Who may bind which ports of the host's network.
//!
//! A task on the host's network shares its ports with everybody there. If its app says so
//! by the label `sealane.ports: enforce`, or the node's configuration does, the task may
//! bind the ports that it was given and no others: a mistake or a lie is refused at once
//! (EACCES), in the task that makes it and not in the one whose port is taken. A task with
//! isolated ports (`sealane.ports: isolate`) may do the same, in its own namespace.
//!
//! The datapath knows cgroups. A container's cgroup is made before its engine starts it
//! ([`Before`]), so that this holds from the first instruction; where the engine puts it
//! elsewhere, it holds as soon as the container is seen.

mod before;
mod denials;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datapath::{EVERYWHERE, OwnedPort, find_cgroup2};
use engines::{Container, EngineEvent};
use mesos::ContainerType;
use model::{NodeId, Task, TaskId};
use store::{Mirror, State};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::cgroups;
use crate::hints::{Hints, hinted};
use crate::housekeeping::chain;
use crate::isolation;
use crate::options::Engines;
use crate::report::Reports;
use crate::services::Kernel;

pub(crate) use before::Before;
pub use denials::{Denial, Denials};

/// How often everything is looked at although nothing happened.
const PERIOD: Duration = Duration::from_secs(30);

/// How soon what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long an engine may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Where cgroup v2 is by convention.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The reconciler.
pub(crate) struct Owners {
    pub(crate) kernel: Kernel,
    pub(crate) engines: Engines,
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeId,
    pub(crate) before: Before,
    pub(crate) denials: Denials,
    pub(crate) reports: Reports,
}

/// A task whose ports are enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    kind: ContainerType,
    ports: BTreeSet<OwnedPort>,
}

impl Owners {
    /// Reconciles until `stop`.
    pub(crate) async fn run(self, hints: Hints, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work(hints.subscribe()) => {}
        }
    }

    async fn work(&self, mut hints: broadcast::Receiver<EngineEvent>) {
        let mut states = self.mirror.subscribe();
        self.mirror.at_least(1).await;
        let mut known = BTreeMap::new();
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            let wanted = self.wanted(&state);
            // By configuration it may be mounted later.
            let mount = find_cgroup2().unwrap_or_else(|_| PathBuf::from(CGROUPS));
            let again = match self.reconcile(&mount, &wanted, &mut known).await {
                true => PERIOD,
                false => RETRY,
            };
            let again = tokio::time::sleep(again);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = &mut again => break,
                    () = hinted(&mut hints, |task| wanted.contains_key(task)) => break,
                    changed = states.changed() => {
                        if changed.is_err() {
                            return std::future::pending().await;
                        }
                        // Most changes are about others.
                        let state = states.borrow_and_update();
                        if self.wanted(&state) != wanted {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Tasks of this node whose ports are enforced.
    fn wanted(&self, state: &State) -> BTreeMap<TaskId, Wanted> {
        let here = state.tasks.values().filter(|task| task.node == self.node);
        here.filter(|task| self.before.is_enforced(task))
            .map(|task| {
                let wanted = Wanted {
                    kind: task.container.kind,
                    ports: ports(task),
                };
                (task.id.clone(), wanted)
            })
            .collect()
    }

    /// Yields whether nothing failed.
    async fn reconcile(
        &self,
        mount: &Path,
        wanted: &BTreeMap<TaskId, Wanted>,
        known: &mut BTreeMap<TaskId, u64>,
    ) -> bool {
        let (began, mut failures) = (Instant::now(), Vec::new());
        known.retain(|task, _| wanted.contains_key(task));
        let mut sure = true;
        for (task, wanted) in wanted {
            match self.cgroup(mount, task, wanted.kind).await {
                Ok(Some(id)) => drop(known.insert(task.clone(), id)),
                Ok(None) => drop(known.remove(task)),
                Err(Trouble::Away) => sure &= known.contains_key(task),
                Err(Trouble::Told(text)) => failures.push(format!("task {task}: {text}")),
            }
        }
        self.before.forget(
            || self.wanted(&self.mirror.state()).into_keys().collect(),
            known,
        );
        let set = self.kernel.with(|datapath| {
            let mut owners = BTreeMap::new();
            if !sure {
                // A daemon before this one knew more than the engines tell by now.
                owners = datapath.owners();
            }
            owners.extend(self.before.owners());
            for (task, id) in known.iter() {
                let ports = wanted.get(task).map(|it| it.ports.clone());
                owners.insert(*id, ports.unwrap_or_default());
            }
            self.denials.know(known, &self.before.cgroups());
            self.denials.count(&datapath.denied_binds());
            datapath.set_owners(&owners)
        });
        if let Some(Err(error)) = set {
            failures.push(chain(&error));
        }
        let did = (!wanted.is_empty()).then(|| format!("{} tasks", wanted.len()));
        let done = failures.is_empty();
        self.reports.note("owners", began, did, failures);
        done
    }

    /// The cgroup of a task's container; nothing before it starts.
    async fn cgroup(
        &self,
        mount: &Path,
        task: &TaskId,
        kind: ContainerType,
    ) -> Result<Option<u64>, Trouble> {
        let Some(engine) = self.engines.of(kind) else {
            return Ok(None);
        };
        // An engine that is away unlearns nothing; the node's reconciler reports it.
        let Ok(Ok(found)) = tokio::time::timeout(LIMIT, engine.inspect(task)).await else {
            return Err(Trouble::Away);
        };
        let Some(Container {
            id, pid: Some(pid), ..
        }) = found
        else {
            return Ok(None);
        };
        let cannot = || format!("the ports of container {id} cannot be enforced");
        cgroups::of_container(mount, (&id, pid), None, cannot).map_err(Trouble::Told)
    }
}

/// Why a container's cgroup is not known.
enum Trouble {
    /// Its engine does not tell.
    Away,
    /// Something else, for people.
    Told(String),
}

/// The ports of the host that a task was given, and [`EVERYWHERE`] if it has them in a
/// namespace of its own.
fn ports(task: &Task) -> BTreeSet<OwnedPort> {
    let given = task.ports.iter();
    let given = given.filter_map(|port| Some((port.protocol, port.host_port?)));
    let isolated = isolation::is_isolated(task).then_some(EVERYWHERE);
    given.chain(isolated).collect()
}

#[cfg(test)]
mod tests;
