//! Whose connects are left alone: apps, containers and cgroups that have opted out.
//!
//! An app does by its label `sealane.translate: false`, a container that somebody else
//! started by the same label, and any other part of the host by a path in the node's
//! configuration. The datapath knows cgroups alone.
//!
//! A path of the configuration is exempt from the beginning, and so are the containers of
//! an app: they start below a cgroup that is exempt beforehand ([`Beforehand`]). Any other
//! container's cgroup is there only once it runs: it is exempt a moment after its first
//! instruction. The same holds for a container of an app that turns out to be elsewhere,
//! started by an older version or by an engine that puts its cgroups where it likes.

mod beforehand;
mod others;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datapath::{cgroup_id, find_cgroup2};
use engines::{Container, Discovery, EngineEvent};
use mesos::ContainerType;
use model::{NodeId, TaskId};
use store::{Mirror, State};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::cgroups;
use crate::hints::{Hints, hinted};
use crate::housekeeping::chain;
use crate::options::Engines;
use crate::report::Reports;
use crate::services::Kernel;
use beforehand::made;
use others::Others;

pub(crate) use beforehand::Beforehand;

/// How often everything is looked at although nothing happened.
const PERIOD: Duration = Duration::from_secs(30);

/// How soon what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long an engine may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Where cgroup v2 is by convention.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The reconciler.
pub(crate) struct Exempt {
    pub(crate) kernel: Kernel,
    pub(crate) engines: Engines,
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeId,
    /// Cgroups of the configuration, from the root of cgroup v2 or from that of the
    /// file system.
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) beforehand: Beforehand,
    pub(crate) reports: Reports,
}

/// What is in force, or was when it was last known.
struct Known {
    tasks: BTreeMap<TaskId, u64>,
    others: Others,
}

impl Exempt {
    /// Reconciles until `stop`.
    pub(crate) async fn run(
        self,
        hints: Hints,
        discovery: Option<Arc<dyn Discovery>>,
        stop: CancellationToken,
    ) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work(hints.subscribe(), discovery) => {}
        }
    }

    async fn work(
        &self,
        mut hints: broadcast::Receiver<EngineEvent>,
        discovery: Option<Arc<dyn Discovery>>,
    ) {
        let mut states = self.mirror.subscribe();
        self.mirror.at_least(1).await;
        let mut known = Known {
            tasks: BTreeMap::new(),
            others: Others::new(discovery),
        };
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            let wanted = wanted(&state, &self.node);
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
                    () = known.others.changed(&mount) => break,
                    changed = states.changed() => {
                        if changed.is_err() {
                            return std::future::pending().await;
                        }
                        // Most changes are about others.
                        let state = states.borrow_and_update();
                        if self::wanted(&state, &self.node) != wanted {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Yields whether nothing failed.
    async fn reconcile(
        &self,
        mount: &Path,
        wanted: &BTreeMap<TaskId, ContainerType>,
        known: &mut Known,
    ) -> bool {
        let (began, mut failures) = (Instant::now(), Vec::new());
        known.tasks.retain(|task, _| wanted.contains_key(task));
        let mut sure = true;
        for (task, kind) in wanted {
            match self.task(mount, task, *kind).await {
                Ok(Some(id)) => drop(known.tasks.insert(task.clone(), id)),
                Ok(None) => drop(known.tasks.remove(task)),
                Err(Trouble::Away) => sure &= known.tasks.contains_key(task),
                Err(Trouble::Told(text)) => failures.push(format!("task {task}: {text}")),
            }
        }
        known.others.follow().await;
        sure &= known.others.are_known();
        failures.extend(known.others.failures());
        let mut cgroups = configured(mount, &self.paths, &mut failures);
        cgroups.extend(known.tasks.values().copied());
        cgroups.extend(known.others.exempt());
        self.beforehand
            .forget(|| self::wanted(&self.mirror.state(), &self.node));
        let set = self.kernel.with(|datapath| {
            cgroups.extend(self.beforehand.cgroups());
            if !sure {
                // A daemon before this one knew more than the engines tell by now.
                cgroups.extend(datapath.exempt());
            }
            datapath.set_exempt(&cgroups)
        });
        if let Some(Err(error)) = set {
            failures.push(chain(&error));
        }
        let did = (!cgroups.is_empty()).then(|| format!("{} cgroups", cgroups.len()));
        let done = failures.is_empty();
        self.reports.note("exempt", began, did, failures);
        done
    }

    /// The cgroup that has to be exempt for a task: the one below which its container is,
    /// or will be, or else the container's own.
    async fn task(
        &self,
        mount: &Path,
        task: &TaskId,
        kind: ContainerType,
    ) -> Result<Option<u64>, Trouble> {
        let Some(engine) = self.engines.of(kind) else {
            return Ok(None);
        };
        // An engine that is away unlearns nothing; the node's reconciler reports it.
        let told = async { tokio::try_join!(engine.untranslated(), engine.inspect(task)) };
        let Ok(Ok((parent, found))) = tokio::time::timeout(LIMIT, told).await else {
            return Err(Trouble::Away);
        };
        let cgroup = match (found, parent) {
            (
                Some(Container {
                    id, pid: Some(pid), ..
                }),
                parent,
            ) => of_container(mount, &id, pid, parent.as_deref()),
            (_, Some(parent)) => made(mount, &parent).map(Some),
            (_, None) => Ok(None),
        };
        cgroup.map_err(Trouble::Told)
    }
}

/// Why a container's cgroup is not known.
enum Trouble {
    /// Its engine does not tell.
    Away,
    /// Something else, for people.
    Told(String),
}

/// Tasks of this node whose apps have opted out. A label that makes no sense was refused
/// with its app, and does not opt out.
fn wanted(state: &State, node: &NodeId) -> BTreeMap<TaskId, ContainerType> {
    let here = state.tasks.values().filter(|task| task.node == *node);
    here.filter(|task| vip::translate(&task.labels) == Ok(false))
        .map(|task| (task.id.clone(), task.container.kind))
        .collect()
}

/// The cgroup of a container by one of its processes, or `parent` if it is below that.
fn of_container(
    mount: &Path,
    container: &str,
    pid: u32,
    parent: Option<&Path>,
) -> Result<Option<u64>, String> {
    let cannot = || format!("container {container} cannot opt out");
    cgroups::of_container(mount, (container, pid), parent, cannot)
}

/// The cgroups of the configuration.
fn configured(mount: &Path, paths: &[PathBuf], failures: &mut Vec<String>) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for path in paths {
        let directory = match path.starts_with(mount) {
            true => path.clone(),
            false => cgroups::below(mount, path),
        };
        if directory == mount {
            failures.push(format!(
                "'{}' is the root of all cgroups; to translate nothing at all, switch the \
                 datapath off",
                path.display()
            ));
            continue;
        }
        match cgroup_id(&directory) {
            Ok(id) => drop(found.insert(id)),
            Err(error) => failures.push(format!("exempt cgroup: {}", chain(&error))),
        }
    }
    found
}

#[cfg(test)]
mod tests;
