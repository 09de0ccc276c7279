//! Who may work on a network: any number of joins and leaves, or one collection.
//!
//! The specification asks for this. A collection that waited as long as it takes would
//! hold up all joins behind it for as long as the slowest plugin hangs, so it waits a
//! moment only and is then put off; networks do not wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::timeout;

/// How long a collection waits, and at most holds up who comes after it, before it
/// has begun.
const PATIENCE: Duration = Duration::from_secs(2);

/// A lock for each network that is being worked on.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    held: Mutex<HashMap<String, Weak<RwLock<()>>>>,
}

/// The right to join or leave.
pub(crate) type Turn = OwnedRwLockReadGuard<()>;
/// The right to collect.
pub(crate) type Alone = OwnedRwLockWriteGuard<()>;

impl Turns {
    /// Waits while the network is being collected.
    pub(crate) async fn turn(&self, network: &str) -> Turn {
        self.lock(network).read_owned().await
    }

    /// Waits a moment until nobody joins or leaves; `None` when somebody goes on.
    pub(crate) async fn alone(&self, network: &str) -> Option<Alone> {
        timeout(PATIENCE, self.lock(network).write_owned())
            .await
            .ok()
    }

    fn lock(&self, network: &str) -> Arc<RwLock<()>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, lock| lock.strong_count() > 0);
        let lock = held
            .get(network)
            .and_then(Weak::upgrade)
            .unwrap_or_default();
        held.insert(network.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_collection_is_alone_on_its_network_and_waits_but_a_moment() {
        let turns = Turns::default();
        let first = turns.turn("a").await;
        let second = turns.turn("a").await;
        assert!(turns.alone("a").await.is_none(), "two are at work");
        drop((first, second));
        let alone = turns.alone("a").await.unwrap();
        let mut later = std::pin::pin!(turns.turn("a"));
        tokio::select! {
            biased;
            _ = &mut later => panic!("joined while it was collected"),
            other = turns.turn("b") => drop(other),
        }
        drop(alone);
        drop(later.await);
        drop(turns.turn("c").await);
        assert!(!turns.held.lock().unwrap().contains_key("a"));
    }
}
