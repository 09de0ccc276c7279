//! Problems, and how many say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use super::{Changes, Problem, ServiceTable};

/// All problems. Two labels may have the same one, which is told once, until both are
/// without it.
#[derive(Debug, Default)]
pub(super) struct Problems {
    counts: BTreeMap<Problem, usize>,
    touched: BTreeSet<Problem>,
}

impl Problems {
    /// Whether nothing was added or removed lately.
    pub(super) fn is_settled(&self) -> bool {
        self.touched.is_empty()
    }

    /// Adds some.
    pub(super) fn add(&mut self, problems: &[Problem]) {
        for problem in problems {
            *self.counts.entry(problem.clone()).or_default() += 1;
            self.touched.insert(problem.clone());
        }
    }

    /// Removes some that were added.
    pub(super) fn remove(&mut self, problems: &[Problem]) {
        for problem in problems {
            if let Some(count) = self.counts.get_mut(problem) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(problem);
                }
            }
            self.touched.insert(problem.clone());
        }
    }

    /// Makes a table's problems the ones that are here.
    pub(super) fn settle(&mut self, table: &mut ServiceTable, changes: &mut Changes) {
        for problem in mem::take(&mut self.touched) {
            if table.set_problem(&problem, self.counts.contains_key(&problem)) {
                changes.problems.insert(problem);
            }
        }
    }
}
