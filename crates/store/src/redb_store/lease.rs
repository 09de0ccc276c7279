//! When leases end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{LeaseId, StoreError};

/// Pause before an ended lease's keys are tried again when the disk refused.
const RETRY: Duration = Duration::from_secs(1);

/// Deadlines of all leases. They are kept in memory alone: renewing costs no disk.
#[derive(Debug)]
pub(super) struct Leases(Mutex<BTreeMap<LeaseId, Lease>>);

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    deadline: Instant,
    /// Its end was decided; renewing comes too late.
    ending: bool,
}

impl Leases {
    /// Leases of a former run, whose time begins anew.
    pub(super) fn new(leases: BTreeMap<LeaseId, u64>) -> Self {
        let all = Self(Mutex::new(BTreeMap::new()));
        for (id, ttl_seconds) in leases {
            all.insert(id, ttl_seconds);
        }
        all
    }

    pub(super) fn insert(&self, id: LeaseId, ttl_seconds: u64) {
        let ttl = Duration::from_secs(ttl_seconds);
        let lease = Lease {
            ttl,
            deadline: after(ttl),
            ending: false,
        };
        self.lock().insert(id, lease);
    }

    pub(super) fn remove(&self, id: LeaseId) {
        self.lock().remove(&id);
    }

    pub(super) fn renew(&self, id: LeaseId) -> Result<(), StoreError> {
        match self.lock().get_mut(&id) {
            Some(lease) if !lease.ending => {
                lease.deadline = after(lease.ttl);
                Ok(())
            }
            _ => Err(StoreError::Unavailable(format!(
                "lease {} has ended; take a new one and write its records again",
                id.0
            ))),
        }
    }

    /// When the next lease ends, if there is one.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.lock().values().map(|lease| lease.deadline).min()
    }

    /// The leases that are over; from here on they cannot be renewed.
    pub(super) fn take_ended(&self) -> Vec<LeaseId> {
        let now = Instant::now();
        let mut leases = self.lock();
        let ended = leases.iter_mut().filter(|(_, lease)| lease.deadline <= now);
        let ended = ended.map(|(id, lease)| {
            lease.ending = true;
            lease.deadline = now + RETRY;
            *id
        });
        ended.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LeaseId, Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Far futures are cut, since an instant has an end.
fn after(ttl: Duration) -> Instant {
    Instant::now() + ttl.min(Duration::from_secs(365 * 24 * 3600))
}
