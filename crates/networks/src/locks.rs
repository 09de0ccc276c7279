//! One change at a time for each container, as CNI demands.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// A lock for each container that is being changed.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
}

impl Locks {
    /// Waits until nobody else changes the container.
    pub(crate) async fn of(&self, id: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.retain(|_, lock| lock.strong_count() > 0);
            let known = held.get(id).and_then(Weak::upgrade);
            let lock = known.unwrap_or_default();
            held.insert(id.to_owned(), Arc::downgrade(&lock));
            lock
        };
        lock.lock_owned().await
    }

    /// The containers that are being changed.
    pub(crate) fn busy(&self) -> HashSet<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = held.iter().filter(|(_, lock)| {
            let lock = lock.upgrade();
            lock.is_some_and(|lock| lock.try_lock().is_err())
        });
        busy.map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_one_and_any_number_for_many() {
        let locks = Locks::default();
        let first = locks.of("a").await;
        let _other = locks.of("b").await;
        let mut second = std::pin::pin!(locks.of("a"));
        tokio::select! {
            biased;
            _ = &mut second => panic!("locked twice"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(locks.busy(), ["a", "b"].map(ToOwned::to_owned).into());
        drop(first);
        drop(second.await);
        assert_eq!(locks.busy(), ["b".to_owned()].into());
        assert_eq!(locks.held.lock().unwrap().len(), 2);
        drop(locks.of("c").await);
        assert!(!locks.held.lock().unwrap().contains_key("a"));
    }
}
