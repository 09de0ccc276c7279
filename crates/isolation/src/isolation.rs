//! The daemon's door.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::shared::Shared;
use crate::{Done, Isolated, IsolationError, Options, Statistics, Wanted};

/// The isolated tasks of a node. Cheap to clone.
///
/// All work is done in the network namespace in which the tokio runtime's threads are.
#[derive(Debug, Clone)]
pub struct Isolation {
    shared: Arc<Shared>,
}

impl Isolation {
    /// Checks the options and reads the records. Nothing is made before it is needed, and
    /// nothing that is there is touched.
    ///
    /// # Errors
    /// If the pool makes no sense or meets the node's own range, or the records cannot be
    /// read.
    pub fn new(options: Options) -> Result<Self, IsolationError> {
        let shared = Arc::new(Shared::open(options)?);
        Ok(Self { shared })
    }

    /// Makes a task's namespace, or returns the one that it has. Another wish than before
    /// changes ports and rate of what is there.
    ///
    /// # Errors
    /// If a port is somebody else's, no range is left, or the kernel refuses. Nothing is
    /// left of a namespace that could not be made.
    pub async fn attach(&self, id: &str, wanted: &Wanted) -> Result<Isolated, IsolationError> {
        let (id, wanted) = (id.to_owned(), wanted.clone());
        self.work(move |shared| shared.attach(&id, &wanted)).await
    }

    /// Removes a task's namespace and gives back its ports; none is fine.
    ///
    /// # Errors
    /// If the kernel refuses; the ports stay taken until it is tried again.
    pub async fn detach(&self, id: &str) -> Result<(), IsolationError> {
        let id = id.to_owned();
        self.work(move |shared| shared.detach(&id)).await
    }

    /// The namespace that a task has.
    ///
    /// # Errors
    /// If the work could not be done at all.
    pub async fn recorded(&self, id: &str) -> Result<Option<Isolated>, IsolationError> {
        let id = id.to_owned();
        self.work(move |shared| Ok(shared.recorded(&id))).await
    }

    /// Makes all as it is recorded: programs on interfaces that are new, links and ports of
    /// tasks that live; and removes what no living task has, whether a record is left of
    /// it, a link or a namespace. After a restart this takes over what runs.
    ///
    /// Who lives is asked when nothing is attached meanwhile: a task that begins while this
    /// waits for its turn must not pass for a dead one.
    ///
    /// # Errors
    /// The first thing that could not be done; everything else was.
    pub async fn reconcile(
        &self,
        living: impl FnOnce() -> BTreeSet<String> + Send + 'static,
    ) -> Result<Done, IsolationError> {
        self.work(move |shared| shared.reconcile(living)).await
    }

    /// What went through a task's link; none for a task that has none.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub async fn statistics(&self, id: &str) -> Result<Option<Statistics>, IsolationError> {
        let id = id.to_owned();
        self.work(move |shared| shared.statistics(&id)).await
    }

    /// Removes all namespaces, links, programs and records of isolated tasks.
    ///
    /// # Errors
    /// The first thing that could not be done; everything else was.
    pub async fn remove_all(&self) -> Result<(), IsolationError> {
        self.work(Shared::remove_all).await
    }

    /// Does blocking work where it may block.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, IsolationError> + Send + 'static,
    ) -> Result<T, IsolationError> {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or(Err(IsolationError::Panicked))
    }
}
