//! The contract of a store: a small subset of what etcd offers.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::StoreError;

/// A key with its value and the revision that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// Revision of the transaction that last wrote it; never 0.
    pub revision: u64,
}

/// Entries as of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The store's revision, at least 1; a watch from the next one misses nothing.
    pub revision: u64,
    /// In the order of their keys.
    pub entries: Vec<Entry>,
}

/// A condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// The key does not exist.
    Absent(String),
    /// The key was last written by this revision.
    Revision(String, u64),
}

/// A change of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets a key, optionally bound to a lease.
    Put(String, Bytes, Option<LeaseId>),
    /// Deletes a key; no matter if it does not exist.
    Delete(String),
}

impl Write {
    /// The key that is set or deleted.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(key, ..) | Self::Delete(key) => key,
        }
    }
}

/// A transaction: all writes when every compare holds, otherwise none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// All must hold.
    pub compares: Vec<Compare>,
    /// Applied in one revision; each key at most once.
    pub writes: Vec<Write>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Applied durably as this revision. If there was nothing to change (deletes of
    /// keys that do not exist), the revision that the store has already.
    Committed(u64),
    /// A compare did not hold; nothing changed.
    Conflict,
}

/// One change seen by a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key has this value now.
    Put(Entry),
    /// The key was deleted by this revision.
    Delete {
        /// The key.
        key: String,
        /// The revision.
        revision: u64,
    },
}

impl Event {
    /// The key that changed.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Delete { key, .. } => key,
        }
    }
}

/// What one revision changed, as far as a watch asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The revision.
    pub revision: u64,
    /// Never empty; at most one event for each key.
    pub events: Vec<Event>,
}

/// Transactions in the order of their revisions, whole and without gaps; ends with
/// an error.
pub type Watch = BoxStream<'static, Result<Changes, StoreError>>;

/// A lease: its keys vanish when it is not renewed in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub i64);

/// A store. One suite of tests runs against every implementation.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The entry at `key`.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// All entries whose keys begin with `prefix`, as of one revision.
    async fn list(&self, prefix: &str) -> Result<Snapshot, StoreError>;

    /// Applies a transaction; when this returns [`Outcome::Committed`] it is durable.
    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError>;

    /// Changes below `prefix` from revision `from` on, that one included.
    ///
    /// Yields [`StoreError::Compacted`] when `from` is older than what is kept.
    async fn watch(&self, prefix: &str, from: u64) -> Result<Watch, StoreError>;

    /// A lease of `ttl_seconds`.
    async fn grant(&self, ttl_seconds: u64) -> Result<LeaseId, StoreError>;

    /// Renews a lease; an error when it has ended.
    async fn renew(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Ends a lease and deletes its keys.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;
}
