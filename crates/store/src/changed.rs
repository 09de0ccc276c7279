//! Which records changed lately, for those who follow single changes.
//!
//! A reader of the mirror sees the latest state and not each one on the way there. To
//! find what is different, it would have to hold the former state, which makes the
//! mirror copy everything, and compare all records. So the mirror notes beside its
//! states what changed, for a while: whoever falls too far behind looks at everything,
//! which is no slower than so many changes one by one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{AppId, NodeId, TaskId};

/// Changes that are remembered.
const REMEMBERED: usize = 8_192;

/// A record that was written or deleted, by what it is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Changed {
    /// An app.
    App(AppId),
    /// A task.
    Task(TaskId),
    /// A task's status.
    Status(TaskId),
    /// A node.
    Node(NodeId),
    /// A VIP, by its record's name.
    Vip(String),
    /// A deployment, by its id.
    Deployment(String),
    /// What the leader knows of an app's launches.
    Launch(AppId),
    /// A wish to end a task.
    Kill(TaskId),
    /// An external, by its node and container.
    External(NodeId, String),
    /// A virtual network, by its name.
    Network(String),
    /// A node's block of a virtual network.
    Block(String, NodeId),
}

/// The changes of late; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    /// In the order of their revisions.
    changes: VecDeque<(u64, Changed)>,
    /// All that changed after this revision is there.
    after: u64,
}

impl Log {
    /// Notes a change, which is not before any other.
    pub(crate) fn note(&self, revision: u64, changed: Changed) {
        let mut entries = self.lock();
        entries.changes.push_back((revision, changed));
        if entries.changes.len() > REMEMBERED
            && let Some((forgotten, _)) = entries.changes.pop_front()
        {
            entries.after = forgotten;
        }
    }

    /// Nothing is known of what led to `revision`.
    pub(crate) fn restart(&self, revision: u64) {
        let mut entries = self.lock();
        entries.changes.clear();
        entries.after = revision;
    }

    /// What changed after `since` and up to `until`, which may say a record twice;
    /// `None` if that is not known.
    pub(crate) fn between(&self, since: u64, until: u64) -> Option<Vec<Changed>> {
        let entries = self.lock();
        if since < entries.after || until < since {
            return None;
        }
        let first = entries.changes.partition_point(|(at, _)| *at <= since);
        let found = entries.changes.range(first..);
        let found = found.take_while(|(at, _)| *at <= until);
        Some(found.map(|(_, changed)| changed.clone()).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(number: u64) -> Changed {
        Changed::Kill(format!("t{number}").parse().unwrap())
    }

    #[test]
    fn what_lies_between_two_revisions_is_told() {
        let log = Log::default();
        log.restart(3);
        for revision in [4, 5, 5, 9] {
            log.note(revision, kill(revision));
        }
        assert_eq!(log.between(3, 4), Some(vec![kill(4)]));
        assert_eq!(log.between(4, 8), Some(vec![kill(5), kill(5)]));
        assert_eq!(log.between(5, 9), Some(vec![kill(9)]));
        assert_eq!(log.between(9, 9), Some(Vec::new()));
        assert_eq!(log.between(2, 9), None, "before the list");
        assert_eq!(log.between(9, 5), None, "another store");
        log.restart(12);
        assert_eq!(log.between(9, 12), None);
    }

    #[test]
    fn what_is_forgotten_is_not_taken_for_nothing() {
        let log = Log::default();
        let last = REMEMBERED as u64 + 2;
        for revision in 1..=last {
            log.note(revision, kill(revision));
        }
        assert_eq!(log.between(0, last), None);
        assert_eq!(log.between(1, last), None);
        let known = log.between(2, last).unwrap();
        assert_eq!((known.len(), &known[0]), (REMEMBERED, &kill(3)));
    }
}
