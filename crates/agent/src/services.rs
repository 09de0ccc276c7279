//! The service table into the datapath, and the names into DNS.
//!
//! A change costs the same in a fleet of any size: the mirror tells which records
//! changed, the table makes the services anew that these concern, and the datapath looks
//! at those alone. What is followed like that could be wrong for ever after one mistake,
//! so at times everything is compared: all records with the table, and the table with
//! the kernel.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use datapath::{Applied, DatapathError};
use model::Timestamp;
use store::{Mirror, State};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use vip::{Changes, ServiceTable, Standpoint, VipRanges};

use crate::housekeeping::chain;
use crate::names;
use crate::node::NodeOptions;
use crate::report::Reports;
use follower::{Follower, resolver};

mod follower;
mod kernel;
mod omissions;

pub(crate) use kernel::Kernel;
pub use omissions::{Obstacle, Omission, Omissions};

/// How often everything is compared and put into force again although nothing changed.
const PERIOD: Duration = Duration::from_secs(30);

/// How soon what did not reach the kernel is tried again: what was freed lately can
/// be used after a second.
const RETRY: Duration = Duration::from_millis(1_100);

/// The reconciler.
pub(crate) struct Services {
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeOptions,
    pub(crate) ranges: VipRanges,
    pub(crate) dns: Option<SocketAddr>,
    pub(crate) names: Arc<ArcSwap<dns::Snapshot>>,
    pub(crate) kernel: Kernel,
    pub(crate) table: watch::Sender<(u64, Arc<ServiceTable>)>,
    /// What of the table the kernel has not taken.
    pub(crate) omissions: Arc<ArcSwap<Omissions>>,
    pub(crate) reports: Reports,
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    /// What changed.
    Changes,
    /// The kernel as a whole.
    Kernel,
    /// All records, too.
    Everything,
}

/// What is in force, and what is not.
struct Force {
    follower: Follower,
    /// What did not reach the kernel.
    omissions: Omissions,
    /// Why nothing did, for people.
    failure: Option<String>,
    /// When that is tried again.
    retry: Option<Instant>,
}

