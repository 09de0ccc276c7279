//! Which ranges of the slot array are free.
//!
//! A range that services have left is *retired*, not free: a program may still be
//! reading it. It becomes free once the caller has waited for those programs, which
//! takes milliseconds and is put off until room is needed. A minimum age instead was
//! refused: no age is safe, since programs can be preempted for any time, and a table
//! that changes quickly fills the array before it has passed.

use std::collections::{BTreeMap, BTreeSet};

/// A range of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// The free ranges of an array.
#[derive(Debug)]
pub(crate) struct Slices {
    by_first: BTreeMap<u32, u32>,
    by_count: BTreeSet<(u32, u32)>,
    retired: Vec<Range>,
}

impl Slices {
    /// An array of `capacity` slots of which `used` ranges are taken. Ranges that
    /// overlap or leave the array count for their part inside.
    pub(crate) fn new(capacity: u32, mut used: Vec<Range>) -> Self {
        let mut slices = Self {
            by_first: BTreeMap::new(),
            by_count: BTreeSet::new(),
            retired: Vec::new(),
        };
        used.sort_unstable();
        let mut next = 0;
        for range in used {
            if range.first > next {
                slices.free(Range {
                    first: next,
                    count: range.first.min(capacity) - next,
                });
            }
            next = next
                .max(range.first.saturating_add(range.count))
                .min(capacity);
        }
        slices.free(Range {
            first: next,
            count: capacity - next,
        });
        slices
    }

    /// The smallest free range that holds `count` slots, cut to that size.
    pub(crate) fn allocate(&mut self, count: u32) -> Option<Range> {
        if count == 0 {
            return Some(Range { first: 0, count: 0 });
        }
        let &(found, first) = self.by_count.range((count, 0)..).next()?;
        self.take(Range {
            first,
            count: found,
        });
        self.free(Range {
            first: first + count,
            count: found - count,
        });
        Some(Range { first, count })
    }

    /// Gives back a range that no program has ever been shown.
    pub(crate) fn free(&mut self, range: Range) {
        let mut merged = range;
        if range.count == 0 {
            return;
        }
        if let Some((&first, &count)) = self.by_first.range(..range.first).next_back()
            && first + count == range.first
        {
            self.take(Range { first, count });
            merged = Range {
                first,
                count: count + merged.count,
            };
        }
        if let Some(&count) = self.by_first.get(&(range.first + range.count)) {
            self.take(Range {
                first: range.first + range.count,
                count,
            });
            merged.count += count;
        }
        self.by_first.insert(merged.first, merged.count);
        self.by_count.insert((merged.count, merged.first));
    }

    /// Gives back a range that programs may still be reading.
    pub(crate) fn retire(&mut self, range: Range) {
        if range.count > 0 {
            self.retired.push(range);
        }
    }

    /// Whether anything is retired.
    pub(crate) fn any_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Frees what is retired; its readers must have been waited for.
    pub(crate) fn reclaim(&mut self) {
        for range in std::mem::take(&mut self.retired) {
            self.free(range);
        }
    }

    fn take(&mut self, range: Range) {
        self.by_first.remove(&range.first);
        self.by_count.remove(&(range.count, range.first));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn free_slots(slices: &Slices) -> u32 {
        slices.by_first.values().sum()
    }

    #[test]
    fn the_best_fit_is_taken_and_neighbours_merge() {
        let used = vec![
            Range {
                first: 10,
                count: 10,
            },
            Range {
                first: 23,
                count: 7,
            },
        ];
        let mut slices = Slices::new(100, used);
        assert_eq!(
            slices.allocate(3),
            Some(Range {
                first: 20,
                count: 3
            })
        );
        assert_eq!(slices.allocate(71), None);
        assert_eq!(
            slices.allocate(70),
            Some(Range {
                first: 30,
                count: 70
            })
        );
        slices.free(Range {
            first: 10,
            count: 10,
        });
        assert_eq!(
            slices.allocate(20),
            Some(Range {
                first: 0,
                count: 20
            })
        );
        assert_eq!(free_slots(&slices), 0);
    }

    #[test]
    fn retired_ranges_wait_for_their_readers() {
        let mut slices = Slices::new(4, vec![]);
        let all = slices.allocate(4).unwrap();
        slices.retire(all);
        assert_eq!(slices.allocate(1), None);
        slices.reclaim();
        assert_eq!(slices.allocate(4), Some(all));
    }

    #[test]
    fn nonsense_in_the_kernel_is_survived() {
        let overlapping = vec![
            Range { first: 0, count: 5 },
            Range { first: 3, count: 4 },
            Range {
                first: 9,
                count: u32::MAX,
            },
            Range {
                first: 50,
                count: 2,
            },
        ];
        assert_eq!(free_slots(&Slices::new(10, overlapping)), 2);
    }

    proptest! {
        #[test]
        fn nothing_is_given_twice_or_lost(
            steps in prop::collection::vec((1_u32..20, any::<bool>()), 1..200),
        ) {
            let mut slices = Slices::new(200, vec![]);
            let mut held: Vec<Range> = Vec::new();
            for (count, give_back) in steps {
                if give_back && !held.is_empty() {
                    slices.free(held.swap_remove(count as usize % held.len()));
                } else if let Some(range) = slices.allocate(count) {
                    let apart = |other: &Range| range.first >= other.first + other.count
                        || other.first >= range.first + range.count;
                    prop_assert!(range.first + range.count <= 200 && held.iter().all(apart));
                    held.push(range);
                }
                let taken: u32 = held.iter().map(|range| range.count).sum();
                prop_assert_eq!(free_slots(&slices) + taken, 200);
            }
            for range in held {
                slices.free(range);
            }
            prop_assert_eq!(slices.by_first.len(), 1);
        }
    }
}
