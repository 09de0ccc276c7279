//! The store of a single host: one redb file.
//!
//! redb is blocking and syncs the disk on each of its transactions. So there is one
//! writer, which takes every commit that queued up while the disk was busy into one
//! redb transaction; each commit still sees what the earlier ones of its batch
//! wrote and applies or not on its own. Commits are answered after the sync.
//! History is kept in memory only: a watch from before the start is compacted, and
//! whoever watches lists again, as it has to at its own start anyway.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};

use crate::{Commit, Entry, LeaseId, Outcome, Snapshot, Store, StoreError, Watch};

mod file;
mod history;
mod lease;
mod writer;

use file::{Answer, File, Operation};
use history::History;
use lease::Leases;
use writer::{Request, Writer};

/// Commits that wait for the disk at most; further ones wait for a place.
const QUEUE: usize = 1024;

/// A store in one redb file, for one process at a time.
#[derive(Debug)]
pub struct RedbStore {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Readers share it; empty while it is opened again after a failure and when
    /// it was closed.
    file: RwLock<Option<File>>,
    history: History,
    leases: Leases,
}

impl RedbStore {
    /// Opens the file at `path`, or makes it; its directory must exist.
    ///
    /// Checks the whole file. Keys bound to leases of a former run vanish after
    /// their lease's time, counted from now, unless it is renewed. Must be called
    /// inside a tokio runtime, which then does the writing.
    ///
    /// # Errors
    /// When another process has the file, or it cannot be read, or it is not a store.
    /// The file is never replaced or emptied.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let for_error = path.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let file = File::open(&path)?;
            let (revision, leases) = (file.revision()?, file.leases()?);
            let leases = Leases::new(leases);
            let history = History::new(revision);
            Ok(Shared {
                path,
                file: RwLock::new(Some(file)),
                history,
                leases,
            })
        });
        let shared = opened.await.unwrap_or_else(|error| {
            Err(StoreError::File {
                path: for_error,
                detail: format!("reading it broke: {error}"),
            })
        })?;
        let shared = Arc::new(shared);
        let (requests, queue) = mpsc::channel(QUEUE);
        tokio::spawn(Writer::new(Arc::clone(&shared), queue).run());
        Ok(Self { shared, requests })
    }

    /// Finishes what is queued and lets go of the file; the store fails from then on.
    ///
    /// Not needed for safety, only to open the file again soon.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.requests.send(Request::Close(answer)).await.is_ok() {
            // The writer being gone means that it is closed, too.
            let _ = closed.await;
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&File) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.with_file(read))
            .await
            .unwrap_or_else(|error| Err(StoreError::Read(error.to_string())))
    }

    async fn ask(&self, operation: Operation) -> Result<Answer, StoreError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Apply(operation, answer);
        self.requests.send(request).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

impl Shared {
    fn with_file<T>(
        &self,
        use_file: impl FnOnce(&File) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        use_file(file.as_ref().ok_or_else(closed)?)
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("its file is not open".to_owned())
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let key = key.to_owned();
        self.read(move |file| file.get(&key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |file| file.list(&prefix)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError> {
        Ok(self.ask(Operation::Commit(commit)).await?.outcome)
    }

    async fn watch(&self, prefix: &str, from: u64) -> Result<Watch, StoreError> {
        Ok(self.shared.history.watch(prefix, from).boxed())
    }

    async fn grant(&self, ttl_seconds: u64) -> Result<LeaseId, StoreError> {
        let answer = self.ask(Operation::Grant { ttl_seconds }).await?;
        answer
            .granted
            .ok_or_else(|| StoreError::Unavailable("no lease was made".to_owned()))
    }

    async fn renew(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.shared.leases.renew(lease)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.ask(Operation::Revoke(lease)).await.map(|_| ())
    }
}