impl Services {
    /// Reconciles on every change and every [`PERIOD`].
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut states = self.mirror.subscribe();
        // Before the store was read once, the table would be empty, and the kernel
        // still translates with what the former daemon left.
        self.mirror.at_least(1).await;
        // Of its own, so that changes without end do not put repairs off.
        let mut regularly = tokio::time::interval(PERIOD);
        regularly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut force = self.no_force();
        let mut look = Look::Everything;
        loop {
            // Not held while waiting: the mirror uses former states again.
            let state = Arc::clone(&states.borrow_and_update());
            self.reconcile(&mut force, &state, look);
            drop(state);
            let retry = force.retry.unwrap_or_else(Instant::now);
            look = tokio::select! {
                () = stop.cancelled() => return,
                _ = regularly.tick() => {
                    self.repair();
                    Look::Everything
                }
                () = tokio::time::sleep_until(retry), if force.retry.is_some() => Look::Kernel,
                changed = states.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    Look::Changes
                }
            };
        }
    }

    /// Puts programs back that somebody took away.
    fn repair(&self) {
        let repaired = self.kernel.with(|datapath| {
            let findings = datapath.check();
            for finding in &findings {
                tracing::warn!(hook = finding.hook, problem = %finding.problem, "repairing the datapath");
            }
            if findings.is_empty() { Ok(()) } else { datapath.repair() }
        });
        if let Some(Err(error)) = repaired {
            tracing::error!(%error, "the datapath could not be repaired");
        }
    }

    /// What is in force before anything was done.
    fn no_force(&self) -> Force {
        let standpoint = Standpoint {
            own: self.dns.map(resolver).unwrap_or_default(),
            ..Standpoint::of(self.node.id.clone(), self.ranges.clone())
        };
        let here = self
            .node
            .record(Vec::new(), Vec::new(), Timestamp::default());
        Force {
            follower: Follower::new(standpoint, here),
            omissions: Omissions::default(),
            failure: None,
            retry: None,
        }
    }

    fn reconcile(&self, force: &mut Force, state: &State, look: Look) {
        let began = std::time::Instant::now();
        let look = self.follow(&mut force.follower, state, look);
        let (table, changes) = force.follower.settle();
        let applied = self.kernel.with(|datapath| match look {
            Look::Changes => datapath.apply_changes(&table, &changes),
            Look::Kernel | Look::Everything => datapath.apply(&table),
        });
        let did = force.note(applied, look);
        self.publish_omissions(&force.omissions);
        let whole = force.failure.iter().cloned();
        let mut failures: Vec<_> = whole.chain(force.omissions.told()).collect();
        failures.extend(
            table
                .problems
                .iter()
                .map(|p| format!("task {}: {}", p.task, p.message)),
        );
        // Names after the kernel: an address that DNS gives out answers.
        self.publish_names(&table, &changes, look);
        self.reports.note("services", began, did, failures);
        // Last, since it wakes those who wait for all of this.
        self.table.send_replace((state.revision, table));
    }

    /// Makes the table that of a state; yields how much more must be looked at.
    fn follow(&self, follower: &mut Follower, state: &State, look: Look) -> Look {
        let changed = self.mirror.changed(follower.revision(), state.revision);
        let Some(changed) = changed else {
            follower.rebuild(state);
            return Look::Everything;
        };
        if !follower.follow(state, &changed) {
            return Look::Everything;
        }
        if look == Look::Everything && !follower.is_of(state) {
            tracing::error!("the service table missed a change of a record; it is made anew");
            follower.rebuild(state);
        }
        look
    }

    fn publish_omissions(&self, omissions: &Omissions) {
        if **self.omissions.load() != *omissions {
            self.omissions.store(Arc::new(omissions.clone()));
        }
    }

    fn publish_names(&self, table: &ServiceTable, changes: &Changes, look: Look) {
        let former = Arc::clone(&self.table.borrow().1);
        let differs = |name: &&String| former.names.get(*name) != table.names.get(*name);
        let differ: Vec<&String> = match look {
            Look::Changes => changes.names.iter().filter(differs).collect(),
            // The changes may be those from an empty table.
            Look::Kernel | Look::Everything => {
                let gone = former.names.keys();
                let gone = gone.filter(|name| !table.names.contains_key(*name));
                table.names.keys().filter(differs).chain(gone).collect()
            }
        };
        if differ.is_empty() && !self.names.load().awaits(dns::Source::Vips) {
            return;
        }
        // Names of tasks may be published at the same time.
        self.names.rcu(|now| {
            let mut next = now.next();
            // Another name may have got the address since.
            let former = differ.iter().filter_map(|name| former.names.get(*name));
            for (address, name) in pointers(former.flatten().copied(), table) {
                let (reverse, left) = names::pointer(address, name);
                next.set(&reverse, &left);
            }
            for name in &differ {
                let addresses = table.names.get(*name).cloned().unwrap_or_default();
                for address in &addresses {
                    let (reverse, here) = names::pointer(*address, Some(name));
                    next.set(&reverse, &here);
                }
                let records = dns::Records {
                    addresses,
                    ..dns::Records::default()
                };
                if !next.set(name, &records) {
                    tracing::debug!(%name, "nobody could ask for this name");
                }
            }
            next.complete(dns::Source::Vips);
            next
        });
    }
}

/// The names that addresses have in a table, if any.
fn pointers(
    addresses: impl Iterator<Item = IpAddr>,
    table: &ServiceTable,
) -> BTreeMap<IpAddr, Option<&str>> {
    let mut found: BTreeMap<IpAddr, Option<&str>> = addresses.map(|it| (it, None)).collect();
    // Addresses rarely leave a name, and no table has names by address.
    if !found.is_empty() {
        for (name, addresses) in &table.names {
            for address in addresses {
                if let Some(left) = found.get_mut(address) {
                    *left = Some(name);
                }
            }
        }
    }
    found
}

impl Force {
    /// Notes what reached the kernel; yields that for people.
    fn note(
        &mut self,
        applied: Option<Result<Applied, DatapathError>>,
        look: Look,
    ) -> Option<String> {
        if look > Look::Changes {
            // All of it was tried again.
            self.omissions.clear();
            self.failure = None;
        }
        let did = match applied {
            Some(Ok(applied)) => {
                for failure in &applied.failures {
                    self.omissions.add(failure);
                }
                Some(format!(
                    "{} services added, {} changed, {} removed",
                    applied.added, applied.changed, applied.removed
                ))
            }
            Some(Err(error)) => {
                self.failure = Some(chain(&error));
                None
            }
            None => None,
        };
        // Further changes do not put it off.
        let retry = self.retry.filter(|_| look == Look::Changes);
        let lacks = self.failure.is_some() || self.omissions.all().next().is_some();
        self.retry = lacks.then(|| retry.unwrap_or_else(|| Instant::now() + RETRY));
        did
    }
}

#[cfg(test)]
mod tests;
