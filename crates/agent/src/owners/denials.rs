//! Binds that were refused, for people: whose they were and what was wanted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use datapath::Denied;
use model::{Protocol, TaskId, Timestamp};

/// What a task was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// How often, as far as it was counted.
    pub count: u64,
    /// The last address that was told.
    pub address: SocketAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The process that asked.
    pub pid: u32,
    /// And its name.
    pub comm: String,
    /// When that was.
    pub at: Timestamp,
}

/// The tasks of this node that were refused a port; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Denials(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    tasks: BTreeMap<u64, TaskId>,
    denials: BTreeMap<TaskId, Denial>,
}

impl Denials {
    /// What each task was refused.
    #[must_use]
    pub fn all(&self) -> BTreeMap<TaskId, Denial> {
        self.lock().denials.clone()
    }

    /// Whose cgroups these are. What others were refused is forgotten with them.
    pub(super) fn know(&self, running: &BTreeMap<TaskId, u64>, starting: &BTreeMap<TaskId, u64>) {
        let mut inner = self.lock();
        let all = running.iter().chain(starting);
        inner.tasks = all.map(|(task, cgroup)| (*cgroup, task.clone())).collect();
        let Inner { tasks, denials } = &mut *inner;
        denials.retain(|task, _| tasks.values().any(|it| it == task));
    }

    /// How often each cgroup was refused something.
    pub(super) fn count(&self, denied: &BTreeMap<u64, u64>) {
        let mut inner = self.lock();
        let Inner { tasks, denials } = &mut *inner;
        for (cgroup, task) in tasks {
            if let (Some(count), Some(denial)) = (denied.get(cgroup), denials.get_mut(task)) {
                denial.count = denial.count.max(*count);
            }
        }
    }

    /// A bind was refused.
    pub(crate) fn note(&self, denied: Denied) {
        let Denied {
            address,
            protocol,
            pid,
            comm,
            cgroup,
            at,
        } = denied;
        let mut inner = self.lock();
        let Some(task) = inner.tasks.get(&cgroup).cloned() else {
            tracing::info!(%address, %protocol, cgroup, pid, comm, "a bind was refused");
            return;
        };
        tracing::info!(
            %task, %address, %protocol, pid, comm,
            "a bind was refused: the task was not given this port"
        );
        let count = inner.denials.get(&task).map_or(0, |known| known.count) + 1;
        let denial = Denial {
            count,
            address,
            protocol,
            pid,
            comm,
            at: (SystemTime::now() - at.elapsed()).into(),
        };
        inner.denials.insert(task, denial);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
