//! Why the store could not do something.

use std::path::PathBuf;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store's file cannot be used.
    #[error("store file {path} cannot be used: {detail}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would help.
        detail: String,
    },
    /// No room, or another failure of the disk. The change was not accepted.
    #[error("the store could not write: {0}; the change was not accepted")]
    Write(String),
    /// Reading failed.
    #[error("the store could not read: {0}")]
    Read(String),
    /// A record does not have the shape it should have.
    #[error("record '{key}' is not readable: {detail}")]
    Record {
        /// Its key.
        key: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The watch asked for history that is gone: list again and watch from there.
    #[error("revision {0} is no longer kept")]
    Compacted(u64),
    /// The store is closed or unreachable.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}
