//! What VIPs have come to, as numbers that only grow.
//!
//! The kernel counts for each backend, in 32 bits where it must be cheap, and forgets a
//! backend that is gone. A sum over the backends that there are would therefore fall
//! whenever one goes, which reads as a restart. So each look adds what has come since
//! the one before; what came to a backend between the last look and its end is lost.

use std::collections::{BTreeMap, HashMap};

use datapath::{BackendUsage, Connects, ServiceUsage};
use vip::ServiceKey;

/// How many more backends than there are may be remembered for coming back.
const KEPT: usize = 64;

/// How many buckets a histogram has.
pub(super) const BUCKETS: usize = Connects::BOUNDS.len() + 1;

/// The totals of all VIPs since the daemon began to count.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<ServiceKey, Account>);

/// What a VIP's port has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    /// Connections and pinned UDP sockets.
    pub(super) connects: u64,
    /// Connections and datagrams refused for want of a backend.
    pub(super) refused: u64,
    /// Failed connects as [`KINDS`] says.
    pub(super) failures: [u64; KINDS.len()],
    /// Handshakes by their time.
    pub(super) times: [u64; BUCKETS],
}

/// Kinds of failed connects, as labels say.
pub(super) const KINDS: [&str; 4] = ["refused", "unanswered", "unroutable", "aborted"];

#[derive(Debug, Default)]
struct Account {
    totals: Totals,
    /// What was last seen of each backend, by its identity.
    seen: HashMap<u64, Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    total: u64,
    failures: [u32; KINDS.len()],
    times: [u32; BUCKETS],
}

impl Ledger {
    /// Takes note of what the kernel counts now. VIPs that are gone are forgotten.
    pub(super) fn note(&mut self, usage: &[ServiceUsage]) {
        let mut before = std::mem::take(&mut self.0);
        for service in usage {
            let mut account = before.remove(&service.key).unwrap_or_default();
            account.note(service);
            self.0.insert(service.key, account);
        }
    }

    /// What a VIP's port has come to; zeros for one that is not known.
    pub(super) fn totals(&self, key: &ServiceKey) -> Totals {
        self.0
            .get(key)
            .map_or_else(Totals::default, |account| account.totals)
    }
}

impl Account {
    fn note(&mut self, service: &ServiceUsage) {
        // It is the kernel's own sum for the service, so that nothing is lost.
        self.totals.refused = service.refused;
        for backend in &service.backends {
            let now = Seen::of(backend);
            let before = self.seen.insert(backend.identity, now);
            // One that the kernel had forgotten and that has come back begins at nothing.
            let before = before.filter(|before| now.follows(before));
            let before = before.unwrap_or_default();
            self.totals.add(now, before);
        }
        if self.seen.len() > 2 * service.backends.len() + KEPT {
            let there = |id: &u64| service.backends.iter().any(|it| it.identity == *id);
            self.seen.retain(|identity, _| there(identity));
        }
    }
}

impl Seen {
    fn of(backend: &BackendUsage) -> Self {
        Self {
            total: backend.total,
            failures: failures(&backend.connects),
            times: backend.connects.times,
        }
    }
}

impl Seen {
    /// Whether the counters have only grown since; those of 32 bits begin anew after
    /// the highest, and by half of that at most between two looks.
    fn follows(&self, before: &Self) -> bool {
        let now = self.failures.iter().chain(&self.times);
        let then = before.failures.iter().chain(&before.times);
        self.total >= before.total
            && now
                .zip(then)
                .all(|(now, then)| now.wrapping_sub(*then) <= u32::MAX / 2)
    }
}

/// In the order of [`KINDS`].
pub(super) fn failures(connects: &Connects) -> [u32; KINDS.len()] {
    [
        connects.refused,
        connects.unanswered,
        connects.unroutable,
        connects.aborted,
    ]
}

impl Totals {
    fn add(&mut self, now: Seen, before: Seen) {
        self.connects += now.total - before.total;
        let failures = self.failures.iter_mut();
        for ((sum, now), before) in failures.zip(now.failures).zip(before.failures) {
            *sum += u64::from(now.wrapping_sub(before));
        }
        for ((sum, now), before) in self.times.iter_mut().zip(now.times).zip(before.times) {
            *sum += u64::from(now.wrapping_sub(before));
        }
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.connects += other.connects;
        self.refused += other.refused;
        for (sum, more) in self.failures.iter_mut().zip(other.failures) {
            *sum += more;
        }
        for (sum, more) in self.times.iter_mut().zip(other.times) {
            *sum += more;
        }
    }
}

#[cfg(test)]
mod tests;
