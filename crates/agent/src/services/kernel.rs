//! The datapath as the agent shares it.

use std::sync::{Arc, Mutex, PoisonError};

use datapath::{Datapath, ServiceUsage};

/// The datapath, shared by the reconcilers that feed it and the views that read it.
///
/// Its calls are system calls on maps, microseconds each; the lock is never held
/// over an await.
#[derive(Clone)]
pub(crate) struct Kernel(Arc<Mutex<Option<Datapath>>>);

impl Kernel {
    pub(crate) fn new(datapath: Option<Datapath>) -> Self {
        Self(Arc::new(Mutex::new(datapath)))
    }

    /// Runs `work` on the datapath; nothing happens on a node without one.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Datapath) -> T) -> Option<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .map(work)
    }

    pub(crate) fn usage(&self) -> Vec<ServiceUsage> {
        self.with(|datapath| datapath.usage()).unwrap_or_default()
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.with(|datapath| datapath.check())
            .map(|findings| {
                findings
                    .iter()
                    .map(|it| format!("{}: {}", it.hook, it.problem))
                    .collect()
            })
            .unwrap_or_else(|| {
                vec!["this node translates no VIPs: see `sealane doctor`".to_owned()]
            })
    }
}
