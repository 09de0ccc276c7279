//! What became of ejections and sweeps, as numbers that only grow.
//!
//! They begin anew with the daemon. By VIP port they are kept for as long as the port is
//! in the table, so that they never take more room than it does.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vip::ServiceKey;

/// All that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// By VIP port; one that is absent has seen nothing.
    pub services: BTreeMap<ServiceKey, ServiceCounts>,
    /// Ejections of backends that were gone before anybody could tell whose they were.
    pub unknown: u64,
    /// What sweeps did.
    pub sweeps: SweepCounts,
}

/// What became of a VIP port's ejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceCounts {
    /// How often one of its backends was ejected.
    pub ejections: u64,
    /// Probes from the host that a backend answered.
    pub answered: u64,
    /// Probes that it refused or left without an answer.
    pub failed: u64,
    /// Probes that say nothing, since this host could not ask.
    pub unclear: u64,
}

/// What sweeps did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepCounts {
    /// Sockets that they ended.
    pub ended: u64,
    /// Those of them that could not do all that was due.
    pub failed: u64,
}

impl AddAssign for ServiceCounts {
    fn add_assign(&mut self, other: Self) {
        self.ejections += other.ejections;
        self.answered += other.answered;
        self.failed += other.failed;
        self.unclear += other.unclear;
    }
}

/// Where the reconcilers count; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Counts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    counted: Mutex<Counted>,
    /// Apart, so that who must not wait counts without a lock.
    unheard: AtomicU64,
}

impl Counts {
    /// A copy of everything.
    #[must_use]
    pub fn all(&self) -> Counted {
        let mut counted = self.lock().clone();
        counted.unknown += self.0.unheard.load(Relaxed);
        counted
    }

    /// Counts something of a VIP port.
    pub(crate) fn service(&self, service: ServiceKey, count: impl FnOnce(&mut ServiceCounts)) {
        count(self.lock().services.entry(service).or_default());
    }

    /// Counts an ejection of nobody knows whose backend.
    pub(crate) fn unknown(&self) {
        self.lock().unknown += 1;
    }

    /// As [`Counts::unknown`], without waiting for anybody.
    pub(crate) fn unheard(&self) {
        self.0.unheard.fetch_add(1, Relaxed);
    }

    /// Counts a sweep that ended so many sockets.
    pub(crate) fn sweep(&self, ended: usize, failed: bool) {
        let sweeps = &mut self.lock().sweeps;
        sweeps.ended += u64::try_from(ended).unwrap_or(u64::MAX);
        sweeps.failed += u64::from(failed);
    }

    /// Forgets VIP ports that are gone.
    pub(crate) fn keep(&self, is_there: impl Fn(&ServiceKey) -> bool) {
        self.lock().services.retain(|service, _| is_there(service));
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        let counted = self.0.counted.lock();
        counted.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel_lab::key;

    #[test]
    fn everything_is_counted_and_ports_that_are_gone_are_forgotten() {
        let (counts, gone) = (Counts::default(), ServiceKey { port: 81, ..key() });
        for service in [key(), gone, key()] {
            counts.clone().service(service, |it| it.ejections += 1);
        }
        counts.service(key(), |it| it.failed += 1);
        counts.unknown();
        counts.unheard();
        counts.sweep(3, false);
        counts.sweep(1, true);
        let all = counts.all();
        let web = ServiceCounts {
            ejections: 2,
            failed: 1,
            ..ServiceCounts::default()
        };
        assert_eq!((all.services[&key()], all.services.len()), (web, 2));
        assert_eq!(all.unknown, 2);
        assert_eq!((all.sweeps.ended, all.sweeps.failed), (4, 1));
        counts.keep(|service| *service == key());
        let left: Vec<_> = counts.all().services.into_iter().collect();
        assert_eq!(left, [(key(), web)]);
        assert_eq!(counts.all().unknown, 2, "these are nobody's");
    }
}
