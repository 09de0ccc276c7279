//! A hash table whose copies share what they have in common.
//!
//! Readers look into one table while the next is made from it. Copying 100,000 names
//! for one change would take tens of milliseconds, and locks would have queries wait,
//! so entries are spread over small shards: a change copies those that it falls into.
//! A tree that shares its branches would do the same with more steps for each query.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::key::Key;
use crate::snapshot::Found;

/// Bits of the hash that name the shard: with 100,000 names one has about 100.
const SHARD_BITS: u32 = 10;

/// Names and what they lead to.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    shards: Vec<Arc<Shard>>,
    /// Random, so that nobody can choose names that fall into one shard.
    hasher: RandomState,
}

/// Entries in the order of their hashes.
type Shard = Vec<(u64, Arc<Entry>)>;

#[derive(Debug, Clone)]
struct Entry {
    key: Box<[u8]>,
    found: Arc<Found>,
    /// Names right below this one: while there are any, it exists (RFC 8020).
    below: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            shards: vec![Arc::default(); 1 << SHARD_BITS],
            hasher: RandomState::new(),
        }
    }
}

impl Table {
    /// What a name leads to; `None` if neither it nor a name below exists.
    pub(crate) fn find(&self, key: &[u8]) -> Option<&Found> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shards.get(place(hash))?;
        let (_, entry) = shard.get(position(shard, hash, key).ok()?)?;
        Some(&entry.found)
    }

    /// Makes a name lead to `found`. With `parents`, names that it lies in exist, too.
    pub(crate) fn set(&mut self, key: &Key, found: Found, parents: bool) {
        let was_there = self.find(key.as_bytes()).is_some();
        let empty = found.is_empty();
        if empty && !was_there {
            return;
        }
        self.change(key.as_bytes(), |entry| entry.found = Arc::new(found));
        let is_there = self.find(key.as_bytes()).is_some();
        if parents && was_there != is_there {
            self.tell_parents(key, is_there);
        }
    }

    /// Counts a name that came or went where it lies in, and so on upwards as long as
    /// that makes another name come or go.
    fn tell_parents(&mut self, key: &Key, more: bool) {
        for parent in key.ancestors().skip(1) {
            let was_there = self.find(parent).is_some();
            self.change(parent, |entry| {
                entry.below = if more {
                    entry.below + 1
                } else {
                    entry.below.saturating_sub(1)
                };
            });
            if was_there == self.find(parent).is_some() {
                return;
            }
        }
    }

    /// Changes the entry of a name, made if there is none, removed if nothing is left.
    fn change(&mut self, key: &[u8], work: impl FnOnce(&mut Entry)) {
        let hash = self.hasher.hash_one(key);
        let Some(shard) = self.shards.get_mut(place(hash)) else {
            return;
        };
        let shard = Arc::make_mut(shard);
        let at = position(shard, hash, key).unwrap_or_else(|at| {
            let entry = Entry {
                key: key.into(),
                found: Arc::default(),
                below: 0,
            };
            shard.insert(at, (hash, Arc::new(entry)));
            at
        });
        let Some((_, entry)) = shard.get_mut(at) else {
            return;
        };
        let entry = Arc::make_mut(entry);
        work(entry);
        if entry.below == 0 && entry.found.is_empty() {
            shard.remove(at);
        }
    }

    /// All names, and how many lie right below each.
    #[cfg(test)]
    pub(crate) fn names(&self) -> std::collections::BTreeMap<Vec<u8>, usize> {
        let entries = self.shards.iter().flat_map(|shard| shard.iter());
        entries
            .map(|(_, entry)| (entry.key.to_vec(), entry.below))
            .collect()
    }
}

fn place(hash: u64) -> usize {
    // So few bits always fit.
    usize::try_from(hash >> (u64::BITS - SHARD_BITS)).unwrap_or_default()
}

/// Where a name is in its shard, or would be.
fn position(shard: &Shard, hash: u64, key: &[u8]) -> Result<usize, usize> {
    let first = shard.partition_point(|(it, _)| *it < hash);
    let same = shard.iter().skip(first).take_while(|(it, _)| *it == hash);
    for (offset, (_, entry)) in same.enumerate() {
        if *entry.key == *key {
            return Ok(first + offset);
        }
    }
    Err(first)
}
