//! Exempting the containers of tasks that have opted out before there are any.
//!
//! The datapath knows cgroups alone, and a container's own is there only once it runs,
//! when its first connects may be over. So engines start these containers below a cgroup
//! that is for them alone ([`Engine::untranslated`]); a worker has it made and exempted
//! here before the start. It stays so while a task of this node has opted out, and
//! otherwise nobody is looked up among the exempt.
//!
//! A worker does not wait for the reconciler's next run: that one asks engines about every
//! task, and an engine that hangs would hold up the starts of the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datapath::{cgroup_id, find_cgroup2};
use engines::{Engine, EngineError};
use model::{Task, TaskId};

use crate::cgroups;
use crate::housekeeping::chain;
use crate::services::Kernel;

/// Where workers make sure of it; cheap to clone.
#[derive(Clone)]
pub(crate) struct Beforehand {
    kernel: Kernel,
    /// What starts rely on, which the reconciler may not have heard of yet. Written under
    /// the kernel's lock, so that a run that began earlier takes nothing back.
    relied: Arc<Mutex<BTreeMap<TaskId, u64>>>,
}

impl Beforehand {
    pub(crate) fn new(kernel: Kernel) -> Self {
        let relied = Arc::default();
        Self { kernel, relied }
    }

    /// Returns when the task's container may be started: if it has opted out, once it will
    /// be exempt from its first instruction. Where that cannot be, as with a full map, the
    /// task runs all the same, and is exempt as soon as the reconciler can do it.
    ///
    /// # Errors
    /// When its engine does not tell where it starts such containers.
    pub(crate) async fn ready(
        &self,
        engine: &Arc<dyn Engine>,
        task: &Task,
    ) -> Result<(), EngineError> {
        if vip::translate(&task.labels) != Ok(false) {
            return Ok(());
        }
        let Some(parent) = engine.untranslated().await? else {
            return Ok(());
        };
        if let Err(error) = self.exempt(&task.id, &parent) {
            let task = &task.id;
            tracing::warn!(%task, "its first connects may be translated: {error}");
        }
        Ok(())
    }

    fn exempt(&self, task: &TaskId, parent: &Path) -> Result<(), String> {
        let mount = find_cgroup2().map_err(|error| chain(&error))?;
        let id = made(&mount, parent)?;
        let set = self.kernel.with(|datapath| {
            self.relied().insert(task.clone(), id);
            let mut cgroups = datapath.exempt();
            cgroups.insert(id);
            datapath.set_exempt(&cgroups)
        });
        set.unwrap_or(Ok(())).map_err(|error| chain(&error))
    }

    /// Forgets the tasks that have not opted out, or are gone. The caller looks at the
    /// store only when asked: a task that comes after that is not forgotten.
    pub(super) fn forget<T>(&self, wanted: impl FnOnce() -> BTreeMap<TaskId, T>) {
        let known: Vec<_> = self.relied().keys().cloned().collect();
        let wanted = wanted();
        let mut relied = self.relied();
        for task in known {
            if !wanted.contains_key(&task) {
                relied.remove(&task);
            }
        }
    }

    /// What starts rely on.
    pub(super) fn cgroups(&self) -> Vec<u64> {
        self.relied().values().copied().collect()
    }

    fn relied(&self) -> MutexGuard<'_, BTreeMap<TaskId, u64>> {
        self.relied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of a cgroup, which is made if it is not there. systemd takes over the directory
/// of a slice that it finds.
pub(super) fn made(mount: &Path, cgroup: &Path) -> Result<u64, String> {
    // Nothing is made where another filesystem is.
    cgroup_id(mount).map_err(|error| chain(&error))?;
    let directory = cgroups::below(mount, cgroup);
    fs::create_dir_all(&directory)
        .map_err(|error| format!("cgroup {} cannot be made: {error}", directory.display()))?;
    cgroup_id(&directory).map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests;
