//! The redb file: everything here blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
    backends::FileBackend,
};

use crate::{Changes, Commit, Entry, LeaseId, Outcome, Snapshot, StoreError};

mod batch;

use batch::Batch;

/// Key to the revision that wrote it, its lease (0 is none) and its value.
const RECORDS: TableDefinition<&str, (u64, i64, &[u8])> = TableDefinition::new("records");
/// Leases to their time in seconds.
const LEASES: TableDefinition<i64, u64> = TableDefinition::new("leases");
/// Keys of each lease.
const LEASED: TableDefinition<(i64, &str), ()> = TableDefinition::new("leased");
/// Counters by name.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

const FORMAT: &str = "format";
const REVISION: &str = "revision";
const LAST_LEASE: &str = "last-lease";

/// The layout that this code reads and writes.
const OUR_FORMAT: u64 = 1;

/// Something to be written.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Commit(Commit),
    Grant { ttl_seconds: u64 },
    Revoke(LeaseId),
}

/// What became of one operation.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// The new lease, for [`Operation::Grant`].
    pub(super) granted: Option<LeaseId>,
    /// What watches see; none when nothing changed.
    pub(super) changes: Option<Changes>,
}

/// What became of a batch, one answer for each operation.
pub(super) type Answers = Vec<Result<Answer, StoreError>>;

#[derive(Debug)]
pub(super) struct File {
    database: Database,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let fails = |detail: String| StoreError::File {
            path: path.to_owned(),
            detail,
        };
        // Definitions may hold passwords, so the file is its owner's alone.
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| fails(format!("{error}; check its directory and permissions")))?;
        let database = FileBackend::new(opened)
            .and_then(|backend| {
                Database::builder()
                    .set_cache_size(CACHE_BYTES)
                    .set_check_integrity_on_open(true)
                    .create_with_backend(backend)
            })
            .map_err(|error| fails(why_not_opened(&error)))?;
        // A new file's name must survive a crash as well as its content does.
        if let Some(Ok(directory)) = path.parent().map(std::fs::File::open) {
            let _ = directory.sync_all();
        }
        let file = Self { database };
        file.prepare(path)?;
        Ok(file)
    }

    /// Makes the tables of a new file, and checks the layout of an older one.
    fn prepare(&self, path: &Path) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(write_failed)?;
        let found = {
            let mut meta = write.open_table(META).map_err(write_failed)?;
            let found = meta
                .get(FORMAT)
                .map_err(write_failed)?
                .map(|value| value.value());
            if found.is_none() {
                meta.insert(FORMAT, OUR_FORMAT).map_err(write_failed)?;
                meta.insert(REVISION, 1).map_err(write_failed)?;
            }
            found
        };
        match found {
            Some(OUR_FORMAT) => return write.abort().map_err(write_failed),
            Some(other) => {
                return Err(StoreError::File {
                    path: PathBuf::from(path),
                    detail: format!(
                        "its layout is {other} and this version knows {OUR_FORMAT}; \
                         use the version that wrote it"
                    ),
                });
            }
            None => {}
        }
        write.open_table(RECORDS).map_err(write_failed)?;
        write.open_table(LEASES).map_err(write_failed)?;
        write.open_table(LEASED).map_err(write_failed)?;
        write.commit().map_err(write_failed)
    }

    pub(super) fn revision(&self) -> Result<u64, StoreError> {
        let read = self.database.begin_read().map_err(read_failed)?;
        revision_of(&read.open_table(META).map_err(read_failed)?)
    }

    pub(super) fn leases(&self) -> Result<BTreeMap<LeaseId, u64>, StoreError> {
        let read = self.database.begin_read().map_err(read_failed)?;
        let table = read.open_table(LEASES).map_err(read_failed)?;
        let leases = table.iter().map_err(read_failed)?.map(|row| {
            let (id, ttl) = row.map_err(read_failed)?;
            Ok((LeaseId(id.value()), ttl.value()))
        });
        leases.collect()
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let read = self.database.begin_read().map_err(read_failed)?;
        let table = read.open_table(RECORDS).map_err(read_failed)?;
        let found = table.get(key).map_err(read_failed)?;
        Ok(found.map(|row| entry(key, row.value())))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        let read = self.database.begin_read().map_err(read_failed)?;
        let revision = revision_of(&read.open_table(META).map_err(read_failed)?)?;
        let table = read.open_table(RECORDS).map_err(read_failed)?;
        let mut entries = Vec::new();
        for row in table.range(prefix..).map_err(read_failed)? {
            let (key, value) = row.map_err(read_failed)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            entries.push(entry(key.value(), value.value()));
        }
        Ok(Snapshot { revision, entries })
    }

    /// Applies operations in their order and in one durable transaction.
    ///
    /// # Errors
    /// The outer one says that none of them was applied, as far as this call knows.
    pub(super) fn apply(&self, operations: &[Operation]) -> Result<Answers, StoreError> {
        let write = self.database.begin_write().map_err(write_failed)?;
        let answers = {
            let mut batch = Batch::begin(&write)?;
            let answers = operations
                .iter()
                .map(|operation| batch.apply(operation))
                .collect::<Result<Answers, StoreError>>()?;
            batch.finish()?;
            answers
        };
        // Conflicts and changes of nothing need no sync of the disk.
        if !operations
            .iter()
            .zip(&answers)
            .any(|(operation, answer)| leaves_trace(operation, answer))
        {
            write.abort().map_err(write_failed)?;
            return Ok(answers);
        }
        write.commit().map_err(write_failed)?;
        Ok(answers)
    }
}

/// Whether an operation changed anything in the file.
fn leaves_trace(operation: &Operation, answer: &Result<Answer, StoreError>) -> bool {
    match operation {
        Operation::Commit(_) => answer.as_ref().is_ok_and(|answer| answer.changes.is_some()),
        Operation::Grant { .. } | Operation::Revoke(_) => true,
    }
}

/// redb's cache of pages; the working set is a few megabytes.
const CACHE_BYTES: usize = 8 << 20;

fn entry(key: &str, (revision, _, value): (u64, i64, &[u8])) -> Entry {
    Entry {
        key: key.to_owned(),
        value: Bytes::copy_from_slice(value),
        revision,
    }
}

fn revision_of(meta: &impl ReadableTable<&'static str, u64>) -> Result<u64, StoreError> {
    match meta.get(REVISION).map_err(read_failed)? {
        Some(revision) => Ok(revision.value()),
        None => Err(StoreError::Read("the file holds no revision".to_owned())),
    }
}

fn why_not_opened(error: &DatabaseError) -> String {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            "another process has it open; only one daemon can use it, so end the other one or \
             give this one a directory of its own"
                .to_owned()
        }
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::StorageFull =>
        {
            format!("{error}; free some space and start again")
        }
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != std::io::ErrorKind::InvalidData
                && error.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            format!("{error}; check the disk and the permissions")
        }
        other => format!(
            "it is damaged or not a store ({other}); it was left as it is: move it away and \
             put a backup in its place"
        ),
    }
}

fn read_failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Read(error.into().to_string())
}

fn write_failed(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            StoreError::Write(format!("{error}; free some space and try again"))
        }
        other => StoreError::Write(other.to_string()),
    }
}

/// The first key that is written twice; etcd refuses such transactions as well.
fn written_twice(commit: &Commit) -> Option<&str> {
    let mut seen = BTreeSet::new();
    commit
        .writes
        .iter()
        .map(crate::Write::key)
        .find(|key| !seen.insert(*key))
}
