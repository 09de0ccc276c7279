//! Telling a task's ports before its container starts.
//!
//! The engine makes the container and says where its cgroup will be; the cgroup is made
//! here, which engines find and use, and the datapath is told of it. A worker does not
//! wait for the reconciler's next run, as one engine that hangs would hold up the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datapath::{OwnedPort, cgroup_id, find_cgroup2};
use engines::{Engine, EngineError};
use model::{Task, TaskId};
use vip::PortRule;

use super::ports;
use crate::cgroups;
use crate::housekeeping::chain;
use crate::services::Kernel;

/// Where workers tell; cheap to clone.
#[derive(Clone)]
pub(crate) struct Before {
    kernel: Kernel,
    /// What the configuration says for apps that say nothing.
    enforce: bool,
    /// What starts rely on, which the reconciler may not have seen running yet. Written
    /// under the kernel's lock, so that a run that began earlier takes nothing back.
    relied: Arc<Mutex<BTreeMap<TaskId, Relied>>>,
}

/// A cgroup that was made for a start.
#[derive(Debug, Clone)]
struct Relied {
    cgroup: u64,
    directory: PathBuf,
    ports: BTreeSet<OwnedPort>,
}

impl Before {
    pub(crate) fn new(kernel: Kernel, enforce: bool) -> Self {
        Self {
            kernel,
            enforce,
            relied: Arc::default(),
        }
    }

    /// Whether a task may bind its own ports only.
    pub(super) fn is_enforced(&self, task: &Task) -> bool {
        // A label that makes no sense was refused with its app.
        let said = vip::port_rule(&task.labels).ok().flatten();
        task.on_host_network() && said.map_or(self.enforce, |rule| rule != PortRule::Free)
    }

    /// Returns when the task's container may be started: if its ports are enforced, once
    /// that will hold from its first instruction. Where that cannot be, the task runs all
    /// the same, and its ports are enforced as soon as the reconciler can do it.
    ///
    /// # Errors
    /// When its engine cannot make the container.
    pub(crate) async fn ready(
        &self,
        engine: &Arc<dyn Engine>,
        task: &Task,
    ) -> Result<(), EngineError> {
        if !self.is_enforced(task) || self.kernel.with(|_| ()).is_none() {
            return Ok(());
        }
        let Some(cgroup) = engine.stage(task).await? else {
            return Ok(());
        };
        if let Err(error) = self.own(task, &cgroup) {
            let task = &task.id;
            tracing::warn!(%task, "it may bind any port in its first moments: {error}");
        }
        Ok(())
    }

    fn own(&self, task: &Task, cgroup: &Path) -> Result<(), String> {
        let mount = find_cgroup2().map_err(|error| chain(&error))?;
        // Nothing is made where another filesystem is.
        cgroup_id(&mount).map_err(|error| chain(&error))?;
        let directory = cgroups::below(&mount, cgroup);
        fs::create_dir_all(&directory)
            .map_err(|error| format!("cgroup {} cannot be made: {error}", directory.display()))?;
        let relied = Relied {
            cgroup: cgroup_id(&directory).map_err(|error| chain(&error))?,
            directory,
            ports: ports(task),
        };
        let set = self.kernel.with(|datapath| {
            let mut owners = datapath.owners();
            owners.insert(relied.cgroup, relied.ports.clone());
            self.relied().insert(task.id.clone(), relied);
            datapath.set_owners(&owners)
        });
        set.unwrap_or(Ok(())).map_err(|error| chain(&error))
    }

    /// Forgets tasks that run in a cgroup that is known, or are gone. The caller looks at
    /// the store only when asked: a task that comes after that is not forgotten. A cgroup
    /// that nobody went into is removed; one with a process in it stays by itself.
    pub(super) fn forget(
        &self,
        wanted: impl FnOnce() -> BTreeSet<TaskId>,
        running: &BTreeMap<TaskId, u64>,
    ) {
        let candidates: Vec<_> = self.relied().keys().cloned().collect();
        let wanted = wanted();
        let mut relied = self.relied();
        for task in candidates {
            let gone = !wanted.contains(&task);
            if !gone && !running.contains_key(&task) {
                continue;
            }
            if let Some(left) = relied.remove(&task)
                && running.get(&task) != Some(&left.cgroup)
            {
                let _ = fs::remove_dir(&left.directory);
            }
        }
    }

    /// What starts rely on.
    pub(super) fn owners(&self) -> BTreeMap<u64, BTreeSet<OwnedPort>> {
        let relied = self.relied();
        let relied = relied.values();
        relied.map(|it| (it.cgroup, it.ports.clone())).collect()
    }

    /// Whose cgroups they are.
    pub(super) fn cgroups(&self) -> BTreeMap<TaskId, u64> {
        let relied = self.relied();
        let relied = relied.iter();
        relied.map(|(task, it)| (task.clone(), it.cgroup)).collect()
    }

    fn relied(&self) -> MutexGuard<'_, BTreeMap<TaskId, Relied>> {
        self.relied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
