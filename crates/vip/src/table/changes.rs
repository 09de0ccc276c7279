//! What differs between a table and the one before it, and how the next one is made
//! without copying everything.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Problem, ServiceKey, ServiceTable};

/// What differs between two tables. What they have there is in the tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Services that are new, gone or different.
    pub services: BTreeSet<ServiceKey>,
    /// Addresses that are new or gone.
    pub addresses: BTreeSet<IpAddr>,
    /// Names that are new, gone or resolve to something else.
    pub names: BTreeSet<String>,
    /// Problems that are new or gone.
    pub problems: BTreeSet<Problem>,
}

impl Changes {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.addresses.is_empty()
            && self.names.is_empty()
            && self.problems.is_empty()
    }
}

impl ServiceTable {
    /// Becomes `next`, which differs from this table by `changes`.
    pub(super) fn follow(&mut self, next: &Self, changes: &Changes) {
        for key in &changes.services {
            self.services.share(*key, &next.services);
        }
        for address in &changes.addresses {
            if next.addresses.contains(address) {
                self.addresses.insert(*address);
            } else {
                self.addresses.remove(address);
            }
        }
        for name in &changes.names {
            match next.names.get(name) {
                Some(addresses) => drop(self.names.insert(name.clone(), addresses.clone())),
                None => drop(self.names.remove(name)),
            }
        }
        for problem in &changes.problems {
            let has = next.problems.binary_search(problem).is_ok();
            self.set_problem(problem, has);
        }
    }

    /// Adds or removes a problem; false if it is so already.
    pub(super) fn set_problem(&mut self, problem: &Problem, has: bool) -> bool {
        match (self.problems.binary_search(problem), has) {
            (Err(position), true) => self.problems.insert(position, problem.clone()),
            (Ok(position), false) => drop(self.problems.remove(position)),
            _ => return false,
        }
        true
    }
}

/// The table that readers see and the one before it, which is brought up to date for
/// the next change instead of copying everything, once nobody reads it any more. A
/// reader that takes its time costs one copy and is never waited for.
#[derive(Debug, Default)]
pub(super) struct Copies {
    current: Arc<ServiceTable>,
    /// The former table and what it lacks.
    spare: Option<(Arc<ServiceTable>, Changes)>,
}

impl Copies {
    /// What readers see.
    pub(super) fn current(&self) -> &Arc<ServiceTable> {
        &self.current
    }

    /// Changes it by `work`, which says what it did.
    pub(super) fn update(&mut self, work: impl FnOnce(&mut ServiceTable) -> Changes) -> Changes {
        if let Some(current) = Arc::get_mut(&mut self.current) {
            // Nobody reads it, and nobody can before this is done.
            self.spare = None;
            return work(current);
        }
        let mut next = self.copy();
        let changes = work(&mut next);
        self.spare = Some(if changes.is_empty() {
            (Arc::new(next), Changes::default())
        } else {
            let former = std::mem::replace(&mut self.current, Arc::new(next));
            (former, changes.clone())
        });
        changes
    }

    fn copy(&mut self) -> ServiceTable {
        let reused = self.spare.take().and_then(|(table, lacking)| {
            let mut table = Arc::try_unwrap(table).ok()?;
            table.follow(&self.current, &lacking);
            Some(table)
        });
        reused.unwrap_or_else(|| ServiceTable::clone(&self.current))
    }
}
