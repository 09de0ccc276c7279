//! Operations inside one redb transaction.

use redb::{ReadableTable, Table, WriteTransaction};

use super::{
    Answer, LAST_LEASE, LEASED, LEASES, META, Operation, RECORDS, REVISION, revision_of,
    write_failed, written_twice,
};
use crate::{Changes, Commit, Compare, Entry, Event, LeaseId, Outcome, StoreError, Write};

/// The open tables of a transaction, and the revision it has reached.
pub(super) struct Batch<'t> {
    records: Table<'t, &'static str, (u64, i64, &'static [u8])>,
    leases: Table<'t, i64, u64>,
    leased: Table<'t, (i64, &'static str), ()>,
    meta: Table<'t, &'static str, u64>,
    revision: u64,
}

impl<'t> Batch<'t> {
    pub(super) fn begin(write: &'t WriteTransaction) -> Result<Self, StoreError> {
        let meta = write.open_table(META).map_err(write_failed)?;
        let revision = revision_of(&meta)?;
        Ok(Self {
            records: write.open_table(RECORDS).map_err(write_failed)?,
            leases: write.open_table(LEASES).map_err(write_failed)?,
            leased: write.open_table(LEASED).map_err(write_failed)?,
            meta,
            revision,
        })
    }

    /// Applies one operation; the inner error concerns it alone, the outer one ends
    /// the whole batch.
    pub(super) fn apply(
        &mut self,
        operation: &Operation,
    ) -> Result<Result<Answer, StoreError>, StoreError> {
        match operation {
            Operation::Commit(commit) => {
                if let Some(refusal) = self.refusal(commit)? {
                    return Ok(Err(refusal));
                }
                if self.holds(&commit.compares)? {
                    self.write(&commit.writes).map(Ok)
                } else {
                    Ok(Ok(Answer {
                        outcome: Outcome::Conflict,
                        granted: None,
                        changes: None,
                    }))
                }
            }
            Operation::Grant { ttl_seconds } => self.grant(*ttl_seconds).map(Ok),
            Operation::Revoke(lease) => self.revoke(*lease).map(Ok),
        }
    }

    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.meta
            .insert(REVISION, self.revision)
            .map_err(write_failed)?;
        Ok(())
    }

    /// Why a commit cannot be applied whatever the store holds.
    fn refusal(&self, commit: &Commit) -> Result<Option<StoreError>, StoreError> {
        if let Some(key) = written_twice(commit) {
            return Ok(Some(StoreError::Record {
                key: key.to_owned(),
                detail: "it is written twice in one change".to_owned(),
            }));
        }
        for write in &commit.writes {
            if let Write::Put(key, _, Some(lease)) = write
                && self.leases.get(lease.0).map_err(write_failed)?.is_none()
            {
                return Ok(Some(StoreError::Record {
                    key: key.clone(),
                    detail: format!("its lease {} has ended; take a new one", lease.0),
                }));
            }
        }
        Ok(None)
    }

    fn holds(&self, compares: &[Compare]) -> Result<bool, StoreError> {
        for compare in compares {
            let (key, expected) = match compare {
                Compare::Absent(key) => (key, None),
                Compare::Revision(key, revision) => (key, Some(*revision)),
            };
            let found = self.records.get(key.as_str()).map_err(write_failed)?;
            if found.map(|row| row.value().0) != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn write(&mut self, writes: &[Write]) -> Result<Answer, StoreError> {
        let revision = self.revision + 1;
        let mut events = Vec::new();
        for write in writes {
            let key = write.key();
            let before = self.lease_of(key)?;
            if let Some(lease) = before.filter(|lease| *lease != 0) {
                self.leased.remove((lease, key)).map_err(write_failed)?;
            }
            match write {
                Write::Put(_, value, lease) => {
                    let lease = lease.map_or(0, |lease| lease.0);
                    let row = (revision, lease, &**value);
                    self.records.insert(key, row).map_err(write_failed)?;
                    if lease != 0 {
                        self.leased.insert((lease, key), ()).map_err(write_failed)?;
                    }
                    let (key, value) = (key.to_owned(), value.clone());
                    events.push(Event::Put(Entry {
                        key,
                        value,
                        revision,
                    }));
                }
                Write::Delete(_) if before.is_some() => {
                    self.records.remove(key).map_err(write_failed)?;
                    events.push(Event::Delete {
                        key: key.to_owned(),
                        revision,
                    });
                }
                Write::Delete(_) => {}
            }
        }
        Ok(self.answer(events))
    }

    /// Closes a revision with what it changed.
    fn answer(&mut self, events: Vec<Event>) -> Answer {
        let changes = if events.is_empty() {
            None
        } else {
            self.revision += 1;
            Some(Changes {
                revision: self.revision,
                events,
            })
        };
        Answer {
            outcome: Outcome::Committed(self.revision),
            granted: None,
            changes,
        }
    }

    fn lease_of(&self, key: &str) -> Result<Option<i64>, StoreError> {
        Ok(self
            .records
            .get(key)
            .map_err(write_failed)?
            .map(|row| row.value().1))
    }

    fn grant(&mut self, ttl_seconds: u64) -> Result<Answer, StoreError> {
        // A number is never used again, so that a late renewal cannot meet another lease.
        let last = self
            .meta
            .get(LAST_LEASE)
            .map_err(write_failed)?
            .map_or(0, |row| row.value());
        self.meta
            .insert(LAST_LEASE, last + 1)
            .map_err(write_failed)?;
        let id = i64::try_from(last + 1).map_err(|error| StoreError::Write(error.to_string()))?;
        self.leases.insert(id, ttl_seconds).map_err(write_failed)?;
        let mut answer = self.answer(Vec::new());
        answer.granted = Some(LeaseId(id));
        Ok(answer)
    }

    fn revoke(&mut self, lease: LeaseId) -> Result<Answer, StoreError> {
        let mut writes = Vec::new();
        let keys = self.leased.range((lease.0, "")..).map_err(write_failed)?;
        for row in keys {
            let (key, _) = row.map_err(write_failed)?;
            let (owner, key) = key.value();
            if owner != lease.0 {
                break;
            }
            writes.push(Write::Delete(key.to_owned()));
        }
        self.leases.remove(lease.0).map_err(write_failed)?;
        self.write(&writes)
    }
}
