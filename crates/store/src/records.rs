//! Records by their identifiers.

use std::sync::Arc;

use marathon::App;
use model::{AppId, Timestamp};

use crate::change::AppWrite;
use crate::keys::{Key, versions_prefix};
use crate::{Change, Compare, LeaseId, Outcome, State, Store, StoreError, Write};

/// How many versions of an app are kept (Marathon's default for `zk_max_versions`).
pub const KEPT_VERSIONS: usize = 50;

/// The typed side of a store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Records {
    store: Arc<dyn Store>,
}

impl Records {
    /// The records of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Applies a change; when this returns [`Outcome::Committed`] it is durable.
    ///
    /// A change of nothing commits as well, as the revision that the store has.
    ///
    /// # Errors
    /// When a record of the change could not be written as text, or the store failed;
    /// nothing was changed then.
    pub async fn commit(&self, change: Change) -> Result<Outcome, StoreError> {
        let Change {
            mut commit,
            apps,
            fault,
        } = change;
        if let Some(fault) = fault {
            return Err(fault);
        }
        for write in &apps {
            let (compare, deletes) = self.settle_versions(write).await?;
            commit.compares.extend(compare);
            commit.writes.extend(deletes);
        }
        self.store.commit(commit).await
    }

    /// Every record, read afresh; [`crate::Mirror`] is the cheap way.
    ///
    /// # Errors
    /// When the store cannot be read. A record that is not readable is no error.
    pub async fn state(&self) -> Result<State, StoreError> {
        Ok(State::from_snapshot(&self.store.list("").await?))
    }

    /// The versions of an app, oldest first; empty when there is no such app.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn app_versions(&self, app: &AppId) -> Result<Vec<Timestamp>, StoreError> {
        let found = self.store.list(&versions_prefix(app)).await?.entries;
        Ok(found
            .iter()
            .filter_map(|entry| version_of(&entry.key))
            .collect())
    }

    /// An app as it was in `version`.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is not an app.
    pub async fn app_version(
        &self,
        app: &AppId,
        version: Timestamp,
    ) -> Result<Option<App>, StoreError> {
        let key = Key::AppVersion(app.clone(), version).to_string();
        let Some(entry) = self.store.get(&key).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&entry.value)
            .map(Some)
            .map_err(|error| StoreError::Record {
                key,
                detail: error.to_string(),
            })
    }

    /// A lease of `ttl_seconds`, for [`Change::put_node`].
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn grant(&self, ttl_seconds: u64) -> Result<LeaseId, StoreError> {
        self.store.grant(ttl_seconds).await
    }

    /// Renews a lease.
    ///
    /// # Errors
    /// When it has ended, or the store does not answer.
    pub async fn renew(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.renew(lease).await
    }

    /// Ends a lease; its records are deleted.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.revoke(lease).await
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Which version records go together with a write of their app.
    ///
    /// A delete that expects nothing of the app is bound to the app that was read
    /// here: otherwise a version written in between would outlive it.
    async fn settle_versions(
        &self,
        write: &AppWrite,
    ) -> Result<(Option<Compare>, Vec<Write>), StoreError> {
        let key = Key::App(write.app.clone()).to_string();
        let compare = if write.unconditional {
            Some(match self.store.get(&key).await? {
                Some(entry) => Compare::Revision(key, entry.revision),
                None => Compare::Absent(key),
            })
        } else {
            None
        };
        let mut old = self.store.list(&versions_prefix(&write.app)).await?.entries;
        if !write.deleted {
            // The one that is being written takes a place as well.
            old.truncate((old.len() + 1).saturating_sub(KEPT_VERSIONS));
        }
        Ok((
            compare,
            old.into_iter()
                .map(|entry| Write::Delete(entry.key))
                .collect(),
        ))
    }
}

fn version_of(key: &str) -> Option<Timestamp> {
    match Key::parse(key) {
        Ok(Some(Key::AppVersion(_, version))) => Some(version),
        _ => None,
    }
}
